//! Starts a server's process: own group, clean environment, wide pipes, known to the guardian.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::exec;
use super::guard::Guard;
use crate::file;
use crate::secret::Secret;

/// The size asked for a server's pipes: a megabyte passes in a few writes. More brought nothing.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 256 << 10;

/// How long a server has to end after its input was closed, and again after TERM.
const PATIENCE: Duration = Duration::from_secs(2);

/// All that a start needs, with every template resolved.
#[derive(Clone, Debug)]
pub struct Launch {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub env: BTreeMap<String, Secret<String>>,
    pub cwd: Option<PathBuf>,
}

/// A started process and the daemon's ends of its pipes.
pub struct Started {
    pub process: Child,
    pub pid: i32,
    pub stdin: pipe::Sender,
    pub stdout: pipe::Receiver,
    pub stderr: pipe::Receiver,
}

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("{} is not on PATH ({path})", program.display())]
    NotFound { program: PathBuf, path: String },
    #[error("{} is not an executable file", program.display())]
    NotExecutable { program: PathBuf },
    #[error("its folder {} does not exist", cwd.display())]
    NoFolder { cwd: PathBuf },
    #[error("cannot start it: {0}")]
    Io(#[from] std::io::Error),
}

/// The file that `launch.program` names, as it stands or the first hit on the child's own PATH, once its folder is
/// there.
pub fn runnable(launch: &Launch) -> Result<PathBuf, SpawnError> {
    match &launch.cwd {
        Some(cwd) if !cwd.is_dir() => Err(SpawnError::NoFolder { cwd: cwd.clone() }),
        _ => find_program(launch),
    }
}

fn find_program(launch: &Launch) -> Result<PathBuf, SpawnError> {
    let program = &launch.program;
    if program.components().count() > 1 {
        let base = launch.cwd.as_deref().unwrap_or(Path::new("/"));
        let full = base.join(program);
        return if file::is_executable(&full) {
            Ok(full)
        } else {
            Err(SpawnError::NotExecutable { program: program.clone() })
        };
    }
    let path = launch.env.get("PATH").map(|path| path.expose().clone()).unwrap_or_default();
    file::find_program(program, &path).ok_or(SpawnError::NotFound { program: program.clone(), path })
}

/// Starts the process. `exe` is loom's own binary, which steps aside for the server (see `exec`).
pub fn spawn(exe: &Path, launch: &Launch, guard: &Guard) -> Result<Started, SpawnError> {
    let program = runnable(launch)?;
    let (stdin_read, stdin) = wide_pipe()?;
    let (stdout, stdout_write) = wide_pipe()?;
    let (stderr, stderr_write) = pipe_with(PipeFlags::CLOEXEC).map_err(std::io::Error::from)?;
    let process = guard.lend(|pipe| {
        let mut command = Command::new(exe);
        command.arg(exec::VERB).arg(pipe.to_string()).arg(&program).args(&launch.args);
        let env = launch.env.iter().map(|(name, value)| (name, value.expose()));
        command.env_clear().envs(env).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::from(stdin_read)).stdout(Stdio::from(stdout_write));
        command.stderr(Stdio::from(stderr_write));
        if let Some(cwd) = &launch.cwd {
            command.current_dir(cwd);
        }
        command.spawn()
    })?;
    let pid = process.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
    Ok(Started {
        process,
        pid,
        stdin: pipe::Sender::from_owned_fd(stdin)?,
        stdout: pipe::Receiver::from_owned_fd(stdout)?,
        stderr: pipe::Receiver::from_owned_fd(stderr)?,
    })
}

fn wide_pipe() -> std::io::Result<(std::os::fd::OwnedFd, std::os::fd::OwnedFd)> {
    let ends = pipe_with(PipeFlags::CLOEXEC)?;
    // A refusal (the user's pipe quota is used up) costs speed, not correctness.
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&ends.0, PIPE_BYTES);
    Ok(ends)
}

/// Ends a whole group whose leader had its input closed: waits, TERM, waits, KILL. Returns the exit status.
pub async fn end(process: &mut Child, group: i32) -> Option<std::process::ExitStatus> {
    let mut status = timeout(PATIENCE, process.wait()).await.ok().and_then(Result::ok);
    if status.is_none() {
        signal(group, Signal::TERM);
        status = timeout(PATIENCE, process.wait()).await.ok().and_then(Result::ok);
    }
    // The leader may have left others behind.
    signal(group, Signal::KILL);
    match status {
        Some(status) => Some(status),
        None => timeout(PATIENCE, process.wait()).await.ok().and_then(Result::ok),
    }
}

/// Ends a group at once.
pub fn kill(group: i32) {
    signal(group, Signal::KILL);
}

/// A group that has already ended cannot be signalled, which is what was wanted.
fn signal(group: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(group) {
        let _ = kill_process_group(pid, signal);
    }
}
