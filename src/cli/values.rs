//! Values of options: numbers, times and such, read with a message that says what was wanted.

use std::time::Duration;

use argh::FromArgValue;

use crate::duration;
use crate::secrets::Source;

/// A page number, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page(pub usize);

impl FromArgValue for Page {
    fn from_arg_value(value: &str) -> Result<Self, String> {
        match value.parse() {
            Ok(page) if page >= 1 => Ok(Page(page)),
            _ => Err("a whole number from 1 is wanted".into()),
        }
    }
}

/// How many of something; 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub usize);

impl FromArgValue for Limit {
    fn from_arg_value(value: &str) -> Result<Self, String> {
        value.parse().map(Limit).map_err(|_| "a whole number from 0 is wanted".into())
    }
}

/// A span of time as a person writes it: `500ms`, `30s`, `5m`, `2h`, or a bare number of seconds. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Duration);

impl FromArgValue for Wait {
    fn from_arg_value(value: &str) -> Result<Self, String> {
        duration::parse(value).map(Wait).map_err(|_| "a time such as 500ms, 30s, 5m or 2h is wanted".into())
    }
}

/// A source of secrets that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend(pub Source);

impl FromArgValue for Backend {
    fn from_arg_value(value: &str) -> Result<Self, String> {
        let source = [Source::Keychain, Source::File].into_iter().find(|source| source.word() == value);
        source.map(Backend).ok_or_else(|| "keychain or file is wanted".into())
    }
}

/// What can be made of the description of all verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    Bash,
    Zsh,
    Fish,
    Man,
}

impl FromArgValue for Paper {
    fn from_arg_value(value: &str) -> Result<Self, String> {
        match value {
            "bash" => Ok(Paper::Bash),
            "zsh" => Ok(Paper::Zsh),
            "fish" => Ok(Paper::Fish),
            "man" => Ok(Paper::Man),
            _ => Err("bash, zsh, fish or man is wanted".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_or_refused() {
        for (text, want) in
            [("500ms", Some(500)), ("30", Some(30_000)), ("2h", Some(7_200_000)), ("0", None), ("5d", None)]
        {
            let got = Wait::from_arg_value(text).ok().map(|wait| wait.0.as_millis());
            assert_eq!(got, want, "{text}");
        }
    }
}
