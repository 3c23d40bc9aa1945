//! The short-lived process that talks to the keychain. It asks first whether the keychain is locked, since everything
//! else would ask a person to unlock it, or say of a locked keychain that it is empty.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use keyring::{Entry, Error};
use zeroize::Zeroizing;

use crate::fault::{Fault, Kind, Plain};
use crate::secrets::keychain::{Answer, Request, State};

/// Attribute `service` of every item of ours.
const SERVICE: &str = "loom";

/// It ends by itself, whatever becomes of the keychain and of whoever started it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads a request from standard input, answers it on standard output.
pub fn run() -> Result<(), Fault> {
    let refused = |error: &dyn std::fmt::Display| Plain::new(Kind::Unavailable, format!("{error}"));
    let mut input = Zeroizing::new(Vec::with_capacity(64 << 10));
    std::io::stdin().lock().read_to_end(&mut input).map_err(|error| refused(&error))?;
    let request: Request = serde_json::from_slice(&input).map_err(|error| refused(&error))?;
    let (tell, told) = mpsc::channel();
    // Left behind when it hangs: the end of this process ends it.
    thread::spawn(move || tell.send(answer(request)));
    let answer = told.recv_timeout(PATIENCE).unwrap_or_else(|_| Answer::failed("it hangs"));
    let text = Zeroizing::new(serde_json::to_vec(&answer).map_err(|error| refused(&error))?);
    std::io::stdout().write_all(&text).map_err(|error| refused(&error))?;
    Ok(())
}

fn answer(request: Request) -> Answer {
    let state = state();
    if state.state != State::Usable {
        return state;
    }
    let mut answer = Answer::new(State::Usable);
    if let Err(error) = obey(request, &mut answer) {
        answer.error = Some(error.to_string());
    }
    answer
}

fn obey(request: Request, answer: &mut Answer) -> Result<(), Error> {
    match request {
        Request::State => {}
        Request::Get(names) => {
            for name in names {
                match Entry::new(SERVICE, &name)?.get_password() {
                    Ok(value) => drop(answer.values.insert(name, value)),
                    Err(Error::NoEntry) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Request::Set(values) => {
            for (name, value) in values {
                let entry = Entry::new(SERVICE, &name)?;
                entry.set_password(&value)?;
                if entry.get_password()? != value {
                    return Err(Error::NoStorageAccess("it does not keep what it is given".into()));
                }
            }
        }
        Request::Delete(names) => {
            for name in names {
                match Entry::new(SERVICE, &name)?.delete_credential() {
                    Ok(()) => drop(answer.values.insert(name, String::new())),
                    Err(Error::NoEntry) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(())
}

/// macOS asks the person by itself, once, and says no otherwise.
#[cfg(target_os = "macos")]
fn state() -> Answer {
    match Entry::store_status() {
        Ok(()) => Answer::new(State::Usable),
        Err(error) => Answer::failed(error),
    }
}

#[cfg(not(target_os = "macos"))]
fn state() -> Answer {
    let Ok(bus) = zbus::blocking::Connection::session() else { return Answer::new(State::Absent) };
    match default_collection(&bus) {
        Ok(state) => Answer::new(state),
        Err(zbus::Error::MethodError(name, _, _)) if nobody_provides(&name) => Answer::new(State::Absent),
        Err(error) => Answer::failed(error),
    }
}

#[cfg(not(target_os = "macos"))]
fn nobody_provides(error: &str) -> bool {
    ["org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner"]
        .contains(&error)
        || error.starts_with("org.freedesktop.DBus.Error.Spawn.")
}

/// The state of the collection that new items go to.
#[cfg(not(target_os = "macos"))]
fn default_collection(bus: &zbus::blocking::Connection) -> zbus::Result<State> {
    const NAME: &str = "org.freedesktop.secrets";
    let service =
        zbus::blocking::Proxy::new(bus, NAME, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service")?;
    let path: zbus::zvariant::OwnedObjectPath = service.call("ReadAlias", &("default",))?;
    if path.as_str() == "/" {
        return Ok(State::NotInitialised);
    }
    let collection = zbus::blocking::Proxy::new(bus, NAME, path, "org.freedesktop.Secret.Collection")?;
    let locked: bool = collection.get_property("Locked")?;
    Ok(if locked { State::Locked } else { State::Usable })
}
