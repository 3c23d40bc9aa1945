//! YAML text as a tree in which every value and every key knows its line and column. Pure.
//!
//! Built from the parser's events rather than through serde, so that a file with five mistakes gets five findings.
//! Owns what is YAML and not registry: duplicate keys, anchors and aliases (bounded), merge keys, tags, nesting.
//! Only `true` and `false` are booleans: `no` and `on` stay text.

use std::collections::{HashMap, HashSet};

use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag, options};

use crate::registry::finding::{Place, Report, clip};

/// The deepest nesting of lists and maps.
pub const DEEPEST: usize = 64;

/// How much text and structure all anchors and aliases of a file may copy, in bytes (about).
const COPIED_BYTES: usize = 8 << 20;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    pub place: Place,
    pub value: Value,
    /// Where the text of a scalar begins in the file, when it stands there letter for letter.
    verbatim: Option<Place>,
}

#[derive(Clone, Debug)]
pub enum Value {
    /// `~`, `null` or nothing at all.
    Null,
    /// `true` or `false`, as written.
    Bool(String),
    /// A number, as written: `1.10` stays `1.10`.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map and where it stands.
#[derive(Clone, Debug)]
pub struct Key {
    pub place: Place,
    pub text: String,
}

/// What a text holds.
#[derive(Debug)]
pub enum Document {
    /// Not YAML; the finding is in the report.
    Broken,
    /// Only comments and blanks.
    Empty,
    Root(Node),
}

impl Node {
    /// The kind of value, for messages.
    pub fn what(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The text of a scalar, as written; `None` for lists, maps and nothing.
    pub fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Bool(text) | Value::Number(text) | Value::Text(text) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The place of the character at byte `offset` of the text of this scalar, as near as it can be told.
    pub fn place_at(&self, offset: usize) -> Place {
        match (&self.value, self.verbatim) {
            (Value::Text(text), Some(start)) => {
                Place { line: start.line, column: start.column + text[..offset].chars().count() }
            }
            _ => self.place,
        }
    }

    /// Size in bytes (about) and depth.
    fn measure(&self) -> (usize, usize) {
        const EACH: usize = size_of::<Node>();
        match &self.value {
            Value::Null => (EACH, 1),
            Value::Bool(text) | Value::Number(text) | Value::Text(text) => (EACH + text.len(), 1),
            Value::List(items) => items.iter().fold((EACH, 1), |(size, depth), item| {
                let (more, below) = item.measure();
                (size + more, depth.max(below + 1))
            }),
            Value::Map(entries) => entries.iter().fold((EACH, 1), |(size, depth), (key, node)| {
                let (more, below) = node.measure();
                (size + more + EACH + key.text.len(), depth.max(below + 1))
            }),
        }
    }
}

/// Reads `text`; everything that is wrong with it as YAML goes to `report`.
pub fn read(text: &str, report: &mut Report) -> Document {
    let options = options! {
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
        emit_unresolved_aliases: true,
    };
    let mut builder =
        Builder { text, report, open: Vec::new(), anchors: HashMap::new(), root: None, copied: 0 };
    let mut documents = 0;
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Err(error) => {
                builder.syntax(&error);
                return Document::Broken;
            }
            Ok((Event::DocumentStart(..), span)) => {
                documents += 1;
                if documents > 1 {
                    let text = "a second document begins here; only one is read";
                    builder.report.error(start_of(&span), "", text);
                    return Document::Broken;
                }
            }
            Ok((event, span)) => builder.event(event, &span),
        }
    }
    match builder.root {
        Some(root) if !matches!(root.value, Value::Null) => Document::Root(root),
        _ => Document::Empty,
    }
}

/// A list or map whose end has not been read.
struct Open {
    place: Place,
    anchor: usize,
    filling: Filling,
}

enum Filling {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, seen: HashMap<String, Place>, key: Pending },
}

/// A node that aliases may stand for.
struct Anchored {
    node: Node,
    /// About.
    bytes: usize,
    depth: usize,
}

/// The key that the next node of a map belongs to.
enum Pending {
    None,
    Key(Key),
    /// The key was refused: its value is dropped.
    Dropped,
}

struct Builder<'t, 'r> {
    text: &'t str,
    report: &'r mut Report,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    root: Option<Node>,
    /// Bytes that anchors and aliases have copied so far.
    copied: usize,
}

