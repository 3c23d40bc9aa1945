//! What a command says: text is collected here and written at once, so that a reader that went away ends the
//! command quietly. Colours and the taming of foreign text are decided here too. Never writes to standard error.

use std::borrow::Cow;
use std::io::{self, Write};

use nu_ansi_term::{Color, Style};
use serde::Serialize;

use crate::fault::{Fault, Kind, Plain};

/// Where the text of a command goes.
#[derive(Debug, Default)]
pub struct Out {
    text: String,
    /// Somebody may be looking: foreign text is tamed.
    terminal: bool,
    colour: bool,
}

/// How a word is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    Good,
    Bad,
    Warn,
    Dim,
    Bold,
}

impl Out {
    /// For a terminal or not; with colours or not.
    pub fn new(terminal: bool, colour: bool) -> Self {
        Out { text: String::new(), terminal, colour: colour && terminal }
    }

    pub fn line(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref());
        self.text.push('\n');
    }

    /// Text that already has its line ends.
    pub fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// A value as JSON over several lines.
    pub fn json<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.line(serde_json::to_string_pretty(value).expect("values made here have string keys"));
    }

    /// `text` in a colour, where colours are wanted.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let style = match paint {
            Paint::Good => Color::Green.normal(),
            Paint::Bad => Color::Red.normal(),
            Paint::Warn => Color::Yellow.normal(),
            Paint::Dim => Style::new().dimmed(),
            Paint::Bold => Style::new().bold(),
        };
        style.paint(text).to_string()
    }

    /// Text of a server or tool, printed as it is into a file or pipe, without control characters on a terminal.
    pub fn foreign<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.terminal { tame(text) } else { Cow::Borrowed(text) }
    }

    /// What was collected and not yet written.
    #[cfg(test)]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes what was collected to standard output. A reader that went away is no failure.
    pub fn flush(&mut self) -> Result<(), Fault> {
        self.flush_open().map(|_| ())
    }

    /// As `flush`; false when nobody reads any more.
    pub fn flush_open(&mut self) -> Result<bool, Fault> {
        let text = std::mem::take(&mut self.text);
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Plain::new(Kind::Unavailable, format!("cannot write to standard output: {error}")).into())
            }
            written => Ok(written.is_ok()),
        }
    }
}

/// `text` without control characters (but line ends and tabs) and without marks that turn the writing direction.
pub fn tame(text: &str) -> Cow<'_, str> {
    let hostile = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    if text.contains(hostile) {
        Cow::Owned(text.chars().map(|c| if hostile(c) { '\u{fffd}' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// The first line of `text`, tamed, at most `width` characters.
pub fn first_line(text: &str, width: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default().replace('\t', " ");
    let line = tame(&line);
    if line.chars().count() <= width {
        return line.into_owned();
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_reach_a_pipe_and_not_a_terminal() {
        let text = "a\u{1b}[31mb\u{9b}c\u{202e}d\te\n";
        assert_eq!(Out::new(false, false).foreign(text), text);
        assert_eq!(Out::new(true, false).foreign(text), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d\te\n");
    }

    #[test]
    fn colours_need_a_terminal() {
        assert_eq!(Out::new(false, true).paint(Paint::Bad, "x"), "x");
        assert_eq!(Out::new(true, true).paint(Paint::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
    }

    #[test]
    fn a_first_line_is_one_short_line() {
        assert_eq!(first_line("\n one\ntwo", 10), "one");
        assert_eq!(first_line("abcdef", 4), "abc…");
        assert_eq!(first_line("", 4), "");
    }
}
