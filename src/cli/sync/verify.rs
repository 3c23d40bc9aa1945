//! `loom sync --verify`: what the clients themselves say of loom.

use serde_json::{Value, json};

use crate::cli::Ending;
use crate::cli::out::{Out, Paint, first_line};
use crate::fault::Kind;
use crate::sync::machine::Machine;
use crate::sync::target::Target;
use crate::sync::verify::{Sight, verify};

/// Longest piece of a client's words that is shown, in characters.
const WORDS_MAX: usize = 120;

/// Asks every client that is installed. Ends with 4 when one of them cannot use loom.
pub fn run(targets: &[&'static Target], machine: &Machine, as_json: bool, out: &mut Out) -> Ending {
    let mut rows: Vec<Value> = Vec::new();
    let mut failed = false;
    for target in targets {
        let (sight, words) = match verify(target, machine) {
            Ok(verdict) => (verdict.sight, first_line(&verdict.words, WORDS_MAX)),
            Err(error) => (Sight::Failed, error.to_string()),
        };
        failed |= matches!(sight, Sight::Failed | Sight::NeedsTrust);
        let (word, paint) = shown(sight);
        rows.push(json!({ "target": target.name, "sight": word.replace(' ', "_"), "words": words }));
        if !as_json {
            let words = if words.is_empty() { words } else { format!(": {words}") };
            out.line(format!("{:15} {}{words}", target.name, out.paint(paint, word)));
        }
    }
    if as_json {
        out.json(&json!({ "clients": rows }));
    }
    if failed { Ending::With(Kind::Unhealthy) } else { Ending::Done }
}

fn shown(sight: Sight) -> (&'static str, Paint) {
    match sight {
        Sight::Connected => ("connected", Paint::Good),
        Sight::Read => ("read", Paint::Good),
        Sight::NeedsTrust => ("needs trust", Paint::Warn),
        Sight::Failed => ("failed", Paint::Bad),
        Sight::NotInstalled => ("not installed", Paint::Dim),
        Sight::Silent => ("cannot be asked", Paint::Dim),
    }
}
