//! Writing what was planned: all files or none. Every step leaves the disk so that the next run can go on: first the
//! run with all bytes is kept, then file after file is replaced, then the manifest, then the run is marked as done.

use std::io;
use std::path::{Path, PathBuf};

use crate::fault::{Explain, Kind};
use crate::sync::disk::{self, WriteError};
use crate::sync::format::Format;
use crate::sync::history::{self, Run, RunFile, RunState};
use crate::sync::job::{Draft, Obstacle, Task, draft};
use crate::sync::place::Place;
use crate::sync::plan::{Policy, take_back};
use crate::sync::state::{Manifest, Record, State, StateError};

/// How often a file may change under our hands before we give up.
const TRIES: usize = 5;

/// Nothing was written, or all of it was taken back.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("{} cannot be written; every other file is as it was", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} changes faster than loom can write it; every other file is as it was", path.display())]
    Restless { path: PathBuf },
    #[error("{} cannot be written, and {} could not be put back", path.display(), left.display())]
    Torn { path: PathBuf, left: PathBuf, source: io::Error },
    #[error("{}:{line}:{column}: {text}; nothing was taken back", path.display())]
    Unreadable { path: PathBuf, line: usize, column: usize, text: String },
    #[error("there is no run {id} to undo")]
    NoRun { id: String },
}

impl Explain for ApplyError {
    fn kind(&self) -> Kind {
        match self {
            ApplyError::State(error) => error.kind(),
            ApplyError::NoRun { .. } => Kind::Usage,
            ApplyError::Unreadable { .. } => Kind::Config,
            ApplyError::Write { .. } | ApplyError::Restless { .. } | ApplyError::Torn { .. } => {
                Kind::Unavailable
            }
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ApplyError::State(error) => error.hint(),
            ApplyError::NoRun { .. } => Some("loom sync history".into()),
            ApplyError::Torn { .. } => Some("loom sync --undo".into()),
            ApplyError::Unreadable { .. } => Some("mend the file, then `loom sync --undo`".into()),
            ApplyError::Write { .. } | ApplyError::Restless { .. } => None,
        }
    }
}

/// What an undo did.
#[derive(Debug)]
pub struct Undone {
    pub run: Run,
    /// Each file, whether its exact bytes are back, and the values that somebody changed since and that stay.
    pub files: Vec<(PathBuf, bool, Vec<Place>)>,
}

/// Writes the drafts that write something, and records all of them. Returns the run, if one was needed.
pub fn apply(
    state: &State,
    manifest: &mut Manifest,
    drafts: &mut [Draft],
    policy: Policy,
    verb: &str,
) -> Result<Option<Run>, ApplyError> {
    let before = manifest.clone();
    let mut commit = Commit::begin(state, drafts, policy, verb)?;
    while commit.step()? {}
    let run = commit.run.take();
    for draft in drafts.iter() {
        record(manifest, &draft.job.path, draft.record_after.clone());
        if let (Task::Erase { unit, .. }, Some(folder)) = (&draft.job.task, draft.job.path.parent()) {
            let inside = folder.ancestors().take_while(|dir| dir.starts_with(unit));
            manifest.folders.extend(inside.map(Path::to_path_buf));
        }
    }
    manifest.folders.extend(run.iter().flat_map(Run::folders));
    manifest.sweep();
    if *manifest != before {
        state.save_manifest(manifest)?;
    }
    finish(state, run)
}

fn finish(state: &State, run: Option<Run>) -> Result<Option<Run>, ApplyError> {
    let Some(mut run) = run else { return Ok(None) };
    run.state = RunState::Done;
    history::update(&state.history_dir(), &run)?;
    history::prune(&state.history_dir());
    Ok(Some(run))
}

fn record(manifest: &mut Manifest, path: &PathBuf, record: Option<Record>) {
    match record {
        Some(record) => manifest.files.insert(path.clone(), record),
        None => manifest.files.remove(path),
    };
}

/// A run that writes its files one by one.
pub struct Commit<'s> {
    state: &'s State,
    drafts: Vec<&'s mut Draft>,
    policy: Policy,
    run: Option<Run>,
    next: usize,
}

impl<'s> Commit<'s> {
    /// Keeps the run, so that it can be finished or taken back whatever happens.
    pub fn begin(
        state: &'s State,
        drafts: &'s mut [Draft],
        policy: Policy,
        verb: &str,
    ) -> Result<Self, ApplyError> {
        let drafts: Vec<&mut Draft> = drafts.iter_mut().filter(|draft| draft.writes()).collect();
        let run = match drafts.is_empty() {
            true => None,
            false => {
                let files =
                    drafts.iter().map(|draft| (run_file(draft), draft.before.clone(), draft.after.clone()));
                Some(history::begin(&state.history_dir(), verb, files.collect())?)
            }
        };
        Ok(Commit { state, drafts, policy, run, next: 0 })
    }

