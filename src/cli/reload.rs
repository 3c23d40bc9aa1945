//! `loom reload`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::Ending;
use crate::cli::args::ReloadArgs;
use crate::cli::context::Context;
use crate::cli::out::Out;
use crate::cli::server_table::counted;
use crate::fault::{Explain, Fault, Kind, Plain};
use crate::link::client::{CallError, Refusal};

/// Stopping servers that left the registry is part of a reload.
const RELOAD_WAIT: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Reloaded {
    servers: u64,
    #[serde(default)]
    added: Vec<String>,
    #[serde(default)]
    removed: Vec<String>,
    #[serde(default)]
    changed: Vec<String>,
}

pub fn run(args: ReloadArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let result = match context.connect()?.call("loom/reload", &json!({}), RELOAD_WAIT) {
        Ok(result) => result,
        Err(CallError::Refused(refusal)) if args.json => {
            out.json(&json!({ "reloaded": false, "error": refusal.message, "findings": findings(&refusal) }));
            return Ok(Ending::With(refusal.kind()));
        }
        Err(CallError::Refused(refusal)) => return Err(with_findings(refusal)),
        Err(error) => return Err(error.into()),
    };
    if args.json {
        out.json(&result);
        return Ok(Ending::Done);
    }
    let reloaded = serde_json::from_str(result.get())
        .map_err(|error| Plain::new(Kind::Bug, format!("loomd answered loom/reload oddly: {error}")))?;
    render(&reloaded, out);
    Ok(Ending::Done)
}

/// Tells a daemon that runs.
pub fn if_running(context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    match context.dial().is_ok() {
        true => run(ReloadArgs { json: false }, context, out),
        false => Ok(Ending::Done),
    }
}

fn render(reloaded: &Reloaded, out: &mut Out) {
    let changes =
        [("added", &reloaded.added), ("removed", &reloaded.removed), ("changed", &reloaded.changed)];
    if changes.iter().all(|(_, names)| names.is_empty()) {
        out.line(format!("nothing changed; {}", counted(reloaded.servers, "server")));
        return;
    }
    out.line(format!("reloaded; {}", counted(reloaded.servers, "server")));
    for (word, names) in changes.iter().filter(|(_, names)| !names.is_empty()) {
        out.line(format!("  {word:8} {}", names.join(", ")));
    }
}

fn findings(refusal: &Refusal) -> Vec<&str> {
    refusal.data["findings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The refusal with every place that it names.
fn with_findings(refusal: Refusal) -> Fault {
    let mut text = refusal.message.clone();
    for finding in findings(&refusal) {
        text.push_str(&format!("\n  {finding}"));
    }
    let kind = refusal.kind();
    let plain = Plain::new(kind, text);
    match CallError::Refused(refusal).hint() {
        Some(hint) => plain.hint(hint).into(),
        None => plain.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::report;

    #[test]
    fn changes_are_named() {
        let mut out = Out::new(false, false);
        let answer =
            r#"{"reloaded":true,"servers":4,"added":["a"],"removed":[],"changed":["b","c"],"unchanged":1}"#;
        render(&serde_json::from_str(answer).unwrap(), &mut out);
        render(&serde_json::from_str(r#"{"servers":4}"#).unwrap(), &mut out);
        insta::assert_snapshot!(out.text(), @r"
        reloaded; 4 servers
          added    a
          changed  b, c
        nothing changed; 4 servers
        ");
    }

    #[test]
    fn every_place_of_a_broken_registry_is_named() {
        let data = json!({ "kind": "config", "hint": "loom check", "findings": ["r.yaml:1:2: error: a", "r.yaml:3:4: error: b"] });
        let fault = with_findings(Refusal { code: -32000, message: "the registry is wrong".into(), data });
        assert_eq!(fault.kind().exit_code(), 78);
        insta::assert_snapshot!(report(&*fault), @r"
        error: the registry is wrong
          r.yaml:1:2: error: a
          r.yaml:3:4: error: b
        hint:  loom check
        ");
    }
}
