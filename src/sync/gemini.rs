//! Gemini CLI. Warns of keys it does not know at every start, and lets no server run in a folder that is not trusted.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::sync::dialect::{Dialect, Field, Remote, Time};
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::place::Place;
use crate::sync::skills::{Folder, Form, Reads};
use crate::sync::syntax::Syntax;
use crate::sync::target::{Door, Health, Item, NAME, Stale, Target, Wanted};

pub const TARGET: Target = Target {
    name: "gemini",
    title: "Gemini CLI",
    programs: &["gemini"],
    signs: &[Spot::same("${GEMINI_CLI_HOME:-~}/.gemini/settings.json")],
    dialect: Dialect {
        cwd: true,
        remote: Some(Remote { url: "httpUrl", ..Remote::URL }),
        syntax: Syntax::Braces { default: true, bare: true },
        refers: Field::ALL,
        timeout: Some(Time::Millis("timeout")),
        enabled_tools: Some("includeTools"),
        disabled_tools: Some("excludeTools"),
        ..Dialect::PLAIN
    },
    max_tools: None,
    source: "gemini-cli 0.61.0, run",
    checked: "2026-11-23",
    files,
    stale: &[Stale {
        spot: Spot::same("~/.gemini/config.toml"),
        format: Format::Toml,
        keys: &["mcp_servers", NAME],
    }],
    reads: Reads {
        instructions: |machine| Some(instructions(machine)),
        skills: Some(Spot::same("${GEMINI_CLI_HOME:-~}/.gemini/skills")),
        shared: true,
        commands: Folder::new(Spot::same("${GEMINI_CLI_HOME:-~}/.gemini/commands"), "toml", Form::Toml),
        ..Reads::NOTHING
    },
    health: Some(Health { args: &["mcp", "list"], good: "Connected", connects: true, waiting: "Disabled" }),
    notes,
};

const INSTRUCTIONS: &str = "GEMINI.md";
const SETTINGS: &[Spot] = &[Spot::same("${GEMINI_CLI_HOME:-~}/.gemini/settings.json")];
const TRUSTED: Spot = Spot::same("${GEMINI_CLI_HOME:-~}/.gemini/trustedFolders.json");

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let own = door.entry(&TARGET, json!({ "timeout": 600_000 }));
    let items = door.items(&TARGET, own, |place, entry| {
        // Of single tools only its policy files know.
        let trust = Item::Value { place: place.key("trust"), value: json!(true) };
        entry.leave.all.then_some(trust).into_iter().collect()
    });
    vec![Wanted { path: machine.file(TARGET.name, SETTINGS), format: Format::Jsonc, seed: "", items }]
}

/// What its settings name first, where they do not name the usual one.
fn instructions(machine: &Machine) -> PathBuf {
    let text = std::fs::read_to_string(machine.file(TARGET.name, SETTINGS)).unwrap_or_default();
    let named = Format::Jsonc.get(&text, &Place::keys(&["context", "fileName"])).ok().flatten();
    let names = match named {
        Some(Value::Array(names)) => names,
        other => other.into_iter().collect(),
    };
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    let name = if names.contains(&INSTRUCTIONS) { None } else { names.first() };
    machine.path(&SETTINGS[0]).with_file_name(name.unwrap_or(&INSTRUCTIONS))
}

fn notes(machine: &Machine) -> Vec<String> {
    let path = machine.path(&TRUSTED);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let rules = Format::Jsonc.get(&text, &Place::default()).ok().flatten();
    let is_trusted = |folder: &std::path::Path| {
        let rule = rules.as_ref().and_then(|rules| rules.get(folder.to_string_lossy().as_ref()));
        rule.and_then(Value::as_str).is_some_and(|rule| rule.starts_with("TRUST"))
    };
    if machine.env.get("GEMINI_CLI_TRUST_WORKSPACE").is_some_and(|value| value == "true")
        || machine.cwd.ancestors().any(is_trusted)
    {
        return vec![format!("{} is trusted: its servers run", machine.show(&machine.cwd))];
    }
    let count = rules.as_ref().and_then(Value::as_object).map_or(0, serde_json::Map::len);
    vec![format!(
        "servers run in trusted folders only; {} has {count}, and {} is not among them: type `/permissions` in gemini there",
        machine.show(&path),
        machine.show(&machine.cwd)
    )]
}
