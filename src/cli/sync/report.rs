//! What a sync has found and done, for people and as JSON.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::Ending;
use crate::cli::out::{Out, Paint};
use crate::fault::Kind;
use crate::sync::diff::{diff, hidden};
use crate::sync::format::Format;
use crate::sync::history::Run;
use crate::sync::job::{Draft, Obstacle};
use crate::sync::machine::Machine;
use crate::sync::plan::{Change, Drift, DriftKind};
use crate::sync::survey::Survey;
use crate::sync::target::Target;
use crate::sync::whole::place as whole_place;

/// What is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Style {
    /// What was done.
    Done,
    /// What would be done, as a diff.
    Diff,
    /// Whether anything would be done.
    Check,
}

#[expect(clippy::too_many_arguments, reason = "all that a report tells")]
pub fn show(
    found: &Survey,
    targets: &[&'static Target],
    run: Option<&Run>,
    style: Style,
    machine: &Machine,
    more: &dyn Fn(&Target) -> Vec<String>,
    as_json: bool,
    out: &mut Out,
) {
    if as_json {
        out.json(&json!({
            "run": run.map(|run| run.id),
            "files": files_json(found, style),
            "notes": targets.iter().map(|target| (target.name, [more(target), (target.notes)(machine)].concat())).filter(|(_, notes)| !notes.is_empty())
                .map(|(name, notes)| (name.to_owned(), json!(notes))).collect::<serde_json::Map<_, _>>(),
        }));
        return;
    }
    if targets.is_empty() {
        out.line("no client was found on this machine; name one, or add --all-targets");
    }
    rows(found, style, machine, out);
    for target in targets {
        for note in more(target) {
            out.line(out.paint(Paint::Warn, &format!("{:15} note: {note}", target.name)));
        }
    }
    let new =
        |target: &Target| found.drafts.iter().any(|draft| draft.job.target == target.name && draft.writes());
    if style == Style::Done {
        for target in targets.iter().filter(|target| new(target)) {
            for note in (target.notes)(machine) {
                out.line(out.paint(Paint::Dim, &format!("{:15} note: {note}", target.name)));
            }
        }
    }
    if let Some(run) = run {
        out.line(format!("run {}; `loom sync --undo` takes it back", run.id));
    } else if style == Style::Done && !targets.is_empty() {
        out.line("nothing was written");
    }
}

/// What becomes of each file, and what is in the way.
pub fn rows(found: &Survey, style: Style, machine: &Machine, out: &mut Out) {
    // Of the many files of skills only those that are news.
    let is_news =
        |draft: &&Draft| draft.job.format != Format::Whole || draft.writes() || !draft.drift.is_empty();
    for draft in found.drafts.iter().filter(is_news) {
        file(draft, style, machine, out);
    }
    for (target, path, obstacle) in &found.obstacles {
        out.line(format!("{target:15} {}", out.paint(Paint::Bad, &left_alone(path, obstacle, machine))));
    }
}

/// The exit code.
pub fn ending(found: &Survey, style: Style) -> Ending {
    let drifts = found.drafts.iter().any(|draft| !draft.drift.is_empty());
    let writes = found.drafts.iter().any(Draft::writes);
    match style {
        _ if !found.obstacles.is_empty() => Ending::With(Kind::Config),
        Style::Done if drifts => Ending::With(Kind::Found),
        Style::Check if drifts || writes => Ending::With(Kind::Found),
        Style::Done | Style::Check | Style::Diff => Ending::Done,
    }
}

/// `~/.codex/config.toml:3:1: …: left alone`.
pub fn left_alone(path: &Path, obstacle: &Obstacle, machine: &Machine) -> String {
    let path = machine.show(path);
    match obstacle {
        Obstacle::Wrong(wrong) => {
            format!("{path}:{}:{}: {}; the file was left alone", wrong.line, wrong.column, wrong.text)
        }
        Obstacle::Io(error) => format!("{path}: {error}; the file was left alone"),
    }
}

fn file(draft: &Draft, style: Style, machine: &Machine, out: &mut Out) {
    let path = machine.show(&draft.job.path);
    let word = word(draft, style);
    let paint = match word {
        "unchanged" => Paint::Dim,
        "differs" => Paint::Warn,
        _ => Paint::Good,
    };
    let changes: Vec<String> = draft.changes.iter().map(change).collect();
    let what = if changes.is_empty() { String::new() } else { format!(" ({})", changes.join(", ")) };
    let also = match draft.job.also.as_slice() {
        [] => String::new(),
        also => format!("; also for {}", also.join(", ")),
    };
    out.line(format!("{:15} {path}: {}{what}{also}", draft.job.target, out.paint(paint, word)));
    for drift in &draft.drift {
        let text = drift_text(drift);
        out.line(format!("{:15}   {}", "", out.paint(Paint::Warn, out.foreign(&text).as_ref())));
    }
    if style == Style::Diff && draft.writes() {
        let text =
            |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let (before, after) = (text(&draft.before), text(&draft.after));
        let is_text =
            |bytes: &Option<Vec<u8>>| bytes.as_ref().is_none_or(|bytes| std::str::from_utf8(bytes).is_ok());
        match is_text(&draft.before) && is_text(&draft.after) {
            true => out.raw(&out.foreign(&diff(&path, before.as_deref(), after.as_deref()))),
            false => out.line(format!("{:15}   (it is no text)", "")),
        }
    }
}

/// What became of a file, or would.
fn word(draft: &Draft, style: Style) -> &'static str {
    match (style, draft.writes(), &draft.after) {
        (Style::Done, true, Some(_)) => "written",
        (Style::Done, true, None) => "removed",
        (Style::Diff | Style::Check, true, Some(_)) => "would be written",
        (Style::Diff | Style::Check, true, None) => "would be removed",
        (_, false, _) if !draft.drift.is_empty() => "differs",
        (_, false, _) => "unchanged",
    }
}

