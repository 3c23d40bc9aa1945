//! Setting and removing values of a JSON text. Everything else keeps its bytes. Pure.

use serde_json::Value;

use crate::sync::json::scan::{Kind, Member, Node, scan};
use crate::sync::place::{Place, Step, Wrong, element, wrapped};
use crate::sync::splice::{Splice, apply, begins_line, indent, line_start, newline};

/// The value at `place`.
pub fn get(text: &str, place: &Place) -> Result<Option<Value>, Wrong> {
    let (root, _) = scan(text)?;
    let mut node = root.as_ref();
    for step in &place.0 {
        node = match node.map(|node| member(text, node, step)).transpose()?.flatten() {
            Some(member) => Some(&member.value),
            None => return Ok(None),
        };
    }
    Ok(node.map(Node::value))
}

/// `text` with `value` at `place`; maps and lists on the way are made.
pub fn set(text: &str, place: &Place, value: &Value) -> Result<String, Wrong> {
    let (root, _) = scan(text)?;
    let Some(root) = root else {
        let newline = newline(text);
        let made = print(&wrapped(&place.0, value.clone()), &Style { unit: "  ", newline }, "");
        let gap = if text.is_empty() || text.ends_with(['\n', '\u{feff}']) { "" } else { newline };
        return Ok(format!("{text}{gap}{made}{newline}"));
    };
    let style = Style { unit: unit(text, &root), newline: newline(text) };
    let mut node = &root;
    for (at, step) in place.0.iter().enumerate() {
        let Some(found) = member(text, node, step)? else {
            let inner = wrapped(&place.0[at + 1..], value.clone());
            return Ok(add(text, node, step, inner, &style));
        };
        node = &found.value;
    }
    if node.value() == *value {
        return Ok(text.to_owned());
    }
    let multiline = text[node.span.clone()].contains('\n') || node.members().is_empty();
    let made = match multiline {
        true => print(value, &style, indent(text, line_of(text, node))),
        false => compact(value),
    };
    Ok(apply(text, vec![Splice::replace(node.span.clone(), made)]))
}

/// `text` without the value at `place`, if it is there.
pub fn remove(text: &str, place: &Place) -> Result<String, Wrong> {
    let (root, _) = scan(text)?;
    let Some(mut node) = root.as_ref() else { return Ok(text.to_owned()) };
    let Some((last, before)) = place.0.split_last() else { return Ok(text.to_owned()) };
    for step in before {
        match member(text, node, step)? {
            Some(found) => node = &found.value,
            None => return Ok(text.to_owned()),
        }
    }
    let Some(gone) = member(text, node, last)? else { return Ok(text.to_owned()) };
    let members = node.members();
    let at = members.iter().position(|member| member.span == gone.span).unwrap_or_default();
    Ok(apply(text, cut(text, node, members, at)))
}

/// The first place on the line that the value's line indentation is taken from.
fn line_of(text: &str, node: &Node) -> usize {
    let start = line_start(text, node.span.start);
    start + text[start..].len() - text[start..].trim_start_matches(['\u{feff}', ' ', '\t']).len()
}

/// The member that `step` names. Two with one key cannot be told apart, and are refused.
fn member<'n>(text: &str, node: &'n Node, step: &Step) -> Result<Option<&'n Member>, Wrong> {
    let wanted = matches!(step, Step::Key(_));
    match &node.kind {
        Kind::Group { is_map, .. } if *is_map == wanted => {}
        Kind::Group { .. } | Kind::Scalar(_) => {
            let what = if wanted { "a map" } else { "a list" };
            return Err(Wrong::at(text, node.span.start, format!("{what} is wanted here")));
        }
    }
    let is_it = |member: &&Member| match step {
        Step::Key(key) => member.key.as_deref() == Some(key),
        Step::Item { key, name } => member
            .value
            .members()
            .iter()
            .any(|inner| inner.key.as_deref() == Some(key) && inner.value.value().as_str() == Some(name)),
        Step::Text(wanted) => member.value.value().as_str() == Some(wanted),
    };
    let mut found = node.members().iter().filter(is_it);
    let first = found.next();
    match (found.next(), step) {
        (Some(second), Step::Key(key)) => {
            Err(Wrong::at(text, second.span.start, format!("`{key}` stands here a second time")))
        }
        _ => Ok(first),
    }
}

