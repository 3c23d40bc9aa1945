//! What a client's file describes: which files are wanted, with what in them. Pure.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::registry::{Registry, Server};
use crate::sync::dialect::Dialect;
use crate::sync::direct::Direct;
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::place::Place;
use crate::sync::skills::Reads;

/// The key of loom's entry in every client.
pub const NAME: &str = "loom";

/// One AI client.
pub struct Target {
    /// As the registry's `targets` and the command line have it; also what `--agent-hint` says.
    pub name: &'static str,
    /// As people call it.
    pub title: &'static str,
    /// Programs on PATH that show that it is installed.
    pub programs: &'static [&'static str],
    /// Files and folders that show the same.
    pub signs: &'static [Spot],
    /// How it writes servers.
    pub dialect: Dialect,
    /// How many tools it copes with; `None` for any number.
    pub max_tools: Option<u32>,
    /// Where the facts are from, and when that was read.
    pub source: &'static str,
    pub checked: &'static str,
    /// The files that should hold something of loom.
    pub files: fn(&Machine, &Door) -> Vec<Wanted>,
    /// Entries of loom at places that the client does not read any more.
    pub stale: &'static [Stale],
    /// Where it reads what its models are told.
    pub reads: Reads,
    /// How the client is asked whether it can use loom.
    pub health: Option<Health>,
    /// What a person has to do or know, from the client's present state.
    pub notes: fn(&Machine) -> Vec<String>,
}

/// A command of a client that tells how its servers are.
#[derive(Debug)]
pub struct Health {
    pub args: &'static [&'static str],
    /// What it says of a server that runs, or that it has at least read.
    pub good: &'static str,
    /// Whether it starts the server to find out.
    pub connects: bool,
    /// What it says of one that a person has yet to allow; empty where there is no such thing.
    pub waiting: &'static str,
}

/// A file and what should stand in it.
#[derive(Debug)]
pub struct Wanted {
    pub path: PathBuf,
    pub format: Format,
    /// What a file that is made anew begins with.
    pub seed: &'static str,
    pub items: Vec<Item>,
}

/// Something that should stand in a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A map that is loom's as a whole; members that others add to it are kept.
    Entry { place: Place, members: Map<String, Value> },
    /// One value.
    Value { place: Place, value: Value },
}

impl Item {
    pub fn place(&self) -> &Place {
        match self {
            Item::Entry { place, .. } | Item::Value { place, .. } => place,
        }
    }
}

/// A place of former times.
#[derive(Debug)]
pub struct Stale {
    pub spot: Spot,
    pub format: Format,
    /// The keys down to the entry.
    pub keys: &'static [&'static str],
}

/// The way into loom, as it is written into files.
#[derive(Clone, Debug)]
pub struct Door {
    /// Absolute path of the installed program.
    pub binary: String,
    /// The socket, where it is not the usual one.
    pub socket: Option<String>,
    /// What may be called without asking.
    pub leave: Leave,
    /// The servers themselves, in place of the one entry that is the way to them all.
    pub direct: Option<Direct>,
}

/// One server in a client's file.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub members: Map<String, Value>,
    /// What of it may be called without asking.
    pub leave: Leave,
}

/// Which of loom's tools a client may call without asking, as the registry says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leave {
    /// All of them.
    pub all: bool,
    /// These, as clients know them: `server__tool`, or `server__*` for all of a server.
    pub tools: Vec<String>,
    /// What the registry says of this client beyond loom's tools.
    pub rules: Rules,
}

/// Permissions in a client's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    pub allow: Vec<String>,
    pub ask: Vec<String>,
    pub deny: Vec<String>,
    pub directories: Vec<String>,
    pub default_mode: Option<String>,
}

impl Leave {
    /// The part for one server, in its own words: without its name before the tools.
    pub fn within(&self, server: &str) -> Self {
        let own = |tool: &String| tool.strip_prefix(server)?.strip_prefix("__").map(str::to_owned);
        let tools: Vec<String> = self.tools.iter().filter_map(own).collect();
        Leave { all: self.all || tools.iter().any(|tool| tool == "*"), tools, rules: Rules::default() }
    }

    /// The tools with a name of their own.
    pub fn single(&self) -> impl Iterator<Item = &String> {
        self.tools.iter().filter(|tool| !tool.contains('*'))
    }

