//! Continue, extension and command line. Its servers are a list, each with its name in it.

use serde_json::json;

use crate::sync::dialect::{Dialect, Field, Remote, Time};
use crate::sync::format::Format;
use crate::sync::machine::{Machine, Spot};
use crate::sync::skills::{Folder, Form, Reads};
use crate::sync::syntax::Syntax;
use crate::sync::target::{Door, Target, Wanted};

pub const TARGET: Target = Target {
    name: "continue",
    title: "Continue",
    programs: &["cn"],
    signs: &[Spot::same("${CONTINUE_GLOBAL_DIR:-~/.continue}")],
    dialect: Dialect {
        listed_by: Some("name"),
        local: r#"{"type": "stdio"}"#,
        cwd: true,
        remote: Some(Remote {
            headers: &["requestOptions", "headers"],
            always: r#"{"type": "streamable-http"}"#,
            ..Remote::URL
        }),
        syntax: Syntax::Secrets,
        refers: &[Field::Args, Field::Env],
        startup: Some(Time::Millis("connectionTimeout")),
        ..Dialect::PLAIN
    },
    max_tools: None,
    source: "cn 1.5.47, run",
    checked: "2026-11-23",
    files,
    stale: &[],
    reads: Reads {
        rules: Folder::new(Spot::same("${CONTINUE_GLOBAL_DIR:-~/.continue}/rules"), "md", Form::Bare),
        ..Reads::NOTHING
    },
    health: None,
    notes: |_| Vec::new(),
};

const CONFIG: &[Spot] = &[Spot::same("${CONTINUE_GLOBAL_DIR:-~/.continue}/config.yaml")];

fn files(machine: &Machine, door: &Door) -> Vec<Wanted> {
    let more = json!({ "type": "stdio", "connectionTimeout": 60_000 });
    vec![Wanted {
        path: machine.file(TARGET.name, CONFIG),
        format: Format::Yaml,
        seed: "name: Local Assistant\nversion: 1.0.0\nschema: v1\n",
        items: door.items(&TARGET, door.entry(&TARGET, more), |_, _| Vec::new()),
    }]
}
