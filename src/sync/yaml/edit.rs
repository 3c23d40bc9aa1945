//! Setting and removing values of a YAML text in block style. Everything else keeps its bytes. Pure.

use serde_json::Value;

use crate::sync::place::{Place, Step, Wrong, element, wrapped};
use crate::sync::splice::{Splice, apply, line_start, newline, next_line};
use crate::sync::yaml::scan::{Kind, Node, scan};

const MARK: char = '\u{feff}';

/// The value at `place`.
pub fn get(text: &str, place: &Place) -> Result<Option<Value>, Wrong> {
    let root = scan(text.trim_start_matches(MARK))?;
    let mut node = root.as_ref();
    for step in &place.0 {
        node = match node.map(|node| child(text, node, step)).transpose()?.flatten() {
            Some(found) => Some(found),
            None => return Ok(None),
        };
    }
    Ok(node.map(Node::value))
}

/// `text` with `value` at `place`; maps and lists on the way are made.
pub fn set(text: &str, place: &Place, value: &Value) -> Result<String, Wrong> {
    let body = text.trim_start_matches(MARK);
    let mark = &text[..text.len() - body.len()];
    Ok(format!("{mark}{}", set_in(body, place, value)?))
}

/// `text` without the value at `place`, if it is there.
pub fn remove(text: &str, place: &Place) -> Result<String, Wrong> {
    let body = text.trim_start_matches(MARK);
    let mark = &text[..text.len() - body.len()];
    Ok(format!("{mark}{}", remove_in(body, place)?))
}

fn set_in(text: &str, place: &Place, value: &Value) -> Result<String, Wrong> {
    let newline = newline(text);
    let Some(root) = scan(text)? else {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { newline };
        return Ok(format!("{text}{gap}{}", block(&wrapped(&place.0, value.clone()), 0, newline)));
    };
    let mut node = &root;
    let mut column = 0;
    for (at, step) in place.0.iter().enumerate() {
        let inner = || element(step, wrapped(&place.0[at + 1..], value.clone()));
        if matches!(node.kind, Kind::Scalar(Value::Null)) || empty_flow(node) {
            let made = block(&wrapped(&place.0[at..], value.clone()), column + 2, newline);
            return Ok(fill(text, node, &made));
        }
        match child(text, node, step)? {
            Some(found) => {
                column = column_of(text, node);
                node = found;
            }
            None if node.is_flow() => {
                return Err(Wrong::at(
                    text,
                    node.span.start,
                    "this stands on one line; spread it over lines, so that loom can add to it",
                ));
            }
            None => {
                let made = match step {
                    Step::Key(key) => block(
                        &Value::Object([(key.clone(), inner())].into_iter().collect()),
                        column_of(text, node),
                        newline,
                    ),
                    Step::Item { .. } | Step::Text(_) => {
                        block(&Value::Array(vec![inner()]), column_of(text, node), newline)
                    }
                };
                let end = behind(text, node.span.end);
                let gap = if text[..end].ends_with('\n') { "" } else { newline };
                return Ok(apply(text, vec![Splice::insert(end, format!("{gap}{made}"))]));
            }
        }
    }
    if node.value() == *value {
        return Ok(text.to_owned());
    }
    let start = match node.kind {
        Kind::Scalar(_) => node.span.start,
        // From behind the colon: the value may begin on the next line.
        _ => text[..node.span.start].trim_end_matches(['\r', '\n', ' ', '-']).len(),
    };
    let blank = if text[..start].ends_with(' ') { "" } else { " " };
    Ok(apply(text, vec![Splice::replace(start..node.span.end, format!("{blank}{}", flow(value)))]))
}

/// Puts `made` below the key of a value that is nothing yet; what stands behind it on its line stays.
fn fill(text: &str, node: &Node, made: &str) -> String {
    let start = text[..node.span.start].trim_end_matches(' ').len();
    let line = text[node.span.end..].find('\n').map_or(text.len(), |end| node.span.end + end);
    let behind = text[node.span.end..line].trim_end();
    let made = format!("{behind}{}{made}", newline(text));
    apply(text, vec![Splice::replace(start..next_line(text, node.span.end), made)])
}

