//! The name of a server in the registry. It is a prefix of tool names and a file name, so its grammar is narrow.

use std::fmt;

/// A server name: 1..=32 of `[A-Za-z0-9_-]`, without `__`, and with neither `_` nor `-` at an end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerName(Box<str>);

/// Why a text is no server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    #[error("is empty")]
    Empty,
    #[error("is longer than {} characters", ServerName::LONGEST)]
    TooLong,
    #[error("has `{0}`; only letters, digits, `_` and `-` are allowed")]
    Character(char),
    #[error("has `__`, which separates server and tool")]
    Separator,
    #[error("begins or ends with `_` or `-`")]
    End,
}

impl ServerName {
    /// The longest name, in characters.
    pub const LONGEST: usize = 32;

    pub fn parse(text: &str) -> Result<Self, BadName> {
        if text.is_empty() {
            return Err(BadName::Empty);
        }
        if let Some(bad) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))) {
            return Err(BadName::Character(bad));
        }
        if text.len() > Self::LONGEST {
            return Err(BadName::TooLong);
        }
        if text.starts_with(['_', '-']) || text.ends_with(['_', '-']) {
            return Err(BadName::End);
        }
        if text.contains("__") {
            return Err(BadName::Separator);
        }
        Ok(ServerName(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar() {
        for good in ["a", "A-1_b", "loki", "0", &"x".repeat(32)] {
            assert_eq!(ServerName::parse(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for (bad, why) in [
            ("", BadName::Empty),
            (&*"x".repeat(33), BadName::TooLong),
            ("a b", BadName::Character(' ')),
            ("ü", BadName::Character('ü')),
            ("a/b", BadName::Character('/')),
            ("a__b", BadName::Separator),
            ("_a", BadName::End),
            ("a-", BadName::End),
            ("-", BadName::End),
        ] {
            assert_eq!(ServerName::parse(bad), Err(why), "{bad}");
        }
    }
}
