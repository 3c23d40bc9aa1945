//! Services: launchd or systemd keeps the daemon running from one login to the next. Here are the files of its units,
//! how they are put in place and taken away, and what the service manager is asked and says. Nothing here knows what
//! the daemon does, or whether it is ready.

pub mod launchd;
pub mod systemd;
pub mod unit;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::fault::{Explain, Kind};
use crate::file;
use crate::paths::Paths;
use crate::program::{self, ProgramError};
use crate::service::launchd::Launchd;
use crate::service::systemd::Systemd;
use crate::service::unit::{Site, UNITS, Unit};

/// Stopping a unit takes as long as the daemon drains.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a service manager is told and asked about a unit.
pub trait Manager {
    /// `launchd` or `systemd`.
    fn name(&self) -> &'static str;
    /// The unit's name as its manager's own commands want it.
    fn unit_name(&self, unit: &Unit) -> &'static str;
    fn unit_file(&self, unit: &Unit) -> PathBuf;
    /// The text of the unit's file.
    fn render(&self, unit: &Unit, site: &Site) -> Result<String, ServiceError>;
    /// Makes the unit, whose file is in place, known and part of the session. launchd starts it, too.
    fn enable(&self, unit: &Unit) -> Result<(), ServiceError>;
    /// Ends it, and takes it out of the session.
    fn disable(&self, unit: &Unit) -> Result<(), ServiceError>;
    /// After the unit's file was removed.
    fn forget(&self) -> Result<(), ServiceError>;
    /// Starts it if it does not run, without waiting until it is ready. `anew` forgets earlier failures.
    fn start(&self, unit: &Unit, anew: bool) -> Result<(), ServiceError>;
    /// Ends it, also one that waits to be started again.
    fn stop(&self, unit: &Unit) -> Result<(), ServiceError>;
    fn state(&self, unit: &Unit) -> Result<State, ServiceError>;
}

/// How a unit stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The manager does not know it.
    Unknown,
    /// It does not run, and nothing is wrong with that.
    Stopped,
    /// On its way up or down, or waiting to be started again.
    Changing,
    Running {
        pid: u32,
    },
    /// It ended badly; the exit code, if it had one.
    Failed {
        code: Option<i32>,
    },
}

impl State {
    pub fn word(&self) -> &'static str {
        match self {
            State::Unknown => "not loaded",
            State::Stopped => "stopped",
            State::Changing => "changing",
            State::Running { .. } => "running",
            State::Failed { .. } => "failed",
        }
    }
}

/// Runs one program of the service manager. Tests answer with what it once said.
pub type Run = Box<dyn Fn(&str, &[&str]) -> Result<Said, ProgramError>>;

/// What such a program said at its end.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Exit code; -1 after a signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error("cannot ask {program}")]
    Ask { program: &'static str, source: ProgramError },
    #[error("`{command}` failed: {said}")]
    Refused { command: String, said: String },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot remove {}", path.display())]
    Remove { path: PathBuf, source: io::Error },
    #[error("the path {} cannot stand in a unit's file", path.display())]
    Path { path: PathBuf },
}

impl Explain for ServiceError {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }
}

/// The service manager of this user's session, if there is one. `env` is this process's environment.
pub fn find(paths: &Paths, env: &dyn Fn(&str) -> Option<String>) -> Option<Box<dyn Manager>> {
    let uid = rustix::process::getuid().as_raw();
    if cfg!(target_os = "macos") {
        return Some(Box::new(Launchd::new(paths.home(), uid, Box::new(|name, args| run(name, args, None)))));
    }
    let given = env("XDG_RUNTIME_DIR").map(PathBuf::from);
    let runtime = given.unwrap_or_else(|| PathBuf::from(format!("/run/user/{uid}")));
    // Here it listens, whatever else of it works.
    runtime.join("systemd/private").exists().then(|| {
        let run: Run = Box::new(move |name, args| run(name, args, Some(&runtime)));
        Box::new(Systemd::new(paths.home(), run)) as Box<dyn Manager>
    })
}

