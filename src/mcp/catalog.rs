//! What a server said it has: its tools, prompts, resources and templates, each as the exact text it sent, and the
//! form in which the lists are kept on disk. Never re-encodes an entry, and decides nothing about who may see it.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::mcp::quote::quote;
use crate::mcp::readable::{self, Unreadable};
use crate::wire::scan::{self, members};

/// The version of the format [`Entry::to_json`] writes.
const FORMAT: u64 = 2;

/// The name of an entry that was left out is told up to here, in characters.
const NAME_MAX: usize = 60;

/// The lists that a server may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Tools, Kind::Prompts, Kind::Resources, Kind::Templates];

    /// The method that asks for it.
    pub fn method(self) -> &'static str {
        match self {
            Kind::Tools => "tools/list",
            Kind::Prompts => "prompts/list",
            Kind::Resources => "resources/list",
            Kind::Templates => "resources/templates/list",
        }
    }

    /// The member of the answer that holds it.
    pub fn member(self) -> &'static str {
        match self {
            Kind::Tools => "tools",
            Kind::Prompts => "prompts",
            Kind::Resources => "resources",
            Kind::Templates => "resourceTemplates",
        }
    }

    /// The capability of a server that has it.
    pub fn capability(self) -> &'static str {
        match self {
            Kind::Tools => "tools",
            Kind::Prompts => "prompts",
            Kind::Resources | Kind::Templates => "resources",
        }
    }

    /// The notification that says that it changed.
    pub fn changed(self) -> &'static str {
        match self {
            Kind::Tools => "notifications/tools/list_changed",
            Kind::Prompts => "notifications/prompts/list_changed",
            Kind::Resources | Kind::Templates => "notifications/resources/list_changed",
        }
    }

    /// The member by which an entry is known.
    fn key(self) -> &'static str {
        match self {
            Kind::Tools | Kind::Prompts => "name",
            Kind::Resources => "uri",
            Kind::Templates => "uriTemplate",
        }
    }
}

/// One entry of a list: a tool, a prompt, a resource or a template of resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is known by, as the server has it, unescaped; never empty.
    pub name: Box<str>,
    /// The entry's JSON as the server sent it (line breaks between tokens became spaces).
    pub text: Box<str>,
    /// Where the JSON string of `name`, quotes included, is in `text`.
    name_value: Range<usize>,
}

/// A text that is no entry.
#[derive(Debug, thiserror::Error)]
pub enum BadItem {
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("not an object with one `{0}`")]
    NotObject(&'static str),
    #[error("an empty `{0}`")]
    NoName(&'static str),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl Item {
    /// Reads an entry that a server lists: one that clients cannot read is an error.
    pub fn listed(kind: Kind, text: &str) -> Result<Item, BadItem> {
        let item = Item::parse(kind, text)?;
        readable::check(kind, &item.text)?;
        Ok(item)
    }

    /// Reads an entry that was checked before, such as a static tool of the registry.
    pub fn parse(kind: Kind, text: &str) -> Result<Item, BadItem> {
        let text: Box<str> = match memchr::memchr2(b'\n', b'\r', text.trim().as_bytes()) {
            Some(_) => text.trim().replace(['\n', '\r'], " ").into(),
            None => text.trim().into(),
        };
        let [Some(name_value)] =
            members(text.as_bytes(), [kind.key()]).map_err(|_| BadItem::NotObject(kind.key()))?
        else {
            return Err(BadItem::NotObject(kind.key()));
        };
        let name: String = serde_json::from_str(&text[name_value.clone()])?;
        if name.is_empty() {
            return Err(BadItem::NoName(kind.key()));
        }
        Ok(Item { name: name.into(), text, name_value })
    }

    /// The name as the JSON string the server wrote, quotes included.
    pub fn name_json(&self) -> &str {
        &self.text[self.name_value.clone()]
    }

    /// Appends the entry's text under another name; every other byte stays. `name` must need no JSON escape.
    pub fn write_named(&self, name: &str, out: &mut String) {
        out.push_str(&self.text[..self.name_value.start]);
        out.push('"');
        out.push_str(name);
        out.push('"');
        out.push_str(&self.text[self.name_value.end..]);
    }
}

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    pub items: Vec<Item>,
    /// What was left out: which entry, and why.
    pub left_out: Vec<String>,
    /// What to ask the next page with. A server may repeat itself for ever: whoever pages must set a limit.
    pub next_cursor: Option<String>,
}

