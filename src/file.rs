//! Files that are whole or not there: atomic replacement and private folders.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What the name of a file begins with that is not whole yet. One that a killed process left may be removed.
pub const TEMPORARY: &str = ".loom-";

/// Creates `dir` and its parents; `dir` itself gets mode 0700 when it is new.
pub fn private_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        result => result,
    }
}

/// Replaces `path` by `bytes` in one step: a reader sees the old file or the new one, whole.
/// The parent folder must exist. `mode` is the file's permission bits.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (temp, dir) = written(path, bytes, mode)?;
    temp.persist(path).map_err(|error| error.error)?;
    reached(path, "renamed");
    File::open(dir)?.sync_all()
}

/// Makes `path` with `bytes` in one step, or fails because it exists. The parent folder must exist.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (temp, dir) = written(path, bytes, mode)?;
    temp.persist_noclobber(path).map_err(|error| error.error)?;
    reached(path, "renamed");
    File::open(dir)?.sync_all()
}

/// A temporary file beside `path` with `bytes`, on the disk, and the folder of both.
fn written<'p>(path: &'p Path, bytes: &[u8], mode: u32) -> io::Result<(tempfile::NamedTempFile, &'p Path)> {
    let dir = path.parent().ok_or_else(|| io::Error::other("a file path without a folder"))?;
    let mut temp = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(dir)?;
    reached(path, "created");
    let (first, second) = bytes.split_at(bytes.len() / 2);
    temp.write_all(first)?;
    reached(path, "half-written");
    temp.write_all(second)?;
    temp.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    reached(path, "written");
    temp.as_file().sync_all()?;
    reached(path, "synced");
    Ok((temp, dir))
}

/// A point of writing, where a test of a debug build may have this process killed: `LOOM_FAULT=secrets.enc:synced`.
fn reached(path: &Path, point: &str) {
    if cfg!(debug_assertions)
        && let Some(fault) = crate::settings::process_env()("LOOM_FAULT")
        && path.file_name().is_some_and(|name| fault == format!("{}:{point}", name.display()))
    {
        // It ends us before it returns.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// The first program of this name that this user may run, along `path` as `PATH` has it.
pub fn find_program(name: &Path, path: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

/// Whether this user may run the file.
pub fn is_executable(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replace_keeps_the_mode_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        replace(&path, b"one", 0o600).unwrap();
        replace(&path, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn create_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        create(&path, b"one", 0o600).unwrap();
        assert_eq!(create(&path, b"two", 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
