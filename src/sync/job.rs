//! One file of one client: read, planned, compared. Reads the disk, writes nothing.

use std::io;
use std::path::PathBuf;

use serde_json::Value;

use crate::sync::disk;
use crate::sync::format::Format;
use crate::sync::machine::Machine;
use crate::sync::place::{Place, Wrong};
use crate::sync::plan::{Change, Drift, DriftKind, Owned, Planned, Policy, plan, plan_removal, says_nothing};
use crate::sync::state::{Manifest, Record};
use crate::sync::target::{Door, Item, Target, starts_loom};
use crate::sync::whole;

/// A file and what is to be done with it.
#[derive(Clone, Debug)]
pub struct Job {
    pub target: &'static str,
    /// Other clients that read the same file.
    pub also: Vec<String>,
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
    /// These, which are the user's, go where they are still as they were read.
    TakeOut { entries: Vec<(Place, Value)> },
    /// It should be this as a whole.
    Be { bytes: Vec<u8>, mode: u32 },
    /// It stays as it is; only who reads it changes.
    Stay,
    /// It is not loom's any more, and stays.
    Forget,
    /// It is known to be loom's without a record as long as it holds `bytes`, and goes, with the folder `unit` where that
    /// is empty then.
    Erase { unit: PathBuf, bytes: Vec<u8> },
}

/// What came of a job.
#[derive(Debug)]
pub struct Draft {
    pub job: Job,
    pub before: Option<Vec<u8>>,
    pub after: Option<Vec<u8>>,
    /// Permission bits: those that the file has, and those that it gets; `None` leaves them.
    pub mode_before: Option<u32>,
    pub mode_after: Option<u32>,
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
        let is_other = |mode| self.mode_before.is_some_and(|before| before != mode);
        self.before != self.after || self.mode_after.is_some_and(is_other)
    }
}

impl Job {
    /// Takes out of a file what is the user's; `record` is what loom knows of that file.
    pub fn taking_out(
        target: &'static str,
        path: PathBuf,
        format: Format,
        entries: Vec<(Place, Value)>,
        record: Option<&Record>,
    ) -> Self {
        Job {
            target,
            also: record.map(|record| record.also.clone()).unwrap_or_default(),
            path,
            format,
            seed: record.map(|record| record.seed.clone()).unwrap_or_default(),
            direct: record.is_some_and(|record| record.direct),
            task: Task::TakeOut { entries },
        }
    }
}

