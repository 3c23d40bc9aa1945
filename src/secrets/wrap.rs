//! Which key opens the encrypted file, and where it is.

use std::collections::BTreeSet;
use std::sync::Mutex;

use zeroize::Zeroizing;

use crate::fault::{Explain, Kind};
use crate::secret::Secret;
use crate::secrets::kdf::Key;
use crate::secrets::keychain;
use crate::secrets::keyfile::{self, KeyFileError};
use crate::secrets::place::{MASTER_KEY, Place};
use crate::secrets::sealed::{Holder, Opened, Opener, SealError, Sealed, Values, from_hex, random, to_hex};

/// The keychain's entry with the file's key. Not a name that a secret can have.
pub const ENTRY: &str = "/secrets.enc";

/// The data key of the file as it was last opened, so that a passphrase is not derived for each server anew.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Option<(String, Opened)>>);

/// Why the file's key is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("it is protected by {MASTER_KEY}, which is not set here")]
    NoMasterKey,
    #[error("it is protected by a passphrase, which is not known here")]
    NoPassphrase,
    #[error("its key is in the keychain, and {why}")]
    Keychain { why: String, hint: Option<String> },
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
}

impl Explain for KeyError {
    fn kind(&self) -> Kind {
        match self {
            KeyError::KeyFile(KeyFileError::Read { .. }) => Kind::Config,
            KeyError::NoMasterKey
            | KeyError::NoPassphrase
            | KeyError::Keychain { .. }
            | KeyError::KeyFile(_) => Kind::Unavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            KeyError::NoMasterKey => Some(format!("set {MASTER_KEY} in your shell, then `loom start`")),
            KeyError::NoPassphrase => Some("loom secrets unlock".into()),
            KeyError::Keychain { hint, .. } => hint.clone(),
            KeyError::KeyFile(KeyFileError::Open { path, .. }) => Some(format!("chmod 600 {path}")),
            KeyError::KeyFile(KeyFileError::Gone { path } | KeyFileError::Damaged { path }) => {
                Some(format!("bring {path} back from a backup; without it the file cannot be read"))
            }
            KeyError::KeyFile(KeyFileError::Read { .. } | KeyFileError::Io { .. }) => None,
        }
    }
}

impl Holder {
    /// For people, with a word on what it is worth.
    pub fn describe(self, place: &Place) -> String {
        match self {
            Holder::Keychain => "its key is in the keychain".into(),
            Holder::MasterKey => format!("its key is {MASTER_KEY}"),
            Holder::Passphrase => "its key is a passphrase".into(),
            Holder::KeyFile => {
                format!(
                    "its key is {}: whoever can read your files can read both",
                    crate::paths::tilde(&place.paths.secrets_key(), place.paths.home())
                )
            }
        }
    }
}

enum Held {
    Key(Key),
    Phrase(Secret<String>),
}

impl Held {
    fn opener(&self) -> Opener<'_> {
        match self {
            Held::Key(key) => Opener::Key(key),
            Held::Phrase(phrase) => Opener::Phrase(phrase),
        }
    }
}

/// The data key of `sealed`.
pub fn open(place: &Place, sealed: &Sealed<'_>) -> Result<Result<Opened, SealError>, KeyError> {
    let mut cached = place.cache.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((text, opened)) = &*cached
        && text == sealed.key_text()
    {
        return Ok(Ok(opened.clone()));
    }
    let held = match sealed.holder() {
        Holder::MasterKey => Held::Phrase(place.keys.master.clone().ok_or(KeyError::NoMasterKey)?),
        Holder::Passphrase => Held::Phrase(place.keys.passphrase.clone().ok_or(KeyError::NoPassphrase)?),
        Holder::KeyFile => Held::Key(keyfile::read(&place.paths.secrets_key())?),
        Holder::Keychain => Held::Key(from_keychain(place)?),
    };
    let opened = sealed.open(&held.opener());
    if let Ok(opened) = &opened {
        *cached = Some((sealed.key_text().to_owned(), opened.clone()));
    }
    Ok(opened)
}

/// A data key for a new file: protected by what a person has chosen, else by the keychain, else by a key file.
pub fn fresh(place: &Place) -> Result<Opened, KeyError> {
    let (holder, held) = if let Some(master) = &place.keys.master {
        (Holder::MasterKey, Held::Phrase(master.clone()))
    } else if let Some(passphrase) = &place.keys.passphrase {
        (Holder::Passphrase, Held::Phrase(passphrase.clone()))
    } else if let Some(key) = into_keychain(place) {
        (Holder::Keychain, Held::Key(key))
    } else {
        (Holder::KeyFile, Held::Key(keyfile::read_or_make(&place.paths.secrets_key())?))
    };
    Ok(Opened::fresh(holder, &held.opener()).expect("our own work is not too much"))
}

fn from_keychain(place: &Place) -> Result<Key, KeyError> {
    let refused = |why: String, hint| KeyError::Keychain { why, hint };
    let mut found = keychain::get(place, &BTreeSet::from([ENTRY.to_owned()]))
        .map_err(|trouble| refused(trouble.text, trouble.hint))?;
    let entry = found.remove(ENTRY).ok_or_else(|| refused("the keychain does not have it".into(), None))?;
    let key = from_hex(entry.expose()).ok().map(Zeroizing::new);
    let key = key.and_then(|key| <[u8; 32]>::try_from(key.as_slice()).ok());
    key.map(Secret::new).ok_or_else(|| refused("what the keychain has is no key".into(), None))
}

/// The key that the keychain has, or a new one that it now has; `None` where it cannot be used.
fn into_keychain(place: &Place) -> Option<Key> {
    match from_keychain(place) {
        Ok(key) => return Some(key),
        Err(_) if keychain::state(place).0 != keychain::State::Usable => return None,
        Err(_) => {}
    }
    let key = Secret::new(random::<32>());
    let entry = Values::from([(ENTRY.to_owned(), Secret::new(to_hex(key.expose())))]);
    keychain::set(place, &entry).ok().map(|()| key)
}
