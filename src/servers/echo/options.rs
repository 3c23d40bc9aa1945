//! The options of `loom mcp echo`. Parsing only.

use std::path::PathBuf;
use std::time::Duration;

use crate::fault::{Explain, Kind};
use crate::nearest::nearest;

/// What `loom mcp echo --help` prints.
pub const HELP: &str = "\
usage: loom mcp echo [options]

A small MCP server over stdio, for a first try and for tests: echo, sleep, size, fail, pid, cwd.
Calls run side by side: a sleeping one delays no other.

  --name NAME            the name it gives itself (loom-echo)
  --tools N              N further tools that only answer their name
  --page N               list tools in pages of N
  --help                 print this
  --test-tools           add tools that misbehave: die, garbage, half_line, silent, grandchild and more

Misbehaviour of the whole server, for tests:
  --delay-ms N           answer nothing in the first N milliseconds
  --die-after N          exit after N answered calls
  --die-on-call N        exit on every Nth call instead of answering
  --hang                 never answer a call
  --no-init              never answer initialize
  --garbage              write noise before each answer
  --flood-stderr         write to stderr without end
  --stubborn             ignore the end of stdin, TERM, INT and HUP (for ten minutes)
  --version-answer V     answer initialize with protocol version V
  --count-file PATH      where the tool count appends a line for each call
  --cancel-file PATH     where each cancellation that arrives appends a line
";

/// How one process behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub name: Option<String>,
    /// How many inert tools.
    pub tools: usize,
    /// Tools per page of `tools/list`.
    pub page: Option<usize>,
    pub test_tools: bool,
    pub delay: Duration,
    pub die_after: Option<u64>,
    pub die_on_call: Option<u64>,
    pub hang: bool,
    pub no_init: bool,
    pub garbage: bool,
    pub flood_stderr: bool,
    pub stubborn: bool,
    pub version_answer: Option<String>,
    pub count_file: Option<PathBuf>,
    pub cancel_file: Option<PathBuf>,
}

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    Help,
    Serve(Box<Options>),
}

/// A command line that is not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOption {
    #[error("loom mcp echo has no option {0:?}")]
    Unknown(String),
    #[error("{flag} wants {wants}, not {got:?}")]
    Value { flag: String, wants: &'static str, got: String },
    #[error("{0} wants a value")]
    NoValue(String),
    #[error("{0} takes no value")]
    Switch(String),
}

impl Explain for BadOption {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            BadOption::Unknown(flag) => nearest(flag, flags()).map(|known| format!("loom mcp echo {known}")),
            BadOption::Value { .. } | BadOption::NoValue(_) | BadOption::Switch(_) => None,
        }
    }
}

/// Reads `--flag value`, `--flag=value` and switches.
pub fn parse(args: &[String]) -> Result<Asked, BadOption> {
    let mut options = Options::default();
    let mut rest = args.iter();
    while let Some(word) = rest.next() {
        if word == "--help" || word == "-h" {
            return Ok(Asked::Help);
        }
        let (flag, joined) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        if let Some(on) = options.switch(flag) {
            *on = true;
            if joined.is_some() {
                return Err(BadOption::Switch(flag.to_owned()));
            }
            continue;
        }
        if !flags().any(|known| known == flag) {
            return Err(BadOption::Unknown(flag.to_owned()));
        }
        let value =
            joined.or_else(|| rest.next().cloned()).ok_or_else(|| BadOption::NoValue(flag.to_owned()))?;
        options.set(flag, value)?;
    }
    Ok(Asked::Serve(Box::new(options)))
}

impl Options {
    fn switch(&mut self, flag: &str) -> Option<&mut bool> {
        match flag {
            "--test-tools" => Some(&mut self.test_tools),
            "--hang" => Some(&mut self.hang),
            "--no-init" => Some(&mut self.no_init),
            "--garbage" => Some(&mut self.garbage),
            "--flood-stderr" => Some(&mut self.flood_stderr),
            "--stubborn" => Some(&mut self.stubborn),
            _ => None,
        }
    }

    fn set(&mut self, flag: &str, value: String) -> Result<(), BadOption> {
        match flag {
            "--name" => self.name = Some(value),
            "--version-answer" => self.version_answer = Some(value),
            "--count-file" => self.count_file = Some(value.into()),
            "--cancel-file" => self.cancel_file = Some(value.into()),
            "--tools" => self.tools = number(flag, value, 0)? as usize,
            "--page" => self.page = Some(number(flag, value, 1)? as usize),
            "--delay-ms" => self.delay = Duration::from_millis(number(flag, value, 0)?),
            "--die-after" => self.die_after = Some(number(flag, value, 1)?),
            "--die-on-call" => self.die_on_call = Some(number(flag, value, 1)?),
            _ => return Err(BadOption::Unknown(flag.to_owned())),
        }
        Ok(())
    }
}

fn number(flag: &str, value: String, least: u64) -> Result<u64, BadOption> {
    let wants = if least == 0 { "a number" } else { "a number from 1" };
    match value.parse() {
        Ok(number) if number >= least => Ok(number),
        _ => Err(BadOption::Value { flag: flag.to_owned(), wants, got: value }),
    }
}

/// Every option, as the help lists them.
fn flags() -> impl Iterator<Item = &'static str> {
    HELP.lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with("--"))
        .filter_map(|line| line.split(' ').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn both_spellings_of_every_option() {
        let want = Options {
            name: Some("n".into()),
            tools: 3,
            page: Some(2),
            test_tools: true,
            delay: Duration::from_millis(5),
            die_after: Some(6),
            die_on_call: Some(7),
            hang: true,
            no_init: true,
            garbage: true,
            flood_stderr: true,
            stubborn: true,
            version_answer: Some("v".into()),
            count_file: Some("c".into()),
            cancel_file: Some("x".into()),
        };
        let spaced = "--name n --tools 3 --page 2 --test-tools --delay-ms 5 --die-after 6 --die-on-call 7 --hang \
                      --no-init --garbage --flood-stderr --stubborn --version-answer v --count-file c --cancel-file x";
        assert_eq!(parse(&words(spaced)), Ok(Asked::Serve(Box::new(want.clone()))));
        let joined = "--name=n --tools=3 --page=2 --test-tools --delay-ms=5 --die-after=6 --die-on-call=7 --hang \
                      --no-init --garbage --flood-stderr --stubborn --version-answer=v --count-file=c --cancel-file=x";
        assert_eq!(parse(&words(joined)), Ok(Asked::Serve(Box::new(want))));
        assert_eq!(flags().count(), 16);
        assert_eq!(parse(&[]), Ok(Asked::Serve(Box::default())));
        assert_eq!(parse(&words("--hang --help")), Ok(Asked::Help));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, text, hint) in [
            ("--hnag", "loom mcp echo has no option \"--hnag\"", Some("loom mcp echo --hang")),
            ("--helpp", "loom mcp echo has no option \"--helpp\"", Some("loom mcp echo --help")),
            ("more", "loom mcp echo has no option \"more\"", None),
            ("--tools x", "--tools wants a number, not \"x\"", None),
            ("--page 0", "--page wants a number from 1, not \"0\"", None),
            ("--tools", "--tools wants a value", None),
            ("--hang=yes", "--hang takes no value", None),
        ] {
            let error = parse(&words(line)).unwrap_err();
            assert_eq!((error.to_string().as_str(), error.hint().as_deref()), (text, hint), "{line}");
        }
    }
}
