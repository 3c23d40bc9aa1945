//! Qwen Code, a relative of Gemini CLI with a home of its own.

use serde_json::json;

use crate::sync::dialect::{Dialect, Field, Remote, Time};
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::skills::{Folder, Form, Reads};
use crate::sync::syntax::Syntax;
use crate::sync::target::{Door, Health, Item, Target, Wanted};

pub const TARGET: Target = Target {
    name: "qwen",
    title: "Qwen Code",
    programs: &["qwen"],
    signs: &[Spot::same("${QWEN_HOME:-~/.qwen}")],
    dialect: Dialect {
        cwd: true,
        remote: Some(Remote { url: "httpUrl", ..Remote::URL }),
        syntax: Syntax::Braces { default: false, bare: true },
        refers: Field::ALL,
        timeout: Some(Time::Millis("timeout")),
        enabled_tools: Some("includeTools"),
        disabled_tools: Some("excludeTools"),
        ..Dialect::PLAIN
    },
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
    let own = door.entry(&TARGET, json!({ "timeout": 600_000 }));
    let items = door.items(&TARGET, own, |place, entry| {
        let trust = Item::Value { place: place.key("trust"), value: json!(true) };
        entry.leave.all.then_some(trust).into_iter().collect()
    });
    vec![Wanted { path: machine.file(TARGET.name, SETTINGS), format: Format::Jsonc, seed: "", items }]
}
