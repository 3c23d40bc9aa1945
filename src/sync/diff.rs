//! What would change in a file, as a unified diff without secrets. Pure.

use similar::TextDiff;

use crate::registry::mask::{is_secret, masked};

/// Longer differences than a screenful have no use for more context.
const CONTEXT: usize = 3;

/// The diff of a file called `name`, `before` and `after`.
pub fn diff(name: &str, before: Option<&str>, after: Option<&str>) -> String {
    let label = |text: Option<&str>| if text.is_some() { name } else { "/dev/null" }.to_owned();
    let (from, to) = (label(before), label(after));
    let (old, new) = (hidden(before.unwrap_or_default()), hidden(after.unwrap_or_default()));
    let diff = TextDiff::from_lines(&old, &new);
    diff.unified_diff().context_radius(CONTEXT).header(&from, &to).to_string()
}

/// A text with what looks secret hidden, line by line; also a value on the line below the option it belongs to.
pub fn hidden(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut is_value = false;
    for line in text.split_inclusive('\n') {
        let word = line.trim().trim_matches([',', '"', '\'', '[', ']', ' ']);
        match is_value && !word.is_empty() {
            true => made.push_str(&line.replace(word, "***")),
            false => made.push_str(&masked(line)),
        }
        is_value = word.starts_with('-') && !word.contains('=') && is_secret(word.trim_start_matches("- "));
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_hides_secrets_in_what_stands_around() {
        let before = "{\n  \"env\": {\"GITHUB_TOKEN\": \"abc\"},\n  \"args\": [\n    \"--api-key\",\n    \"hidden\"\n  ]\n}\n";
        let after = before.replace("{\n  \"env\"", "{\n  \"loom\": 1,\n  \"env\"");
        insta::assert_snapshot!(diff("~/.x.json", Some(before), Some(&after)), @r#"
        --- ~/.x.json
        +++ ~/.x.json
        @@ -1,4 +1,5 @@
         {
        +  "loom": 1,
           "env": {"GITHUB_TOKEN": "***"},
           "args": [
             "--api-key",
        "#);
        assert!(hidden(before).contains("\"***\"\n"), "{}", hidden(before));
    }

    #[test]
    fn a_file_that_is_made_comes_from_nothing() {
        assert!(diff("~/x", None, Some("a\n")).starts_with("--- /dev/null\n+++ ~/x\n"));
    }
}