fn change(change: &Change) -> String {
    let what = match (&change.before, &change.after) {
        (None, _) => "added",
        (Some(_), None) => "taken out",
        (Some(_), Some(_)) => "changed",
    };
    format!("{} {what}", change.place)
}

/// What is not as loom wrote it, by whom, and what can be done.
pub fn drift_text(drift: &Drift) -> String {
    let (place, found) = (&drift.place, found_text(drift));
    let choice = "keep it with --accept, or write loom's with --force";
    match drift.kind {
        DriftKind::Edited if drift.wanted.is_none() => {
            format!("{place} was changed by you or the client, and stays; it is not loom's any more")
        }
        DriftKind::Edited => format!("{place} was changed by you or the client{found}: {choice}"),
        DriftKind::Deleted => format!("{place} was taken out by you or the client: {choice}"),
        DriftKind::Foreign if is_whole(drift) => {
            format!("{place} is not loom's, and stays: rename yours, or the one in skills-registry.yaml")
        }
        DriftKind::Foreign => format!("{place} is not loom's{found}: write loom's with --force"),
    }
}

/// `, to VALUE`, where that is short enough to be said.
fn found_text(drift: &Drift) -> String {
    match &drift.found {
        Some(Value::String(text)) if text.contains('\n') || is_whole(drift) => String::new(),
        Some(found) => format!(", to {}", hidden(&found.to_string())),
        None => String::new(),
    }
}

/// Whether it is about a file as a whole.
fn is_whole(drift: &Drift) -> bool {
    drift.place == whole_place()
}

pub fn files_json(found: &Survey, style: Style) -> Vec<Value> {
    let drafts = found.drafts.iter().map(|draft| {
        json!({
            "target": draft.job.target,
            "also": draft.job.also,
            "file": draft.job.path.to_string_lossy(),
            "state": word(draft, style).replace(' ', "_"),
            "changes": draft.changes.iter().map(|one| json!({
                "place": one.place.to_string(),
                "kind": change(one).rsplit_once(&format!("{} ", one.place)).map(|(_, kind)| kind.replace(' ', "_")),
            })).collect::<Vec<_>>(),
            "drift": draft.drift.iter().map(drift_json).collect::<Vec<_>>(),
        })
    });
    let obstacles = found.obstacles.iter().map(|(target, path, obstacle)| {
        let (line, column, text) = match obstacle {
            Obstacle::Wrong(wrong) => (Some(wrong.line), Some(wrong.column), wrong.text.clone()),
            Obstacle::Io(error) => (None, None, error.to_string()),
        };
        json!({
            "target": target, "file": path.to_string_lossy(), "state": "left_alone",
            "error": { "line": line, "column": column, "text": text },
        })
    });
    drafts.chain(obstacles).collect()
}

fn drift_json(drift: &Drift) -> Value {
    let kind = match drift.kind {
        DriftKind::Edited => "edited",
        DriftKind::Deleted => "deleted",
        DriftKind::Foreign => "foreign",
    };
    json!({
        "place": drift.place.to_string(),
        "kind": kind,
        "wanted": drift.wanted,
        "found": drift.found.as_ref().map(|found| hidden(&found.to_string())),
    })
}
