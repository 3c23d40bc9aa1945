//! What is to be done with each file that models are told from.

use std::path::{Path, PathBuf};

use crate::sync::TARGETS;
use crate::sync::disk;
use crate::sync::format::Format;
use crate::sync::job::{Job, Task};
use crate::sync::place::Place;
use crate::sync::plan::Policy;
use crate::sync::skills::layout::{File, Layout, layout};
use crate::sync::skills::workspace::copies;
use crate::sync::skills::{HEAD, Told};
use crate::sync::state::{Manifest, Record};
use crate::sync::survey::{Aim, Order};
use crate::sync::target::{Item, Target};
use crate::sync::whole;

/// The jobs for the clients `asked`; `present` are those whose files have to fit together.
pub fn jobs(
    told: &Told,
    asked: &[&'static Target],
    present: &[&'static Target],
    order: &Order<'_>,
) -> Vec<Job> {
    let manifest = order.manifest;
    let taken = |path: &Path| path.exists() && !is_ours(manifest, path);
    let laid = match order.aim {
        Aim::Present => layout(told, present, order.machine, &taken),
        Aim::Absent => Layout::default(),
    };
    let is_asked = |name: &str| asked.iter().any(|target| target.name == name);
    let mut jobs: Vec<Job> = Vec::new();
    for (path, text) in &laid.texts {
        let items = text
            .blocks
            .iter()
            .map(|(name, told)| Item::Value { place: Place::keys(&[name]), value: told.as_str().into() });
        let task = Task::Hold { items: items.collect(), stale: Vec::new() };
        jobs.extend(job(path, Format::Blocks, task, &text.clients, manifest, &is_asked));
    }
    for (path, file) in laid.files.iter().filter(|(path, file)| has_room(path, file, &laid, manifest)) {
        let task = Task::Be { bytes: file.bytes.clone(), mode: file.mode };
        jobs.extend(job(path, Format::Whole, task, &file.clients, manifest, &is_asked));
    }
    let known: Vec<PathBuf> = jobs.iter().map(|job| job.path.clone()).collect();
    for (path, record) in
        manifest.files.iter().filter(|(path, record)| record.is_told() && !known.contains(path))
    {
        let stays = record.clients().any(|client| !is_asked(client));
        let task = if stays { Task::Stay } else { farewell(path, record, manifest, order) };
        let clients: Vec<&str> = if stays { Vec::new() } else { record.clients().collect() };
        if record.clients().any(is_asked) {
            jobs.extend(job_for(path, record.format, task, &clients, manifest, &is_asked));
        }
    }
    if order.aim == Aim::Present && is_asked("gemini") {
        jobs.extend(copies(&laid, order.machine));
    }
    jobs
}

/// A job when one of the clients is asked for.
fn job(
    path: &Path,
    format: Format,
    task: Task,
    clients: &[&'static str],
    manifest: &Manifest,
    is_asked: &dyn Fn(&str) -> bool,
) -> Option<Job> {
    let asked: Vec<&str> = clients.iter().copied().filter(|client| is_asked(client)).collect();
    if asked.is_empty() {
        return None;
    }
    job_for(path, format, task, &asked, manifest, is_asked)
}

/// A job for these clients and those on record that are not asked for now, in the order of the table.
fn job_for(
    path: &Path,
    format: Format,
    task: Task,
    clients: &[&str],
    manifest: &Manifest,
    is_asked: &dyn Fn(&str) -> bool,
) -> Option<Job> {
    let record = manifest.files.get(path);
    let is_client = |target: &&Target| {
        clients.contains(&target.name)
            || (!is_asked(target.name) && record.is_some_and(|record| record.is_for(target.name)))
    };
    let mut all = TARGETS.iter().filter(is_client).map(|target| target.name);
    let target = all.next()?;
    let also = all.map(str::to_owned).collect();
    Some(Job { target, also, path: path.to_path_buf(), format, seed: String::new(), task })
}

/// Whether loom wrote the file, as far as it remembers.
fn is_ours(manifest: &Manifest, path: &Path) -> bool {
    manifest.files.get(path).is_some_and(|record| record.owned.created)
}

/// Whether a file may come: beside somebody else's SKILL.md nothing does.
fn has_room(path: &Path, file: &File, laid: &Layout, manifest: &Manifest) -> bool {
    let head = file.unit.join(HEAD);
    if path == head || path == file.unit || manifest.files.contains_key(path) || is_ours(manifest, &head) {
        return true;
    }
    let wanted = laid.files.get(&head).map(|head| head.bytes.as_slice());
    match disk::read(&head) {
        Ok(found) => found.is_none() || found.as_deref() == wanted,
        Err(_) => false,
    }
}

/// How a file goes: a skill in which anything was changed stays as a whole.
fn farewell(path: &Path, record: &Record, manifest: &Manifest, order: &Order<'_>) -> Task {
    if record.format == Format::Blocks {
        return match order.aim {
            Aim::Present => Task::Hold { items: Vec::new(), stale: Vec::new() },
            Aim::Absent => Task::Clear,
        };
    }
    let unit = path.ancestors().skip(1).find(|dir| manifest.files.contains_key(&dir.join(HEAD)));
    let changed = |path: &Path, record: &Record| {
        let known = record.owned.values.first().and_then(|value| value.value.clone());
        disk::read(path).ok().flatten().is_some_and(|bytes| Some(whole::print(&bytes)) != known)
    };
    let mut group =
        manifest.files.iter().filter(|(other, _)| unit.is_some_and(|unit| other.starts_with(unit)));
    match order.policy != Policy::Force && group.any(|(path, record)| changed(path, record)) {
        true => Task::Forget,
        false => Task::Clear,
    }
}
