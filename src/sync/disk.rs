//! Files of clients on the disk: read whole, replaced in one step where they really are, with mode and owner kept, and
//! only if nobody changed them meanwhile.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::file::{self, TEMPORARY};

/// How many links may stand one behind another.
const MOST_LINKS: usize = 16;

/// Mode of a file that is made anew: clients add secrets of their own to such files.
const NEW_MODE: u32 = 0o600;

/// Why a file was not written.
#[derive(Debug)]
pub enum WriteError {
    /// It is not any more as it was read.
    Changed,
    Io(io::Error),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        WriteError::Io(error)
    }
}

/// More is no configuration file, in bytes.
const LARGEST: usize = 64 << 20;

/// The bytes of a file; `None` when there is none. Whatever is no regular file is refused: it might never end.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match file::read(path, LARGEST) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The permission bits of a file; `None` when there is none.
pub fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|found| found.permissions().mode() & 0o7777)
}

/// The folders that are not there yet and that `write` makes for a file at `path`, the innermost first.
pub fn missing_folders(path: &Path) -> Vec<PathBuf> {
    follow(path).ok().and_then(|real| real.parent().map(missing)).unwrap_or_default()
}

fn missing(dir: &Path) -> Vec<PathBuf> {
    dir.ancestors().take_while(|dir| !dir.exists()).map(Path::to_path_buf).collect()
}

/// Makes the file at `path` hold `after` instead of `before`; `None` is no file. It gets `mode`, or keeps the one that it
/// has. Returns the folders that it made.
pub fn write(
    path: &Path,
    before: Option<&[u8]>,
    after: Option<&[u8]>,
    mode: Option<u32>,
) -> Result<Vec<PathBuf>, WriteError> {
    let real = follow(path)?;
    let Some(after) = after else {
        same(&real, before)?;
        return match fs::remove_file(&real) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(Vec::new()),
        };
    };
    let dir = real.parent().ok_or_else(|| io::Error::other("a file path without a folder"))?;
    let made = missing(dir);
    fs::create_dir_all(dir)?;
    let mut temp = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(dir)?;
    temp.write_all(after)?;
    let kept = match fs::metadata(&real) {
        Ok(old) => {
            let own = temp.as_file().metadata()?;
            if (old.uid(), old.gid()) != (own.uid(), own.gid()) {
                fchown(temp.as_file(), Some(old.uid()), Some(old.gid()))?;
            }
            old.permissions().mode() & 0o7777
        }
        Err(_) => NEW_MODE,
    };
    temp.as_file().set_permissions(fs::Permissions::from_mode(mode.unwrap_or(kept)))?;
    temp.as_file().sync_all()?;
    same(&real, before)?;
    temp.persist(&real).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()?;
    Ok(made)
}

/// Fails unless the file holds `before`.
fn same(real: &Path, before: Option<&[u8]>) -> Result<(), WriteError> {
    match read(real)?.as_deref() == before {
        true => Ok(()),
        false => Err(WriteError::Changed),
    }
}

/// Where a file really is, links followed, also where the last one leads to nothing.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut real = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&real) {
            Ok(target) => real = real.parent().unwrap_or(Path::new("/")).join(target),
            Err(_) => return Ok(real),
        }
    }
    Err(io::Error::other("too many links one behind another"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_stays_a_link_and_a_mode_a_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("dotfiles"), dir.path().join("link"));
        fs::write(&real, "a").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("dotfiles", &link).unwrap();
        write(&link, Some(b"a"), Some(b"b"), None).unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), PathBuf::from("dotfiles"));
        assert_eq!(fs::read(&real).unwrap(), b"b");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/dev/zero", dir.path().join("zeros")).unwrap();
        for path in [dir.path().to_path_buf(), dir.path().join("zeros")] {
            assert_eq!(read(&path).unwrap_err().to_string(), "it is not a regular file");
        }
        File::create(dir.path().join("huge")).unwrap().set_len(LARGEST as u64 + 1).unwrap();
        assert_eq!(read(&dir.path().join("huge")).unwrap_err().to_string(), "it is larger than 64 MiB");
    }

    #[test]
    fn a_link_to_nothing_gets_its_file() {
        let dir = tempfile::tempdir().unwrap();
        symlink("sub/real", dir.path().join("link")).unwrap();
        let made = write(&dir.path().join("link"), None, Some(b"b"), None).unwrap();
        assert_eq!(made, [dir.path().join("sub")]);
        assert_eq!(fs::read(dir.path().join("sub/real")).unwrap(), b"b");
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "theirs").unwrap();
        assert!(matches!(write(&path, Some(b"old"), Some(b"new"), None), Err(WriteError::Changed)));
        assert!(matches!(write(&path, None, Some(b"new"), None), Err(WriteError::Changed)));
        assert!(matches!(write(&path, Some(b"old"), None, None), Err(WriteError::Changed)));
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
