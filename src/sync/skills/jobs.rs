//! What is to be done with each file that models are told from.

use std::collections::BTreeSet;
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
    let asked = Asked::new(asked, order);
    let mut jobs: Vec<Job> = Vec::new();
    for (path, text) in &laid.texts {
        let items = text
            .blocks
            .iter()
            .map(|(name, told)| Item::Value { place: Place::keys(&[name]), value: told.as_str().into() });
        let task = Task::Hold { items: items.collect(), stale: Vec::new() };
        jobs.extend(asked.job(path, Format::Blocks, task, &text.clients));
    }
    for (path, file) in laid.files.iter().filter(|(path, file)| has_room(path, file, manifest)) {
        let task = Task::Be { bytes: file.bytes.clone(), mode: file.mode };
        jobs.extend(asked.job(path, Format::Whole, task, &file.clients));
    }
    let known: BTreeSet<PathBuf> = jobs.iter().map(|job| job.path.clone()).collect();
    for (path, record) in
        manifest.files.iter().filter(|(path, record)| record.is_told() && !known.contains(*path))
    {
        let leaving: Vec<&str> =
            record.clients().filter(|client| asked.is_asked(record.format, client)).collect();
        if leaving.len() == record.clients().count() {
            let task = farewell(path, record, &known, order);
            jobs.extend(asked.job(path, record.format, task, &leaving));
        } else if !leaving.is_empty() {
            jobs.extend(asked.job(path, record.format, Task::Stay, &[]));
        }
    }
    if order.aim == Aim::Present && asked.is_asked(Format::Whole, "gemini") {
        jobs.extend(copies(&laid, order.machine));
    }
    jobs
}

/// Whose files are to be looked after.
struct Asked<'o> {
    manifest: &'o Manifest,
    named: Vec<&'static str>,
    /// Those that share a folder of skills with one of them: what moves there must leave their own.
    along: Vec<&'static str>,
}

impl<'o> Asked<'o> {
    fn new(asked: &[&'static Target], order: &Order<'o>) -> Self {
        let shares = order.aim == Aim::Present && asked.iter().any(|target| target.reads.shared);
        let has_skills = |target: &&Target| {
            let is_skill = |record: &Record| record.format == Format::Whole && record.is_for(target.name);
            target.reads.shared && order.manifest.files.values().any(is_skill)
        };
        let along = TARGETS.iter().filter(|_| shares).filter(has_skills).map(|target| target.name);
        Asked {
            manifest: order.manifest,
            named: asked.iter().map(|target| target.name).collect(),
            along: along.collect(),
        }
    }

    fn is_asked(&self, format: Format, client: &str) -> bool {
        self.named.contains(&client) || format == Format::Whole && self.along.contains(&client)
    }

    /// A job for those of `clients` that are asked for, and for those on record that are not, in the order of the
    /// table; none where there is nobody.
    fn job(&self, path: &Path, format: Format, task: Task, clients: &[&str]) -> Option<Job> {
        let is_asked = |client: &str| self.is_asked(format, client);
        if !matches!(task, Task::Stay) && !clients.iter().any(|client| is_asked(client)) {
            return None;
        }
        let record = self.manifest.files.get(path);
        let is_client = |target: &&Target| match is_asked(target.name) {
            true => clients.contains(&target.name),
            false => record.is_some_and(|record| record.is_for(target.name)),
        };
        let mut all = TARGETS.iter().filter(is_client).map(|target| target.name);
        let target = all.next()?;
        let also = all.map(str::to_owned).collect();
        Some(Job { target, also, path: path.to_path_buf(), format, seed: String::new(), direct: false, task })
    }
}

/// Whether loom wrote the file, as far as it remembers.
fn is_ours(manifest: &Manifest, path: &Path) -> bool {
    manifest.files.get(path).is_some_and(|record| record.owned.created)
}

/// Whether a file may come: beside somebody else's SKILL.md nothing does.
fn has_room(path: &Path, file: &File, manifest: &Manifest) -> bool {
    let head = file.unit.join(HEAD);
    if path == head || path == file.unit || manifest.files.contains_key(path) || is_ours(manifest, &head) {
        return true;
    }
    disk::read(&head).is_ok_and(|found| found.is_none())
}

/// How a file goes that nobody wants any more: a skill in which anything was changed stays as a whole.
fn farewell(path: &Path, record: &Record, kept: &BTreeSet<PathBuf>, order: &Order<'_>) -> Task {
    if record.format == Format::Blocks {
        return match order.aim {
            Aim::Present => Task::Hold { items: Vec::new(), stale: Vec::new() },
            Aim::Absent => Task::Clear,
        };
    }
    let files = &order.manifest.files;
    let changed = |path: &Path, record: &Record| {
        let known = record.owned.values.first().and_then(|value| value.value.clone());
        disk::read(path).ok().flatten().is_some_and(|bytes| Some(whole::print(&bytes)) != known)
    };
    let is_leaving = |dir: &&Path| files.contains_key(&dir.join(HEAD)) && !kept.contains(&dir.join(HEAD));
    let is_changed = path.ancestors().skip(1).find(is_leaving).is_some_and(|unit| {
        let inside = files.range(unit.to_path_buf()..).take_while(|(path, _)| path.starts_with(unit));
        inside.into_iter().any(|(path, record)| changed(path, record))
    });
    match order.policy != Policy::Force && is_changed {
        true => Task::Forget,
        false => Task::Clear,
    }
}
