//! Who holds the daemon's lock: its own note, which counts only while the lock is held.

use std::fs::{File, TryLockError};
use std::io::Read;
use std::path::Path;

use crate::file;

/// The daemon that runs, whether it serves or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    /// For people: `loom start (pid 12)`, `systemd (loomd.service)`.
    pub started_by: String,
}

/// Reads the lock at `path`; `None` when no daemon has it. Holds it for a moment where it is free.
pub fn holder(path: &Path) -> Option<Holder> {
    let mut file = file::open(path, File::options().read(true)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {}
        Ok(()) | Err(TryLockError::Error(_)) => return None,
    }
    let mut note = String::new();
    file.read_to_string(&mut note).ok()?;
    parse(&note)
}

fn parse(note: &str) -> Option<Holder> {
    let (pid, started_by) = note.trim().strip_prefix("pid ")?.split_once(", started by ")?;
    Some(Holder { pid: pid.parse().ok()?, started_by: started_by.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_note_counts_only_while_its_lock_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(holder(&path), None);
        let mut file = File::create(&path).unwrap();
        file.write_all(b"pid 12, started by loom start (pid 3)\n").unwrap();
        assert_eq!(holder(&path), None, "a dead daemon's note");
        file.lock().unwrap();
        let want = Holder { pid: 12, started_by: "loom start (pid 3)".into() };
        assert_eq!(holder(&path), Some(want));
        drop(file);
        assert_eq!(holder(&path), None);
    }

    #[test]
    fn anything_else_is_no_note() {
        for note in ["", "pid x, started by y", "12", "pid 12"] {
            assert_eq!(parse(note), None, "{note}");
        }
    }
}
