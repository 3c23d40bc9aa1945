//! Codex: command line, IDE extension and app share one file. Rejects a wrong entry with the whole file, so only keys
//! of its strict mode are written.

use serde_json::json;

use crate::sync::dialect::{Dialect, Remote, Time};
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
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
    health: Some(Health { args: &["mcp", "list"], good: "enabled", connects: false, waiting: "" }),
    notes: |_| Vec::new(),
};

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
