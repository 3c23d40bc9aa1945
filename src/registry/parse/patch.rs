//! The fields of `common`, of a target, and of a server itself: everything that makes a `SpecPatch`.

use std::time::Duration;

use serde_json::{Map, Number};

use crate::registry::finding::clip;
use crate::registry::mask::{args_have_secret, bare, masked_url, user_info};
use crate::registry::parse::field::{Reader, under};
use crate::registry::parse::server::SERVER_KEYS;
use crate::registry::spec::{Sharing, SpecPatch, Start};
use crate::registry::tree::{Key, Node, Value};

/// The keys that `common` and targets know. `type`, `ssh` and `notes` are accepted and not used yet.
pub const SPEC_KEYS: [&str; 24] = [
    "command",
    "args",
    "builtin",
    "url",
    "description",
    "env",
    "env_pass",
    "headers",
    "instance",
    "cwd",
    "timeout",
    "tool_timeout",
    "startup_timeout",
    "startup_timeout_ms",
    "idle_timeout",
    "max_concurrent",
    "enabled_tools",
    "disabled_tools",
    "always_allow",
    "tools",
    "hint",
    "type",
    "ssh",
    "notes",
];

/// The keys of which a server has exactly one.
pub const STARTS: [&str; 3] = ["command", "builtin", "url"];

const TOOL_KEYS: [&str; 8] =
    ["name", "title", "description", "inputSchema", "outputSchema", "annotations", "icons", "_meta"];

/// More calls in flight than this is a typing mistake.
const MOST_CONCURRENT: i64 = 10_000;

const WEEK_MS: i64 = 7 * 24 * 3600 * 1000;

impl Reader<'_, '_> {
    /// The patch of a `common` or target block.
    pub fn block(&mut self, key: &Key, node: &Node, path: &str) -> SpecPatch {
        let mut patch = SpecPatch::default();
        let entries = self.map(key, node, path);
        let path = under(path, &key.text);
        for (key, node) in entries {
            if self.spec_field(&mut patch, key, node, &path) {
                continue;
            }
            match SERVER_KEYS.contains(&key.text.as_str()) {
                true => self.elsewhere(key, &path, "key", "it stands beside `common`, of the server itself"),
                false => self.known_key(key, &path, "key", &SPEC_KEYS),
            }
        }
        self.contradictions(&patch, entries, &path);
        patch
    }

    /// Takes one field into `patch`; false if it is not a field of a spec.
    pub fn spec_field(&mut self, patch: &mut SpecPatch, key: &Key, node: &Node, path: &str) -> bool {
        if !SPEC_KEYS.contains(&key.text.as_str()) {
            return false;
        }
        if matches!(node.value, Value::Null) && STARTS.contains(&key.text.as_str()) {
            self.report.error(key.place, &under(path, &key.text), format!("`{}` has no value", key.text));
            return true;
        }
        if matches!(node.value, Value::Null) {
            let text = format!("`{}` has no value and counts as absent", key.text);
            self.report.warning(key.place, &under(path, &key.text), text);
            return true;
        }
        match key.text.as_str() {
            "command" | "builtin" | "url" => self.start(patch, key, node, path),
            "args" => patch.args = self.arguments(key, node, path),
            "description" => patch.description = self.text(key, node, path),
            "env" => patch.env = self.variables(key, node, path),
            "headers" => patch.headers = self.headers(key, node, path),
            "instance" => patch.sharing = self.sharing(key, node, path),
            "env_pass" => patch.env_pass = self.passed(key, node, path),
            "cwd" => patch.cwd = self.cwd(key, node, path),
            "timeout" => patch.timeout = self.duration(key, node, path),
            "tool_timeout" => patch.tool_timeout = self.duration(key, node, path),
            "startup_timeout" => patch.startup_timeout = self.duration(key, node, path),
            "startup_timeout_ms" => {
                let millis = self.count(key, node, path, WEEK_MS);
                let time = millis.map(|millis| Duration::from_millis(millis as u64));
                patch.startup_timeout = patch.startup_timeout.or(time);
            }
            "idle_timeout" => patch.idle_timeout = self.duration(key, node, path),
            "max_concurrent" => patch.max_concurrent = self.count(key, node, path, MOST_CONCURRENT),
            "enabled_tools" => patch.enabled_tools = self.texts(key, node, path),
            "disabled_tools" => patch.disabled_tools = self.texts(key, node, path),
            "always_allow" => patch.always_allow = self.texts(key, node, path),
            "tools" => patch.static_tools = self.static_tools(key, node, path),
            "hint" => patch.hint = self.text(key, node, path),
            "type" => self.transport(key, node, path),
            _ => {}
        }
        true
    }

