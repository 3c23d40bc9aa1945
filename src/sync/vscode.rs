//! VS Code with Copilot, its Insiders edition, VSCodium and the server of remote windows, each with a file of its own.

use serde_json::json;

use crate::sync::dialect::{Dialect, Field, Remote};
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::skills::{Folder, Form, Reads};
use crate::sync::syntax::Syntax;
use crate::sync::target::{Door, NAME, Stale, Target, Wanted};

pub const TARGET: Target = Target {
    name: "vscode",
    title: "VS Code",
    programs: &["code", "code-insiders", "codium"],
    signs: &[EDITIONS[0], EDITIONS[1], EDITIONS[2], EDITIONS[3]],
    dialect: Dialect {
        servers: &["servers"],
        local: r#"{"type": "stdio"}"#,
        cwd: true,
        remote: Some(Remote { always: r#"{"type": "http"}"#, ..Remote::URL }),
        syntax: Syntax::EnvBraces,
        refers: Field::ALL,
        ..Dialect::PLAIN
    },
    // It takes 128 in one request, its own included.
    max_tools: Some(100),
    source: "its documentation",
    checked: "2026-11-23",
    files,
    stale: &[
        // What the first loom wrote: VS Code reads `servers`.
        Stale {
            spot: Spot {
                linux: "~/.config/Code/User/mcp.json",
                macos: "~/Library/Application Support/Code/User/mcp.json",
                windows: "${APPDATA:-~/AppData/Roaming}/Code/User/mcp.json",
            },
            format: Format::Jsonc,
            keys: &["mcpServers", NAME],
        },
    ],
    reads: Reads {
        skills: Some(Spot::same("${COPILOT_HOME:-~/.copilot}/skills")),
        shared: true,
        rules: Folder::new(PROMPTS, "instructions.md", Form::Everywhere),
        commands: Folder::new(PROMPTS, "prompt.md", Form::Headed),
        ..Reads::NOTHING
    },
    health: None,
    notes: |_| {
        vec!["it asks whether you trust the server `loom` when it first starts it: choose Trust".into()]
    },
};

const PROMPTS: Spot = Spot {
    linux: "~/.config/Code/User/prompts",
    macos: "~/Library/Application Support/Code/User/prompts",
    windows: "${APPDATA:-~/AppData/Roaming}/Code/User/prompts",
};

/// The folders of a user's settings; the first is written to in any case.
const EDITIONS: &[Spot] = &[
    Spot {
        linux: "~/.config/Code/User",
        macos: "~/Library/Application Support/Code/User",
        windows: "${APPDATA:-~/AppData/Roaming}/Code/User",
    },
    Spot {
        linux: "~/.config/Code - Insiders/User",
        macos: "~/Library/Application Support/Code - Insiders/User",
        windows: "${APPDATA:-~/AppData/Roaming}/Code - Insiders/User",
    },
    Spot {
        linux: "~/.config/VSCodium/User",
        macos: "~/Library/Application Support/VSCodium/User",
        windows: "${APPDATA:-~/AppData/Roaming}/VSCodium/User",
    },
    Spot::same("~/.vscode-server/data/User"),
];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let folders: Vec<_> = EDITIONS.iter().map(|edition| machine.path(edition)).collect();
    let mut paths: Vec<_> =
        folders.iter().filter(|folder| folder.is_dir()).map(|folder| folder.join("mcp.json")).collect();
    if let Some(path) = machine.overrides.get(TARGET.name) {
        paths = vec![path.clone()];
    } else if paths.is_empty() {
        paths.extend(folders.first().map(|folder| folder.join("mcp.json")));
    }
    let wanted = |path| {
        let members = door.entry(&TARGET, json!({ "type": "stdio" }));
        Wanted {
            path,
            format: Format::Jsonc,
            seed: "",
            items: door.items(&TARGET, members, |_, _| Vec::new()),
        }
    };
    paths.into_iter().map(wanted).collect()
}