    /// Writes the next file; false when all are written. When it fails, those before it are put back.
    pub fn step(&mut self) -> Result<bool, ApplyError> {
        if self.next == self.drafts.len() {
            return Ok(false);
        }
        if let Err(error) = self.write() {
            return Err(self.roll_back(error));
        }
        self.next += 1;
        Ok(true)
    }

    fn write(&mut self) -> Result<(), ApplyError> {
        let at = self.next;
        let path = self.drafts[at].job.path.clone();
        for _ in 0..TRIES {
            let draft = &mut *self.drafts[at];
            match disk::write(&path, draft.before.as_deref(), draft.after.as_deref(), draft.mode_after) {
                Ok(_) => return Ok(()),
                Err(WriteError::Io(source)) => return Err(ApplyError::Write { path, source }),
                Err(WriteError::Changed) => self.replan(at)?,
            }
        }
        Err(ApplyError::Restless { path })
    }

    /// Plans a file again that has changed since it was read.
    fn replan(&mut self, at: usize) -> Result<(), ApplyError> {
        let old = &mut *self.drafts[at];
        let path = old.job.path.clone();
        match draft(old.job.clone(), old.record_before.as_ref(), self.policy) {
            Ok(Some(new)) => *old = new,
            Ok(None) => (old.after, old.changes) = (old.before.clone(), Vec::new()),
            Err(Obstacle::Io(source)) => return Err(ApplyError::Write { path, source }),
            Err(Obstacle::Wrong(wrong)) => {
                return Err(ApplyError::Write { path, source: io::Error::other(wrong.text) });
            }
        }
        let dir = self.state.history_dir();
        if let Some(run) = &mut self.run {
            history::keep(&dir, run.id, at, old.before.as_deref(), old.after.as_deref())?;
            let folders = std::mem::take(&mut run.files[at].folders);
            run.files[at] = RunFile { folders, ..run_file(old) };
            history::update(&dir, run)?;
        }
        Ok(())
    }

    fn roll_back(&mut self, error: ApplyError) -> ApplyError {
        for draft in self.drafts[..self.next].iter().rev() {
            match disk::write(
                &draft.job.path,
                draft.after.as_deref(),
                draft.before.as_deref(),
                draft.mode_before,
            ) {
                Ok(_) => {}
                Err(WriteError::Io(source)) => {
                    let path = self.drafts[self.next].job.path.clone();
                    return ApplyError::Torn { path, left: draft.job.path.clone(), source };
                }
                // A client has written it meanwhile: it is whole, and the next run compares it.
                Err(WriteError::Changed) => {}
            }
        }
        if let Some(run) = self.run.take() {
            for folder in run.files.iter().flat_map(|file| &file.folders) {
                // Only an empty one goes.
                let _ = std::fs::remove_dir(folder);
            }
            // What cannot be removed does no harm: only its number is taken.
            let _ = history::forget(&self.state.history_dir(), run.id);
        }
        error
    }
}

fn run_file(draft: &Draft) -> RunFile {
    RunFile {
        path: draft.job.path.clone(),
        format: draft.job.format,
        changes: draft.changes.clone(),
        record_before: draft.record_before.clone(),
        record_after: draft.record_after.clone(),
        existed: draft.before.is_some(),
        exists: draft.after.is_some(),
        mode: draft.mode_before,
        folders: if draft.after.is_some() { disk::missing_folders(&draft.job.path) } else { Vec::new() },
        skipped: false,
    }
}

/// Finishes a run that was broken off: what it has written becomes loom's, the rest is as if it had not begun.
pub fn recover(state: &State, manifest: &mut Manifest) -> Result<(), ApplyError> {
    let dir = state.history_dir();
    let broken = history::all(&dir)?.into_iter().filter(|run| run.state == RunState::Writing);
    for mut run in broken.collect::<Vec<_>>() {
        let mut written = Vec::new();
        for at in 0..run.files.len() {
            let [before, after] = history::bytes(&dir, &run, at)?;
            let now = disk::read(&run.files[at].path).ok().flatten();
            if now == after && now != before {
                record(manifest, &run.files[at].path, run.files[at].record_after.clone());
                written.push(at);
            }
        }
        manifest.folders.extend(run.folders());
        state.save_manifest(manifest)?;
        if written.is_empty() {
            // What cannot be removed does no harm: only its number is taken.
            let _ = history::forget(&dir, run.id);
            continue;
        }
        for (at, file) in run.files.iter_mut().enumerate() {
            file.skipped = !written.contains(&at);
        }
        run.state = RunState::Done;
        history::update(&dir, &run)?;
    }
    Ok(())
}

