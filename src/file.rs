//! Files that are whole or not there: atomic replacement, private folders, and reading that ends whatever is at a path.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What the name of a file begins with that is not whole yet. One that a killed process left may be removed.
pub const TEMPORARY: &str = ".loom-";

/// The most that any file of loom's own may hold, in bytes.
pub const OWN_MAX: usize = 16 << 20;

/// A temporary file this old is surely nobody's any more.
const ABANDONED: Duration = Duration::from_secs(60);

/// The bytes of a file, at most `cap_bytes` of them. Whatever is no regular file is refused, since it might never end,
/// and so is a larger file.
pub fn read(path: &Path, cap_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, OpenOptions::new().read(true))?.take(cap_bytes as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > cap_bytes {
        return Err(io::Error::other(format!("it is larger than {} MiB", cap_bytes >> 20)));
    }
    Ok(bytes)
}

/// As `read`, for text.
pub fn read_text(path: &Path, cap_bytes: usize) -> io::Result<String> {
    String::from_utf8(read(path, cap_bytes)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Opens a regular file and nothing else: to open a fifo would wait for its other end.
pub fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let irregular = || io::Error::other("it is not a regular file");
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(irregular());
    }
    let file = options.clone().custom_flags(NO_WAIT).open(path)?;
    // Another may have come to its place meanwhile.
    if file.metadata()?.is_file() { Ok(file) } else { Err(irregular()) }
}

/// For opening without waiting for anybody; means nothing to regular files.
pub const NO_WAIT: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// Waits until nobody else has the lock file at `path`, which is made where it is missing; the lock lasts as long as the
/// file is open. `None`: somebody has had it for all of `patience`.
pub fn take_turn(path: &Path, patience: Duration) -> io::Result<Option<File>> {
    let file = open(path, OpenOptions::new().create(true).append(true).mode(0o600))?;
    match file.try_lock() {
        Ok(()) => return Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Only a wait without a deadline is in turn. One that nobody waits for any more drops the file, and so the lock.
    let (tell, told) = mpsc::sync_channel(1);
    thread::Builder::new().spawn(move || tell.send(file.lock().map(|()| file)))?;
    told.recv_timeout(patience).ok().transpose()
}

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

/// Removes the temporary files that killed writers left in `dir`, since they may hold all that a file was to hold. Young
/// ones may be in the making.
pub fn sweep(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let is_ours = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_prefix(TEMPORARY))
            .is_some_and(|rest| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let is_old = || {
            let written = entry.metadata().ok().filter(fs::Metadata::is_file)?.modified().ok()?;
            written.elapsed().ok().filter(|age| *age > ABANDONED)
        };
        if is_ours && is_old().is_some() {
            // One that cannot be removed is looked at again the next time.
            let _ = fs::remove_file(entry.path());
        }
    }
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
    fn only_regular_files_of_some_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "text").unwrap();
        fs::create_dir(path("folder")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("endless")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        assert_eq!(read(&path("file"), 4).unwrap(), b"text");
        assert_eq!(read(&path("file"), 3).unwrap_err().to_string(), "it is larger than 0 MiB");
        for name in ["folder", "endless", "fifo"] {
            let text = read(&path(name), 4).unwrap_err().to_string();
            assert_eq!(text, "it is not a regular file", "{name}");
            assert!(open(&path(name), OpenOptions::new().append(true).create(true)).is_err(), "{name}");
        }
        assert_eq!(read(&path("none"), 4).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_old_files_of_a_broken_write_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let table = [
            (".loom-aB3xyz", ABANDONED * 2, false),
            (".loom-aB3xyy", Duration::ZERO, true),
            (".loom-notes", ABANDONED * 2, true),
            ("aB3xyz", ABANDONED * 2, true),
        ];
        for (name, age, _) in table {
            let written = std::time::SystemTime::now() - age;
            File::create(dir.path().join(name)).unwrap().set_modified(written).unwrap();
        }
        sweep(dir.path());
        for (name, _, stays) in table {
            assert_eq!(dir.path().join(name).exists(), stays, "{name}");
        }
    }

    #[test]
    fn a_turn_comes_when_the_last_one_ends_and_not_after_our_patience() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = take_turn(&path, Duration::ZERO).unwrap().unwrap();
        assert!(take_turn(&path, Duration::from_millis(1)).unwrap().is_none());
        let next = thread::scope(|scope| {
            let waits = scope.spawn(|| take_turn(&path, Duration::from_secs(20)).unwrap());
            drop(first);
            waits.join().unwrap()
        });
        drop(next.unwrap());
        // Nor has it the one that waited too long.
        assert!(take_turn(&path, Duration::from_secs(20)).unwrap().is_some());
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
