//! From the text of a registry to the model, or to the list of everything that is wrong with it. Pure.
//!
//! A mistake never stops the reading: all of them come at once, each with its place. An unknown key is a warning.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::registry::finding::{Finding, Place, Report, clip};
use crate::registry::parse::field::Reader;
use crate::registry::template::is_variable;
use crate::registry::tree::{self, Document, Key, Node, Value};
use crate::registry::{Registry, Server};

pub mod field;
mod patch;
mod permissions;
pub mod server;
#[cfg(test)]
mod tests;

/// A larger file is not a registry.
pub const MAX_BYTES: usize = 4 << 20;

/// What became of a file.
#[derive(Debug)]
pub struct Parsed {
    /// `None` when there is any error among the findings.
    pub registry: Option<Registry>,
    pub findings: Vec<Finding>,
    /// Nothing in it but comments and blanks.
    pub is_blank: bool,
}

const START: Place = Place { line: 1, column: 1 };

const TOP_KEYS: [&str; 8] = [
    "version",
    "updated",
    "notes",
    "env_aliases",
    "servers",
    "routing",
    "sandbox_policy",
    "platform_permissions",
];

/// Variables known under several names. An entry of the file's `env_aliases` replaces the one here.
const BUILTIN_ALIASES: [(&str, &[&str]); 7] = [
    ("GITLAB_PERSONAL_ACCESS_TOKEN", &["GITLAB_PAT", "GITLAB_TOKEN"]),
    ("GRAFANA_API_TOKEN", &["GRAFANA_API_KEY", "GRAFANA_TOKEN"]),
    ("MORPH_QDRANT_API_KEY", &["MORPH_API_KEY", "QDRANT_API_KEY"]),
    ("QDRANT_API_KEY", &["MORPH_API_KEY"]),
    ("GITHUB_TOKEN", &["GITHUB_PERSONAL_ACCESS_TOKEN", "GH_TOKEN"]),
    ("GITHUB_PERSONAL_ACCESS_TOKEN", &["GITHUB_TOKEN", "GH_TOKEN"]),
    ("GH_TOKEN", &["GITHUB_TOKEN", "GITHUB_PERSONAL_ACCESS_TOKEN"]),
];

/// Reads the bytes of a registry file; as `parse`, and what is no text is a finding too.
pub fn parse_bytes(bytes: &[u8], file: &Path, home: &Path, builtins: &[&str]) -> Parsed {
    let mut report = Report::new(file);
    match text_of(bytes, &mut report) {
        Some(text) => parse(text, file, home, builtins),
        None => Parsed { registry: None, findings: report.into_findings(), is_blank: false },
    }
}

/// The text of a file's bytes, if it is text and not far too much of it.
pub fn text_of<'b>(bytes: &'b [u8], report: &mut Report) -> Option<&'b str> {
    if bytes.len() > MAX_BYTES {
        report.error(START, "", format!("the file is larger than {} MiB", MAX_BYTES >> 20));
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            let place = Place {
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
            };
            report.error(place, "", "not UTF-8 text");
            None
        }
    }
}

/// Reads the text of a registry. `file` names it in findings and fixes the root, `home` is the user's home folder,
/// `builtins` are the names that `builtin:` may have.
pub fn parse(text: &str, file: &Path, home: &Path, builtins: &[&str]) -> Parsed {
    let mut report = Report::new(file);
    if text.len() > MAX_BYTES {
        report.error(START, "", format!("the file is larger than {} MiB", MAX_BYTES >> 20));
        return Parsed { registry: None, findings: report.into_findings(), is_blank: false };
    }
    let document = tree::read(text, &mut report);
    let is_blank = matches!(document, Document::Empty);
    let mut registry = Registry {
        servers: Vec::new(),
        aliases: builtin_aliases(),
        permissions: BTreeMap::new(),
        root: root(file, home),
        file: file.into(),
    };
    match document {
        Document::Broken => {}
        Document::Empty => report.warning(START, "", "the file is empty: no servers"),
        Document::Root(node) => top(node, &mut registry, &mut Reader { report: &mut report, builtins }),
    }
    let registry = (!report.has_errors()).then_some(registry);
    Parsed { registry, findings: report.into_findings(), is_blank }
}

/// `X` for `X/mcp/context/registry.yaml`, else `~/workspace`.
fn root(file: &Path, home: &Path) -> PathBuf {
    match file.parent().filter(|dir| dir.ends_with("mcp/context")) {
        Some(dir) => dir.ancestors().nth(2).map_or_else(PathBuf::new, Path::to_path_buf),
        None => home.join("workspace"),
    }
}

