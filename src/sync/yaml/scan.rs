//! YAML as a tree of byte ranges. Pure. Anchors, aliases and tags are refused: an edit could change what they mean.

use std::ops::Range;

use serde_json::{Map, Value};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

use crate::sync::place::Wrong;

#[derive(Debug)]
pub struct Node {
    pub span: Range<usize>,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    Scalar(Value),
    Map { flow: bool, members: Vec<(Range<usize>, String, Node)> },
    List { flow: bool, items: Vec<Node> },
}

impl Node {
    pub fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List { items, .. } => Value::Array(items.iter().map(Node::value).collect()),
            Kind::Map { members, .. } => Value::Object(
                members.iter().map(|(_, key, node)| (key.clone(), node.value())).collect::<Map<_, _>>(),
            ),
        }
    }

    pub fn is_flow(&self) -> bool {
        matches!(self.kind, Kind::Map { flow: true, .. } | Kind::List { flow: true, .. })
    }
}

/// Reads `text`; `None` when it holds nothing but blanks and comments.
pub fn scan(text: &str) -> Result<Option<Node>, Wrong> {
    let mut builder = Builder { text, open: Vec::new(), root: None };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let at = error.marker();
            let text = format!("not YAML: {}", error.kind());
            Wrong { line: at.line().max(1), column: at.col() + 1, text }
        })?;
        if matches!(event, Event::DocumentStart(..)) {
            documents += 1;
            if documents > 1 {
                return Err(Wrong::at(text, start(&span), "a second document begins here"));
            }
        }
        builder.event(event, &span)?;
    }
    let root = builder.root;
    Ok(root.filter(|root| !matches!(root.kind, Kind::Scalar(Value::Null))))
}

/// A list or map whose end has not been read.
struct Open {
    start: usize,
    flow: bool,
    is_map: bool,
    members: Vec<(Range<usize>, String, Node)>,
    key: Option<(Range<usize>, String)>,
}

struct Builder<'t> {
    text: &'t str,
    open: Vec<Open>,
    root: Option<Node>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Wrong> {
        let at = start(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(anchor != 0 || tag.is_some(), at)?;
                let value = match style {
                    ScalarStyle::Plain => plain(&text),
                    _ => Value::String(text.to_string()),
                };
                self.add(Node { span: at..end(span).max(at), kind: Kind::Scalar(value) })
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.begin(false, style, anchor != 0 || tag.is_some(), at)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.begin(true, style, anchor != 0 || tag.is_some(), at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(end(span)),
            Event::Alias(_) => self.refuse(true, at),
            _ => Ok(()),
        }
    }

    fn refuse(&self, is_wrong: bool, at: usize) -> Result<(), Wrong> {
        match is_wrong {
            true => Err(Wrong::at(self.text, at, "a file with anchors, aliases or tags is not edited")),
            false => Ok(()),
        }
    }

    fn begin(
        &mut self,
        is_map: bool,
        style: StructureStyle,
        marked: bool,
        start: usize,
    ) -> Result<(), Wrong> {
        self.refuse(marked, start)?;
        let flow = style == StructureStyle::Flow;
        self.open.push(Open { start, flow, is_map, members: Vec::new(), key: None });
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), Wrong> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let last = open.members.last().map_or(open.start, |(_, _, node)| node.span.end);
        let start = match open.is_map {
            true => open.members.first().map_or(open.start, |(key, _, _)| key.start.min(open.start)),
            false => open.start,
        };
        let span = start..if open.flow { end } else { last };
        let kind = match open.is_map {
            true => Kind::Map { flow: open.flow, members: open.members },
            false => Kind::List {
                flow: open.flow,
                items: open.members.into_iter().map(|(_, _, node)| node).collect(),
            },
        };
        self.add(Node { span, kind })
    }

    fn add(&mut self, mut node: Node) -> Result<(), Wrong> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        if !open.is_map {
            open.members.push((node.span.clone(), String::new(), node));
            return Ok(());
        }
        match open.key.take() {
            Some((span, key)) => {
                if matches!(node.kind, Kind::Scalar(Value::Null)) && node.span.is_empty() {
                    // Nothing at all stands behind the colon of its key.
                    let colon = self.text[span.end..].find(':').map_or(span.end, |at| span.end + at + 1);
                    node.span = colon..colon;
                }
                open.members.push((span, key, node));
                Ok(())
            }
            None if self.text[..node.span.start].trim_end_matches(' ').ends_with("\n?")
                || self.text[..node.span.start].trim_end_matches(' ') == "?" =>
            {
                Err(Wrong::at(self.text, node.span.start, "a key that begins with `?` is not edited"))
            }
            None => match (&node.kind, node.value()) {
                (Kind::Scalar(_), Value::String(key)) => {
                    if open.members.iter().any(|(_, other, _)| *other == key) {
                        return Err(Wrong::at(
                            self.text,
                            node.span.start,
                            format!("`{key}` stands here a second time"),
                        ));
                    }
                    open.key = Some((node.span, key));
                    Ok(())
                }
                (Kind::Scalar(_), other) => {
                    open.key = Some((node.span, other.to_string()));
                    Ok(())
                }
                _ => Err(Wrong::at(self.text, node.span.start, "a key must be text")),
            },
        }
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => text.parse::<i64>().map_or_else(|_| Value::String(text.to_owned()), Value::from),
    }
}

fn start(span: &Span) -> usize {
    span.start.byte_offset().unwrap_or_default()
}

fn end(span: &Span) -> usize {
    span.end.byte_offset().unwrap_or_default()
}
