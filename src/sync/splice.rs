//! Changes of a text as replaced byte ranges, and how a text ends and indents its lines. Pure.

use std::ops::Range;

/// A byte range and what stands there instead.
#[derive(Debug)]
pub struct Splice {
    pub range: Range<usize>,
    pub text: String,
}

impl Splice {
    pub fn insert(at: usize, text: impl Into<String>) -> Self {
        Splice { range: at..at, text: text.into() }
    }

    pub fn replace(range: Range<usize>, text: impl Into<String>) -> Self {
        Splice { range, text: text.into() }
    }

    pub fn remove(range: Range<usize>) -> Self {
        Splice { range, text: String::new() }
    }
}

/// `text` with all `splices` in it; they must not overlap.
pub fn apply(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| splice.range.start);
    let mut made = String::with_capacity(text.len() + 256);
    let mut at = 0;
    for splice in splices {
        made.push_str(&text[at..splice.range.start]);
        made.push_str(&splice.text);
        at = splice.range.end;
    }
    made.push_str(&text[at..]);
    made
}

/// How the text ends its lines; by its first one.
pub fn newline(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Where the line with byte `at` begins.
pub fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// Behind the line end of the line with byte `at`, or the end of the text.
pub fn next_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

/// The white space that the line with byte `at` begins with.
pub fn indent(text: &str, at: usize) -> &str {
    let line = text[line_start(text, at)..at].trim_start_matches('\u{feff}');
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Whether nothing but white space stands before `at` on its line.
pub fn begins_line(text: &str, at: usize) -> bool {
    text[line_start(text, at)..at].trim_start_matches('\u{feff}').trim().is_empty()
}
