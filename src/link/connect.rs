//! Dials the daemon's socket; writes and reads the two halves of the hello.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::fault::{Explain, Kind};
use crate::link::git::git_top;
use crate::wire::hello::{Greeting, Hello, PROTOCOL, Role, VERSION};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("loomd does not run (no socket at {})", path.display())]
    NoSocket { path: PathBuf },
    #[error("loomd does not run (nobody answers at {})", path.display())]
    Refused { path: PathBuf },
    #[error("cannot reach loomd at {}", path.display())]
    Dial { path: PathBuf, source: io::Error },
    #[error("{text}")]
    Hello { text: String, kind: Kind, hint: Option<String> },
    #[error(
        "loomd (pid {pid}) is version {version} and speaks protocol {protocol}; this loom is {VERSION} with {PROTOCOL}"
    )]
    Mismatch { pid: u32, version: String, protocol: u32 },
}

impl ConnectError {
    /// Whether there is no daemon at all, so that starting one would help.
    pub fn is_absent(&self) -> bool {
        matches!(self, ConnectError::NoSocket { .. } | ConnectError::Refused { .. })
    }
}

impl Explain for ConnectError {
    fn kind(&self) -> Kind {
        match self {
            ConnectError::NoSocket { .. } | ConnectError::Refused { .. } => Kind::NotRunning,
            ConnectError::Dial { .. } => Kind::Unavailable,
            ConnectError::Hello { kind, .. } => *kind,
            ConnectError::Mismatch { .. } => Kind::Unhealthy,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ConnectError::NoSocket { .. } | ConnectError::Refused { .. } => Some("loom start".into()),
            ConnectError::Dial { .. } => None,
            ConnectError::Hello { hint, .. } => hint.clone(),
            ConnectError::Mismatch { .. } => Some("loom restart".into()),
        }
    }
}

/// The hello of this process, which works in `cwd`.
pub fn hello(role: Role, cwd: &Path) -> Hello {
    let shown = |path: &Path| path.to_string_lossy().into_owned();
    Hello::new(role, shown(cwd), git_top(cwd).as_deref().map(shown))
}

/// Reads the `result` of `loom/hello`, refusing another protocol. Another version with the same protocol is fine.
pub fn read_greeting(result: &str) -> Result<Greeting, ConnectError> {
    let greeting: Greeting = serde_json::from_str(result).map_err(|error| ConnectError::Hello {
        text: format!("loomd answered the hello with something else: {error}"),
        kind: Kind::Unhealthy,
        hint: Some("loom restart".into()),
    })?;
    if greeting.protocol != PROTOCOL {
        let Greeting { protocol, version, pid, .. } = greeting;
        return Err(ConnectError::Mismatch { pid, version, protocol });
    }
    Ok(greeting)
}

/// Connects to the socket at `path`, without the hello. A daemon that does not accept within `deadline` is an error.
pub fn dial(path: &Path, deadline: Duration) -> Result<UnixStream, ConnectError> {
    let failed = |error: rustix::io::Errno| match error {
        rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR => ConnectError::NoSocket { path: path.into() },
        rustix::io::Errno::CONNREFUSED => ConnectError::Refused { path: path.into() },
        rustix::io::Errno::AGAIN => {
            ConnectError::Dial { path: path.into(), source: io::ErrorKind::TimedOut.into() }
        }
        other => ConnectError::Dial { path: path.into(), source: other.into() },
    };
    let address = SocketAddrUnix::new(path).map_err(failed)?;
    let socket = open_socket().map_err(failed)?;
    // On Linux this bounds a `connect` to a full backlog too; macOS refuses there at once.
    sockopt::set_socket_timeout(
        &socket,
        sockopt::Timeout::Send,
        Some(deadline.max(Duration::from_millis(1))),
    )
    .map_err(failed)?;
    rustix::net::connect(&socket, &address).map_err(failed)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, None).map_err(failed)?;
    Ok(UnixStream::from(socket))
}

#[cfg(not(target_vendor = "apple"))]
fn open_socket() -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

#[cfg(target_vendor = "apple")]
fn open_socket() -> rustix::io::Result<OwnedFd> {
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::empty(), None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn absence_has_two_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let deadline = Duration::from_secs(5);
        assert!(matches!(dial(&path, deadline), Err(ConnectError::NoSocket { .. })));
        drop(UnixListener::bind(&path).unwrap());
        let error = dial(&path, deadline).unwrap_err();
        assert!(matches!(error, ConnectError::Refused { .. }) && error.is_absent(), "{error}");
        assert_eq!(error.kind(), Kind::NotRunning);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_daemon_that_never_accepts_costs_no_more_than_the_deadline() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let _listener = UnixListener::bind(&path).unwrap();
        let mut held = Vec::new();
        let error = loop {
            match dial(&path, Duration::from_millis(20)) {
                Ok(stream) => held.push(stream),
                Err(error) => break error,
            }
            assert!(held.len() < 10_000, "the backlog has no end");
        };
        assert!(matches!(error, ConnectError::Dial { .. }), "{error}");
    }

    #[test]
    fn only_the_protocol_number_must_agree() {
        let fine = read_greeting(r#"{"protocol":1,"version":"9.9","pid":7,"epoch":3}"#).unwrap();
        assert_eq!((fine.pid, fine.version.as_str(), fine.epoch), (7, "9.9", 3));
        let error = read_greeting(r#"{"protocol":2,"version":"9.9","pid":7,"epoch":3}"#).unwrap_err();
        assert!(matches!(error, ConnectError::Mismatch { pid: 7, protocol: 2, .. }), "{error}");
        assert_eq!(error.hint().as_deref(), Some("loom restart"));
        assert!(matches!(read_greeting("[]"), Err(ConnectError::Hello { .. })));
    }
}
