//! `loom sync history`, its `--forget`, and `loom sync --undo`.

use std::collections::BTreeSet;

use serde_json::json;

use crate::cli::Ending;
use crate::cli::context::Context;
use crate::cli::out::{Out, Paint};
use crate::cli::sync::open;
use crate::fault::{Fault, Kind, Plain};
use crate::sync::apply::undo as take_back;
use crate::sync::history::{self, RunState, all};

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

/// Drops what the runs `numbers`, with commas between them, keep.
pub fn forget(
    words: &[&str],
    numbers: &str,
    as_json: bool,
    context: &Context,
    out: &mut Out,
) -> Result<Ending, Fault> {
    let wrong = |text: String| Plain::new(Kind::Usage, text).hint("loom sync history");
    if words != ["history"] {
        return Err(wrong("`--forget` goes with `history`: loom sync history --forget NUMBER".into()).into());
    }
    let (state, _) = open(context)?;
    let dir = state.history_dir();
    let there = history::ids(&dir);
    let number = |text: &str| {
        let number = text.trim().parse::<u64>().ok().filter(|number| there.contains(number));
        number.ok_or_else(|| wrong(format!("there is no run {text} to forget")))
    };
    let ids = numbers.split(',').map(number).collect::<Result<BTreeSet<u64>, Plain>>()?;
    for id in &ids {
        history::forget(&dir, *id)?;
        if !as_json {
            out.line(format!(
                "run {id} is forgotten, with the files' bytes that it kept: it cannot be undone any more"
            ));
        }
    }
    if as_json {
        out.json(&json!({ "forgotten": ids }));
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