fn builtin_aliases() -> BTreeMap<String, Vec<String>> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    BUILTIN_ALIASES.iter().map(|(name, others)| ((*name).to_owned(), owned(others))).collect()
}

fn top(node: Node, registry: &mut Registry, reader: &mut Reader<'_, '_>) {
    let Value::Map(entries) = node.value else {
        reader.report.error(
            node.place,
            "",
            format!("a registry is a map with `servers`, not {}", node.what()),
        );
        return;
    };
    let has_servers = entries.iter().any(|(key, _)| key.text == "servers");
    for (key, node) in &entries {
        match key.text.as_str() {
            "servers" => registry.servers = servers(node, reader),
            "platform_permissions" => registry.permissions = reader.permissions(key, node),
            "env_aliases" => aliases(key, node, reader, &mut registry.aliases),
            "version" if node.scalar() != Some("1") => {
                reader.report.warning(node.place, "version", "this loom knows version 1 only");
            }
            _ => reader.known_key(key, "", "key", &TOP_KEYS),
        }
    }
    if !has_servers {
        reader.report.warning(node.place, "", "there is no `servers` list: no servers");
    }
}

fn servers(node: &Node, reader: &mut Reader<'_, '_>) -> Vec<Server> {
    if matches!(node.value, Value::Null) {
        reader.report.warning(node.place, "servers", "`servers` has no value: no servers");
        return Vec::new();
    }
    let Value::List(items) = &node.value else {
        let text =
            format!("`servers` must be a list, each entry beginning with `- name:`, not {}", node.what());
        reader.report.error(node.place, "servers", text);
        return Vec::new();
    };
    let mut names = Names::default();
    let mut servers = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("servers[{index}]");
        let (name, server) = reader.server(item, &path);
        if let Some((text, name)) = name.and_then(Node::scalar).zip(name) {
            names.take(text, name.place, &path, reader.report);
        }
        servers.extend(server);
    }
    servers
}

/// The servers so far: name and line, by exact name and by lower-case name (the first one of it).
#[derive(Default)]
struct Names {
    exact: HashMap<String, usize>,
    alike: HashMap<String, (String, usize)>,
}

impl Names {
    /// Refuses a name that an earlier server has, and warns of one that differs in case only.
    fn take(&mut self, name: &str, place: Place, path: &str, report: &mut Report) {
        let path = format!("{path}.name");
        if let Some(line) = self.exact.get(name) {
            report.error(place, &path, format!("a server `{}` is in line {line} already", clip(name)));
            return;
        }
        self.exact.insert(name.to_owned(), place.line);
        if let Some((other, line)) = self.alike.get(&name.to_lowercase()) {
            let text = format!("`{}` differs from `{}` in line {line} in case only", clip(name), clip(other));
            report.warning(place, &path, text);
        } else {
            self.alike.insert(name.to_lowercase(), (name.to_owned(), place.line));
        }
    }
}

/// `env_aliases: {NAME: {fallbacks: [OTHER]}}`; a bare list is taken too.
fn aliases(key: &Key, node: &Node, reader: &mut Reader<'_, '_>, into: &mut BTreeMap<String, Vec<String>>) {
    for (name, node) in reader.map(key, node, "") {
        let path = format!("env_aliases.{}", name.text);
        reader.variable(&name.text, name.place, &path);
        let (at, list) = match &node.value {
            Value::Map(entries) => {
                for (key, _) in entries {
                    reader.known_key(key, &path, "key", &["fallbacks"]);
                }
                match entries.iter().find(|(key, _)| key.text == "fallbacks") {
                    Some((key, node)) => (key, node),
                    None => {
                        let text = format!("`{}` has no `fallbacks`", clip(&name.text));
                        reader.report.error(name.place, &path, text);
                        continue;
                    }
                }
            }
            _ => (name, node),
        };
        let others = reader.texts(at, list, &path).unwrap_or_default();
        if let Value::List(items) = &list.value {
            for item in items.iter().filter(|item| item.scalar().is_some()) {
                alias(&name.text, item, &path, reader);
            }
        }
        into.insert(name.text.clone(), others);
    }
}

fn alias(name: &str, item: &Node, path: &str, reader: &mut Reader<'_, '_>) {
    let other = item.scalar().unwrap_or_default();
    if other == name {
        reader.report.error(item.place, path, format!("`{}` is an alias of itself", clip(name)));
    } else if !is_variable(other) {
        reader.variable(other, item.place, path);
    }
}
