//! Claude Code. Its servers stand in `~/.claude.json`, which it rewrites often; permissions stand in `settings.json`.

use serde_json::json;

use crate::sync::dialect::{Dialect, Field, Remote, Time};
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::place::Place;
use crate::sync::skills::{Folder, Form, Reads};
use crate::sync::syntax::Syntax;
use crate::sync::target::{Door, Entry, Health, Item, NAME, Rules, Stale, Target, Wanted};

pub const TARGET: Target = Target {
    name: "claude",
    title: "Claude Code",
    programs: &["claude"],
    signs: &[Spot::same("${CLAUDE_CONFIG_DIR:-~/.claude}"), Spot::same("~/.claude.json")],
    dialect: Dialect {
        local: r#"{"type": "stdio"}"#,
        remote: Some(Remote { always: r#"{"type": "http"}"#, ..Remote::URL }),
        syntax: Syntax::Braces { default: true, bare: false },
        refers: Field::ALL,
        timeout: Some(Time::Millis("timeout")),
        ..Dialect::PLAIN
    },
    max_tools: None,
    source: "Claude Code 2.1.330, run",
    checked: "2026-11-23",
    files,
    stale: &[Stale {
        spot: Spot::same("~/.claude/mcp.json"),
        format: Format::Json,
        keys: &["mcpServers", NAME],
    }],
    reads: Reads {
        instructions: |machine| Some(machine.path(&INSTRUCTIONS)),
        skills: Some(Spot::same("${CLAUDE_CONFIG_DIR:-~/.claude}/skills")),
        rules: Folder::new(Spot::same("${CLAUDE_CONFIG_DIR:-~/.claude}/rules"), "md", Form::Bare),
        commands: Folder::new(Spot::same("${CLAUDE_CONFIG_DIR:-~/.claude}/commands"), "md", Form::Headed),
        ..Reads::NOTHING
    },
    health: Some(Health { args: &["mcp", "list"], good: "Connected", connects: true, waiting: "Pending" }),
    notes: |_| Vec::new(),
};

const INSTRUCTIONS: Spot = Spot::same("${CLAUDE_CONFIG_DIR:-~/.claude}/CLAUDE.md");

const SERVERS: &[Spot] = &[Spot::same("${CLAUDE_CONFIG_DIR:-~}/.claude.json")];
const SETTINGS: Spot = Spot::same("${CLAUDE_CONFIG_DIR:-~/.claude}/settings.json");

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let own = door.entry(&TARGET, json!({ "type": "stdio", "timeout": 600_000 }));
    let entries = door.entries(own.clone());
    let servers = Wanted {
        path: machine.file(TARGET.name, SERVERS),
        format: Format::Json,
        seed: "",
        items: door.items(&TARGET, own, |_, _| Vec::new()),
    };
    let items = rules(&entries, &door.leave.rules);
    let settings = Wanted { path: machine.path(&SETTINGS), format: Format::Json, seed: "", items };
    vec![servers, settings]
}

/// Each rule is a text in a list of its kind.
fn rules(entries: &[Entry], rules: &Rules) -> Vec<Item> {
    let allow = entries.iter().flat_map(|Entry { name, leave, .. }| {
        let own = leave.all.then(|| format!("mcp__{name}"));
        own.into_iter().chain(leave.single().map(move |tool| format!("mcp__{name}__{tool}")))
    });
    let allow: Vec<String> = allow.chain(rules.allow.iter().cloned()).collect();
    let lists = [
        ("allow", &allow),
        ("ask", &rules.ask),
        ("deny", &rules.deny),
        ("additionalDirectories", &rules.directories),
    ];
    let permissions = Place::keys(&["permissions"]);
    let texts = lists.into_iter().flat_map(|(list, texts)| texts.iter().map(move |text| (list, text)));
    let texts =
        texts.map(|(list, text)| Item::Value { place: permissions.key(list).text(text), value: json!(text) });
    let mode = rules.default_mode.iter();
    let mode = mode.map(|mode| Item::Value { place: permissions.key("defaultMode"), value: json!(mode) });
    texts.chain(mode).collect()
}
