//! The operating system's keychain as a source: macOS Keychain, or a Secret Service on Linux.
//!
//! It is asked by a short-lived process of our own binary (`keychain::helper`): a keychain may hang on a question to a
//! person, remembers for life that there was no session bus, and starts threads of its own. None of that may happen in
//! the daemon. Nobody is ever asked to unlock anything: a locked keychain is named as such.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::program;
use crate::secret::Secret;
use crate::secrets::place::Place;
use crate::secrets::sealed::Values;
use crate::secrets::{Source, Trouble};

#[cfg(feature = "keychain")]
pub mod helper;

/// The hidden verb of the helper.
pub const VERB: &str = "__keychain";

/// How long a keychain may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Opens a Secret Service where no desktop does; one without a keyring makes one.
const UNLOCK: &str = "log in to the desktop; without one: \
                      read -rs P; printf %s \"$P\" | gnome-keyring-daemon --replace --unlock";

/// Whether the keychain can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Usable,
    Locked,
    /// A Secret Service that has no default keyring.
    NotInitialised,
    /// There is none on this machine or in this session.
    Absent,
    /// This loom was built without.
    NotBuilt,
    Failed,
}

/// What the helper is asked; one line of JSON on its standard input.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    State,
    Get(BTreeSet<String>),
    Set(BTreeMap<String, String>),
    Delete(BTreeSet<String>),
}

/// What it answers; one line of JSON on its standard output.
#[derive(Debug, Deserialize, Serialize)]
pub struct Answer {
    pub state: State,
    /// What was read; for a deletion the names that were there, without values.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    #[serde(default)]
    pub error: Option<String>,
}

impl Answer {
    pub fn new(state: State) -> Self {
        Answer { state, values: BTreeMap::new(), error: None }
    }

    pub fn failed(error: impl ToString) -> Self {
        Answer { error: Some(error.to_string()), ..Answer::new(State::Failed) }
    }
}

/// Whether it can be used, with what mends it where it cannot.
pub fn state(place: &Place) -> (State, Option<Trouble>) {
    let answer = ask(place, &Request::State);
    (answer.state, trouble(&answer))
}

/// Those of `names` that it has.
pub fn get(place: &Place, names: &BTreeSet<String>) -> Result<Values, Trouble> {
    let answer = ask(place, &Request::Get(names.clone()));
    match trouble(&answer) {
        None => Ok(answer.values.into_iter().map(|(name, value)| (name, Secret::new(value))).collect()),
        Some(trouble) => Err(trouble),
    }
}

/// Keeps all of `values`; each is read back before this says so.
pub fn set(place: &Place, values: &Values) -> Result<(), Trouble> {
    let values = values.iter().map(|(name, value)| (name.clone(), value.expose().clone())).collect();
    let mut request = Request::Set(values);
    let answer = ask(place, &request);
    if let Request::Set(values) = &mut request {
        values.values_mut().for_each(zeroize::Zeroize::zeroize);
    }
    trouble(&answer).map_or(Ok(()), Err)
}

/// Deletes `names`; returns those that were there.
pub fn delete(place: &Place, names: &BTreeSet<String>) -> Result<BTreeSet<String>, Trouble> {
    let answer = ask(place, &Request::Delete(names.clone()));
    match trouble(&answer) {
        None => Ok(answer.values.into_keys().collect()),
        Some(trouble) => Err(trouble),
    }
}

fn ask(place: &Place, request: &Request) -> Answer {
    if cfg!(not(feature = "keychain")) {
        return Answer::new(State::NotBuilt);
    }
    if !may_exist(&place.variables) {
        return Answer::new(State::Absent);
    }
    let mut command = Command::new(&place.exe);
    command.arg(VERB).env_clear().envs(&place.variables).current_dir("/");
    let input = Zeroizing::new(serde_json::to_vec(request).expect("a request has string keys"));
    match program::ask(&mut command, &input, PATIENCE) {
        Ok(said) => serde_json::from_slice(&said.stdout).unwrap_or_else(|_| {
            Answer::failed(format!("it gave no answer; it said: {}", said.stderr.trim()))
        }),
        Err(error) => Answer::failed(error),
    }
}

/// Without a session bus there is no Secret Service, and no need for a process to find that out.
fn may_exist(variables: &BTreeMap<String, String>) -> bool {
    let runtime = || match variables.get("XDG_RUNTIME_DIR") {
        Some(dir) => dir.clone(),
        None => format!("/run/user/{}", rustix::process::geteuid().as_raw()),
    };
    cfg!(target_os = "macos")
        || variables.contains_key("DBUS_SESSION_BUS_ADDRESS")
        || Path::new(&runtime()).join("bus").exists()
}

/// What is wrong, in words. A keychain that is not there is no trouble while nobody asks for it in particular.
fn trouble(answer: &Answer) -> Option<Trouble> {
    let (text, hint) = match answer.state {
        State::Usable => match &answer.error {
            None => return None,
            Some(error) => (format!("the keychain refused: {error}"), Some("loom secrets doctor")),
        },
        State::Locked if cfg!(target_os = "macos") => {
            ("the keychain is locked".to_owned(), Some("security unlock-keychain"))
        }
        State::Locked => ("the keychain is locked".to_owned(), Some(UNLOCK)),
        State::NotInitialised => ("the keychain has no default keyring".to_owned(), Some(UNLOCK)),
        State::Absent => ("there is no keychain in this session".to_owned(), None),
        State::NotBuilt => ("this loom was built without keychain support".to_owned(), None),
        State::Failed => {
            let error = answer.error.as_deref().unwrap_or("no reason was given");
            (format!("the keychain does not answer: {error}"), Some("loom secrets doctor"))
        }
    };
    Some(Trouble { source: Source::Keychain, text, hint: hint.map(str::to_owned) })
}
