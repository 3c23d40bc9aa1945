//! Setting and removing values of a TOML text. Everything else keeps its bytes. Pure.

use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::sync::place::{Place, Step, Wrong};
use crate::sync::splice::{Splice, apply, line_start, newline, next_line};
use crate::sync::toml::scan::{self, Shape, lines, scan, shape};

const MARK: char = '\u{feff}';

/// The value at `place`.
pub fn get(text: &str, place: &Place) -> Result<Option<Value>, Wrong> {
    let body = text.trim_start_matches(MARK);
    let root = scan(body)?;
    let found = follow(body, &root, keys(place)?)?;
    Ok(match found.left.is_empty() {
        true => found.node.map_or_else(
            || Some(Value::Object(scan::table(root.get_ref()))),
            |node| Some(scan::value(node.get_ref())),
        ),
        false => None,
    })
}

/// `text` with `value` at `place`; tables on the way are made.
pub fn set(text: &str, place: &Place, value: &Value) -> Result<String, Wrong> {
    let body = text.trim_start_matches(MARK);
    let mark = &text[..text.len() - body.len()];
    Ok(format!("{mark}{}", set_in(body, place, value)?))
}

/// `text` without the value at `place`, if it is there.
pub fn remove(text: &str, place: &Place) -> Result<String, Wrong> {
    let body = text.trim_start_matches(MARK);
    let mark = &text[..text.len() - body.len()];
    let root = scan(body)?;
    let found = follow(body, &root, keys(place)?)?;
    let (Some(node), true) = (found.node, found.left.is_empty()) else { return Ok(text.to_owned()) };
    if let Some(inline) = found.inline {
        return Ok(format!("{mark}{}", cut_inline(body, inline, found.key, node)));
    }
    let mut gone = Vec::new();
    lines(body, node, &mut gone);
    let made = apply(body, merged(body, gone).into_iter().map(Splice::remove).collect());
    Ok(format!("{mark}{made}"))
}

/// How far a path leads into a document.
struct Found<'n, 'k> {
    /// What stands there; `None` for the root itself.
    node: Option<&'n Spanned<DeValue<'n>>>,
    /// Its key.
    key: Range<usize>,
    /// The inline table that it is a member of.
    inline: Option<&'n Spanned<DeValue<'n>>>,
    /// The keys that lead further, and are not there.
    left: Vec<&'k str>,
    /// The keys that led here.
    path: Vec<&'k str>,
}

fn keys(place: &Place) -> Result<Vec<&str>, Wrong> {
    let key = |step: &'_ Step| match step {
        Step::Key(_) => Ok(()),
        Step::Item { .. } | Step::Text(_) => {
            Err(Wrong { line: 1, column: 1, text: "lists in TOML are not edited".into() })
        }
    };
    place.0.iter().try_for_each(key)?;
    Ok(place
        .0
        .iter()
        .filter_map(|step| if let Step::Key(key) = step { Some(key.as_str()) } else { None })
        .collect())
}

fn follow<'n, 'k>(
    text: &str,
    root: &'n Spanned<DeTable<'n>>,
    keys: Vec<&'k str>,
) -> Result<Found<'n, 'k>, Wrong> {
    let mut found = Found { node: None, key: 0..0, inline: None, left: Vec::new(), path: Vec::new() };
    let mut table = root.get_ref();
    for (at, name) in keys.iter().enumerate() {
        let Some((key, node)) = table.iter().find(|(key, _)| key.get_ref().as_ref() == *name) else {
            found.left = keys[at..].to_vec();
            return Ok(found);
        };
        found.inline =
            found.node.filter(|outer| shape(text, &outer.span()) == Shape::Inline).or(found.inline);
        found.path.push(name);
        (found.key, found.node) = (key.span(), Some(node));
        match node.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ if at + 1 < keys.len() => {
                return Err(Wrong::at(text, node.span().start, format!("`{name}` must be a table")));
            }
            _ => {}
        }
    }
    Ok(found)
}

