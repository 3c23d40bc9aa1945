//! One entry of `servers`: its own fields, `common`, and the targets.

use std::collections::BTreeMap;

use crate::registry::Server;
use crate::registry::finding::clip;
use crate::registry::name::ServerName;
use crate::registry::parse::field::{Reader, under};
use crate::registry::parse::patch::{SPEC_KEYS, STARTS};
use crate::registry::spec::{Spec, SpecPatch, Start};
use crate::registry::tree::{Key, Node, Value};

/// The keys of a server that are not those of a spec.
pub const SERVER_KEYS: [&str; 7] =
    ["name", "categories", "common", "targets", "disabled", "optional", "priority"];

/// The clients that `targets` may name.
pub const TARGETS: [&str; 15] = [
    "codex",
    "vscode",
    "kilocode",
    "claude",
    "claude_desktop",
    "gemini",
    "antigravity",
    "zed",
    "cursor",
    "windsurf",
    "opencode",
    "copilot",
    "qwen",
    "amp",
    "continue",
];

/// The fields of a server as they are read, before it is known whether they make one.
#[derive(Default)]
struct Draft {
    name: Option<ServerName>,
    categories: Vec<String>,
    disabled: bool,
    optional: bool,
    priority: i64,
    /// Spec fields that stand on the server itself.
    own: SpecPatch,
    common: SpecPatch,
    targets: BTreeMap<String, SpecPatch>,
}

impl Reader<'_, '_> {
    /// The node of the name, if there is one, and the server, if the entry makes one.
    pub fn server<'n>(&mut self, node: &'n Node, path: &str) -> (Option<&'n Node>, Option<Server>) {
        let Value::Map(entries) = &node.value else {
            let text = format!("a server must be a map with `name`, not {}", node.what());
            self.report.error(node.place, path, text);
            return (None, None);
        };
        let mut draft = Draft::default();
        for (key, value) in entries {
            self.server_field(&mut draft, key, value, path);
        }
        self.contradictions(&draft.own, entries, path);
        let name = entries.iter().find(|(key, _)| key.text == "name").map(|(_, node)| node);
        if name.is_none() {
            self.report.error(node.place, path, "a server without `name`");
        }
        let spec = self.base(&draft, entries, node, path);
        (name, spec.and_then(|base| finish(draft, base)))
    }

    fn server_field(&mut self, draft: &mut Draft, key: &Key, node: &Node, path: &str) {
        match key.text.as_str() {
            "name" => draft.name = self.server_name(key, node, path),
            "categories" => {
                let categories = self.texts(key, node, path).unwrap_or_default();
                draft.categories = categories.iter().map(|category| category.to_lowercase()).collect();
            }
            "disabled" => draft.disabled = self.flag(key, node, path).unwrap_or_default(),
            "optional" => draft.optional = self.flag(key, node, path).unwrap_or_default(),
            "priority" => draft.priority = self.integer(key, node, path).unwrap_or_default(),
            "common" => draft.common = self.block(key, node, path),
            "targets" => draft.targets = self.targets(key, node, path),
            target if TARGETS.contains(&target) => {
                self.elsewhere(key, path, "key", "a client stands in `targets`");
            }
            _ => {
                if !self.spec_field(&mut draft.own, key, node, path) {
                    let known: Vec<&str> = SERVER_KEYS.iter().chain(&SPEC_KEYS).copied().collect();
                    self.known_key(key, path, "key", &known);
                }
            }
        }
    }

    fn server_name(&mut self, key: &Key, node: &Node, path: &str) -> Option<ServerName> {
        let text = self.text(key, node, path)?;
        match ServerName::parse(&text) {
            Ok(name) => Some(name),
            Err(error) => {
                let text = format!("the server name `{}` {error}", clip(&text));
                self.report.error(node.place, &under(path, "name"), text);
                None
            }
        }
    }

    fn targets(&mut self, key: &Key, node: &Node, path: &str) -> BTreeMap<String, SpecPatch> {
        let entries = self.map(key, node, path);
        let path = under(path, "targets");
        let mut targets = BTreeMap::new();
        for (name, node) in entries {
            match SPEC_KEYS.contains(&name.text.as_str()) {
                true => {
                    self.elsewhere(name, &path, "target", "it stands in `common`, or in one of the targets");
                    continue;
                }
                false => self.known_key(name, &path, "target", &TARGETS),
            }
            targets.insert(name.text.clone(), self.block(name, node, &path));
        }
        targets
    }

    /// The spec that all targets share: the server's own fields with `common` over them.
    fn base(&mut self, draft: &Draft, entries: &[(Key, Node)], node: &Node, path: &str) -> Option<Spec> {
        let given =
            entries.iter().find(|(key, _)| STARTS.contains(&key.text.as_str())).map(|(key, _)| key.place);
        let kind = |start: &Start| std::mem::discriminant(start);
        match (&draft.own.start, &draft.common.start) {
            (Some(own), Some(common)) if kind(own) != kind(common) => {
                let text = "`command`, `builtin` or `url` here and another one in `common`: a server has one of them";
                self.report.error(given.unwrap_or(node.place), path, text);
                None
            }
            (_, Some(start)) | (Some(start), None) => {
                Some(Spec::new(start.clone()).patched(&draft.own).patched(&draft.common))
            }
            (None, None) => {
                if given.is_none() && !common_has_start(entries) {
                    self.report.error(node.place, path, "a server needs `command`, `builtin` or `url`");
                }
                None
            }
        }
    }
}

/// Whether `common` tries to say how the server is started; then a wrong attempt has its own finding.
fn common_has_start(entries: &[(Key, Node)]) -> bool {
    entries.iter().filter(|(key, _)| key.text == "common").any(|(_, node)| match &node.value {
        Value::Map(entries) => entries.iter().any(|(key, _)| STARTS.contains(&key.text.as_str())),
        _ => true,
    })
}

fn finish(draft: Draft, base: Spec) -> Option<Server> {
    let server = Server::new(draft.name?, base);
    Some(Server {
        categories: draft.categories,
        disabled: draft.disabled,
        optional: draft.optional,
        priority: draft.priority,
        targets: draft.targets,
        ..server
    })
}
