//! One file of one client: read, planned, compared. Reads the disk, writes nothing.

use std::io;
use std::path::PathBuf;

use crate::sync::disk;
use crate::sync::format::Format;
use crate::sync::machine::Machine;
use crate::sync::place::{Place, Wrong};
use crate::sync::plan::{Change, Drift, Planned, Policy, plan, plan_removal, says_nothing};
use crate::sync::state::{Manifest, Record};
use crate::sync::target::{Door, Item, Target, starts_loom};

/// A file and what is to be done with it.
#[derive(Clone, Debug)]
pub struct Job {
    pub target: &'static str,
    pub path: PathBuf,
    pub format: Format,
    pub seed: String,
    /// It is for direct mode.
    pub direct: bool,
    pub task: Task,
}

#[derive(Clone, Debug)]
pub enum Task {
    /// It should hold these; entries of loom at the stale places go.
    Hold { items: Vec<Item>, stale: Vec<Place> },
    /// Nothing of loom should be left.
    Clear,
}

/// What came of a job.
#[derive(Debug)]
pub struct Draft {
    pub job: Job,
    pub before: Option<Vec<u8>>,
    pub after: Option<Vec<u8>>,
    pub changes: Vec<Change>,
    pub drift: Vec<Drift>,
    pub record_before: Option<Record>,
    pub record_after: Option<Record>,
}

/// Why a file is left alone.
#[derive(Debug)]
pub enum Obstacle {
    Wrong(Wrong),
    Io(io::Error),
}

impl Draft {
    pub fn writes(&self) -> bool {
        self.before != self.after
    }
}

/// The jobs that bring `target` up to date.
pub fn jobs(target: &'static Target, machine: &Machine, door: &Door, manifest: &Manifest) -> Vec<Job> {
    let (mut jobs, direct): (Vec<Job>, bool) = (Vec::new(), door.direct.is_some());
    for wanted in (target.files)(machine, door) {
        jobs.push(Job {
            target: target.name,
            path: wanted.path,
            format: wanted.format,
            seed: wanted.seed.to_owned(),
            direct,
            task: Task::Hold { items: wanted.items, stale: Vec::new() },
        });
    }
    for old in target.stale {
        let (path, place) = (machine.path(&old.spot), Place::keys(old.keys));
        match jobs.iter_mut().find(|job| job.path == path) {
            Some(Job { task: Task::Hold { stale, .. }, .. }) => stale.push(place),
            _ => jobs.push(Job {
                target: target.name,
                path,
                format: old.format,
                seed: String::new(),
                direct,
                task: Task::Hold { items: Vec::new(), stale: vec![place] },
            }),
        }
    }
    // A file that loom has no use for any more is left as if loom had never had one.
    for job in &mut jobs {
        let is_empty =
            |task: &Task| matches!(task, Task::Hold { items, stale } if items.is_empty() && stale.is_empty());
        if is_empty(&job.task) && manifest.files.contains_key(&job.path) {
            job.task = Task::Clear;
        }
    }
    // Files that were written once, and that the client has elsewhere now.
    let known = |path: &PathBuf| jobs.iter().any(|job| job.path == *path);
    let moved: Vec<Job> =
        cleared(target.name, manifest).into_iter().filter(|job| !known(&job.path)).collect();
    jobs.into_iter().chain(moved).collect()
}

/// The jobs that take loom out of a client, as far as it is recorded.
pub fn cleared(target: &'static str, manifest: &Manifest) -> Vec<Job> {
    let recorded = manifest.files.iter().filter(|(_, record)| record.target == target);
    recorded
        .map(|(path, record)| Job {
            target,
            path: path.clone(),
            format: record.format,
            seed: record.seed.clone(),
            direct: false,
            task: Task::Clear,
        })
        .collect()
}

/// Reads the file of a job and plans it; `None` when there is nothing to say about it.
pub fn draft(job: Job, record: Option<&Record>, policy: Policy) -> Result<Option<Draft>, Obstacle> {
    let idle = matches!(&job.task, Task::Hold { items, .. } if items.is_empty()) && record.is_none();
    let before = match disk::read(&job.path) {
        Ok(before) => before,
        Err(_) if idle => return Ok(None),
        Err(error) => return Err(Obstacle::Io(error)),
    };
    match drafted(&job, before.as_deref(), record, policy) {
        Err(_) | Ok(None) if idle => Ok(None),
        Ok(None) => Ok(None),
        Err(wrong) => Err(Obstacle::Wrong(wrong)),
        Ok(Some((planned, after))) => {
            let owned = planned.owned;
            let is_kept = !owned.values.is_empty() || !owned.entries.is_empty();
            let record_after = is_kept.then(|| Record {
                target: job.target.to_owned(),
                format: job.format,
                seed: job.seed.clone(),
                direct: job.direct,
                owned,
            });
            Ok(Some(Draft {
                before,
                after,
                changes: planned.changes,
                drift: planned.drift,
                record_before: record.cloned(),
                record_after,
                job,
            }))
        }
    }
}

type Outcome = Option<(Planned, Option<Vec<u8>>)>;

fn drafted(
    job: &Job,
    before: Option<&[u8]>,
    record: Option<&Record>,
    policy: Policy,
) -> Result<Outcome, Wrong> {
    let text = match before {
        Some(bytes) => Format::text(bytes)?,
        None => &job.seed,
    };
    let owned = record.map(|record| &record.owned);
    match &job.task {
        Task::Clear => {
            let Some(owned) = owned else { return Ok(None) };
            let Some(bytes) = before else { return Ok(Some((plan_removal(job.format, "", owned)?, None))) };
            let planned = plan_removal(job.format, text, owned)?;
            let is_gone = owned.created && says_nothing(job.format, &planned.text, &job.seed);
            let after = (!is_gone).then(|| result(&planned, bytes));
            Ok(Some((planned, after)))
        }
        Task::Hold { items, stale } => {
            let mut planned = plan(job.format, text, owned, items, policy)?;
            for place in stale {
                let entry = job.format.get(&planned.text, place).ok().flatten();
                if let Some(entry) = entry.filter(starts_loom) {
                    planned.text = job.format.remove(&planned.text, place)?;
                    job.format.check(&planned.text)?;
                    planned.changes.push(Change { place: place.clone(), before: Some(entry), after: None });
                }
            }
            if planned.changes.is_empty() && planned.drift.is_empty() && planned.owned.values.is_empty() {
                return Ok(record.map(|_| (planned, before.map(<[u8]>::to_vec))));
            }
            if planned.changes.is_empty() {
                return Ok(Some((planned, before.map(<[u8]>::to_vec))));
            }
            planned.owned.created |= before.is_none();
            let after = planned.text.clone().into_bytes();
            Ok(Some((planned, Some(after))))
        }
    }
}

/// The new bytes; the old ones where nothing changed.
fn result(planned: &Planned, before: &[u8]) -> Vec<u8> {
    if planned.changes.is_empty() { before.to_vec() } else { planned.text.clone().into_bytes() }
}
