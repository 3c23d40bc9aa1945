//! `platform_permissions`: what each client may do without asking. Settings that loom has no use for stay unread.

use std::collections::BTreeMap;

use crate::registry::Permissions;
use crate::registry::parse::field::{Reader, under};
use crate::registry::tree::{Key, Node};

const KEYS: [&str; 4] = ["settings", "allow", "deny", "additional_directories"];

impl Reader<'_, '_> {
    pub fn permissions(&mut self, key: &Key, node: &Node) -> BTreeMap<String, Permissions> {
        let mut all = BTreeMap::new();
        for (name, node) in self.map(key, node, "") {
            let path = under("platform_permissions", &name.text);
            let mut permissions = Permissions::default();
            for (key, node) in self.map(name, node, "platform_permissions") {
                match key.text.as_str() {
                    "allow" => permissions.allow = self.texts(key, node, &path).unwrap_or_default(),
                    "deny" => permissions.deny = self.texts(key, node, &path).unwrap_or_default(),
                    "additional_directories" => {
                        permissions.additional_directories = self.texts(key, node, &path).unwrap_or_default();
                    }
                    "settings" => self.client_settings(key, node, &path, &mut permissions),
                    _ => self.known_key(key, &path, "key", &KEYS),
                }
            }
            all.insert(name.text.clone(), permissions);
        }
        all
    }

    fn client_settings(&mut self, key: &Key, node: &Node, path: &str, permissions: &mut Permissions) {
        let inner = under(path, "settings");
        for (key, node) in self.map(key, node, path) {
            match key.text.as_str() {
                "ask" => permissions.ask = self.texts(key, node, &inner).unwrap_or_default(),
                "default_mode" => permissions.default_mode = self.filled(key, node, &inner),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::registry::parse::parse;

    #[test]
    fn each_client_has_its_rules() {
        let text = "servers: []\nplatform_permissions:\n  claude:\n    allow: [mcp__loom, \"Bash(ls)\"]\n    \
                    settings: { default_mode: acceptEdits, ask: [WebFetch], telemetry: off }\n  agents: {}\n";
        let parsed = parse(text, Path::new("/r.yaml"), Path::new("/"), &[]);
        assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
        let permissions = parsed.registry.unwrap().permissions.remove("claude").unwrap();
        assert_eq!(permissions.allow, ["mcp__loom", "Bash(ls)"]);
        assert_eq!(permissions.ask, ["WebFetch"]);
        assert_eq!(permissions.default_mode.as_deref(), Some("acceptEdits"));
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        let text = "servers: []\nplatform_permissions:\n  claude: { allow: 1, alow: [] }\n";
        let parsed = parse(text, Path::new("/r.yaml"), Path::new("/"), &[]);
        let found: Vec<String> = parsed.findings.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|finding| finding.contains(":3:")), "{found:?}");
    }
}
