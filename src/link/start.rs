//! Starts a detached daemon and waits until it serves or has said why it cannot. Decides nothing about whether one
//! should be started: see the stop marker in `paths`.

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::fault::{Explain, Kind};
use crate::link::connect::dial;
use crate::link::detach;

/// How often an ending is looked for once there is nothing left to wait on.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Longest text that a failing daemon is heard for, in bytes.
const SAID_MAX: usize = 64 << 10;

/// What a daemon that found another one says first.
pub const GAVE_WAY: &str = "another loomd runs";

/// Why there is no new daemon.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot run {}", exe.display())]
    Spawn { exe: PathBuf, source: io::Error },
    /// The daemon's own words, without the `error:` and `hint:` before them.
    #[error("{text}")]
    Failed { text: String, kind: Kind, hint: Option<String> },
    #[error("loomd was not ready within {} s", after.as_secs())]
    Slow { after: Duration },
}

impl StartError {
    /// Whether the new daemon gave way to another one, which may not serve the socket yet or no longer.
    pub fn gave_way(&self) -> bool {
        matches!(self, StartError::Failed { text, .. } if text.starts_with(GAVE_WAY))
    }
}

impl Explain for StartError {
    fn kind(&self) -> Kind {
        match self {
            StartError::Spawn { .. } => Kind::Unavailable,
            StartError::Failed { kind, .. } => *kind,
            StartError::Slow { .. } => Kind::Unhealthy,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            StartError::Spawn { .. } => None,
            StartError::Failed { hint, .. } => hint.clone(),
            StartError::Slow { .. } => Some("~/.config/loom/logs/daemon.log".into()),
        }
    }
}

/// The path of this program; when the file was replaced by a newer one since this was started, the newer one. So a new
/// daemon is of the new version, whereas a running daemon starts its helpers from the very binary that it runs.
pub fn own_executable() -> io::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let replaced = exe.to_str().and_then(|path| path.strip_suffix(" (deleted)")).map(PathBuf::from);
    Ok(replaced.filter(|path| path.exists()).unwrap_or(exe))
}

/// Runs `exe daemon --detach`, in between `detach`, for `socket` (absolute) and returns when something accepts connections there: the new
/// daemon, or another one that was quicker. `registry` is an absolute path or `None` for the daemon's own choice.
///
/// The new daemon's standard error stays open until it is ready or has failed. A daemon that is not ready within
/// `deadline` is left alone: it may only be slow.
pub fn spawn_daemon(
    exe: &Path,
    socket: &Path,
    registry: Option<&Path>,
    started_by: &str,
    deadline: Duration,
) -> Result<(), StartError> {
    let until = Instant::now() + deadline;
    let mut command = Command::new(exe);
    command
        .arg(detach::VERB)
        .arg("daemon")
        .arg("--detach")
        .arg("--socket")
        .arg(socket)
        .arg("--started-by")
        .arg(started_by);
    if let Some(registry) = registry {
        command.arg("--registry").arg(registry);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let failed = |source| StartError::Spawn { exe: exe.to_owned(), source };
    let mut child = command.spawn().map_err(failed)?;
    let stderr = child.stderr.take().expect("standard error is a pipe");
    let said = read_until_closed(stderr, until).map_err(failed)?;
    let result = await_outcome(&mut child, socket, said, until, deadline);
    reap(child);
    result
}

/// What the daemon said before it closed its standard error; `None` when `until` came first.
fn read_until_closed(mut stderr: ChildStderr, until: Instant) -> io::Result<Option<String>> {
    let mut said = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let wait = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&stderr, PollFlags::IN)], Some(&wait)) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match stderr.read(&mut chunk)? {
            0 => return Ok(Some(String::from_utf8_lossy(&said).into_owned())),
            count if said.len() < SAID_MAX => said.extend_from_slice(&chunk[..count]),
            _ => {}
        }
    }
}

/// After standard error was closed: ready, or ended. An ended one is no failure when somebody else serves the socket;
/// one that ended well has left the place to a daemon that may still be getting ready.
fn await_outcome(
    child: &mut Child,
    socket: &Path,
    said: Option<String>,
    until: Instant,
    deadline: Duration,
) -> Result<(), StartError> {
    loop {
        let ended = child.try_wait().ok().flatten();
        let left = until.saturating_duration_since(Instant::now());
        if dial(socket, left.min(Duration::from_secs(1))).is_ok() {
            return Ok(());
        }
        if let Some(status) = ended.filter(|status| !status.success()) {
            return Err(failure(said.as_deref().unwrap_or_default(), status));
        }
        if left.is_zero() {
            return Err(StartError::Slow { after: deadline });
        }
        std::thread::sleep(LOOK_AGAIN.min(left));
    }
}

