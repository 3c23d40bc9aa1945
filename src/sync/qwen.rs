//! Qwen Code, a relative of Gemini CLI with a home of its own.

use serde_json::json;

use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::place::Place;
use crate::sync::skills::{Folder, Form, Reads};
use crate::sync::target::{Door, Health, Item, NAME, Target, Wanted};

pub const TARGET: Target = Target {
    name: "qwen",
    title: "Qwen Code",
    programs: &["qwen"],
    signs: &[Spot::same("${QWEN_HOME:-~/.qwen}")],
    max_tools: None,
    source: "qwen-code 0.24.4, run",
    checked: "2026-11-23",
    files,
    stale: &[],
    reads: Reads {
        instructions: |machine| Some(machine.path(&INSTRUCTIONS)),
        skills: Some(Spot::same("${QWEN_HOME:-~/.qwen}/skills")),
        shared: true,
        commands: Folder::new(Spot::same("${QWEN_HOME:-~/.qwen}/commands"), "md", Form::Headed),
        ..Reads::NOTHING
    },
    health: Some(Health { args: &["mcp", "list"], good: "Connected", connects: true, waiting: "Pending" }),
    notes: |_| Vec::new(),
};

const INSTRUCTIONS: Spot = Spot::same("${QWEN_HOME:-~/.qwen}/QWEN.md");

const SETTINGS: &[Spot] = &[Spot::same("${QWEN_HOME:-~/.qwen}/settings.json")];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let place = Place::keys(&["mcpServers", NAME]);
    let mut items = vec![Item::Entry {
        place: place.clone(),
        members: door.entry(&TARGET, json!({ "timeout": 600_000 })),
    }];
    if door.leave.all {
        items.push(Item::Value { place: place.key("trust"), value: json!(true) });
    }
    vec![Wanted { path: machine.file(TARGET.name, SETTINGS), format: Format::Jsonc, seed: "", items }]
}
