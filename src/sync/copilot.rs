//! GitHub Copilot CLI.

use serde_json::json;

use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::place::Place;
use crate::sync::skills::Reads;
use crate::sync::target::{Door, Health, Item, NAME, Target, Wanted};

pub const TARGET: Target = Target {
    name: "copilot",
    title: "Copilot CLI",
    programs: &["copilot"],
    signs: &[Spot::same("${COPILOT_HOME:-~/.copilot}")],
    // Its models take 128 in one request, its own included.
    max_tools: Some(100),
    source: "GitHub Copilot CLI 1.0.102, run",
    checked: "2026-11-23",
    files,
    stale: &[],
    reads: Reads {
        instructions: |machine| Some(machine.path(&INSTRUCTIONS)),
        skills: Some(Spot::same("${COPILOT_HOME:-~/.copilot}/skills")),
        shared: true,
        ..Reads::NOTHING
    },
    health: Some(Health { args: &["mcp", "list"], good: "loom", connects: false, waiting: "" }),
    notes: |_| Vec::new(),
};

const INSTRUCTIONS: Spot = Spot::same("${COPILOT_HOME:-~/.copilot}/copilot-instructions.md");

const CONFIG: &[Spot] = &[Spot::same("${COPILOT_HOME:-~/.copilot}/mcp-config.json")];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let place = Place::keys(&["mcpServers", NAME]);
    let more = json!({ "type": "local", "tools": ["*"], "timeout": 600_000 });
    let items = vec![Item::Entry { place, members: door.entry(&TARGET, more) }];
    vec![Wanted { path: machine.file(TARGET.name, CONFIG), format: Format::Jsonc, seed: "", items }]
}
