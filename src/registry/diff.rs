//! What changed between two registries, by server. Pure.

use crate::registry::{Registry, Server};

/// Names of servers, each list in the order of the file it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// In both, with some difference in their fields or in those of a target.
    pub changed: Vec<String>,
    pub unchanged: Vec<String>,
}

/// Compares by name; a renamed server is one removed and one added.
pub fn diff(old: &Registry, new: &Registry) -> Diff {
    let mut diff = Diff::default();
    for server in &new.servers {
        let list = match old.server(server.name.as_str()) {
            None => &mut diff.added,
            Some(before) if before == server => &mut diff.unchanged,
            Some(_) => &mut diff.changed,
        };
        list.push(server.name.to_string());
    }
    let gone = |server: &&Server| new.server(server.name.as_str()).is_none();
    diff.removed = old.servers.iter().filter(gone).map(|server| server.name.to_string()).collect();
    diff
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::registry::parse::parse;

    fn registry(text: &str) -> Registry {
        parse(text, Path::new("r.yaml"), Path::new("/home/u"), &[]).registry.unwrap()
    }

    #[test]
    fn servers_are_compared_by_name_and_all_their_targets() {
        let old = registry(
            "servers:
  - { name: same, command: x }
  - { name: gone, command: x }
  - { name: args, command: x, args: [1] }
  - { name: target, command: x, targets: { codex: { timeout: 1 } } }
  - { name: priority, command: x }
",
        );
        let new = registry(
            "servers:
  - { name: new, command: x }
  - { name: priority, command: x, priority: 3 }
  - { name: target, command: x, targets: { codex: { timeout: 2 } } }
  - { name: args, command: x, args: [2] }
  - { name: same, common: { command: x } }
",
        );
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let want = Diff {
            added: names(&["new"]),
            removed: names(&["gone"]),
            changed: names(&["priority", "target", "args"]),
            unchanged: names(&["same"]),
        };
        assert_eq!(diff(&old, &new), want);
    }
}
