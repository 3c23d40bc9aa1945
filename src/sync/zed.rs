//! Zed: the settings file of the editor, full of its user's comments.

use serde_json::json;

use crate::sync::dialect::Dialect;
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::place::Place;
use crate::sync::skills::Reads;
use crate::sync::target::{Door, Item, Target, Wanted};

pub const TARGET: Target = Target {
    name: "zed",
    title: "Zed",
    programs: &["zed", "zeditor"],
    signs: &[Spot::unix("${XDG_CONFIG_HOME:-~/.config}/zed", "${APPDATA:-~/AppData/Roaming}/Zed")],
    dialect: Dialect { servers: &["context_servers"], ..Dialect::PLAIN },
    max_tools: None,
    source: "its documentation",
    checked: "2026-11-23",
    files,
    stale: &[],
    reads: Reads { shared: true, ..Reads::NOTHING },
    health: None,
    notes: |_| Vec::new(),
};

const SETTINGS: &[Spot] = &[Spot {
    linux: "${XDG_CONFIG_HOME:-~/.config}/zed/settings.json",
    macos: "~/.config/zed/settings.json",
    windows: "${APPDATA:-~/AppData/Roaming}/Zed/settings.json",
}];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let tools = Place::keys(&["agent", "tool_permissions", "tools"]);
    let items = door.items(&TARGET, door.entry(&TARGET, json!({})), |_, entry| {
        let place = |tool| tools.key(&format!("mcp:{}:{tool}", entry.name)).key("default");
        let allow = |tool| Item::Value { place: place(tool), value: json!("allow") };
        entry.leave.single().map(allow).collect()
    });
    vec![Wanted { path: machine.file(TARGET.name, SETTINGS), format: Format::Jsonc, seed: "", items }]
}
