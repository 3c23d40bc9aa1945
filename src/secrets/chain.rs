//! All sources together: who has a secret, who takes one, who is told to forget one.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{Explain, Fault, Kind, Plain};
use crate::file::replace;
use crate::secret::Secret;
use crate::secrets::file::{self, FileError};
use crate::secrets::place::Place;
use crate::secrets::sealed::{Holder, Values};
use crate::secrets::{Source, Trouble, keychain, onepassword, wrap};

/// What asking for secrets came to.
#[derive(Debug, Default)]
pub struct Found {
    pub values: BTreeMap<String, (Secret<String>, Source)>,
    /// Sources that could not be asked. What is missing may be there.
    pub troubles: Vec<Trouble>,
}

impl Found {
    pub fn value(&self, name: &str) -> Option<&Secret<String>> {
        self.values.get(name).map(|(value, _)| value)
    }

    fn take(&mut self, source: Source, result: Result<Values, Trouble>) {
        match result {
            Ok(values) => {
                for (name, value) in values {
                    self.values.entry(name).or_insert((value, source));
                }
            }
            Err(trouble) => self.troubles.push(trouble),
        }
    }
}

/// Asks the sources after the environment for `names`, each only for what those before it do not have.
pub fn find(place: &Place, names: &BTreeSet<String>) -> Found {
    let mut found = Found::default();
    for source in [Source::Keychain, Source::OnePassword, Source::File] {
        let rest: BTreeSet<String> =
            names.iter().filter(|name| !found.values.contains_key(*name)).cloned().collect();
        if !rest.is_empty()
            && let Some(result) = ask(place, source, &rest)
        {
            found.take(source, result);
        }
    }
    found
}

/// `None`: there is no such source here.
pub fn ask(place: &Place, source: Source, names: &BTreeSet<String>) -> Option<Result<Values, Trouble>> {
    match source {
        Source::Environment => None,
        Source::Keychain => match keychain::get(place, names) {
            // No reason to speak of it: most servers have none.
            Err(trouble) if trouble.hint.is_none() => None,
            result => Some(result),
        },
        Source::OnePassword => place.vault.as_deref().map(|vault| onepassword::get(place, vault, names)),
        Source::File => Some(match file::read(place) {
            Ok(mut values) => {
                values.retain(|name, _| names.contains(name));
                Ok(values)
            }
            Err(error) => Err(file_trouble(&error)),
        }),
    }
}

pub fn file_trouble(error: &FileError) -> Trouble {
    Trouble { source: Source::File, text: error.to_string(), hint: error.hint() }
}

/// Where secrets were written.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    Keychain,
    /// With who holds the file's key, and why the keychain was passed over, where there is one.
    File {
        holder: Holder,
        instead: Option<Trouble>,
    },
}

/// Writes `values` to the keychain or, where that cannot be written, to the file; or to the one that was asked for.
/// Whatever was in the other is gone afterwards: it could come back as the older value.
pub fn set(place: &Place, values: &Values, wanted: Option<Source>) -> Result<Written, Fault> {
    let turn = file::take_turn(place)?;
    let refusal = match wanted {
        Some(Source::File) => None,
        _ => match keychain::set(place, values) {
            Ok(()) => {
                remember(place, |names| names.extend(values.keys().cloned()))?;
                if file::read(place).is_ok_and(|old| values.keys().any(|name| old.contains_key(name))) {
                    file::change(place, &turn, |old| old.retain(|name, _| !values.contains_key(name)))?;
                }
                return Ok(Written::Keychain);
            }
            Err(trouble) if wanted == Some(Source::Keychain) => return Err(refused(trouble)),
            Err(trouble) => Some(trouble),
        },
    };
    let shadowed: BTreeSet<String> =
        known(place).into_iter().filter(|name| values.contains_key(name)).collect();
    if let Some((name, trouble)) = shadowed.first().zip(refusal.clone()) {
        let text = format!("{name} is in the keychain, where it cannot be changed: {}", trouble.text);
        return Err(refused(Trouble { text, ..trouble }));
    }
    if !shadowed.is_empty() {
        keychain::delete(place, &shadowed).map_err(refused)?;
        remember(place, |names| names.retain(|name| !shadowed.contains(name)))?;
    }
    let added =
        |old: &mut Values| old.extend(values.iter().map(|(name, value)| (name.clone(), value.clone())));
    let holder = file::change(place, &turn, added)?.expect("a file with secrets has a key");
    Ok(Written::File { holder, instead: refusal.filter(|trouble| trouble.hint.is_some()) })
}

/// Deletes `name` wherever loom may write. Says where it was.
pub fn delete(place: &Place, name: &str) -> Result<Vec<Source>, Fault> {
    let turn = file::take_turn(place)?;
    let mut gone = Vec::new();
    match keychain::delete(place, &BTreeSet::from([name.to_owned()])) {
        Ok(deleted) if deleted.is_empty() => {}
        Ok(_) => gone.push(Source::Keychain),
        // Known to be there, and it cannot be deleted now.
        Err(trouble) if known(place).contains(name) => return Err(refused(trouble)),
        Err(_) => {}
    }
    if known(place).contains(name) {
        remember(place, |names| names.retain(|known| known != name))?;
    }
    let mut was_there = false;
    file::change(place, &turn, |values| was_there = values.remove(name).is_some())?;
    if was_there {
        gone.push(Source::File);
    }
    Ok(gone)
}

fn refused(trouble: Trouble) -> Fault {
    let plain = Plain::new(Kind::Unavailable, trouble.text);
    trouble.hint.into_iter().fold(plain, Plain::hint).into()
}

/// Deletes from the keychain all that loom put there: secrets, and the key of the encrypted file.
pub fn forget_keychain(place: &Place) -> Result<(), Fault> {
    let mut names = known(place);
    if matches!(file::holder(place), Ok(Some(Holder::Keychain))) {
        names.insert(wrap::ENTRY.to_owned());
    }
    if names.is_empty() {
        return Ok(());
    }
    keychain::delete(place, &names).map(drop).map_err(refused)
}

/// The names of what loom put into the keychain.
pub fn known(place: &Place) -> BTreeSet<String> {
    let bytes = crate::file::read(&place.paths.keychain_names(), crate::file::OWN_MAX).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn remember(place: &Place, change: impl FnOnce(&mut BTreeSet<String>)) -> Result<(), FileError> {
    let mut names = known(place);
    change(&mut names);
    let path = place.paths.keychain_names();
    let text = serde_json::to_vec(&names).expect("a set of texts is JSON");
    replace(&path, &text, 0o600).map_err(|source| FileError::Io { path: path.display().to_string(), source })
}