    /// A tool that is both shown and hidden.
    pub fn contradictions(&mut self, patch: &SpecPatch, entries: &[(Key, Node)], path: &str) {
        let (Some(enabled), Some(disabled)) = (&patch.enabled_tools, &patch.disabled_tools) else { return };
        let Some((_, node)) = entries.iter().find(|(key, _)| key.text == "disabled_tools") else { return };
        let Value::List(items) = &node.value else { return };
        for tool in disabled.iter().filter(|tool| enabled.contains(tool)) {
            let place =
                items.iter().find(|item| item.scalar() == Some(tool)).map_or(node.place, |item| item.place);
            let text = format!("`{}` is in `enabled_tools` too; it will not be shown", clip(tool));
            self.report.warning(place, &under(path, "disabled_tools"), text);
        }
    }

    fn start(&mut self, patch: &mut SpecPatch, key: &Key, node: &Node, path: &str) {
        let here = under(path, &key.text);
        let start = match key.text.as_str() {
            "command" => self.template(key, node, path).map(Start::Command),
            "url" => self.url(key, node, path).map(Start::Url),
            _ => self.filled(key, node, path).map(|name| {
                let builtins = self.builtins;
                self.one_of(node.place, &here, "built-in server", &name, builtins);
                Start::Builtin(name)
            }),
        };
        match &patch.start {
            Some(first) => {
                let text = format!("`{}` beside `{}`: a server has one of them", key.text, first.kind());
                self.report.error(key.place, &here, text);
            }
            None => patch.start = start,
        }
    }

    fn url(&mut self, key: &Key, node: &Node, path: &str) -> Option<String> {
        let url = self.template(key, node, path)?;
        let known = ["http://", "https://", "ws://", "wss://", "${"];
        let host = url.split_once("://").map_or("x", |(_, host)| host);
        if !known.iter().any(|start| url.starts_with(start)) || host.is_empty() {
            let text = format!("`{}` is not an http, https, ws or wss URL", clip(&masked_url(&url)));
            self.report.error(node.place, &under(path, &key.text), text);
        } else if user_info(&bare(&url)).is_some() {
            let text = "the URL must not hold a user name or password";
            let hint = "give an `Authorization` in `headers`".to_owned();
            self.report.error_hint(node.place, &under(path, &key.text), text, Some(hint));
        } else {
            self.literal_secret("", &url, node, &under(path, &key.text));
        }
        Some(url)
    }

    fn arguments(&mut self, key: &Key, node: &Node, path: &str) -> Option<Vec<String>> {
        let args = self.scalars(key, node, path)?;
        if args_have_secret(&args) {
            let text = "a secret seems to stand in `args`, which every process can read";
            let hint = "`loom secrets set NAME`, and give it to the server in `env` as `${secret:NAME}`";
            self.report.warning_hint(node.place, &under(path, &key.text), text, hint);
        }
        Some(args)
    }

    fn sharing(&mut self, key: &Key, node: &Node, path: &str) -> Option<Sharing> {
        let word = self.filled(key, node, path)?;
        self.one_of(node.place, &under(path, &key.text), "kind of instance", &word, &Sharing::WORDS);
        Sharing::parse(&word)
    }

