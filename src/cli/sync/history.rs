//! `loom sync history` and `loom sync --undo`.

use serde_json::json;

use crate::cli::Ending;
use crate::cli::context::Context;
use crate::cli::out::{Out, Paint};
use crate::cli::sync::open;
use crate::fault::{Fault, Kind, Plain};
use crate::sync::apply::undo as take_back;
use crate::sync::history::{RunState, all};

pub fn list(as_json: bool, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let (state, _) = open(context)?;
    let runs = all(&state.history_dir())?;
    if as_json {
        let runs: Vec<_> = runs
            .iter()
            .map(|run| {
                let files: Vec<_> = run.files.iter().map(|file| file.path.to_string_lossy()).collect();
                json!({ "run": run.id, "time": run.began, "what": run.verb,
                        "undone": run.state == RunState::Undone, "files": files })
            })
            .collect();
        out.json(&runs);
        return Ok(Ending::Done);
    }
    if runs.is_empty() {
        out.line("no run has written anything");
    }
    for run in &runs {
        let undone = if run.state == RunState::Undone { " (undone)" } else { "" };
        let time = httpdate::fmt_http_date(run.time());
        out.line(format!("{:>4}  {time}  loom {}{}", run.id, run.verb, out.paint(Paint::Dim, undone)));
        for file in run.files.iter().filter(|file| !file.skipped) {
            out.line(format!("      {}", context.show(&file.path)));
        }
    }
    Ok(Ending::Done)
}

pub fn undo(words: &[&str], as_json: bool, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let id = match words {
        [] | ["all"] => None,
        [id] if id.parse::<u64>().is_ok() => Some(*id),
        _ => {
            let text = "`--undo` takes the number of a run, or nothing for the last one";
            return Err(Plain::new(Kind::Usage, text).hint("loom sync history").into());
        }
    };
    let (state, mut manifest) = open(context)?;
    let undone = take_back(&state, &mut manifest, id)?;
    let left = undone.files.iter().any(|(_, _, left)| !left.is_empty());
    if as_json {
        let files: Vec<_> = undone
            .files
            .iter()
            .map(|(path, exact, left)| {
                let left: Vec<String> = left.iter().map(ToString::to_string).collect();
                json!({ "file": path.to_string_lossy(), "exact": exact, "left": left })
            })
            .collect();
        out.json(&json!({ "run": undone.run.id, "files": files }));
    } else {
        for (path, exact, left) in &undone.files {
            let how = match exact {
                true => "as it was before",
                false => "has changed since; only what loom wrote was taken back",
            };
            out.line(format!("{}: {how}", context.show(path)));
            for place in left {
                let text = format!("  {place} was changed by somebody else, and stays");
                out.line(out.paint(Paint::Warn, &text));
            }
        }
        out.line(format!("run {} is undone", undone.run.id));
    }
    Ok(if left { Ending::With(Kind::Found) } else { Ending::Done })
}
