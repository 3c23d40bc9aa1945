//! The key of the encrypted file where nothing better holds it: a file that only this user can read, in another tree
//! than the secrets, so that a copy of `~/.config` does not take the key along.

use std::io::ErrorKind;
use std::path::Path;

use zeroize::Zeroizing;

use crate::file;
use crate::secret::Secret;
use crate::secrets::kdf::Key;
use crate::secrets::place::others_mode;
use crate::secrets::sealed::{from_hex, random, to_hex};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("its key file {path} is gone")]
    Gone { path: String },
    #[error("its key file {path} can be used by others than you (mode {mode:04o})")]
    Open { path: String, mode: u32 },
    #[error("its key file {path} holds no key")]
    Damaged { path: String },
    #[error("cannot read its key file {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("its key file {path} cannot be used: {source}")]
    Io { path: String, source: std::io::Error },
}

/// Reads the key.
pub fn read(path: &Path) -> Result<Key, KeyFileError> {
    let shown = || path.display().to_string();
    let bytes = match file::read(path, file::OWN_MAX) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(KeyFileError::Gone { path: shown() });
        }
        Err(source) => return Err(KeyFileError::Read { path: shown(), source }),
    };
    let others = others_mode(path).map_err(|source| KeyFileError::Io { path: shown(), source })?;
    if others != 0 {
        return Err(KeyFileError::Open { path: shown(), mode: 0o600 | others });
    }
    let text = std::str::from_utf8(bytes.trim_ascii()).ok();
    let key = text.and_then(|text| from_hex(text).ok()).map(Zeroizing::new);
    let key = key.and_then(|key| <[u8; 32]>::try_from(key.as_slice()).ok());
    key.map(Secret::new).ok_or_else(|| KeyFileError::Damaged { path: shown() })
}

/// The key, which is made when there is none. One that is there is never replaced.
pub fn read_or_make(path: &Path) -> Result<Key, KeyFileError> {
    match read(path) {
        Err(KeyFileError::Gone { .. }) => {}
        result => return result,
    }
    let refused = |source| KeyFileError::Io { path: path.display().to_string(), source };
    if let Some(dir) = path.parent() {
        file::private_dir(dir).map_err(refused)?;
    }
    let text = Zeroizing::new(format!("{}\n", *Zeroizing::new(to_hex(Secret::new(random::<32>()).expose()))));
    match file::create(path, text.as_bytes(), 0o600) {
        // Somebody else was quicker.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        result => result.map_err(refused)?,
    }
    read(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("loom/secrets.key");
        assert!(matches!(read(&path), Err(KeyFileError::Gone { .. })));
        let key = read_or_make(&path).unwrap();
        assert!(read_or_make(&path).unwrap() == key);
        assert_eq!(others_mode(&path).unwrap(), 0);
        assert_eq!(others_mode(path.parent().unwrap()).unwrap(), 0);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_or_make(&path), Err(KeyFileError::Open { mode: 0o640, .. })));
        std::fs::write(&path, "abc").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(read_or_make(&path), Err(KeyFileError::Damaged { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
    }
}