fn set_in(text: &str, place: &Place, value: &Value) -> Result<String, Wrong> {
    let root = scan(text)?;
    let found = follow(text, &root, keys(place)?)?;
    let Some(node) = found.node else { return Ok(append(text, &found.left, value)) };
    let (span, kind) = (node.span(), shape(text, &node.span()));
    if found.left.is_empty() {
        return match (scan::value(node.get_ref()) == *value, node.get_ref(), value) {
            (true, _, _) => Ok(text.to_owned()),
            (false, DeValue::Table(_), Value::Object(members)) if kind != Shape::Inline => members
                .iter()
                .try_fold(text.to_owned(), |text, (key, value)| set_in(&text, &place.key(key), value)),
            (false, DeValue::Table(_), _) if kind != Shape::Inline => {
                Err(Wrong::at(text, span.start, "a value is wanted here, not a table"))
            }
            _ => Ok(apply(text, vec![Splice::replace(span, inline(value))])),
        };
    }
    let DeValue::Table(members) = node.get_ref() else {
        return Err(Wrong::at(text, span.start, "a table is wanted here"));
    };
    if kind == Shape::Inline {
        let path = found.left.iter().map(|part| key_text(part)).collect::<Vec<_>>().join(".");
        return Ok(add_inline(text, &span, &format!("{path} = {}", inline(value))));
    }
    if found.left.len() > 1 || value.is_object() {
        let path: Vec<&str> = found.path.iter().chain(&found.left).copied().collect();
        return Ok(append(text, &path, value));
    }
    let label = match kind {
        Shape::Header => key_text(found.left[0]),
        _ => dotted(text, members, &found, &root)?,
    };
    let end = match last_value(text, members) {
        Some(end) => end,
        None => next_line(text, span.end),
    };
    Ok(insert_line(text, end, &format!("{label} = {}", inline(value))))
}

/// The key of a new member of a table that only dotted keys or deeper headers make.
fn dotted(
    text: &str,
    members: &DeTable<'_>,
    found: &Found<'_, '_>,
    root: &Spanned<DeTable<'_>>,
) -> Result<String, Wrong> {
    let first = members.iter().find(|(_, member)| shape(text, &member.span()) != Shape::Header);
    match first {
        // The line of a brother says how many of the keys stand on the line.
        Some((key, _)) => {
            let start = line_start(text, key.span().start);
            let before = text[start..key.span().start].trim_start();
            Ok(format!("{before}{}", key_text(found.left[0])))
        }
        None => {
            let at = root.get_ref().iter().next().map_or(0, |(key, _)| key.span().start);
            let path = found.path.join(".");
            Err(Wrong::at(text, at, format!("`[{path}]` has no line of its own to add to")))
        }
    }
}

/// Behind the line of the last value that stands in a table itself.
fn last_value(text: &str, members: &DeTable<'_>) -> Option<usize> {
    let mut end = None;
    for (_, member) in members {
        let of = match (member.get_ref(), shape(text, &member.span())) {
            (DeValue::Table(_), Shape::Header) => None,
            (DeValue::Table(inner), Shape::Implied) => last_value(text, inner),
            (DeValue::Array(_), _)
                if text[member.span().start..].starts_with("[[") && is_header(text, member) =>
            {
                None
            }
            _ => Some(next_line(text, member.span().end)),
        };
        end = end.max(of);
    }
    end
}

/// Whether `[[` begins a line, and so a table of a list.
fn is_header(text: &str, member: &Spanned<DeValue<'_>>) -> bool {
    let start = member.span().start;
    text[line_start(text, start)..start].trim().is_empty()
}

/// Adds a line at the beginning of the line `at`, or at the end of the text.
fn insert_line(text: &str, at: usize, line: &str) -> String {
    let newline = newline(text);
    let before = if at > 0 && !text[..at].ends_with('\n') { newline } else { "" };
    apply(text, vec![Splice::insert(at, format!("{before}{line}{newline}"))])
}

