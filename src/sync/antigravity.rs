//! Google Antigravity: editor, command line and desktop share `~/.gemini/config`. A file that is no JSON stops it.

use serde_json::json;

use crate::sync::dialect::Dialect;
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::skills::{Folder, Form, Reads};
use crate::sync::target::{Door, NAME, Stale, Target, Wanted};

pub const TARGET: Target = Target {
    name: "antigravity",
    title: "Antigravity",
    programs: &["antigravity", "agy"],
    signs: &[
        Spot::same("~/.gemini/config"),
        Spot::same("~/.gemini/antigravity"),
        Spot::same("~/.antigravity"),
    ],
    dialect: Dialect { disabled_tools: Some("disabledTools"), ..Dialect::PLAIN },
    // Its makers recommend no more than 50.
    max_tools: Some(50),
    source: "google-antigravity 0.1.22, its embedded documentation",
    checked: "2026-11-23",
    files,
    stale: &[
        Stale {
            spot: Spot::same("~/.gemini/antigravity/mcp_config.json"),
            format: Format::Json,
            keys: &["mcpServers", NAME],
        },
        Stale {
            spot: Spot::same("~/.antigravity/mcp.json"),
            format: Format::Json,
            keys: &["mcpServers", NAME],
        },
    ],
    reads: Reads {
        instructions: |machine| Some(machine.path(&INSTRUCTIONS)),
        skills: Some(Spot::same("~/.gemini/config/skills")),
        workflows: Folder::new(Spot::same("~/.gemini/config/global_workflows"), "md", Form::Headed),
        ..Reads::NOTHING
    },
    health: None,
    notes: |_| {
        vec![
            "it reads the file when it starts: press Refresh in Manage MCP Servers, or start it again".into(),
        ]
    },
};

/// Gemini CLI reads it, too.
const INSTRUCTIONS: Spot = Spot::same("~/.gemini/GEMINI.md");

const CONFIG: &[Spot] = &[Spot::same("~/.gemini/config/mcp_config.json")];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let items = door.items(&TARGET, door.entry(&TARGET, json!({})), |_, _| Vec::new());
    vec![Wanted { path: machine.file(TARGET.name, CONFIG), format: Format::Json, seed: "", items }]
}