    /// What the registry gives to `target`: servers whose tools are `always_allow`ed, and `platform_permissions`.
    pub fn of(registry: &Registry, target: &str) -> Self {
        let mut leave = Leave::default();
        let servers: Vec<_> = registry.servers.iter().filter(|server| !server.disabled).collect();
        let allowed = |server: &&Server| server.spec_for(Some(target)).always_allow;
        let whole = |server: &&Server| allowed(server).iter().any(|tool| tool == "*");
        leave.all = !servers.is_empty() && servers.iter().all(whole);
        for server in servers.iter().filter(|_| !leave.all) {
            let tools = if whole(server) { vec!["*".to_owned()] } else { allowed(server) };
            leave.tools.extend(tools.iter().map(|tool| format!("{}__{tool}", server.name.as_str())));
        }
        let Some(given) = registry.permissions.get(target) else { return leave };
        for rule in &given.allow {
            match rule.strip_prefix("mcp__").unwrap_or(rule).strip_prefix(NAME) {
                Some("" | "__*") => leave.all = true,
                Some(tool) if tool.starts_with("__") => leave.tools.push(tool[2..].to_owned()),
                _ => leave.rules.allow.push(rule.clone()),
            }
        }
        leave.rules.ask.clone_from(&given.ask);
        leave.rules.deny.clone_from(&given.deny);
        leave.rules.directories.clone_from(&given.additional_directories);
        leave.rules.default_mode.clone_from(&given.default_mode);
        leave.tools.sort();
        leave.tools.dedup();
        leave
    }
}

impl Door {
    /// For a file that is to lose what is loom's.
    pub fn nowhere() -> Self {
        Door { binary: String::new(), socket: None, leave: Leave::default(), direct: None }
    }

    /// The arguments behind the program.
    pub fn args(&self, target: &str, max_tools: Option<u32>) -> Vec<String> {
        let mut args = vec!["proxy".to_owned(), "--agent-hint".to_owned(), target.to_owned()];
        if let Some(most) = max_tools {
            args.extend(["--max-tools".to_owned(), most.to_string()]);
        }
        if let Some(socket) = &self.socket {
            args.extend(["--socket".to_owned(), socket.clone()]);
        }
        args
    }

    /// What stands in the file: `own`, loom's one entry, or each server, and with each what `allow` says of it.
    pub fn items(
        &self,
        target: &Target,
        own: Map<String, Value>,
        allow: impl Fn(&Place, &Entry) -> Vec<Item>,
    ) -> Vec<Item> {
        let item = |entry: Entry| {
            let place = target.dialect.place(&entry.name);
            let allowed = allow(&place, &entry);
            std::iter::once(Item::Entry { place, members: entry.members }).chain(allowed).collect::<Vec<_>>()
        };
        self.entries(own).into_iter().flat_map(item).collect()
    }

    /// The servers, or `own` as the only one.
    pub fn entries(&self, own: Map<String, Value>) -> Vec<Entry> {
        match &self.direct {
            Some(direct) => direct.entries.clone(),
            None => vec![Entry { name: NAME.to_owned(), members: own, leave: self.leave.clone() }],
        }
    }

    /// `command` and `args`, and what else the client wants beside them.
    pub fn entry(&self, target: &Target, more: Value) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("command".into(), json!(self.binary));
        members.insert("args".into(), json!(self.args(target.name, target.max_tools)));
        members.extend(more.as_object().cloned().unwrap_or_default());
        members
    }

    /// The program and its arguments in one list.
    pub fn argv(&self, target: &Target) -> Vec<String> {
        std::iter::once(self.binary.clone()).chain(self.args(target.name, target.max_tools)).collect()
    }
}

/// Whether an entry that nobody recorded starts loom's proxy, or a server through loom, and so is loom's own.
pub fn starts_loom(entry: &Value) -> bool {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = |value: Option<&Value>| -> Vec<String> {
        value.and_then(Value::as_array).into_iter().flatten().filter_map(text).collect()
    };
    let (program, args) = match entry.get("command") {
        Some(Value::String(program)) => (program.clone(), list(entry.get("args"))),
        argv => {
            let argv = list(argv);
            (argv.first().cloned().unwrap_or_default(), argv.into_iter().skip(1).collect())
        }
    };
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    matches!(name, "loom" | "loom.exe") && args.iter().any(|arg| arg == "proxy" || arg == "exec")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loom_knows_its_own_entries() {
        for (entry, want) in [
            (json!({"command": "/usr/bin/loom", "args": ["proxy"]}), true),
            (json!({"command": "C:\\bin\\loom.exe", "args": ["--socket", "x", "proxy"]}), true),
            (json!({"type": "local", "command": ["loom", "proxy"]}), true),
            (json!({"command": "/usr/bin/loom", "args": ["exec", "files"]}), true),
            (json!({"command": "weave", "args": ["proxy"]}), false),
            (json!({"command": "/usr/bin/loom", "args": ["serve"]}), false),
            (json!({"url": "https://loom/proxy"}), false),
        ] {
            assert_eq!(starts_loom(&entry), want, "{entry}");
        }
    }
}