/// Adds `value` at the end of the text: a table with a header of its own; anything else before the first header.
fn append(text: &str, path: &[&str], value: &Value) -> String {
    let newline = newline(text);
    let (header, members) = match (value, path.split_last()) {
        (Value::Object(members), _) => (path, members.clone()),
        (value, Some((last, outer))) => (outer, Map::from_iter([((*last).to_owned(), value.clone())])),
        (_, None) => return text.to_owned(),
    };
    let body: String = members
        .iter()
        .map(|(key, value)| format!("{} = {}{newline}", key_text(key), inline(value)))
        .collect();
    if header.is_empty() {
        let at = text
            .match_indices('[')
            .map(|(at, _)| at)
            .find(|at| text[line_start(text, *at)..*at].trim().is_empty());
        return insert_line(text, at.map_or(text.len(), |at| line_start(text, at)), body.trim_end());
    }
    let header = header.iter().map(|part| key_text(part)).collect::<Vec<_>>().join(".");
    let gap = match text {
        "" => String::new(),
        _ if text.ends_with(&format!("{newline}{newline}")) => String::new(),
        _ if text.ends_with('\n') => newline.to_owned(),
        _ => newline.repeat(2),
    };
    format!("{text}{gap}[{header}]{newline}{body}")
}

fn add_inline(text: &str, span: &Range<usize>, member: &str) -> String {
    let inside = &text[span.start + 1..span.end - 1];
    let filled = inside.trim_end().len();
    let at = span.start + 1 + filled;
    let made = match (inside.trim().is_empty(), inside.trim_end().ends_with(',')) {
        (true, _) => format!(" {member}{}", if inside.is_empty() { " " } else { "" }),
        (false, true) => format!(" {member}"),
        (false, false) => format!(", {member}"),
    };
    apply(text, vec![Splice::insert(at, made)])
}

fn cut_inline(
    text: &str,
    table: &Spanned<DeValue<'_>>,
    key: Range<usize>,
    node: &Spanned<DeValue<'_>>,
) -> String {
    let (open, close) = (table.span().start + 1, table.span().end - 1);
    let end = node.span().end.max(key.end);
    let rest = text[end..close].trim_start();
    let behind = end + text[end..close].len() - rest.len();
    // Dotted keys: the whole path goes.
    let before = text[open..key.start].rfind(['{', ',']).map_or(open, |at| open + at + 1);
    let start = before + text[before..key.start].len() - text[before..key.start].trim_start().len();
    if rest.starts_with(',') {
        let blanks = text[behind + 1..close].len() - text[behind + 1..close].trim_start_matches(' ').len();
        return apply(text, vec![Splice::remove(start..behind + 1 + blanks)]);
    }
    let comma = text[open..start].trim_end().ends_with(',');
    let from = if comma { open + text[open..start].trim_end().len() - 1 } else { open };
    apply(text, vec![Splice::remove(from..end)])
}

/// Neighbouring ranges as one; a blank line before a range that ends the text or stands before another goes with it.
fn merged(text: &str, mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut made: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match made.last_mut() {
            Some(last) if text[last.end.min(range.start)..range.start].trim().is_empty() => {
                last.end = last.end.max(range.end)
            }
            _ => made.push(range),
        }
    }
    for range in &mut made {
        let blank_behind = text[range.end..].is_empty()
            || text[range.end..].lines().next().is_some_and(|line| line.trim().is_empty());
        if blank_behind && range.start > 0 {
            let above = line_start(text, range.start - 1);
            if text[above..range.start].trim().is_empty() {
                range.start = above;
            }
        }
    }
    made
}

fn key_text(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { key.to_owned() } else { quoted(key) }
}

/// As a TOML basic string, which escapes as JSON does, but for DEL.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string().replace('\u{7f}', "\\u007f")
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let pair = |(key, value): (&String, &Value)| format!("{} = {}", key_text(key), inline(value));
            format!("{{ {} }}", members.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        Value::Null => "\"\"".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
