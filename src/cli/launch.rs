//! The one way in which daemons come to be that nobody runs in the foreground: by the service where it is installed,
//! and otherwise as a process of its own. Whoever wants a daemon, a person or a proxy, comes through here.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cli::Ending;
use crate::cli::context::READY_WAIT;
use crate::cli::daemon::by_person;
use crate::fault::{Fault, Kind, Plain};
use crate::file;
use crate::link::connect::dial;
use crate::link::holder::holder;
use crate::link::{detach, start};
use crate::paths::Paths;
use crate::service::unit::DAEMON;
use crate::service::{self, Manager, State};
use crate::settings::{Settings, process_env};

/// How long one attempt to reach the socket may take.
const DIAL: Duration = Duration::from_secs(1);

/// How often is looked whether a service is ready.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A unit that has ended well is started again so often: its manager may not have noticed the end of the one before.
const TRIES: u32 = 3;

/// More is no daemon's last words, in bytes.
const SAID_MAX: usize = 1 << 30;

/// `loom __detach daemon --detach …`: returns when a daemon serves, or with what kept it from that.
pub fn run(words: &[OsString]) -> Result<Ending, Fault> {
    let after = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1).map(OsString::as_os_str)
    };
    let socket = after("--socket").map(Path::new);
    if let Some(socket) = socket.filter(|_| after("--registry").is_none())
        && let Some((manager, paths)) = in_charge(socket)
    {
        let anew = after("--started-by").and_then(OsStr::to_str).is_some_and(by_person);
        return by_service(&*manager, &paths, socket, anew).map(|()| Ending::Done);
    }
    let ended = detach::run(words)?.filter(|status| !status.success());
    Ok(ended.map_or(Ending::Done, |status| Ending::With(start::kind_of(status.code()))))
}

/// The manager whose service serves `socket`, when it is installed. A service knows nothing of a shell's variables.
pub fn in_charge(socket: &Path) -> Option<(Box<dyn Manager>, Paths)> {
    let env = process_env();
    let paths = Paths::new(env("HOME").map(PathBuf::from)).ok()?;
    let manager = service::find(&paths, &env).filter(|manager| service::is_installed(&**manager, &DAEMON))?;
    let (settings, _) = Settings::load(&paths, &|_| None).ok()?;
    (settings.socket == socket).then_some((manager, paths))
}

/// Has the service started, and waits until it serves.
fn by_service(manager: &dyn Manager, paths: &Paths, socket: &Path, anew: bool) -> Result<(), Fault> {
    let heard = length(&paths.daemon_err());
    let until = Instant::now() + READY_WAIT;
    for _ in 0..TRIES {
        if dial(socket, DIAL).is_ok() {
            return Ok(());
        }
        if let Some(holder) = holder(&paths.lock_file()) {
            // It does not serve yet, or no longer.
            let text =
                format!("another loomd runs already (pid {}, started by {})", holder.pid, holder.started_by);
            return Err(Plain::new(Kind::Unavailable, text).hint("loom status").into());
        }
        let asked = manager.start(&DAEMON, anew);
        match await_ready(manager, socket, &|| said_since(paths, heard).contains("error: "), until)? {
            Outcome::Ready => return Ok(()),
            Outcome::Ended(None)
                if holder(&paths.lock_file()).is_some() || !said_since(paths, heard).is_empty() =>
            {
                return Err(failure(paths, heard, None));
            }
            Outcome::Ended(None) => asked?,
            Outcome::Ended(code) => return Err(failure(paths, heard, code)),
        }
    }
    Err(failure(paths, heard, None))
}

enum Outcome {
    Ready,
    /// With this exit code, if it was a bad end.
    Ended(Option<i32>),
}

/// `complains` says whether the daemon has said what it lacks; its manager may try again for long.
fn await_ready(
    manager: &dyn Manager,
    socket: &Path,
    complains: &dyn Fn() -> bool,
    until: Instant,
) -> Result<Outcome, Fault> {
    loop {
        if dial(socket, DIAL).is_ok() {
            return Ok(Outcome::Ready);
        }
        match manager.state(&DAEMON)? {
            State::Failed { code } => return Ok(Outcome::Ended(Some(code.unwrap_or(-1)))),
            State::Stopped | State::Unknown => return Ok(Outcome::Ended(None)),
            State::Changing if complains() => return Ok(Outcome::Ended(None)),
            State::Changing | State::Running { .. } => {}
        }
        if Instant::now() >= until {
            return Err(start::StartError::Slow { after: READY_WAIT }.into());
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn failure(paths: &Paths, heard: u64, code: Option<i32>) -> Fault {
    let fresh = said_since(paths, heard);
    // Of several attempts the last one.
    let last = fresh.rfind("error: ").map_or("", |at| &fresh[at..]);
    let ending = match code.filter(|code| *code >= 0) {
        Some(code) => format!("the service ended before it was ready, exit code {code}"),
        None => "the service ended before it was ready".to_owned(),
    };
    start::failed(last, ending, code).into()
}

/// What the daemon has said since there were `heard` bytes of it.
fn said_since(paths: &Paths, heard: u64) -> String {
    let said = file::read(&paths.daemon_err(), SAID_MAX).unwrap_or_default();
    let fresh = usize::try_from(heard).ok().and_then(|heard| said.get(heard..)).unwrap_or_default();
    String::from_utf8_lossy(fresh).into_owned()
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