    fn cwd(&mut self, key: &Key, node: &Node, path: &str) -> Option<String> {
        let cwd = self.template(key, node, path)?;
        if !cwd.starts_with('/') && !cwd.starts_with("${") {
            let hint = match cwd.strip_prefix('~') {
                Some(rest) => format!("write `${{HOME}}{}`", clip(rest)),
                None => format!("write `${{repo}}/{}`", clip(cwd.trim_start_matches("./"))),
            };
            let text = format!("`cwd` must be an absolute path, not `{}`", clip(&cwd));
            self.report.error_hint(node.place, &under(path, "cwd"), text, Some(hint));
        }
        Some(cwd)
    }

    fn passed(&mut self, key: &Key, node: &Node, path: &str) -> Option<Vec<String>> {
        let names = self.texts(key, node, path)?;
        if let Value::List(items) = &node.value {
            for item in
                items.iter().filter(|item| matches!(&item.value, Value::Text(t) if !t.trim().is_empty()))
            {
                self.variable(item.scalar().unwrap_or_default(), item.place, &under(path, "env_pass"));
            }
        }
        Some(names)
    }

    fn transport(&mut self, key: &Key, node: &Node, path: &str) {
        const KNOWN: [&str; 5] = ["stdio", "http", "streamable-http", "sse", "ws"];
        if let Some(text) = self.text(key, node, path).filter(|text| !KNOWN.contains(&text.as_str())) {
            self.report.unknown(node.place, &under(path, "type"), "transport", &text, &KNOWN);
        }
    }

    fn static_tools(&mut self, key: &Key, node: &Node, path: &str) -> Option<Vec<String>> {
        let here = under(path, &key.text);
        let Value::List(items) = &node.value else {
            let text = format!("`tools` must be a list of maps with `name`, not {}", node.what());
            self.report.error(node.place, &here, text);
            return None;
        };
        let tool = |(index, item)| self.static_tool(item, &format!("{here}[{index}]"));
        Some(items.iter().enumerate().filter_map(tool).collect())
    }

    fn static_tool(&mut self, node: &Node, path: &str) -> Option<String> {
        let Value::Map(entries) = &node.value else {
            self.report.error(
                node.place,
                path,
                format!("a tool must be a map with `name`, not {}", node.what()),
            );
            return None;
        };
        let mut named = false;
        for (key, value) in entries {
            match key.text.as_str() {
                "name" => named = self.filled(key, value, path).is_some() || named,
                "description" | "title" => {
                    self.text(key, value, path);
                }
                "inputSchema" | "outputSchema" => {
                    self.map(key, value, path);
                }
                _ => self.known_key(key, path, "key", &TOOL_KEYS),
            }
        }
        if !entries.iter().any(|(key, _)| key.text == "name") {
            self.report.error(node.place, path, "a tool without `name`");
        }
        let mut tool = json_map(entries);
        if !tool.contains_key("inputSchema") {
            tool.insert("inputSchema".into(), serde_json::json!({ "type": "object" }));
        }
        named.then(|| serde_json::Value::Object(tool).to_string())
    }
}

impl Start {
    fn kind(&self) -> &'static str {
        match self {
            Start::Command(_) => "command",
            Start::Builtin(_) => "builtin",
            Start::Url(_) => "url",
        }
    }
}

fn json_map(entries: &[(Key, Node)]) -> Map<String, serde_json::Value> {
    entries.iter().map(|(key, node)| (key.text.clone(), json(node))).collect()
}

fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(text) => serde_json::Value::Bool(text.eq_ignore_ascii_case("true")),
        Value::Number(text) => json_number(text),
        Value::Text(text) => serde_json::Value::String(text.clone()),
        Value::List(items) => serde_json::Value::Array(items.iter().map(json).collect()),
        Value::Map(entries) => serde_json::Value::Object(json_map(entries)),
    }
}

/// A number of YAML as JSON has it; one that JSON cannot hold stays text.
fn json_number(text: &str) -> serde_json::Value {
    let whole = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from)).ok();
    let number = whole.or_else(|| text.parse().ok().and_then(Number::from_f64));
    number.map_or_else(|| serde_json::Value::String(text.into()), serde_json::Value::Number)
}