/// An answer that is no list.
#[derive(Debug, thiserror::Error)]
#[error("the answer to {0} is not a list")]
pub struct BadListing(&'static str);

/// Reads the `result` of an answer to `kind.method()`.
pub fn parse_page(kind: Kind, result: &str) -> Result<Page, BadListing> {
    let bad = || BadListing(kind.method());
    let Ok([Some(list), cursor]) = members(result.as_bytes(), [kind.member(), "nextCursor"]) else {
        return Err(bad());
    };
    let list: Vec<&RawValue> = serde_json::from_str(&result[list]).map_err(|_| bad())?;
    let next_cursor: Option<String> = match cursor {
        Some(cursor) => serde_json::from_str(&result[cursor]).map_err(|_| bad())?,
        None => None,
    };
    // Some servers say so that there is nothing more.
    let next_cursor = next_cursor.filter(|cursor| !cursor.is_empty());
    let (mut items, mut left_out) = (Vec::with_capacity(list.len()), Vec::new());
    for (at, raw) in list.iter().enumerate() {
        match Item::listed(kind, raw.get()) {
            Ok(item) => items.push(item),
            Err(why) => left_out.push(format!("{}: {why}", name_of(kind, raw.get(), at))),
        }
    }
    Ok(Page { items, left_out, next_cursor })
}

/// What a person may know an entry by that was left out; `at` is its place on the page, from 0.
fn name_of(kind: Kind, text: &str, at: usize) -> String {
    match scan::find_text(text, &[kind.key()]) {
        Some(name) if !name.is_empty() => quote(&name.chars().take(NAME_MAX).collect::<String>()),
        _ => format!("entry {}", at + 1),
    }
}

/// The last good lists of one server, as kept on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub server: String,
    /// The process key: a stable hash of what the child process depends on.
    pub key: u64,
    /// The client capabilities that were declared to the server when it listed these.
    pub capabilities: String,
    /// Unix seconds.
    pub fetched_at: u64,
    /// What the server answered to `initialize`, as JSON text.
    pub greeting: String,
    /// By [`Kind`]; `None`: never had.
    pub lists: [Option<Vec<Item>>; 4],
}

/// A text that is no catalog entry of this version.
#[derive(Debug, thiserror::Error)]
pub enum BadEntry {
    #[error("not a catalog entry: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a catalog entry of format {0}, not {FORMAT}")]
    Format(u64),
    #[error("the key is not a hexadecimal number")]
    Key,
    #[error("a catalog entry with a broken item: {0}")]
    Item(#[from] BadItem),
}

#[derive(Deserialize)]
struct Stored<'a> {
    loom_catalog: u64,
    server: String,
    key: String,
    capabilities: String,
    fetched_at: u64,
    #[serde(borrow)]
    greeting: &'a RawValue,
    #[serde(borrow)]
    tools: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    prompts: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    resources: Option<Vec<&'a RawValue>>,
    #[serde(borrow, rename = "resourceTemplates")]
    templates: Option<Vec<&'a RawValue>>,
}

impl Entry {
    /// The text to keep; [`Entry::from_json`] reads it back.
    pub fn to_json(&self) -> String {
        let mut text = format!(
            "{{\"loom_catalog\":{FORMAT},\"server\":{},\"key\":\"{:016x}\",\"capabilities\":{},\"fetched_at\":{},\"greeting\":{}",
            quote(&self.server),
            self.key,
            quote(&self.capabilities),
            self.fetched_at,
            self.greeting,
        );
        for (kind, items) in Kind::ALL.into_iter().zip(&self.lists) {
            let Some(items) = items else { continue };
            let texts: Vec<&str> = items.iter().map(|item| &*item.text).collect();
            text.push_str(&format!(",\"{}\":[{}]", kind.member(), texts.join(",")));
        }
        text.push('}');
        text
    }

    /// Reads a kept entry; anything but a whole entry of this format is an error.
    pub fn from_json(text: &str) -> Result<Entry, BadEntry> {
        let stored = match serde_json::from_str::<Stored>(text) {
            Ok(stored) if stored.loom_catalog == FORMAT => stored,
            Ok(other) => return Err(BadEntry::Format(other.loom_catalog)),
            Err(error) => return Err(other_format(text).unwrap_or(BadEntry::Json(error))),
        };
        let given = [stored.tools, stored.prompts, stored.resources, stored.templates];
        let mut lists = [const { None }; 4];
        for ((kind, given), list) in Kind::ALL.into_iter().zip(given).zip(&mut lists) {
            let Some(given) = given else { continue };
            // An older loom kept entries that clients cannot read: the server's next start names them.
            let items = given.iter().filter_map(|raw| match Item::listed(kind, raw.get()) {
                Err(BadItem::Unreadable(_)) => None,
                item => Some(item),
            });
            *list = Some(items.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Entry {
            server: stored.server,
            key: u64::from_str_radix(&stored.key, 16).map_err(|_| BadEntry::Key)?,
            capabilities: stored.capabilities,
            fetched_at: stored.fetched_at,
            greeting: stored.greeting.get().into(),
            lists,
        })
    }
}

/// Why a text that is no entry of this format is none, if it is one of another.
fn other_format(text: &str) -> Option<BadEntry> {
    #[derive(Deserialize)]
    struct Stamp {
        loom_catalog: u64,
    }
    let stamp: Stamp = serde_json::from_str(text).ok()?;
    (stamp.loom_catalog != FORMAT).then_some(BadEntry::Format(stamp.loom_catalog))
}

#[cfg(test)]
mod tests;