fn remove_in(text: &str, place: &Place) -> Result<String, Wrong> {
    let Some(root) = scan(text)? else { return Ok(text.to_owned()) };
    let Some((last, before)) = place.0.split_last() else { return Ok(text.to_owned()) };
    let mut node = &root;
    for step in before {
        match child(text, node, step)? {
            Some(found) => node = found,
            None => return Ok(text.to_owned()),
        }
    }
    let Some(gone) = child(text, node, last)? else { return Ok(text.to_owned()) };
    if node.is_flow() {
        return Err(Wrong::at(
            text,
            node.span.start,
            "this stands on one line; spread it over lines, so that loom can edit it",
        ));
    }
    let (from, count, empty) = match &node.kind {
        Kind::Map { members, .. } => {
            let key =
                members.iter().find(|(_, _, value)| value.span == gone.span).map(|(key, _, _)| key.start);
            (key.unwrap_or(gone.span.start), members.len(), "{}")
        }
        Kind::List { items, .. } => (gone.span.start, items.len(), "[]"),
        Kind::Scalar(_) => return Ok(text.to_owned()),
    };
    let lines = line_start(text, from)..behind(text, gone.span.end);
    if count > 1 || before.is_empty() {
        return Ok(apply(text, vec![Splice::remove(lines)]));
    }
    let colon = text[..lines.start].trim_end_matches(['\r', '\n', ' ']).len();
    Ok(apply(text, vec![Splice::insert(colon, format!(" {empty}")), Splice::remove(lines)]))
}

fn child<'n>(text: &str, node: &'n Node, step: &Step) -> Result<Option<&'n Node>, Wrong> {
    match (&node.kind, step) {
        (Kind::Map { members, .. }, Step::Key(key)) => {
            Ok(members.iter().find(|(_, other, _)| other == key).map(|(_, _, node)| node))
        }
        (Kind::List { items, .. }, Step::Item { key, name }) => {
            Ok(items.iter().find(|item| item.value().get(key).and_then(Value::as_str) == Some(name)))
        }
        (Kind::List { items, .. }, Step::Text(wanted)) => {
            Ok(items.iter().find(|item| item.value().as_str() == Some(wanted)))
        }
        (Kind::Scalar(Value::Null), _) => Ok(None),
        (_, Step::Key(_)) => Err(Wrong::at(text, node.span.start, "a map is wanted here")),
        (_, Step::Item { .. } | Step::Text(_)) => {
            Err(Wrong::at(text, node.span.start, "a list is wanted here"))
        }
    }
}

fn empty_flow(node: &Node) -> bool {
    match &node.kind {
        Kind::Map { flow, members } => *flow && members.is_empty(),
        Kind::List { flow, items } => *flow && items.is_empty(),
        Kind::Scalar(_) => false,
    }
}

/// The column that the parts of a block begin in: of a list its dashes.
fn column_of(text: &str, node: &Node) -> usize {
    let first = match &node.kind {
        Kind::Map { members, .. } => members.first().map(|(key, _, _)| key.start),
        Kind::List { items, .. } => items.first().and_then(|item| text[..item.span.start].rfind('-')),
        Kind::Scalar(_) => None,
    };
    first.map_or(0, |at| text[line_start(text, at)..at].chars().count())
}

/// Behind the line that a value ends on.
fn behind(text: &str, end: usize) -> usize {
    if end > 0 && text[..end].ends_with('\n') { end } else { next_line(text, end) }
}

/// A value in block style, every line indented by `column`, with its line ends.
fn block(value: &Value, column: usize, newline: &str) -> String {
    let pad = " ".repeat(column);
    match value {
        Value::Object(map) if !map.is_empty() => map
            .iter()
            .map(|(key, value)| match value {
                Value::Object(inner) if !inner.is_empty() => {
                    format!("{pad}{}:{newline}{}", word(key), block(value, column + 2, newline))
                }
                Value::Array(items) if items.iter().any(Value::is_object) => {
                    format!("{pad}{}:{newline}{}", word(key), block(value, column + 2, newline))
                }
                _ => format!("{pad}{}: {}{newline}", word(key), flow(value)),
            })
            .collect(),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| match item {
                Value::Object(map) if !map.is_empty() => {
                    let inner = block(item, column + 2, newline);
                    format!("{pad}- {}", &inner[column + 2..])
                }
                _ => format!("{pad}- {}{newline}", flow(item)),
            })
            .collect(),
        other => format!("{pad}{}{newline}", flow(other)),
    }
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => word(text),
        Value::Array(items) => {
            let quoted = |item: &Value| if item.is_string() { item.to_string() } else { flow(item) };
            format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let pair = |(key, value): (&String, &Value)| format!("{}: {}", word(key), flow(value));
            format!("{{ {} }}", map.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A text, in quotes unless it is a plain word that nothing mistakes for something else.
fn word(text: &str) -> String {
    let simple = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let special = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if begins && text.chars().all(simple) && !special.contains(&text.to_lowercase().as_str()) {
        return text.to_owned();
    }
    Value::String(text.to_owned()).to_string()
}
