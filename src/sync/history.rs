//! The runs that wrote something: each a folder with the bytes of every file before and after.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::file::{private_dir, replace};
use crate::sync::disk;
use crate::sync::format::Format;
use crate::sync::plan::Change;
use crate::sync::state::{Record, StateError, load, save};

/// Older runs are forgotten.
const KEPT: usize = 30;

/// Of a file; `None` where there is none.
pub type Bytes = Option<Vec<u8>>;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Run {
    /// From 1 upward.
    pub id: u64,
    /// Seconds since 1970.
    pub began: u64,
    /// What was typed, for people.
    pub verb: String,
    pub state: RunState,
    pub files: Vec<RunFile>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Under way, or broken off: the next run finishes it.
    Writing,
    Done,
    Undone,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RunFile {
    pub path: PathBuf,
    pub format: Format,
    pub changes: Vec<Change>,
    pub record_before: Option<Record>,
    pub record_after: Option<Record>,
    /// Whether there was a file before, and after.
    pub existed: bool,
    pub exists: bool,
    /// Permission bits before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Folders that were made for it, the innermost first.
    #[serde(default)]
    pub folders: Vec<PathBuf>,
    /// The run was broken off before this one.
    #[serde(default)]
    pub skipped: bool,
}

impl Run {
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.began)
    }

    /// The folders that it made.
    pub fn folders(&self) -> Vec<PathBuf> {
        self.files.iter().flat_map(|file| file.folders.iter().cloned()).collect()
    }
}

/// All runs, the newest first. What is damaged is passed over.
pub fn all(dir: &Path) -> Result<Vec<Run>, StateError> {
    let mut runs: Vec<Run> =
        ids(dir).into_iter().filter_map(|id| load(&run_file(dir, id)).ok().flatten()).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.id));
    Ok(runs)
}

/// Keeps a run that is about to write `files`, each with its bytes before and after.
pub fn begin(dir: &Path, verb: &str, files: Vec<(RunFile, Bytes, Bytes)>) -> Result<Run, StateError> {
    let id = ids(dir).into_iter().max().unwrap_or(0) + 1;
    let folder = dir.join(id.to_string());
    for dir in [dir, &folder] {
        private_dir(dir).map_err(|source| StateError::Io { path: dir.into(), source })?;
    }
    let began = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut run = Run { id, began, verb: verb.to_owned(), state: RunState::Writing, files: Vec::new() };
    for (at, (file, before, after)) in files.into_iter().enumerate() {
        keep(dir, id, at, before.as_deref(), after.as_deref())?;
        run.files.push(file);
    }
    update(dir, &run)?;
    Ok(run)
}

/// Keeps the bytes of file `at` of a run.
pub fn keep(
    dir: &Path,
    id: u64,
    at: usize,
    before: Option<&[u8]>,
    after: Option<&[u8]>,
) -> Result<(), StateError> {
    for (bytes, word) in [(before, "before"), (after, "after")] {
        let path = dir.join(id.to_string()).join(format!("{at}.{word}"));
        if let Some(bytes) = bytes {
            replace(&path, bytes, 0o600).map_err(|source| StateError::Io { path, source })?;
        }
    }
    Ok(())
}

/// The bytes of file `at` of a run, before and after it.
pub fn bytes(dir: &Path, run: &Run, at: usize) -> Result<[Bytes; 2], StateError> {
    let read = |there: bool, word: &str| {
        let path = dir.join(run.id.to_string()).join(format!("{at}.{word}"));
        match there {
            true => disk::read(&path).map_err(|source| StateError::Io { path, source }),
            false => Ok(None),
        }
    };
    Ok([read(run.files[at].existed, "before")?, read(run.files[at].exists, "after")?])
}

/// Writes down what a run has become.
pub fn update(dir: &Path, run: &Run) -> Result<(), StateError> {
    save(&run_file(dir, run.id), run)
}

/// Forgets one run, with the bytes that it keeps.
pub fn forget(dir: &Path, id: u64) -> Result<(), StateError> {
    let path = dir.join(id.to_string());
    fs::remove_dir_all(&path).map_err(|source| StateError::Io { path, source })
}

/// Forgets the oldest runs.
pub fn prune(dir: &Path) {
    let mut ids = ids(dir);
    ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
    for id in ids.into_iter().skip(KEPT) {
        // The next run tries again.
        let _ = forget(dir, id);
    }
}

fn run_file(dir: &Path, id: u64) -> PathBuf {
    dir.join(id.to_string()).join("run.json")
}

/// The numbers of all runs, damaged ones too.
pub fn ids(dir: &Path) -> Vec<u64> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
