//! `loom health`.

use serde_json::{Value, json};

use crate::cli::Ending;
use crate::cli::args::HealthArgs;
use crate::cli::context::{ANSWER_WAIT, Context};
use crate::cli::out::{Out, Paint, first_line};
use crate::fault::{Fault, Kind, Plain};

pub fn run(args: HealthArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let result = context.connect()?.call("loom/health", &json!({}), ANSWER_WAIT)?;
    let health: Value = serde_json::from_str(result.get())
        .map_err(|error| Plain::new(Kind::Bug, format!("loomd answered loom/health oddly: {error}")))?;
    match args.json {
        true => out.json(&health),
        false => render(&health, out),
    }
    Ok(if health["status"] == "healthy" { Ending::Done } else { Ending::With(Kind::Unhealthy) })
}

fn render(health: &Value, out: &mut Out) {
    let status = health["status"].as_str().unwrap_or("unknown");
    let paint = match status {
        "healthy" => Paint::Good,
        "degraded" => Paint::Warn,
        _ => Paint::Bad,
    };
    let summary: Vec<String> = health["summary"].as_object().map_or_else(Vec::new, |summary| {
        summary
            .iter()
            .filter(|(_, count)| **count != 0)
            .map(|(word, count)| format!("{word} {count}"))
            .collect()
    });
    out.line(format!("{}: {}", out.paint(paint, status), summary.join(", ")));
    for (name, server) in health["servers"].as_object().into_iter().flatten() {
        if server["healthy"] != false {
            continue;
        }
        let state = server["state"].as_str().unwrap_or("unknown");
        let error = first_line(server["last_error"].as_str().unwrap_or_default(), 200);
        let line = format!("  {name}  {}  {error}", out.paint(Paint::Bad, state));
        out.line(line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ails_is_listed() {
        let mut out = Out::new(false, false);
        let health = json!({
            "status": "degraded",
            "servers": {
                "echo": { "name": "echo", "state": "ready", "healthy": true },
                "forge": { "name": "forge", "state": "failed", "healthy": false, "last_error": "no such file\nx" },
            },
            "summary": { "total": 2, "ready": 1, "failed": 1, "idle": 0 },
        });
        render(&health, &mut out);
        render(&json!({ "status": "healthy", "servers": {}, "summary": { "total": 0 } }), &mut out);
        insta::assert_snapshot!(out.text(), @r"
        degraded: total 2, ready 1, failed 1
          forge  failed  no such file
        healthy: 
        ");
    }
}
