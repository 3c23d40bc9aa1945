//! TOML as a tree of byte ranges, and the values in it. Pure.

use std::ops::Range;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::sync::place::Wrong;
use crate::sync::splice::{line_start, next_line};

/// How a table is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// `[a.b]`, its members on the lines below.
    Header,
    /// `{ … }`.
    Inline,
    /// By nothing of its own: `a.b = 1`, or `[a.b]` for its `a`.
    Implied,
}

/// The document; fails where the text is no TOML.
pub fn scan(text: &str) -> Result<Spanned<DeTable<'_>>, Wrong> {
    // A byte order mark is no TOML to the parser; positions must stay those of the file.
    DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or_default().start;
        Wrong::at(text, at, error.message().replace('\n', "; "))
    })
}

pub fn shape(text: &str, span: &Range<usize>) -> Shape {
    match text.as_bytes().get(span.start) {
        Some(b'[') => Shape::Header,
        Some(b'{') => Shape::Inline,
        _ => Shape::Implied,
    }
}

pub fn value(found: &DeValue<'_>) -> Value {
    match found {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
            .map_or_else(|_| Value::String(number.as_str().to_owned()), Value::from),
        DeValue::Float(number) => {
            let parsed = number.as_str().replace('_', "").parse().ok().and_then(Number::from_f64);
            parsed.map_or_else(|| Value::String(number.as_str().to_owned()), Value::Number)
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| value(item.get_ref())).collect()),
        DeValue::Table(members) => Value::Object(table(members)),
    }
}

pub fn table(members: &DeTable<'_>) -> Map<String, Value> {
    members.iter().map(|(key, member)| (key.get_ref().to_string(), value(member.get_ref()))).collect()
}

/// The lines of everything below `table`: of its header, its values and its tables' headers and values.
pub fn lines(text: &str, found: &Spanned<DeValue<'_>>, into: &mut Vec<Range<usize>>) {
    let span = found.span();
    match found.get_ref() {
        DeValue::Table(members) if shape(text, &span) != Shape::Inline => {
            if shape(text, &span) == Shape::Header {
                into.push(whole_lines(text, span));
            }
            for (_, member) in members {
                lines(text, member, into);
            }
        }
        DeValue::Array(items)
            if shape(text, &span) == Shape::Header && text[span.start..].starts_with("[[") =>
        {
            for item in items.iter() {
                lines(text, item, into);
            }
        }
        _ => into.push(whole_lines(text, span)),
    }
}

/// A range widened to whole lines.
pub fn whole_lines(text: &str, span: Range<usize>) -> Range<usize> {
    line_start(text, span.start)..next_line(text, span.end)
}
