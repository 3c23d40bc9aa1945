//! Amp. Its settings are flat keys with dots in them.

use serde_json::json;

use crate::sync::dialect::{Dialect, Field};
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::skills::Reads;
use crate::sync::syntax::Syntax;
use crate::sync::target::{Door, Health, Target, Wanted};

pub const TARGET: Target = Target {
    name: "amp",
    title: "Amp",
    programs: &["amp"],
    signs: &[Spot::same("${XDG_CONFIG_HOME:-~/.config}/amp")],
    dialect: Dialect {
        servers: &["amp.mcpServers"],
        syntax: Syntax::Braces { default: false, bare: true },
        refers: &[Field::Args, Field::Env],
        enabled_tools: Some("includeTools"),
        ..Dialect::PLAIN
    },
    max_tools: None,
    source: "amp 0.0.1790142911, run",
    checked: "2026-11-23",
    files,
    stale: &[],
    reads: Reads {
        instructions: |machine| Some(machine.path(&INSTRUCTIONS)),
        skills: Some(Spot::same("${XDG_CONFIG_HOME:-~/.config}/agents/skills")),
        shared: true,
        ..Reads::NOTHING
    },
    health: Some(Health { args: &["mcp", "doctor"], good: "connected", connects: true, waiting: "" }),
    notes: |_| Vec::new(),
};

const INSTRUCTIONS: Spot = Spot::same("${XDG_CONFIG_HOME:-~/.config}/amp/AGENTS.md");

const SETTINGS: &[Spot] = &[
    Spot::same("${XDG_CONFIG_HOME:-~/.config}/amp/settings.json"),
    Spot::same("${XDG_CONFIG_HOME:-~/.config}/amp/settings.jsonc"),
];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let items = door.items(&TARGET, door.entry(&TARGET, json!({})), |_, _| Vec::new());
    vec![Wanted { path: machine.file(TARGET.name, SETTINGS), format: Format::Jsonc, seed: "", items }]
}