/// Adds the part that `step` names to the map or list `node`, behind its last one.
fn add(text: &str, node: &Node, step: &Step, inner: Value, style: &Style<'_>) -> String {
    let inside = &text[node.span.start + 1..node.span.end - 1];
    let close = node.span.end - 1;
    let last = node.members().last();
    if let Some(last) = last.filter(|_| !inside.contains('\n')) {
        let made = label(step) + &compact(&element(step, inner));
        let splice = match last.comma {
            Some(comma) => Splice::insert(comma + 1, format!(" {made},")),
            None => Splice::insert(last.span.end, format!(", {made}")),
        };
        return apply(text, vec![splice]);
    }
    let outer = indent(text, line_of(text, node)).to_owned();
    let own = match last {
        Some(last) if begins_line(text, last.span.start) => indent(text, last.span.start).to_owned(),
        _ => format!("{outer}{}", style.unit),
    };
    let made = label(step) + &print(&element(step, inner), style, &own);
    let mut splices = Vec::new();
    // Behind everything that stands before the bracket, comments included.
    let mut end = node.span.start + 1 + inside.trim_end_matches([' ', '\t', '\r', '\n']).len();
    let mut comma = "";
    if let Some(last) = last {
        match last.comma {
            Some(_) => comma = ",",
            None if last.span.end == end => {}
            None => splices.push(Splice::insert(last.span.end, ",")),
        }
        if last.comma.is_none() && last.span.end == end {
            splices.push(Splice::insert(end, ","));
        }
    }
    let tail =
        if text[end..close].contains('\n') { String::new() } else { format!("{}{outer}", style.newline) };
    if !tail.is_empty() {
        splices.push(Splice::remove(end..close));
        end = close;
    }
    splices.push(Splice::insert(end, format!("{}{own}{made}{comma}{tail}", style.newline)));
    apply(text, splices)
}

/// Takes member `at` out, with its comma and, where it fills them, its lines.
fn cut(text: &str, node: &Node, members: &[Member], at: usize) -> Vec<Splice> {
    let gone = &members[at];
    let open = node.span.start + 1;
    let close = node.span.end - 1;
    if members.len() == 1 {
        let before = text[open..gone.span.start].trim();
        let behind = text[gone.comma.map_or(gone.span.end, |comma| comma + 1)..close].trim();
        if before.is_empty() && behind.is_empty() {
            return vec![Splice::remove(open..close)];
        }
    }
    let mut splices = Vec::new();
    let mut end = gone.span.end;
    match gone.comma {
        // A comment may stand before the comma.
        Some(comma) if text[end..comma].trim().is_empty() => end = comma + 1,
        Some(comma) => splices.push(Splice::remove(comma..comma + 1)),
        None => {}
    }
    if let Some(comma) =
        at.checked_sub(1).and_then(|before| members[before].comma).filter(|_| gone.comma.is_none())
    {
        splices.push(Splice::remove(comma..comma + 1));
    }
    let rest = text[end..close].find('\n').map(|line| &text[end..end + line]);
    let start = gone.span.start;
    let whole = begins_line(text, start) && rest.is_some_and(|rest| rest.trim().is_empty());
    let range = match (whole, rest) {
        (true, Some(rest)) => line_start(text, start)..end + rest.len() + 1,
        _ => {
            let blanks = text[end..close].len() - text[end..close].trim_start_matches([' ', '\t']).len();
            let before = text[open..start].len() - text[open..start].trim_end_matches([' ', '\t']).len();
            match at + 1 < members.len() || begins_line(text, start) {
                true => start..end + blanks,
                false => start - before..end,
            }
        }
    };
    splices.push(Splice::remove(range));
    splices
}

struct Style<'t> {
    unit: &'t str,
    newline: &'static str,
}

/// What one level of the file is indented by.
fn unit<'t>(text: &'t str, root: &Node) -> &'t str {
    let first = root.members().iter().find(|member| begins_line(text, member.span.start));
    match first.map(|member| indent(text, member.span.start)) {
        Some(unit) if !unit.is_empty() => unit,
        _ => "  ",
    }
}

fn label(step: &Step) -> String {
    match step {
        Step::Key(key) => format!("{}: ", compact(&Value::String(key.clone()))),
        Step::Item { .. } | Step::Text(_) => String::new(),
    }
}

fn compact(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(compact).collect::<Vec<_>>().join(", ")),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let pair = |(key, value): (&String, &Value)| {
                format!("{}: {}", compact(&Value::String(key.clone())), compact(value))
            };
            format!("{{ {} }}", map.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// A value over several lines; those after the first begin with `indent`. Lists of scalars stay on one.
fn print(value: &Value, style: &Style<'_>, indent: &str) -> String {
    let inner = format!("{indent}{}", style.unit);
    let lines: Vec<String> = match value {
        Value::Object(map) if !map.is_empty() => map
            .iter()
            .map(|(key, value)| {
                format!("{inner}{}: {}", compact(&Value::String(key.clone())), print(value, style, &inner))
            })
            .collect(),
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().map(|item| format!("{inner}{}", print(item, style, &inner))).collect()
        }
        scalar => return compact(scalar),
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    let newline = style.newline;
    format!("{open}{newline}{}{newline}{indent}{close}", lines.join(&format!(",{newline}")))
}
