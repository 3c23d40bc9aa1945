//! Log files that loom opens by itself: bounded in size, and never in the way when the disk is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::file;

/// Old logs kept beside the current one: `NAME.1` is the youngest.
const OLD_FILES: u32 = 2;

/// What the targets of this program's own events begin with.
const OWN_TARGET: &str = "loom";

/// A log file that is renamed away when it has grown to a size.
pub struct Rotating {
    path: PathBuf,
    file: Option<File>,
    len: u64,
    limit: u64,
}

impl Rotating {
    /// Opens the file at the first write. `limit` is in bytes.
    pub fn new(path: PathBuf, limit: u64) -> Self {
        Rotating { path, file: None, len: 0, limit }
    }

    fn open(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            if let Some(dir) = self.path.parent() {
                file::private_dir(dir)?;
            }
            let opened = append_to(&self.path)?;
            self.len = opened.metadata()?.len();
            self.file = Some(opened);
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("the log is closed"))
    }

    fn rotate(&mut self) -> io::Result<()> {
        let old = |n: u32| PathBuf::from(format!("{}.{n}", self.path.display()));
        for n in (1..OLD_FILES).rev() {
            match fs::rename(old(n), old(n + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, old(1))?;
        self.file = None;
        Ok(())
    }
}

impl Write for Rotating {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open()?;
        if self.len > 0 && self.len + bytes.len() as u64 > self.limit {
            self.rotate()?;
        }
        let n = self.open()?.write(bytes)?;
        self.len += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a log for appending, readable by its owner only. A device such as `/dev/null` may stand for it; a fifo would wait
/// for a reader, and is refused as a folder is.
pub fn append_to(path: &Path) -> io::Result<File> {
    refuse_irregular(path)?;
    OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(file::NO_WAIT).open(path)
}

/// Refuses what can never be a log. One that is not there yet may become one.
pub fn refuse_irregular(path: &Path) -> io::Result<()> {
    match fs::metadata(path).map(|found| found.file_type()) {
        Ok(kind) if !kind.is_file() && !kind.is_char_device() => {
            Err(io::Error::other("it is not a regular file"))
        }
        _ => Ok(()),
    }
}

/// The filter that `text` describes, in `tracing-subscriber`'s syntax: levels, and targets with levels. A lone word would
/// be a target, and all else would be silent: a misspelt level is refused instead.
pub fn filter(text: &str) -> Result<EnvFilter, String> {
    let is_misspelt = |word: &&str| {
        !word.is_empty()
            && !word.contains(['=', '[', ':'])
            && *word != OWN_TARGET
            && word.parse::<LevelFilter>().is_err()
    };
    let wanted = "write `off`, `error`, `warn`, `info`, `debug` or `trace`, or targets such as `info,loom::upstream=debug`";
    let words: Vec<&str> = text.split(',').map(str::trim).collect();
    if let Some(word) = words.iter().copied().find(is_misspelt) {
        return Err(format!("`{word}` is no level; {wanted}"));
    }
    EnvFilter::try_new(words.join(",")).map_err(|error| format!("`{text}` is no filter: {error}; {wanted}"))
}

/// Sends the daemon's events to `path`. `filter` is in `tracing-subscriber`'s syntax, for example `info` or
/// `loom=debug`; a filter that cannot be read counts as `info`, and the caller has checked it before.
pub fn init(path: PathBuf, filter: &str, rotate_at: u64) {
    let filter = self::filter(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_target(false)
        // Said on standard error, which is a file of the same full disk: that would panic.
        .log_internal_errors(false)
        .with_writer(Mutex::new(Rotating::new(path, rotate_at)))
        .finish();
    // Only a second daemon in one process could find one set, and then the first stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_no_target() {
        for good in [
            "info",
            "OFF",
            "3",
            "loom",
            "info,loom::upstream=debug",
            "loom=debug",
            "warn, hyper=trace",
            "[x]=info",
        ] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["inf0", "nonsense", "info,debgu", "loom=inf0"] {
            let why = filter(bad).unwrap_err();
            assert!(why.contains("write `off`, `error`"), "{bad}: {why}");
        }
    }

    #[test]
    fn a_log_keeps_two_old_files_and_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/a.log");
        let mut log = Rotating::new(path.clone(), 10);
        for n in 0..5 {
            log.write_all(format!("line {n}\n").as_bytes()).unwrap();
        }
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(read(&path), "line 4\n");
        assert_eq!(read(&dir.path().join("logs/a.log.1")), "line 3\n");
        assert_eq!(read(&dir.path().join("logs/a.log.2")), "line 2\n");
        assert_eq!(fs::read_dir(dir.path().join("logs")).unwrap().count(), 3);
    }
}
