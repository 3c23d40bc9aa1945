//! Codex: command line, IDE extension and app share one file. Rejects a wrong entry with the whole file, so only keys
//! of its strict mode are written.

use serde_json::json;

use crate::sync::dialect::{Dialect, Remote, Time};
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::skills::Reads;
use crate::sync::syntax::Syntax;
use crate::sync::target::{Door, Health, Item, Target, Wanted};

pub const TARGET: Target = Target {
    name: "codex",
    title: "Codex",
    programs: &["codex"],
    signs: &[Spot::same("${CODEX_HOME:-~/.codex}")],
    dialect: Dialect {
        servers: &["mcp_servers"],
        cwd: true,
        remote: Some(Remote { headers: &["http_headers"], ..Remote::URL }),
        syntax: Syntax::Names,
        timeout: Some(Time::Seconds("tool_timeout_sec")),
        startup: Some(Time::Seconds("startup_timeout_sec")),
        enabled_tools: Some("enabled_tools"),
        disabled_tools: Some("disabled_tools"),
        ..Dialect::PLAIN
    },
    max_tools: None,
    source: "codex-cli 0.169.0, run",
    checked: "2026-11-23",
    files,
    stale: &[],
    reads: Reads {
        instructions: |machine| Some(machine.path(&INSTRUCTIONS)),
        skills: Some(Spot::same("${CODEX_HOME:-~/.codex}/skills")),
        shared: true,
        ..Reads::NOTHING
    },
    health: Some(Health { args: &["mcp", "list"], good: "enabled", connects: false, waiting: "" }),
    notes,
};

const INSTRUCTIONS: Spot = Spot::same("${CODEX_HOME:-~/.codex}/AGENTS.md");
/// While it is there, the other is not read.
const OVERRIDE: Spot = Spot::same("${CODEX_HOME:-~/.codex}/AGENTS.override.md");
const CONFIG: &[Spot] = &[Spot::same("${CODEX_HOME:-~/.codex}/config.toml")];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let times = json!({ "startup_timeout_sec": 30, "tool_timeout_sec": 600 });
    let items = door.items(&TARGET, door.entry(&TARGET, times), |place, entry| {
        let all = entry.leave.all.then(|| place.key("default_tools_approval_mode"));
        let single = entry.leave.single().map(|tool| place.key("tools").key(tool).key("approval_mode"));
        let modes = all.into_iter().chain(single);
        modes.map(|place| Item::Value { place, value: json!("approve") }).collect()
    });
    vec![Wanted { path: machine.file(TARGET.name, CONFIG), format: Format::Toml, seed: "", items }]
}

fn notes(machine: &Machine) -> Vec<String> {
    let path = machine.path(&OVERRIDE);
    let note = || format!("{} keeps it from reading AGENTS.md", machine.show(&path));
    path.exists().then(note).into_iter().collect()
}
