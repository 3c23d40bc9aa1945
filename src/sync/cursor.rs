//! Cursor, editor and command line.

use serde_json::json;

use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::place::Place;
use crate::sync::skills::{Folder, Form, Reads};
use crate::sync::target::{Door, Item, NAME, Target, Wanted};

pub const TARGET: Target = Target {
    name: "cursor",
    title: "Cursor",
    programs: &["cursor", "cursor-agent"],
    signs: &[Spot::same("~/.cursor")],
    max_tools: Some(40),
    source: "its documentation",
    checked: "2026-11-23",
    files,
    stale: &[],
    reads: Reads {
        skills: Some(Spot::same("~/.cursor/skills")),
        shared: true,
        commands: Folder::new(Spot::same("~/.cursor/commands"), "md", Form::Bare),
        ..Reads::NOTHING
    },
    health: None,
    notes: |_| Vec::new(),
};

const CONFIG: &[Spot] = &[Spot::same("~/.cursor/mcp.json")];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let place = Place::keys(&["mcpServers", NAME]);
    let items = vec![Item::Entry { place, members: door.entry(&TARGET, json!({})) }];
    vec![Wanted { path: machine.file(TARGET.name, CONFIG), format: Format::Json, seed: "", items }]
}
