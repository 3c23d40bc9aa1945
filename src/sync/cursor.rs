//! Cursor, editor and command line.

use serde_json::json;

use crate::sync::dialect::{Dialect, Field};
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::skills::{Folder, Form, Reads};
use crate::sync::syntax::Syntax;
use crate::sync::target::{Door, Target, Wanted};

pub const TARGET: Target = Target {
    name: "cursor",
    title: "Cursor",
    programs: &["cursor", "cursor-agent"],
    signs: &[Spot::same("~/.cursor")],
    dialect: Dialect { syntax: Syntax::EnvBraces, refers: Field::ALL, ..Dialect::PLAIN },
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
    let items = door.items(&TARGET, door.entry(&TARGET, json!({})), |_, _| Vec::new());
    vec![Wanted { path: machine.file(TARGET.name, CONFIG), format: Format::Json, seed: "", items }]
}
