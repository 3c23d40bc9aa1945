//! OpenCode, and the shape of an entry that Kilo Code has from it.

use serde_json::{Map, Value, json};

use crate::sync::dialect::{Dialect, Field, Remote, Time};
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::place::Place;
use crate::sync::skills::{Folder, Form, Reads};
use crate::sync::syntax::Syntax;
use crate::sync::target::{Door, Entry, Health, Item, Target, Wanted};

pub const TARGET: Target = Target {
    name: "opencode",
    title: "OpenCode",
    programs: &["opencode"],
    signs: &[Spot::same("${XDG_CONFIG_HOME:-~/.config}/opencode")],
    dialect: DIALECT,
    max_tools: None,
    source: "opencode 1.18.33, run",
    checked: "2026-11-23",
    files,
    stale: &[],
    reads: Reads {
        instructions: |machine| Some(machine.first(INSTRUCTIONS)),
        skills: Some(Spot::same("${XDG_CONFIG_HOME:-~/.config}/opencode/skills")),
        shared: true,
        commands: Folder::new(
            Spot::same("${XDG_CONFIG_HOME:-~/.config}/opencode/command"),
            "md",
            Form::Headed,
        ),
        ..Reads::NOTHING
    },
    health: Some(Health { args: &["mcp", "list"], good: "connected", connects: true, waiting: "" }),
    notes: |_| Vec::new(),
};

/// It reads the first that is there.
const INSTRUCTIONS: &[Spot] =
    &[Spot::same("${XDG_CONFIG_HOME:-~/.config}/opencode/AGENTS.md"), Spot::same("~/.claude/CLAUDE.md")];

/// Theirs, and Kilo Code's.
pub const DIALECT: Dialect = Dialect {
    servers: &["mcp"],
    argv: true,
    env: "environment",
    local: r#"{"type": "local", "enabled": true}"#,
    cwd: true,
    remote: Some(Remote { always: r#"{"type": "remote", "enabled": true}"#, ..Remote::URL }),
    syntax: Syntax::Curly,
    refers: Field::ALL,
    startup: Some(Time::Millis("timeout")),
    ..Dialect::PLAIN
};

const CONFIG: &[Spot] = &[
    Spot::same("${XDG_CONFIG_HOME:-~/.config}/opencode/opencode.json"),
    Spot::same("${XDG_CONFIG_HOME:-~/.config}/opencode/opencode.jsonc"),
];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let path = machine.file(TARGET.name, CONFIG);
    vec![Wanted { path, format: Format::Jsonc, seed: "", items: items(&TARGET, door) }]
}

/// The entry and the permissions of a client that reads like OpenCode.
pub fn items(target: &Target, door: &Door) -> Vec<Item> {
    // The time is that of the tool list: a daemon may have to start first.
    let entry = json!({ "type": "local", "command": door.argv(target), "enabled": true, "timeout": 60_000 });
    let members: Map<String, Value> = entry.as_object().cloned().unwrap_or_default();
    let permission = Place::keys(&["permission"]);
    door.items(target, members, |_, Entry { name, leave, .. }| {
        let all = leave.all.then(|| format!("{name}_*"));
        let tools = leave.tools.iter().filter(|tool| *tool != "*" || !leave.all);
        let rules = all.into_iter().chain(tools.map(|tool| format!("{name}_{tool}")));
        rules.map(|rule| Item::Value { place: permission.key(&rule), value: json!("allow") }).collect()
    })
}