impl Builder<'_, '_> {
    fn event(&mut self, event: Event<'_>, span: &Span) {
        let place = start_of(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(&text, style, tag.as_deref(), span);
                self.add(node, anchor);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), place);
                self.open.push(Open { place, anchor, filling: Filling::List(Vec::new()) });
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), place);
                let filling = Filling::Map { entries: Vec::new(), seen: HashMap::new(), key: Pending::None };
                self.open.push(Open { place, anchor, filling });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => {
                let node = self.alias(id, span);
                self.add(node, 0);
            }
            Event::UnresolvedAlias(name) => {
                self.report.error(place, "", format!("alias `*{}` has no anchor above it", clip(&name)));
                self.add(null(place), 0);
            }
            _ => {}
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Node {
        let place = start_of(span);
        self.refuse_tag(tag, place);
        if text.contains('\0') {
            self.report.error(place, "", "a NUL character cannot stand in a registry");
        }
        let forced_text = tag.is_some_and(|tag| tag.core_suffix() == Some("str") || tag.original() == "!");
        let value = match style {
            ScalarStyle::Plain if !forced_text => plain(text),
            _ => Value::Text(text.into()),
        };
        Node { place, value, verbatim: self.verbatim(text, span) }
    }

    /// Where `text` begins, if the file has it letter for letter on one line.
    fn verbatim(&self, text: &str, span: &Span) -> Option<Place> {
        let place = start_of(span);
        let source = span.slice(self.text)?;
        if source == text {
            return Some(place).filter(|_| !text.contains('\n'));
        }
        let inner = source.get(1..source.len().saturating_sub(1))?;
        (inner == text && !text.contains('\n')).then_some(Place { column: place.column + 1, ..place })
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, place: Place) {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema() && tag.original() != "!") {
            self.report.error(place, "", format!("the tag `{}` has no meaning here", clip(&tag.original())));
        }
    }

    fn alias(&mut self, id: usize, span: &Span) -> Node {
        let place = start_of(span);
        let Some(anchored) = self.anchors.get(&id) else {
            self.report.error(place, "", "an alias cannot stand inside its own anchor");
            return null(place);
        };
        self.copied = self.copied.saturating_add(anchored.bytes);
        if self.copied > COPIED_BYTES || self.open.len() + anchored.depth > DEEPEST {
            self.report.error(place, "", "the aliases of this file unfold to far too much");
            return null(place);
        }
        Node { place, ..anchored.node.clone() }
    }

    /// Keeps a copy of an anchored node for its aliases.
    fn keep(&mut self, node: &Node, anchor: usize) {
        let (bytes, depth) = node.measure();
        self.copied = self.copied.saturating_add(bytes);
        // Beyond the limit only the size is kept: every alias of it is refused anyway.
        let node = if self.copied > COPIED_BYTES { null(node.place) } else { node.clone() };
        self.anchors.insert(anchor, Anchored { node, bytes, depth });
    }

    fn close(&mut self) {
        let open = self.open.pop().expect("an end event follows its start event");
        let value = match open.filling {
            Filling::List(items) => Value::List(items),
            Filling::Map { entries, .. } => Value::Map(self.merged(entries)),
        };
        self.add(Node { place: open.place, value, verbatim: None }, open.anchor);
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.keep(&node, anchor);
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.filling {
            Filling::List(items) => items.push(node),
            Filling::Map { entries, seen, key } => match std::mem::replace(key, Pending::None) {
                Pending::Key(key) => {
                    let place = if matches!(node.value, Value::Null) { key.place } else { node.place };
                    entries.push((key, Node { place, ..node }));
                }
                Pending::Dropped => {}
                Pending::None => *key = pending(node, seen, self.report),
            },
        }
    }

    /// Replaces `<<: *base` by the entries of `base` that the map does not have itself.
    fn merged(&mut self, entries: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
        let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| key.text == "<<");
        if merges.is_empty() {
            return own;
        }
        let mut taken: HashSet<String> = own.iter().map(|(key, _)| key.text.clone()).collect();
        for (key, node) in merges {
            let bases = match node.value {
                Value::List(items) => items,
                value => vec![Node { value, ..node }],
            };
            for base in bases {
                let Value::Map(entries) = base.value else {
                    self.report.error(key.place, "", "`<<` takes an alias of a map");
                    continue;
                };
                own.extend(entries.into_iter().filter(|(key, _)| taken.insert(key.text.clone())));
            }
        }
        own
    }

    fn syntax(&mut self, error: &ScanError) {
        let at = error.marker();
        let place = Place { line: at.line().max(1), column: at.col() + 1 };
        let line = self.text.lines().nth(place.line - 1).unwrap_or("");
        let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
        let hint = match error.kind() {
            ErrorKind::RecursionLimitExceeded => {
                return self.report.error(place, "", format!("nested more than {DEEPEST} deep"));
            }
            _ if indent.contains('\t') => Some("indent with spaces, not with tabs"),
            ErrorKind::ExpectedBlockSequenceEntry | ErrorKind::ExpectedBlockMappingKey => {
                Some("is this line indented like its neighbours?")
            }
            ErrorKind::MappingValueNotAllowed => Some("text with `: ` in it needs quotes"),
            _ => None,
        };
        self.report.error_hint(place, "", format!("not YAML: {}", error.kind()), hint.map(str::to_owned));
    }
}

/// The key that `node` is, if it can be one.
fn pending(node: Node, seen: &mut HashMap<String, Place>, report: &mut Report) -> Pending {
    let text = match node.value {
        Value::Text(text) | Value::Number(text) | Value::Bool(text) => text,
        Value::Null | Value::List(_) | Value::Map(_) => {
            report.error(node.place, "", format!("a key must be text, not {}", node.what()));
            return Pending::Dropped;
        }
    };
    if let Some(first) = seen.get(&text) {
        let text = format!("`{}` stands here twice, first in line {}", clip(&text), first.line);
        report.error(node.place, "", text);
        return Pending::Dropped;
    }
    seen.insert(text.clone(), node.place);
    Pending::Key(Key { place: node.place, text })
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Value::Bool(text.into()),
        _ if is_number(text) => Value::Number(text.into()),
        _ => Value::Text(text.into()),
    }
}

/// YAML 1.2: decimal integers and floats, `0x…`, `0o…`.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(digits) = unsigned.strip_prefix("0x") {
        return !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit());
    }
    if let Some(digits) = unsigned.strip_prefix("0o") {
        return !digits.is_empty() && digits.chars().all(|c| c.is_digit(8));
    }
    unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'))
        && unsigned.parse::<f64>().is_ok()
}

fn null(place: Place) -> Node {
    Node { place, value: Value::Null, verbatim: None }
}

fn start_of(span: &Span) -> Place {
    Place { line: span.start.line().max(1), column: span.start.col() + 1 }
}
