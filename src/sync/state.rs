//! What is remembered between runs: which values of which files are loom's. One run at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fault::{Explain, Kind};
use crate::file::{self, private_dir, replace};
use crate::sync::format::Format;
use crate::sync::plan::Owned;

/// The folder of it all, locked for as long as this lives.
pub struct State {
    dir: PathBuf,
    _lock: File,
}

/// More is no state, in bytes: a run's history holds whole files.
const MANIFEST_MAX: usize = 1 << 30;

const MANIFEST: &str = "manifest.json";
const HISTORY: &str = "history";

/// Loom's part of each file, by path.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Manifest {
    pub files: BTreeMap<PathBuf, Record>,
    /// Folders that were made for them; they go when they are empty.
    #[serde(default)]
    pub folders: BTreeSet<PathBuf>,
}

impl Manifest {
    /// Whether `target` was last written in direct mode.
    pub fn is_direct(&self, target: &str) -> bool {
        self.files.values().any(|record| record.target == target && record.direct)
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Record {
    pub target: String,
    /// Other clients that read the same file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    pub format: Format,
    pub seed: String,
    /// It was written in direct mode.
    #[serde(default)]
    pub direct: bool,
    pub owned: Owned,
    /// Permission bits of a file that is loom's as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

impl Record {
    /// Whether the client reads this file.
    pub fn is_for(&self, target: &str) -> bool {
        self.clients().any(|client| client == target)
    }

    pub fn clients(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.target).chain(&self.also).map(String::as_str)
    }

    /// Whether it holds what models are told, and not a client's settings.
    pub fn is_told(&self) -> bool {
        matches!(self.format, Format::Blocks | Format::Whole)
    }
}

impl Manifest {
    /// Whether something of loom is recorded in a file that `target` reads.
    pub fn knows(&self, target: &str) -> bool {
        self.files.values().any(|record| record.is_for(target))
    }

    /// Removes the folders that were made for files and hold none any more.
    pub fn sweep(&mut self) {
        let deepest_first: Vec<PathBuf> = self.folders.iter().rev().cloned().collect();
        for folder in deepest_first {
            match fs::remove_dir(&folder) {
                Ok(()) => drop(self.folders.remove(&folder)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => drop(self.folders.remove(&folder)),
                // Somebody has something in it.
                Err(_) => {}
            }
        }
    }
}

/// The state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("{} cannot be used", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is damaged; loom would not know which values are its own", path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error("another `loom sync` is at work")]
    Busy,
}

impl Explain for StateError {
    fn kind(&self) -> Kind {
        match self {
            StateError::Damaged { .. } => Kind::Config,
            StateError::Io { .. } | StateError::Busy => Kind::Unavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            StateError::Damaged { path, .. } => Some(format!("mv {0} {0}.damaged", path.display())),
            StateError::Io { .. } | StateError::Busy => None,
        }
    }
}

impl State {
    /// Opens the state in `dir`, which is made; fails while another run has it.
    pub fn open(dir: PathBuf) -> Result<State, StateError> {
        private_dir(&dir).map_err(|source| StateError::Io { path: dir.clone(), source })?;
        let path = dir.join("lock");
        let options = File::options().write(true).create(true).truncate(true).clone();
        let lock =
            file::open(&path, &options).map_err(|source| StateError::Io { path: path.clone(), source })?;
        match lock.try_lock() {
            Ok(()) => Ok(State { dir, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(StateError::Busy),
            Err(fs::TryLockError::Error(source)) => Err(StateError::Io { path, source }),
        }
    }

    pub fn history_dir(&self) -> PathBuf {
        history_dir(&self.dir)
    }

    pub fn manifest(&self) -> Result<Manifest, StateError> {
        Ok(load(&self.manifest_file())?.unwrap_or_default())
    }

    pub fn save_manifest(&self, manifest: &Manifest) -> Result<(), StateError> {
        save(&self.manifest_file(), manifest)
    }

    fn manifest_file(&self) -> PathBuf {
        self.dir.join(MANIFEST)
    }
}

/// Where the runs are kept. `dir` is that of [`State::open`].
pub fn history_dir(dir: &Path) -> PathBuf {
    dir.join(HISTORY)
}

/// The manifest as it stands, for somebody who only looks. `dir` is that of [`State::open`].
pub fn peek(dir: &Path) -> Result<Manifest, StateError> {
    Ok(load(&dir.join(MANIFEST))?.unwrap_or_default())
}

/// The JSON file at `path`; `None` when there is none.
pub fn load<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, StateError> {
    let bytes = match file::read(path, MANIFEST_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StateError::Io { path: path.into(), source }),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| StateError::Damaged { path: path.into(), source })
}

/// Writes `value` as JSON to `path`, in one step.
pub fn save<T: Serialize>(path: &Path, value: &T) -> Result<(), StateError> {
    let text = serde_json::to_vec_pretty(value).expect("values made here have string keys");
    replace(path, &text, 0o600).map_err(|source| StateError::Io { path: path.into(), source })
}
