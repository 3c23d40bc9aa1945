//! What a secret is called.

use std::fmt;

use crate::fault::{Explain, Kind};

/// In characters.
const LONGEST: usize = 128;

/// The name of a secret: 1..=128 of `[A-Za-z0-9_.-]`, not beginning with `-` or `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Box<str>);

/// Not a name. It does not show the text: somebody may have typed the value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret's name is 1 to {LONGEST} of the characters A-Z a-z 0-9 _ . - and does not begin with - or ."
)]
pub struct BadName;

impl Explain for BadName {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("loom secrets set FORGE_TOKEN".into())
    }
}

impl Name {
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let fits = !text.is_empty() && text.len() <= LONGEST && !text.starts_with(['-', '.']);
        if fits && text.chars().all(known) { Ok(Name(text.into())) } else { Err(BadName) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for (text, fits) in [
            ("FORGE_TOKEN", true),
            ("a.b-c", true),
            ("9", true),
            ("", false),
            ("-x", false),
            ("../x", false),
            ("a b", false),
            ("a/b", false),
            ("ü", false),
        ] {
            assert_eq!(Name::parse(text).is_ok(), fits, "{text}");
        }
        assert!(Name::parse(&"x".repeat(129)).is_err());
    }
}