fn failure(said: &str, status: ExitStatus) -> StartError {
    let ending = match status.signal() {
        Some(signal) => format!("loomd was ended by signal {signal} before it was ready"),
        None => format!("loomd ended before it was ready, {status}"),
    };
    failed(said, ending, status.code())
}

/// The daemon's last words, taken apart as `fault::report` put them together; without any, `ending`. `code` is what it
/// ended with.
pub fn failed(said: &str, ending: String, code: Option<i32>) -> StartError {
    let said = said.trim();
    let said = said.strip_prefix("error: ").unwrap_or(said);
    let (text, hint) = match said.rsplit_once("\nhint:") {
        Some((text, hint)) if !hint.trim().contains('\n') => (text, Some(hint.trim().to_owned())),
        _ => (said, None),
    };
    let text = if text.is_empty() { ending } else { text.to_owned() };
    StartError::Failed { text, kind: kind_of(code), hint }
}

/// What an exit code of ours says; `None` is the end by a signal.
pub fn kind_of(code: Option<i32>) -> Kind {
    let kinds = [Kind::Usage, Kind::NotRunning, Kind::Unhealthy, Kind::Unavailable, Kind::Bug, Kind::Config];
    let found = kinds.into_iter().find(|kind| code == Some(i32::from(kind.exit_code())));
    found.unwrap_or(Kind::Unavailable)
}

/// A daemon that ends before the process that started it must not stay behind as a zombie.
fn reap(mut child: Child) {
    if matches!(child.try_wait(), Ok(None)) {
        let waiting = std::thread::Builder::new().name("loomd-reaper".into()).spawn(move || child.wait());
        // Without a thread the zombie lasts as long as this process, which harms nobody.
        drop(waiting);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// A folder with a script that stands for the daemon.
    fn script(text: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let exe = dir.path().join("exe");
        std::fs::write(&exe, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&exe, std::fs::Permissions::from_mode(0o755)).unwrap();
        let socket = dir.path().join("s");
        (dir, exe, socket)
    }

    /// `spawn_daemon`, again when another test's fork holds the script open for writing.
    fn spawn(exe: &Path, socket: &Path, deadline: Duration) -> Result<(), StartError> {
        loop {
            match spawn_daemon(exe, socket, None, "a test", deadline) {
                Err(StartError::Spawn { source, .. })
                    if source.kind() == io::ErrorKind::ExecutableFileBusy => {}
                result => return result,
            }
        }
    }

    #[test]
    fn a_failing_daemon_speaks_for_itself() {
        let words =
            "printf 'error: registry.yaml:3:1: no name\\n  and more\\nhint:  loom check\\n' >&2; exit 78";
        let (_dir, exe, socket) = script(words);
        let error = spawn(&exe, &socket, LONG).unwrap_err();
        assert_eq!(error.to_string(), "registry.yaml:3:1: no name\n  and more");
        assert_eq!((error.kind(), error.hint().as_deref()), (Kind::Config, Some("loom check")));
    }

    #[test]
    fn a_killed_daemon_is_named_with_its_signal() {
        let (_dir, exe, socket) = script("kill -9 $$");
        let error = spawn(&exe, &socket, LONG).unwrap_err();
        assert_eq!(error.to_string(), "loomd was ended by signal 9 before it was ready");
    }

    #[test]
    fn a_missing_program_is_named() {
        let (dir, _, socket) = script("");
        let error = spawn(&dir.path().join("absent"), &socket, LONG).unwrap_err();
        assert!(matches!(error, StartError::Spawn { .. }), "{error}");
    }

    #[test]
    fn a_daemon_that_never_gets_ready_costs_no_more_than_the_deadline() {
        let (_dir, exe, socket) = script("exec sleep 1");
        let error = spawn(&exe, &socket, Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, StartError::Slow { .. }), "{error}");
    }

    #[test]
    fn who_lost_the_race_uses_the_winner() {
        for ending in ["exit 0", "echo 'error: another loomd runs' >&2; exit 69"] {
            let (_dir, exe, socket) = script(ending);
            let _winner = UnixListener::bind(&socket).unwrap();
            spawn(&exe, &socket, LONG).expect(ending);
        }
    }

    #[test]
    fn the_daemon_is_told_where_to_serve_and_who_started_it() {
        let (dir, exe, socket) = script("echo \"$(pwd) $*\" >&2; exit 1");
        let registry = dir.path().join("r.yaml");
        let error = loop {
            match spawn_daemon(&exe, &socket, Some(&registry), "loom start (pid 1)", LONG).unwrap_err() {
                StartError::Spawn { source, .. } if source.kind() == io::ErrorKind::ExecutableFileBusy => {}
                error => break error,
            }
        };
        let want = format!(
            "/ __detach daemon --detach --socket {} --started-by loom start (pid 1) --registry {}",
            socket.display(),
            registry.display()
        );
        assert_eq!(error.to_string(), want);
    }
}
