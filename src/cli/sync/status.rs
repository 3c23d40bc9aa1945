//! `loom sync status`: how every client on this machine stands. Writes nothing.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::Ending;
use crate::cli::context::Context;
use crate::cli::out::{Out, Paint};
use crate::cli::sync::doors::{Doors, Mode};
use crate::cli::sync::report::{Style, drift_text, files_json, left_alone, passed_over_text};
use crate::cli::sync::{machine, open, told};
use crate::fault::Fault;
use crate::registry::find::{for_home, passed_over};
use crate::sync::job::Draft;
use crate::sync::plan::Policy;
use crate::sync::state::Manifest;
use crate::sync::survey::{Aim, Order, Survey, survey};
use crate::sync::target::Target;
use crate::sync::{TARGETS, is_here};

pub fn run(
    registry: Option<&Path>,
    as_json: bool,
    context: &Context,
    out: &mut Out,
) -> Result<Ending, Fault> {
    let machine = machine(context)?;
    let registry = for_home(registry, &context.cwd, &context.paths)?;
    let near = passed_over(&registry, &context.cwd);
    let doors = Doors::load(context, &registry, Mode::AsBefore)?;
    let (_state, manifest) = open(context)?;
    let (here, absent): (Vec<&'static Target>, Vec<_>) =
        TARGETS.iter().partition(|target| is_here(target, &machine, &manifest));
    let told = told::load(context, &registry)?;
    let door = |target: &Target| doors.door(target, &manifest);
    let order = Order {
        machine: &machine,
        manifest: &manifest,
        door: Some(&door),
        told: Some(&told),
        aim: Aim::Present,
        policy: Policy::Report,
    };
    let mut rows = Map::new();
    for target in &here {
        let found = survey(&[target], &order);
        let state = state(target, &found, &manifest);
        let direct = doors.door(target, &manifest).direct;
        let mode = if direct.is_some() { "direct" } else { "loom" };
        let own = direct.map(|direct| direct.notes).unwrap_or_default();
        let notes: Vec<String> = own.into_iter().chain((target.notes)(&machine)).collect();
        if as_json {
            let files = files_json(&found, Style::Check);
            let facts = json!({ "source": target.source, "checked": target.checked });
            let row = json!({ "client": target.title, "state": state, "mode": mode, "files": files, "notes": notes, "facts": facts });
            rows.insert(target.name.to_owned(), row);
            continue;
        }
        let paint = match state {
            "configured" => Paint::Good,
            "not configured" => Paint::Dim,
            _ => Paint::Warn,
        };
        let how = if mode == "direct" { ", in direct mode" } else { "" };
        out.line(format!("{:15} {}{how}", target.name, out.paint(paint, state)));
        for drift in found.drafts.iter().flat_map(|draft| &draft.drift) {
            out.line(format!("{:15}   {}", "", out.foreign(&drift_text(drift))));
        }
        for (_, path, obstacle) in &found.obstacles {
            out.line(format!("{:15}   {}", "", left_alone(path, obstacle, &machine)));
        }
        for note in notes {
            out.line(out.paint(Paint::Dim, &format!("{:15}   {note}", "")));
        }
    }
    let absent: Vec<&str> = absent.iter().map(|target| target.name).collect();
    match as_json {
        true => out.json(&json!({ "clients": Value::Object(rows), "not_here": absent, "not_read": near })),
        false => {
            out.line(format!("{:15} {}", "not here", absent.join(" ")));
            near.iter().for_each(|path| out.line(passed_over_text(path, &machine)));
        }
    }
    Ok(Ending::Done)
}

fn state(target: &Target, found: &Survey, manifest: &Manifest) -> &'static str {
    let recorded = manifest.knows(target.name);
    match (recorded, found.drafts.iter().any(Draft::writes)) {
        _ if !found.obstacles.is_empty() => "cannot be read",
        _ if found.drafts.iter().any(|draft| !draft.drift.is_empty()) => "changed by somebody else",
        (false, true) => "not configured",
        (true, true) => "out of date",
        (_, false) => "configured",
    }
}
