//! Continue, extension and command line. Its servers are a list, each with its name in it.

use serde_json::json;

use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::place::Place;
use crate::sync::skills::{Folder, Form, Reads};
use crate::sync::target::{Door, Item, NAME, Target, Wanted};

pub const TARGET: Target = Target {
    name: "continue",
    title: "Continue",
    programs: &["cn"],
    signs: &[Spot::same("${CONTINUE_GLOBAL_DIR:-~/.continue}")],
    max_tools: None,
    source: "cn 1.5.47, run",
    checked: "2026-11-23",
    files,
    stale: &[],
    reads: Reads {
        rules: Folder::new(Spot::same("${CONTINUE_GLOBAL_DIR:-~/.continue}/rules"), "md", Form::Bare),
        ..Reads::NOTHING
    },
    health: None,
    notes: |_| Vec::new(),
};

const CONFIG: &[Spot] = &[Spot::same("${CONTINUE_GLOBAL_DIR:-~/.continue}/config.yaml")];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let place = Place::keys(&["mcpServers"]).item("name", NAME);
    let more = json!({ "type": "stdio", "connectionTimeout": 60_000 });
    vec![Wanted {
        path: machine.file(TARGET.name, CONFIG),
        format: Format::Yaml,
        seed: "name: Local Assistant\nversion: 1.0.0\nschema: v1\n",
        items: vec![Item::Entry { place, members: door.entry(&TARGET, more) }],
    }]
}
