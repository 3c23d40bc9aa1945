//! Kilo Code, extension and command line. Drops a whole file for one wrong entry, and reads it as OpenCode does.

use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::opencode::{DIALECT, items};
use crate::sync::skills::{Folder, Form, Reads};
use crate::sync::target::{Door, Health, NAME, Stale, Target, Wanted};

pub const TARGET: Target = Target {
    name: "kilocode",
    title: "Kilo Code",
    programs: &["kilo", "kilocode"],
    signs: &[Spot::same("${XDG_CONFIG_HOME:-~/.config}/kilo"), Spot::same("~/.kilocode")],
    dialect: DIALECT,
    max_tools: None,
    source: "kilo 7.7.7, run",
    checked: "2026-11-23",
    files,
    stale: &[
        Stale {
            spot: Spot::same("~/.kilocode/config.toml"),
            format: Format::Toml,
            keys: &["mcp_servers", NAME],
        },
        Stale {
            spot: Spot::same("~/.kilocode/cli/global/settings/mcp_settings.json"),
            format: Format::Jsonc,
            keys: &["mcpServers", NAME],
        },
    ],
    reads: Reads {
        instructions: |machine| Some(machine.first(INSTRUCTIONS)),
        skills: Some(Spot::same("${XDG_CONFIG_HOME:-~/.config}/kilo/skills")),
        shared: true,
        commands: Folder::new(Spot::same("${XDG_CONFIG_HOME:-~/.config}/kilo/command"), "md", Form::Headed),
        ..Reads::NOTHING
    },
    health: Some(Health { args: &["mcp", "list"], good: "connected", connects: true, waiting: "" }),
    notes: |_| Vec::new(),
};

/// It reads the first that is there.
const INSTRUCTIONS: &[Spot] =
    &[Spot::same("${XDG_CONFIG_HOME:-~/.config}/kilo/AGENTS.md"), Spot::same("~/.claude/CLAUDE.md")];

const CONFIG: &[Spot] = &[
    Spot::same("${XDG_CONFIG_HOME:-~/.config}/kilo/kilo.jsonc"),
    Spot::same("${XDG_CONFIG_HOME:-~/.config}/kilo/kilo.json"),
    Spot::same("${XDG_CONFIG_HOME:-~/.config}/kilo/config.json"),
];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let path = machine.file(TARGET.name, CONFIG);
    vec![Wanted { path, format: Format::Jsonc, seed: "", items: items(&TARGET, door) }]
}
