//! Secrets that stand in a client's entry in the clear: where they are, never what. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Reader, URLS, scalar};
use crate::registry::mask::{bare, has_secret, masked};
use crate::secret::mask::HIDDEN;
use crate::sync::dialect::{Dialect, Field};

/// The members for a client's own login.
const LOGINS: [&str; 2] = ["oauth", "auth"];

/// Where something in `entry` looks secret, for people: names of variables and headers, its arguments, its URL. Also where
/// loom cannot take the server over.
pub fn plain_secrets(dialect: &Dialect, entry: &Value) -> BTreeSet<String> {
    let Some(members) = entry.as_object() else { return BTreeSet::new() };
    let mut reader = Reader { dialect, asks: Vec::new() };
    let program = members.get("command").and_then(Value::as_object).unwrap_or(members);
    let mut found = BTreeSet::new();
    for key in [dialect.env, "env"] {
        found.extend(reader.secret_names(program.get(key), Field::Env));
    }
    let path = dialect.remote.as_ref().map_or(&["headers"][..], |remote| remote.headers);
    let headers = path.iter().try_fold(members, |map: &Map<String, Value>, key| map.get(*key)?.as_object());
    for map in [headers, members.get("headers").and_then(Value::as_object)].into_iter().flatten() {
        found.extend(reader.secret_names(Some(&Value::Object(map.clone())), Field::Headers));
    }
    if reader.has_secret_words(program) {
        found.insert("its arguments".to_owned());
    }
    for url in URLS.iter().filter_map(|key| members.get(*key)?.as_str()) {
        if reader.text(url, Field::Url).is_ok_and(|url| has_secret("", &url)) {
            found.insert("its URL".to_owned());
        }
    }
    for login in LOGINS.iter().filter_map(|key| members.get(*key)?.as_object()) {
        let is_secret = |name: &str| name.to_ascii_lowercase().ends_with("secret");
        let own = login.iter().filter(|(name, _)| is_secret(name));
        let own: Map<String, Value> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
        found.extend(reader.secret_names(Some(&Value::Object(own)), Field::Headers));
    }
    found
}

impl Reader<'_> {
    /// The names in a map whose values look secret.
    fn secret_names(&mut self, map: Option<&Value>, field: Field) -> Vec<String> {
        let map = map.and_then(Value::as_object);
        let is_secret = |(name, value): &(&String, &Value)| {
            let read = scalar(value).and_then(|value| self.text(&value, field).ok());
            read.is_some_and(|value| has_secret(name, &value))
        };
        map.into_iter().flatten().filter(is_secret).map(|(name, _)| name.clone()).collect()
    }

    /// Whether a secret stands in the command line.
    fn has_secret_words(&mut self, program: &Map<String, Value>) -> bool {
        let mut words = Vec::new();
        for value in ["path", "command", "args"].iter().filter_map(|key| program.get(*key)) {
            match value {
                Value::Array(items) => words.extend(items.iter().filter_map(scalar)),
                other => words.extend(scalar(other)),
            }
        }
        // What refers to something is no secret itself.
        let read = |word: &String| self.text(word, Field::Args).map_or(HIDDEN.to_owned(), |word| bare(&word));
        let line = words.iter().map(read).collect::<Vec<_>>().join(" ");
        masked(&line) != line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::TARGETS;

    #[test]
    fn secrets_are_found_wherever_a_client_has_them() {
        for (client, entry, want) in [
            ("cursor", r#"{"command":"x","envFile":"e","env":{"A_TOKEN":"abc","PORT":"1"}}"#, "A_TOKEN"),
            ("cursor", r#"{"command":"x","args":["--api-key","abc"]}"#, "its arguments"),
            ("cursor", r#"{"command":"x","args":"--token=abc"}"#, "its arguments"),
            ("cursor", r#"{"command":"x","args":["--token","${env:T}"],"env":{"T_TOKEN":"${env:T}"}}"#, ""),
            ("vscode", r#"{"command":"x","args":["--token","${input:k}"]}"#, ""),
            ("gemini", r#"{"command":"x","env":{"A_TOKEN":"$T"}}"#, ""),
            (
                "opencode",
                r#"{"command":["x","--token=abc"],"environment":{"B_KEY":"b"}}"#,
                "B_KEY, its arguments",
            ),
            (
                "zed",
                r#"{"command":{"path":"x","args":["--token","abc"],"env":{"A_KEY":"b"}}}"#,
                "A_KEY, its arguments",
            ),
            (
                "cursor",
                r#"{"url":"ws://me:pw@h/","headers":{"Authorization":"Bearer abc"}}"#,
                "Authorization, its URL",
            ),
            (
                "cursor",
                r#"{"url":"https://h/","auth":{"CLIENT_ID":"a","CLIENT_SECRET":"b"}}"#,
                "CLIENT_SECRET",
            ),
            ("gemini", r#"{"httpUrl":"https://h/","authProviderType":"google_credentials"}"#, ""),
            ("codex", r#"{"url":"https://h/","bearer_token_env_var":"A_TOKEN","oauth":{"x":1}}"#, ""),
            ("codex", r#"{"url":"ws://h/","http_headers":{"X-Api-Key":"abc"}}"#, "X-Api-Key"),
            (
                "continue",
                r#"{"url":"ws://h/","requestOptions":{"headers":{"X-Api-Key":"abc"}}}"#,
                "X-Api-Key",
            ),
            ("cursor", "5", ""),
        ] {
            let target = TARGETS.iter().find(|target| target.name == client).unwrap();
            let found = plain_secrets(&target.dialect, &serde_json::from_str(entry).unwrap());
            assert_eq!(found.into_iter().collect::<Vec<_>>().join(", "), want, "{client} {entry}");
        }
    }
}
