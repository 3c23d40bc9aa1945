//! JSON with comments and trailing commas as a tree of byte ranges. Pure; keeps nothing but where things stand.

use std::ops::Range;

use serde_json::Value;

use crate::sync::place::Wrong;

/// The deepest nesting.
const DEEPEST: usize = 128;

/// A value and where it stands.
#[derive(Debug)]
pub struct Node {
    pub span: Range<usize>,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    Scalar(Value),
    /// A map (every member with its key) or a list (none with a key).
    Group {
        is_map: bool,
        members: Vec<Member>,
    },
}

/// One member of a map or list.
#[derive(Debug)]
pub struct Member {
    pub key: Option<String>,
    /// From the key, or the value of a list, to the end of the value.
    pub span: Range<usize>,
    pub value: Node,
    /// The comma behind it.
    pub comma: Option<usize>,
}

/// What a text holds beside values.
#[derive(Debug, Default)]
pub struct Extras {
    /// Where the first comment begins.
    pub comment: Option<usize>,
    /// Where the first comma before a closing bracket is.
    pub trailing: Option<usize>,
}

impl Node {
    pub fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::Group { is_map: false, members } => {
                Value::Array(members.iter().map(|member| member.value.value()).collect())
            }
            Kind::Group { is_map: true, members } => Value::Object(
                members
                    .iter()
                    .map(|member| (member.key.clone().unwrap_or_default(), member.value.value()))
                    .collect(),
            ),
        }
    }

    pub fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Scalar(_) => &[],
            Kind::Group { members, .. } => members,
        }
    }
}

/// Reads `text`; `None` when it holds nothing but blanks and comments.
pub fn scan(text: &str) -> Result<(Option<Node>, Extras), Wrong> {
    let mut scanner = Scanner { text, at: 0, depth: 0, extras: Extras::default() };
    if text.starts_with('\u{feff}') {
        scanner.at = '\u{feff}'.len_utf8();
    }
    scanner.blanks()?;
    if scanner.at == text.len() {
        return Ok((None, scanner.extras));
    }
    let node = scanner.node()?;
    scanner.blanks()?;
    match scanner.at == text.len() {
        true => Ok((Some(node), scanner.extras)),
        false => Err(scanner.wrong("the end of the file is wanted here")),
    }
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    extras: Extras,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong(&self, why: &str) -> Wrong {
        Wrong::at(self.text, self.at, why)
    }

    /// Passes over white space and comments.
    fn blanks(&mut self) -> Result<(), Wrong> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                Some(b'/') => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Result<(), Wrong> {
        let rest = &self.text[self.at..];
        let len = if rest.starts_with("//") {
            let line = rest.find('\n').unwrap_or(rest.len());
            rest[..line].trim_end_matches('\r').len()
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|end| end + 2).ok_or_else(|| self.wrong("this comment has no end"))?
        } else {
            return Err(self.wrong("a value or a comment is wanted here"));
        };
        self.extras.comment.get_or_insert(self.at);
        self.at += len;
        Ok(())
    }

    fn node(&mut self) -> Result<Node, Wrong> {
        match self.peek() {
            Some(b'{') => self.group(true),
            Some(b'[') => self.group(false),
            Some(_) => self.scalar(),
            None => Err(self.wrong("the file ends where a value is wanted")),
        }
    }

    fn group(&mut self, is_map: bool) -> Result<Node, Wrong> {
        let start = self.at;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("nested too deep"));
        }
        self.at += 1;
        let close = if is_map { b'}' } else { b']' };
        let mut members: Vec<Member> = Vec::new();
        loop {
            self.blanks()?;
            if self.peek() == Some(close) {
                let last = members.last().and_then(|member| member.comma);
                self.extras.trailing = self.extras.trailing.or(last);
                self.at += 1;
                self.depth -= 1;
                return Ok(Node { span: start..self.at, kind: Kind::Group { is_map, members } });
            }
            if members.last().is_some_and(|member| member.comma.is_none()) {
                let wanted = format!("a comma or `{}` is wanted here", char::from(close));
                return Err(self.wrong(&wanted));
            }
            let mut member = self.member(is_map)?;
            self.blanks()?;
            if self.peek() == Some(b',') {
                member.comma = Some(self.at);
                self.at += 1;
            }
            members.push(member);
        }
    }

    fn member(&mut self, is_map: bool) -> Result<Member, Wrong> {
        let start = self.at;
        let mut key = None;
        if is_map {
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in double quotes is wanted here"));
            }
            let Kind::Scalar(Value::String(text)) = self.scalar()?.kind else {
                return Err(self.wrong("a key is wanted here"));
            };
            key = Some(text);
            self.blanks()?;
            if self.peek() != Some(b':') {
                return Err(self.wrong("a colon is wanted here"));
            }
            self.at += 1;
            self.blanks()?;
        }
        let value = self.node()?;
        Ok(Member { key, span: start..value.span.end, value, comma: None })
    }

    fn scalar(&mut self) -> Result<Node, Wrong> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start;
        if bytes[start] == b'"' {
            end += 1;
            while bytes.get(end).is_some_and(|byte| *byte != b'"' && *byte != b'\n') {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            end = (end + 1).min(bytes.len());
        } else {
            let of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
            end += bytes[start..].iter().take_while(|byte| of_word(byte)).count();
        }
        let word = self.text.get(start..end).unwrap_or_default();
        let value = serde_json::from_str(word).map_err(|_| self.wrong("this is no JSON value"))?;
        self.at = end;
        Ok(Node { span: start..end, kind: Kind::Scalar(value) })
    }
}
