//! The encrypted file `~/.config/loom/secrets.enc` as a source: read whole, replaced whole, by one writer at a time.
//! A file that cannot be opened is never replaced.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fault::{Explain, Kind};
use crate::file::{self, private_dir, replace};
use crate::paths::tilde;
use crate::secrets::place::Place;
use crate::secrets::sealed::{self, Holder, Opened, SealError, Values};
use crate::secrets::wrap::{self, KeyError};

/// How long other writers may take.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path} {source}; it was left as it is")]
    Sealed { path: String, source: SealError },
    #[error("{path} cannot be opened: {source}")]
    Key { path: String, source: KeyError },
    #[error("a new {path} cannot be protected: {source}")]
    NewKey { path: String, source: KeyError },
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: io::Error },
    #[error("{path} cannot be used: {source}")]
    Io { path: String, source: io::Error },
    #[error("another loom has been changing secrets for {} s", .0.as_secs())]
    Busy(Duration),
}

impl Explain for FileError {
    fn kind(&self) -> Kind {
        match self {
            FileError::Sealed { .. } | FileError::Read { .. } => Kind::Config,
            FileError::Key { source, .. } | FileError::NewKey { source, .. } => source.kind(),
            FileError::Io { .. } | FileError::Busy(_) => Kind::Unavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            FileError::Key { source, .. } | FileError::NewKey { source, .. } => source.hint(),
            FileError::Sealed { path, source } => Some(match source {
                SealError::Newer(_) => "upgrade loom".into(),
                SealError::Foreign | SealError::Damaged => {
                    format!("bring {path} back from a backup, or move it away and set its secrets anew")
                }
                SealError::WrongKey => "loom secrets doctor".into(),
            }),
            FileError::Read { .. } | FileError::Io { .. } | FileError::Busy(_) => None,
        }
    }
}

/// The right to change secrets; others wait until it is dropped.
pub struct Turn(#[expect(dead_code, reason = "the lock lasts as long as its file is open")] File);

/// Waits for our turn to change secrets.
pub fn take_turn(place: &Place) -> Result<Turn, FileError> {
    let path = place.paths.secrets_lock();
    let refused = |source| FileError::Io { path: shown(place, &path), source };
    for dir in [place.paths.config_dir(), place.paths.state_dir()] {
        private_dir(&dir).map_err(refused)?;
    }
    let turn = file::take_turn(&path, LOCK_PATIENCE).map_err(refused)?;
    turn.map(Turn).ok_or(FileError::Busy(LOCK_PATIENCE))
}

/// All secrets of the file; none when there is no file.
pub fn read(place: &Place) -> Result<Values, FileError> {
    Ok(open(place)?.map(|(values, _)| values).unwrap_or_default())
}

/// Who holds its key; `None` when there is no file.
pub fn holder(place: &Place) -> Result<Option<Holder>, FileError> {
    let Some(bytes) = bytes(place)? else { return Ok(None) };
    let sealed = sealed::parse(&bytes).map_err(|source| wrong(place, source))?;
    Ok(Some(sealed.holder()))
}

/// Replaces the file's secrets by what `change` makes of them; writes nothing when that is the same. Returns who holds
/// the file's key.
pub fn change(
    place: &Place,
    _turn: &Turn,
    change: impl FnOnce(&mut Values),
) -> Result<Option<Holder>, FileError> {
    let before = open(place)?;
    let mut values = before.as_ref().map(|(values, _)| values.clone()).unwrap_or_default();
    change(&mut values);
    let opened = match before {
        Some((before, opened)) if before == values => return Ok(Some(opened.holder())),
        Some((_, opened)) => opened,
        None if values.is_empty() => return Ok(None),
        None => wrap::fresh(place).map_err(|source| FileError::NewKey {
            path: shown(place, &place.paths.secrets_file()),
            source,
        })?,
    };
    write(place, &opened, &values)?;
    Ok(Some(opened.holder()))
}

fn write(place: &Place, opened: &Opened, values: &Values) -> Result<(), FileError> {
    let bytes = opened.seal(values);
    let readable = sealed::parse(&bytes).and_then(|sealed| sealed.values(opened));
    assert!(readable.as_ref() == Ok(values), "what was sealed can be opened");
    let path = target(place);
    let refused = |source| FileError::Io { path: shown(place, &path), source };
    // What killed writers left, none of it readable without the key.
    file::sweep(path.parent().unwrap_or(Path::new("/")));
    replace(&path, &bytes, 0o600).map_err(refused)
}

fn open(place: &Place) -> Result<Option<(Values, Opened)>, FileError> {
    let Some(bytes) = bytes(place)? else { return Ok(None) };
    let wrong = |source| wrong(place, source);
    let sealed = sealed::parse(&bytes).map_err(wrong)?;
    let opened = wrap::open(place, &sealed)
        .map_err(|source| FileError::Key { path: shown(place, &place.paths.secrets_file()), source })?
        .map_err(wrong)?;
    let values = sealed.values(&opened).map_err(wrong)?;
    Ok(Some((values, opened)))
}

fn bytes(place: &Place) -> Result<Option<Vec<u8>>, FileError> {
    let path = place.paths.secrets_file();
    match file::read(&path, file::OWN_MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::Read { path: shown(place, &path), source }),
    }
}

/// The file itself, where its place is a link into a folder of dotfiles.
fn target(place: &Place) -> PathBuf {
    let path = place.paths.secrets_file();
    std::fs::canonicalize(&path).unwrap_or(path)
}

fn wrong(place: &Place, source: SealError) -> FileError {
    FileError::Sealed { path: shown(place, &place.paths.secrets_file()), source }
}

fn shown(place: &Place, path: &Path) -> String {
    tilde(path, place.paths.home())
}
