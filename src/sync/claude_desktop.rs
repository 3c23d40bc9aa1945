//! Claude Desktop. One comma too many disables all its servers; it reads the file when it starts.

use serde_json::json;

use crate::sync::dialect::Dialect;
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::skills::Reads;
use crate::sync::target::{Door, Target, Wanted};

pub const TARGET: Target = Target {
    name: "claude_desktop",
    title: "Claude Desktop",
    programs: &["claude-desktop"],
    signs: &[Spot {
        linux: "~/.config/Claude",
        macos: "~/Library/Application Support/Claude",
        windows: "${APPDATA:-~/AppData/Roaming}/Claude",
    }],
    // It is a program of the desktop, with the PATH of one, and says nothing of variables.
    dialect: Dialect { remote: None, finds_programs: false, ..Dialect::PLAIN },
    max_tools: None,
    source: "its documentation",
    checked: "2026-11-23",
    files,
    stale: &[],
    reads: Reads::NOTHING,
    health: None,
    notes: |_| vec!["it reads the file when it starts: quit it and start it again".into()],
};

const CONFIG: &[Spot] = &[Spot {
    linux: "~/.config/Claude/claude_desktop_config.json",
    macos: "~/Library/Application Support/Claude/claude_desktop_config.json",
    windows: "${APPDATA:-~/AppData/Roaming}/Claude/claude_desktop_config.json",
}];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let items = door.items(&TARGET, door.entry(&TARGET, json!({})), |_, _| Vec::new());
    vec![Wanted { path: machine.file(TARGET.name, CONFIG), format: Format::Json, seed: "", items }]
}