/// The jobs that bring `target` up to date.
pub fn jobs(target: &'static Target, machine: &Machine, door: &Door, manifest: &Manifest) -> Vec<Job> {
    let (mut jobs, direct): (Vec<Job>, bool) = (Vec::new(), door.direct.is_some());
    for wanted in (target.files)(machine, door) {
        jobs.push(Job {
            target: target.name,
            also: Vec::new(),
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
                also: Vec::new(),
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

/// The jobs that take loom out of a client's settings, as far as it is recorded.
pub fn cleared(target: &'static str, manifest: &Manifest) -> Vec<Job> {
    let is_own = |record: &Record| record.target == target && !record.is_told();
    let recorded = manifest.files.iter().filter(|(_, record)| is_own(record));
    recorded
        .map(|(path, record)| Job {
            target,
            also: Vec::new(),
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
    let mode = disk::mode(&job.path);
    let outcome = match drafted(&job, before.as_deref(), record, policy) {
        Err(_) if idle => None,
        Err(wrong) => return Err(Obstacle::Wrong(wrong)),
        Ok(outcome) => outcome,
    };
    let Some(outcome) = outcome else { return Ok(None) };
    let owned = outcome.owned;
    let is_kept = !owned.values.is_empty() || !owned.entries.is_empty();
    let mode_after = new_mode(&job, &before, mode, record).filter(|_| outcome.drift.is_empty());
    let record_after = is_kept.then(|| Record {
        target: job.target.to_owned(),
        also: job.also.clone(),
        format: job.format,
        seed: job.seed.clone(),
        direct: job.direct,
        owned,
        mode: mode_after.or(record.and_then(|record| record.mode)),
    });
    Ok(Some(Draft {
        before,
        after: outcome.after,
        mode_before: mode,
        mode_after,
        changes: outcome.changes,
        drift: outcome.drift,
        record_before: record.cloned(),
        record_after,
        job,
    }))
}

/// The permission bits that a file gets; none where somebody else has chosen others.
fn new_mode(job: &Job, before: &Option<Vec<u8>>, now: Option<u32>, record: Option<&Record>) -> Option<u32> {
    let Task::Be { mode, .. } = &job.task else { return None };
    let is_ours = before.is_none() || record.is_some_and(|record| record.mode == now);
    is_ours.then_some(*mode)
}

/// What would become of a file, whatever its format.
struct Outcome {
    after: Option<Vec<u8>>,
    changes: Vec<Change>,
    drift: Vec<Drift>,
    owned: Owned,
}

impl From<whole::Planned> for Outcome {
    fn from(planned: whole::Planned) -> Self {
        let whole::Planned { after, changes, drift, owned } = planned;
        Outcome { after, changes, drift, owned }
    }
}

impl Outcome {
    fn new(planned: Planned, after: Option<Vec<u8>>) -> Self {
        Outcome { after, changes: planned.changes, drift: planned.drift, owned: planned.owned }
    }

    /// The file as it is.
    fn still(before: Option<&[u8]>, owned: Owned) -> Self {
        Outcome { after: before.map(<[u8]>::to_vec), changes: Vec::new(), drift: Vec::new(), owned }
    }
}

fn drafted(
    job: &Job,
    before: Option<&[u8]>,
    record: Option<&Record>,
    policy: Policy,
) -> Result<Option<Outcome>, Wrong> {
    let owned = record.map(|record| &record.owned);
    match &job.task {
        Task::Be { bytes, .. } => Ok(Some(whole::plan(before, Some(bytes), owned, policy).into())),
        Task::Clear if job.format == Format::Whole => {
            Ok(Some(whole::plan(before, None, owned, policy).into()))
        }
        Task::Stay => Ok(owned.map(|owned| Outcome::still(before, owned.clone()))),
        Task::Erase { bytes, .. } if before == Some(bytes.as_slice()) => {
            let gone = Change { place: whole::place(), before: Some(whole::print(bytes)), after: None };
            let outcome = Outcome::still(None, Owned::default());
            Ok(Some(Outcome { changes: vec![gone], ..outcome }))
        }
        Task::Forget | Task::Erase { .. } => {
            // What would have gone stays: only what was changed is worth a word.
            let drift = whole::plan(before, None, owned, Policy::Report).drift;
            Ok(Some(Outcome { drift, ..Outcome::still(before, Owned::default()) }))
        }
        Task::Clear => cleared_text(job, before, owned),
        Task::TakeOut { entries } => taken_out_text(job, before, owned, entries),
        Task::Hold { items, stale } => held_text(job, before, record, policy, (items, stale)),
    }
}

fn text_of<'t>(job: &'t Job, before: Option<&'t [u8]>) -> Result<&'t str, Wrong> {
    before.map_or(Ok(job.seed.as_str()), Format::text)
}

fn cleared_text(job: &Job, before: Option<&[u8]>, owned: Option<&Owned>) -> Result<Option<Outcome>, Wrong> {
    let Some(owned) = owned else { return Ok(None) };
    let Some(bytes) = before else {
        return Ok(Some(Outcome::new(plan_removal(job.format, "", owned)?, None)));
    };
    let planned = plan_removal(job.format, text_of(job, before)?, owned)?;
    let is_gone = owned.created && says_nothing(job.format, &planned.text, &job.seed);
    let after = (!is_gone).then(|| result(&planned, bytes));
    Ok(Some(Outcome::new(planned, after)))
}

fn taken_out_text(
    job: &Job,
    before: Option<&[u8]>,
    owned: Option<&Owned>,
    entries: &[(Place, Value)],
) -> Result<Option<Outcome>, Wrong> {
    let mut text = text_of(job, before)?.to_owned();
    job.format.check(&text)?;
    let (mut changes, mut drift) = (Vec::new(), Vec::new());
    for (place, read) in entries {
        match job.format.get(&text, place)? {
            Some(entry) if entry == *read => {
                text = job.format.remove(&text, place)?;
                changes.push(Change { place: place.clone(), before: Some(entry), after: None });
            }
            Some(_) => drift.push(Drift {
                place: place.clone(),
                kind: DriftKind::Rewritten,
                wanted: None,
                found: None,
            }),
            None => {}
        }
    }
    job.format.check(&text)?;
    let owned = owned.cloned().unwrap_or_default();
    let after = if changes.is_empty() { before.map(<[u8]>::to_vec) } else { Some(text.into_bytes()) };
    Ok(Some(Outcome { after, changes, drift, owned }))
}

fn held_text(
    job: &Job,
    before: Option<&[u8]>,
    record: Option<&Record>,
    policy: Policy,
    (items, stale): (&[Item], &[Place]),
) -> Result<Option<Outcome>, Wrong> {
    let text = text_of(job, before)?;
    let mut planned = plan(job.format, text, record.map(|record| &record.owned), items, policy)?;
    for place in stale {
        let entry = job.format.get(&planned.text, place).ok().flatten();
        if let Some(entry) = entry.filter(starts_loom) {
            planned.text = job.format.remove(&planned.text, place)?;
            job.format.check(&planned.text)?;
            planned.changes.push(Change { place: place.clone(), before: Some(entry), after: None });
        }
    }
    let still = before.map(<[u8]>::to_vec);
    if planned.changes.is_empty() && planned.drift.is_empty() && planned.owned.values.is_empty() {
        return Ok(record.map(|_| Outcome::new(planned, still)));
    }
    if planned.changes.is_empty() {
        return Ok(Some(Outcome::new(planned, still)));
    }
    planned.owned.created |= before.is_none();
    let is_gone = job.format == Format::Blocks && items.is_empty() && planned.owned.created;
    let is_gone = is_gone && says_nothing(job.format, &planned.text, "");
    let after = (!is_gone).then(|| planned.text.clone().into_bytes());
    Ok(Some(Outcome::new(planned, after)))
}

/// The new bytes; the old ones where nothing changed.
fn result(planned: &Planned, before: &[u8]) -> Vec<u8> {
    if planned.changes.is_empty() { before.to_vec() } else { planned.text.clone().into_bytes() }
}
