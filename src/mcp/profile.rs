//! Named subsets of the tools, for `loom proxy --tool-profile NAME`. Owns what such a subset admits; reading it
//! from the settings file is not done here.

use crate::settings::file::Profile;

impl Profile {
    /// Whether a tool of `server` (which has `categories`) is in, by its exposed name or the server's own name for it.
    pub fn admits(&self, server: &str, categories: &[String], exposed_name: &str, own_name: &str) -> bool {
        self.servers.iter().any(|named| named == server)
            || self
                .categories
                .iter()
                .any(|named| categories.iter().any(|has| has.eq_ignore_ascii_case(named)))
            || self.tools.iter().any(|pattern| matches(pattern, exposed_name, own_name))
    }
}

/// Whether a pattern names a tool: its exposed or its own name exactly, or as a prefix when the pattern ends in `*`.
pub fn matches(pattern: &str, exposed_name: &str, own_name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => exposed_name.starts_with(prefix) || own_name.starts_with(prefix),
        None => pattern == exposed_name || pattern == own_name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn any_one_list_admits() {
        for (servers, categories, tools, want) in [
            (&[][..], &[][..], &[][..], false),
            (&["loki"], &[], &[], true),
            (&["Loki"], &[], &[], false),
            (&["lok"], &[], &[], false),
            (&[], &["DEV"], &[], true),
            (&[], &["cloud"], &[], false),
            (&[], &[], &["query"], true),
            (&[], &[], &["loki__query"], true),
            (&[], &[], &["loki__*"], true),
            (&[], &[], &["qu*"], true),
            (&[], &[], &["*"], true),
            (&[], &[], &["quer"], false),
            (&["git"], &["cloud"], &["query"], true),
        ] {
            let profile =
                Profile { servers: list(servers), categories: list(categories), tools: list(tools) };
            let got = profile.admits("loki", &list(&["dev", "logs"]), "loki__query", "query");
            assert_eq!(got, want, "{profile:?}");
        }
    }
}
