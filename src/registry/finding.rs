//! One thing wrong in a registry file, with its place, and the list that collects all of them.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::nearest::nearest;
use crate::registry::mask::masked;

/// A position in a text file; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The file cannot be used.
    Error,
    /// The file is used; a person should look.
    Warning,
}

/// One mistake. Shown as `registry.yaml:12:5: error: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
    /// Where in the structure, such as `servers[2].common.args`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, a lower-case fragment.
    pub text: String,
    /// What was probably meant, such as ``did you mean `args`?``.
    pub hint: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        write!(f, "{}:{}:{}: {level}: {}", self.file.display(), self.line, self.column, self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// The findings of one file, in the order they were made.
#[derive(Debug)]
pub struct Report {
    file: PathBuf,
    findings: Vec<Finding>,
    errors: usize,
    unseen: usize,
}

impl Report {
    /// A file with more mistakes than this is not a registry; the rest is only counted.
    const MOST: usize = 200;

    pub fn new(file: &Path) -> Self {
        Report { file: file.into(), findings: Vec::new(), errors: 0, unseen: 0 }
    }

    pub fn error(&mut self, place: Place, path: &str, text: impl Into<String>) {
        self.add(Level::Error, place, path, text.into(), None);
    }

    pub fn error_hint(&mut self, place: Place, path: &str, text: impl Into<String>, hint: Option<String>) {
        self.add(Level::Error, place, path, text.into(), hint);
    }

    pub fn warning(&mut self, place: Place, path: &str, text: impl Into<String>) {
        self.add(Level::Warning, place, path, text.into(), None);
    }

    pub fn warning_hint(&mut self, place: Place, path: &str, text: impl Into<String>, hint: &str) {
        self.add(Level::Warning, place, path, text.into(), Some(hint.into()));
    }

    /// Warns of a word that is not one of `known`, naming the one that was probably meant.
    pub fn unknown(&mut self, place: Place, path: &str, what: &str, word: &str, known: &[&str]) {
        let hint = if self.is_full() { None } else { did_you_mean(word, known) };
        self.add(Level::Warning, place, path, format!("unknown {what} `{}`", clip(word)), hint);
    }

    /// Whether further findings are only counted, so that nobody needs to word them.
    pub fn is_full(&self) -> bool {
        self.findings.len() >= Self::MOST
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// All findings, by place.
    pub fn into_findings(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|finding| (finding.line, finding.column));
        if let Some(last) = self.findings.last().filter(|_| self.unseen > 0).cloned() {
            let text = format!("{} more findings are not shown", self.unseen);
            let level = if self.errors > 0 { Level::Error } else { Level::Warning };
            self.findings.push(Finding { level, path: String::new(), text, hint: None, ..last });
        }
        self.findings
    }

    fn add(&mut self, level: Level, place: Place, path: &str, text: String, hint: Option<String>) {
        if level == Level::Error {
            self.errors += 1;
        }
        if self.is_full() {
            self.unseen += 1;
            return;
        }
        let file = self.file.clone();
        self.findings.push(Finding {
            level,
            file,
            line: place.line,
            column: place.column,
            path: path.into(),
            text,
            hint,
        });
    }
}

/// ``did you mean `x`?`` for the entry of `known` that is close to `word`.
pub fn did_you_mean(word: &str, known: &[&str]) -> Option<String> {
    nearest(word, known.iter().copied()).map(|near| format!("did you mean `{near}`?"))
}

/// `text` short enough for a message, control characters shown as escapes, what looks secret hidden.
pub fn clip(text: &str) -> String {
    const SHOWN: usize = 60;
    let text = masked(text);
    let mut shown: String = text.chars().take(SHOWN).flat_map(shown_char).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn shown_char(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}