/// Takes back a run: the last that is not undone, or the one with this number.
pub fn undo(state: &State, manifest: &mut Manifest, id: Option<&str>) -> Result<Undone, ApplyError> {
    let dir = state.history_dir();
    let runs = history::all(&dir)?;
    let mut able = runs.into_iter().filter(|run| run.state == RunState::Done);
    let found = able.find(|run| id.is_none_or(|id| run.id.to_string() == id));
    let mut run = found.ok_or_else(|| ApplyError::NoRun { id: id.unwrap_or("left").to_owned() })?;
    readable(&dir, &run)?;
    let mut files = Vec::new();
    for at in (0..run.files.len()).rev().filter(|at| !run.files[*at].skipped) {
        let file = run.files[at].clone();
        let (exact, left) = put_back(&dir, &run, at, manifest)?;
        record(manifest, &file.path, file.record_before.clone());
        for folder in &file.folders {
            // Only an empty one goes.
            let _ = std::fs::remove_dir(folder);
        }
        files.push((file.path, exact, left));
    }
    manifest.sweep();
    state.save_manifest(manifest)?;
    run.state = RunState::Undone;
    history::update(&dir, &run)?;
    files.reverse();
    Ok(Undone { run, files })
}

/// Whether what has changed since can be read: before anything is taken back.
fn readable(dir: &Path, run: &Run) -> Result<(), ApplyError> {
    for (at, file) in run.files.iter().enumerate().filter(|(_, file)| !file.skipped) {
        let [before, after] = history::bytes(dir, run, at)?;
        let path = file.path.clone();
        let now = disk::read(&path).map_err(|source| ApplyError::Write { path: path.clone(), source })?;
        let Some(bytes) = now.as_ref().filter(|_| file.format != Format::Whole) else { continue };
        if now == before || now == after {
            continue;
        }
        if let Err(wrong) = Format::text(bytes).and_then(|text| file.format.check(text)) {
            let (line, column, text) = (wrong.line, wrong.column, wrong.text);
            return Err(ApplyError::Unreadable { path, line, column, text });
        }
    }
    Ok(())
}

/// Puts one file back: to its exact bytes, or, when it has changed since, value by value.
fn put_back(
    dir: &Path,
    run: &Run,
    at: usize,
    manifest: &mut Manifest,
) -> Result<(bool, Vec<Place>), ApplyError> {
    let file = &run.files[at];
    let [before, after] = history::bytes(dir, run, at)?;
    let path = file.path.clone();
    for _ in 0..TRIES {
        let now = disk::read(&path).map_err(|source| ApplyError::Write { path: path.clone(), source })?;
        // The mode of a file that others write too is theirs.
        let mode = file.mode.filter(|_| now.is_none() || file.format == Format::Whole);
        if now == before && (now.is_none() || mode.is_none_or(|mode| disk::mode(&path) == Some(mode))) {
            return Ok((true, Vec::new()));
        }
        let exact = now == after;
        let all = || file.changes.iter().map(|change| change.place.clone()).collect();
        let (wanted, left) = match (exact, &now) {
            (true, _) => (before.clone(), Vec::new()),
            // Somebody has removed it since.
            (false, None) => return Ok((false, Vec::new())),
            (false, Some(_)) if file.format == Format::Whole => return Ok((false, all())),
            (false, Some(bytes)) => {
                let taken = Format::text(bytes).and_then(|text| take_back(file.format, text, &file.changes));
                match taken {
                    Ok((text, left)) if text.as_bytes() == bytes => return Ok((false, left)),
                    Ok((text, left)) => (Some(text.into_bytes()), left),
                    // It is no text any more, or does not parse: not ours to mend.
                    Err(_) => return Ok((false, all())),
                }
            }
        };
        match disk::write(&path, now.as_deref(), wanted.as_deref(), mode) {
            Ok(folders) => {
                manifest.folders.extend(folders);
                return Ok((exact, left));
            }
            Err(WriteError::Changed) => {}
            Err(WriteError::Io(source)) => return Err(ApplyError::Write { path, source }),
        }
    }
    Err(ApplyError::Restless { path })
}

#[cfg(test)]
mod tests;
