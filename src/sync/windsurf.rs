//! Windsurf, now called Devin Desktop. Takes 100 tools of all servers together.

use serde_json::json;

use crate::sync::dialect::{Dialect, Field, Remote};
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::skills::{Folder, Form, Reads};
use crate::sync::syntax::Syntax;
use crate::sync::target::{Door, Target, Wanted};

pub const TARGET: Target = Target {
    name: "windsurf",
    title: "Windsurf",
    programs: &["windsurf"],
    signs: &[Spot::same("~/.codeium/windsurf")],
    dialect: Dialect {
        remote: Some(Remote { url: "serverUrl", ..Remote::URL }),
        syntax: Syntax::EnvBraces,
        refers: &[Field::Args, Field::Env, Field::Url, Field::Headers],
        disabled_tools: Some("disabledTools"),
        ..Dialect::PLAIN
    },
    max_tools: Some(90),
    source: "its documentation",
    checked: "2026-11-23",
    files,
    stale: &[],
    reads: Reads {
        instructions: |machine| Some(machine.path(&INSTRUCTIONS)),
        skills: Some(Spot::same("~/.codeium/windsurf/skills")),
        workflows: Folder::new(Spot::same("~/.codeium/windsurf/global_workflows"), "md", Form::Headed),
        ..Reads::NOTHING
    },
    health: None,
    notes: |_| Vec::new(),
};

const INSTRUCTIONS: Spot = Spot::same("~/.codeium/windsurf/memories/global_rules.md");

const CONFIG: &[Spot] = &[Spot::same("~/.codeium/windsurf/mcp_config.json")];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let items = door.items(&TARGET, door.entry(&TARGET, json!({})), |_, _| Vec::new());
    vec![Wanted { path: machine.file(TARGET.name, CONFIG), format: Format::Json, seed: "", items }]
}
