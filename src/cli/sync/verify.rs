//! `loom sync --verify`: what the clients themselves say of loom.

use serde_json::{Value, json};

use crate::cli::Ending;
use crate::cli::out::{Out, Paint, first_line};
use crate::fault::Kind;
use crate::sync::machine::Machine;
use crate::sync::target::{Door, NAME, Target};
use crate::sync::verify::{Sight, Verdict, verify};

/// Longest piece of a client's words that is shown, in characters.
const WORDS_MAX: usize = 120;

/// Asks every client that is installed. Ends with 4 when one of them cannot use loom.
pub fn run(
    targets: &[&'static Target],
    machine: &Machine,
    door: &dyn Fn(&Target) -> Door,
    as_json: bool,
    out: &mut Out,
) -> Ending {
    let mut rows: Vec<Value> = Vec::new();
    let mut failed = false;
    for target in targets {
        let names: Vec<String> = match door(target).direct {
            Some(direct) => direct.entries.into_iter().map(|entry| entry.name).collect(),
            None => vec![NAME.to_owned()],
        };
        let verdicts = verify(target, machine, &names).unwrap_or_else(|error| {
            let failed =
                |name: &String| (name.clone(), Verdict { sight: Sight::Failed, words: error.to_string() });
            names.iter().map(failed).collect()
        });
        for (server, verdict) in verdicts {
            failed |= matches!(verdict.sight, Sight::Failed | Sight::NeedsTrust);
            let (words, (word, paint)) = (first_line(&verdict.words, WORDS_MAX), shown(verdict.sight));
            rows.push(json!({
                "target": target.name, "server": server, "sight": word.replace(' ', "_"), "words": words,
            }));
            if !as_json {
                let words = if words.is_empty() { words } else { format!(": {words}") };
                out.line(format!("{:15} {}{words}", target.name, out.paint(paint, word)));
            }
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
