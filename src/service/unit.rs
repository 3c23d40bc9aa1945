//! What is kept running: one row a process, and the paths that its unit names.

use std::path::{Path, PathBuf};

use crate::paths::Paths;
use crate::service::ServiceError;

/// One process that a service manager starts. The templates of its units are in `launchd/` and `systemd/`.
#[derive(Debug, PartialEq, Eq)]
pub struct Unit {
    /// launchd's name of it.
    pub label: &'static str,
    /// systemd's name of it.
    pub service: &'static str,
    pub plist: &'static str,
    pub systemd: &'static str,
}

pub const DAEMON: Unit = Unit {
    label: "com.loom.daemon",
    service: "loomd.service",
    plist: include_str!("../../launchd/com.loom.daemon.plist"),
    systemd: include_str!("../../systemd/loomd.service"),
};

/// Every unit. `com.loom.hud` belongs to the HUD, which is not part of this build.
pub const UNITS: &[Unit] = &[DAEMON];

/// How a path is written in one place of a template; `None` when it cannot stand there.
pub type Escape<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the units of one user name.
#[derive(Debug)]
pub struct Site {
    program: PathBuf,
    home: PathBuf,
    logs: PathBuf,
}

impl Site {
    /// `program` is the installed loom, an absolute path that stays the same over upgrades.
    pub fn new(program: &Path, paths: &Paths) -> Self {
        Site { program: program.into(), home: paths.home().into(), logs: paths.logs_dir() }
    }

    /// `template` with this site's paths. `escape` says for each mark how it is written, and last for all others.
    pub fn fill(&self, template: &str, escape: &[(&str, Escape<'_>)]) -> Result<String, ServiceError> {
        let mut text = template.to_owned();
        let paths = [
            ("@PROGRAM@", &self.program),
            ("@HOME@", &self.home),
            ("@FOLDER@", &self.home),
            ("@LOGS@", &self.logs),
        ];
        for (mark, path) in paths {
            let wrong = || ServiceError::Path { path: path.clone() };
            let shown = path.to_str().filter(|shown| !shown.contains(char::is_control)).ok_or_else(wrong)?;
            let special = escape.iter().find(|(name, _)| *name == mark).or(escape.last());
            let (_, escape) = special.expect("there is at least one way to write a path");
            text = text.replace(mark, &escape(shown).ok_or_else(wrong)?);
        }
        Ok(text)
    }
}
