//! What a server said it can do: its tools, each as the exact text it sent, and the form in which a list is kept
//! on disk. Never re-encodes a tool, and decides nothing about who may see it.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::mcp::quote::quote;

/// The version of the format [`Entry::to_json`] writes.
const FORMAT: u64 = 1;

/// One tool of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The server's own name, unescaped; never empty.
    pub name: Box<str>,
    /// The tool object's JSON as the server sent it (line breaks between tokens became spaces).
    pub text: Box<str>,
    /// Where the name's JSON string, quotes included, is in `text`.
    name_value: Range<usize>,
    /// `annotations.readOnlyHint` is true.
    pub read_only: bool,
    /// `annotations.idempotentHint` is true.
    pub idempotent: bool,
}

/// A text that is not a tool definition.
#[derive(Debug, thiserror::Error)]
pub enum BadTool {
    #[error("a tool definition is not an object with a name: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a tool definition is not an object")]
    NotObject,
    #[error("a tool has an empty name")]
    NoName,
}

#[derive(Deserialize)]
struct ToolHead<'a> {
    #[serde(borrow)]
    name: &'a RawValue,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
}

/// Raw, so that a hint of a wrong type is no hint instead of an error.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Hints<'a> {
    #[serde(borrow, rename = "readOnlyHint")]
    read_only: Option<&'a RawValue>,
    #[serde(borrow, rename = "idempotentHint")]
    idempotent: Option<&'a RawValue>,
}

impl Tool {
    /// Reads one tool object: a server's, or a static one of the registry.
    pub fn parse(text: &str) -> Result<Tool, BadTool> {
        let text: Box<str> = match memchr::memchr2(b'\n', b'\r', text.trim().as_bytes()) {
            Some(_) => text.trim().replace(['\n', '\r'], " ").into(),
            None => text.trim().into(),
        };
        if !text.starts_with('{') {
            return Err(BadTool::NotObject);
        }
        let head: ToolHead = serde_json::from_str(&text)?;
        let name: String = serde_json::from_str(head.name.get())?;
        if name.is_empty() {
            return Err(BadTool::NoName);
        }
        let start = head.name.get().as_ptr() as usize - text.as_ptr() as usize;
        let name_value = start..start + head.name.get().len();
        let hints: Hints = head
            .annotations
            .filter(|raw| raw.get().starts_with('{'))
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        let set = |hint: Option<&RawValue>| hint.is_some_and(|raw| raw.get() == "true");
        let (read_only, idempotent) = (set(hints.read_only), set(hints.idempotent));
        Ok(Tool { name: name.into(), text, name_value, read_only, idempotent })
    }

    /// The name as the JSON string the server wrote, quotes included.
    pub fn name_json(&self) -> &str {
        &self.text[self.name_value.clone()]
    }

    /// Appends the tool's text under another name; every other byte stays. `name` must need no JSON escape.
    pub fn write_named(&self, name: &str, out: &mut String) {
        out.push_str(&self.text[..self.name_value.start]);
        out.push('"');
        out.push_str(name);
        out.push('"');
        out.push_str(&self.text[self.name_value.end..]);
    }
}

/// One page of a `tools/list` answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    pub tools: Vec<Tool>,
    /// How many entries were not tools and were left out.
    pub skipped: usize,
    /// What to ask the next page with. A server may repeat itself for ever: whoever pages must set a limit.
    pub next_cursor: Option<String>,
}

/// A `tools/list` result that is no list of tools.
#[derive(Debug, thiserror::Error)]
#[error("the answer to tools/list is not a list of tools: {0}")]
pub struct BadListing(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Listing<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    #[serde(rename = "nextCursor")]
    next_cursor: Option<String>,
}

/// Reads the `result` of a `tools/list` answer.
pub fn parse_page(result: &str) -> Result<Page, BadListing> {
    let listing: Listing = serde_json::from_str(result)?;
    let all = listing.tools.len();
    let tools: Vec<Tool> = listing.tools.iter().filter_map(|raw| Tool::parse(raw.get()).ok()).collect();
    Ok(Page { skipped: all - tools.len(), tools, next_cursor: listing.next_cursor })
}

/// The last good list of one server, as kept on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub server: String,
    /// The process key: a stable hash of what the child process depends on.
    pub key: u64,
    /// The client capabilities that were declared to the server when it listed these tools.
    pub capabilities: String,
    /// Unix seconds.
    pub fetched_at: u64,
    /// The server's `serverInfo`, as JSON text.
    pub server_info: Option<String>,
    pub tools: Vec<Tool>,
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
    #[error("a catalog entry with a broken tool: {0}")]
    Tool(#[from] BadTool),
}

#[derive(Deserialize)]
struct Stored<'a> {
    loom_catalog: u64,
    server: String,
    key: String,
    capabilities: String,
    fetched_at: u64,
    server_info: Option<String>,
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
}

impl Entry {
    /// The text to keep; [`Entry::from_json`] reads it back.
    pub fn to_json(&self) -> String {
        let texts: Vec<&str> = self.tools.iter().map(|tool| &*tool.text).collect();
        let info = self.server_info.as_deref().map_or("null".to_owned(), quote);
        format!(
            "{{\"loom_catalog\":{FORMAT},\"server\":{},\"key\":\"{:016x}\",\"capabilities\":{},\"fetched_at\":{},\"server_info\":{info},\"tools\":[{}]}}",
            quote(&self.server),
            self.key,
            quote(&self.capabilities),
            self.fetched_at,
            texts.join(","),
        )
    }

    /// Reads a kept entry; anything but a whole entry of this format is an error.
    pub fn from_json(text: &str) -> Result<Entry, BadEntry> {
        let stored = match serde_json::from_str::<Stored>(text) {
            Ok(stored) if stored.loom_catalog == FORMAT => stored,
            Ok(other) => return Err(BadEntry::Format(other.loom_catalog)),
            Err(error) => return Err(other_format(text).unwrap_or(BadEntry::Json(error))),
        };
        let tools = stored.tools.iter().map(|raw| Tool::parse(raw.get())).collect::<Result<_, _>>()?;
        Ok(Entry {
            server: stored.server,
            key: u64::from_str_radix(&stored.key, 16).map_err(|_| BadEntry::Key)?,
            capabilities: stored.capabilities,
            fetched_at: stored.fetched_at,
            server_info: stored.server_info,
            tools,
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
