//! One daemon: a lock held for life. The kernel lets go of it however the daemon dies, so a stale one cannot be.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fault::{Explain, Kind};
use crate::file;

/// How often the lock is tried again, and how long between.
const LOOKS: u32 = 5;
const LOOK: Duration = Duration::from_millis(2);

/// The lock, as long as it is kept.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another loomd runs already ({holder})")]
    Held { holder: String },
    #[error("cannot use {}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

impl Explain for LockError {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }

    fn hint(&self) -> Option<String> {
        match self {
            LockError::Held { .. } => Some("loom status".into()),
            LockError::Io { .. } => None,
        }
    }
}

/// Takes the lock, and writes into it who holds it.
pub fn take(path: &Path, started_by: &str) -> Result<Lock, LockError> {
    let wrong = |source| LockError::Io { path: path.into(), source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = file::open(path, &options).map_err(wrong)?;
    match try_lock(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The holder's note is for the message only; the lock itself is what counts.
            let _ = file.read_to_string(&mut holder);
            return Err(LockError::Held { holder: holder.trim().to_string() });
        }
        Err(TryLockError::Error(error)) => return Err(wrong(error)),
    }
    // On a full disk the note is missing, which harms nothing.
    let note = format!("pid {}, started by {started_by}\n", std::process::id());
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(note.as_bytes()));
    Ok(Lock { _file: file })
}

/// Somebody who only looks who holds the lock has it for a moment.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..LOOKS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
            result => return result,
        }
    }
    file.try_lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_learns_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("loomd.lock");
        let first = take(&path, "a test").unwrap();
        let text = take(&path, "another").unwrap_err().to_string();
        assert!(text.contains("started by a test"), "{text}");
        drop(first);
        take(&path, "another").unwrap();
    }
}