fn run(name: &str, args: &[&str], runtime: Option<&Path>) -> Result<Said, ProgramError> {
    let mut command = Command::new(name);
    command.args(args).env("LC_ALL", "C").env("SYSTEMD_PAGER", "");
    if let Some(runtime) = runtime {
        command.env("XDG_RUNTIME_DIR", runtime);
    }
    let said = program::ask(&mut command, b"", PATIENCE)?;
    let stdout = String::from_utf8_lossy(&said.stdout).into_owned();
    Ok(Said { code: said.code, stdout, stderr: said.stderr })
}

/// Whether the unit's file is there.
pub fn is_installed(manager: &dyn Manager, unit: &Unit) -> bool {
    manager.unit_file(unit).exists()
}

/// Whether the files of all units are as this program would write them.
pub fn is_current(manager: &dyn Manager, site: &Site) -> Result<bool, ServiceError> {
    for unit in UNITS {
        let text = manager.render(unit, site)?;
        if !std::fs::read(manager.unit_file(unit)).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes the files of all units, and has them started with the session. Returns the files that are new or changed.
pub fn install(manager: &dyn Manager, site: &Site) -> Result<Vec<PathBuf>, ServiceError> {
    let mut written = Vec::new();
    for unit in UNITS {
        let path = manager.unit_file(unit);
        let text = manager.render(unit, site)?;
        if std::fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
            manager.enable(unit)?;
            continue;
        }
        let was_installed = is_installed(manager, unit);
        let folder = path.parent().expect("a unit's file is in a folder");
        std::fs::create_dir_all(folder)
            .and_then(|()| file::replace(&path, text.as_bytes(), 0o644))
            .map_err(|source| ServiceError::Write { path: path.clone(), source })?;
        if was_installed {
            // It knows the text of before.
            manager.disable(unit)?;
        }
        manager.enable(unit)?;
        written.push(path);
    }
    Ok(written)
}

/// Ends all units and removes their files, which it returns.
pub fn uninstall(manager: &dyn Manager) -> Result<Vec<PathBuf>, ServiceError> {
    let mut removed = Vec::new();
    for unit in UNITS.iter().filter(|unit| is_installed(manager, unit)) {
        manager.disable(unit)?;
        let path = manager.unit_file(unit);
        std::fs::remove_file(&path).map_err(|source| ServiceError::Remove { path: path.clone(), source })?;
        removed.push(path);
    }
    if !removed.is_empty() {
        manager.forget()?;
    }
    Ok(removed)
}

/// Files of units that no manager is there to be told of: removed as they are. Returns them.
pub fn leftovers(paths: &Paths) -> Result<Vec<PathBuf>, ServiceError> {
    let mut removed = Vec::new();
    for path in UNITS.iter().flat_map(|unit| systemd::files(paths.home(), unit)) {
        match std::fs::remove_file(&path) {
            Ok(()) => removed.push(path),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ServiceError::Remove { path, source }),
        }
    }
    Ok(removed)
}

/// Runs `program ARGS`, whose failure is an error.
fn must(run: &Run, program: &'static str, args: &[&str]) -> Result<Said, ServiceError> {
    let said = ask(run, program, args)?;
    if said.code == 0 { Ok(said) } else { Err(refused(program, args, &said)) }
}

fn ask(run: &Run, program: &'static str, args: &[&str]) -> Result<Said, ServiceError> {
    run(program, args).map_err(|source| ServiceError::Ask { program, source })
}

fn refused(program: &str, args: &[&str], said: &Said) -> ServiceError {
    let words = [said.stderr.trim(), said.stdout.trim()];
    let words = words.into_iter().find(|text| !text.is_empty());
    let said = words.map_or_else(|| format!("exit code {}", said.code), str::to_owned);
    ServiceError::Refused { command: format!("{program} {}", args.join(" ")), said }
}

#[cfg(test)]
mod tests;
