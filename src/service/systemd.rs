//! systemd, by `systemctl --user` and the units of `~/.config/systemd/user`.

use std::path::{Path, PathBuf};

use crate::service::unit::{Site, Unit};
use crate::service::{Manager, Run, ServiceError, State, ask, must};

const PROGRAM: &str = "systemctl";
/// Below the home.
const FOLDER: &str = ".config/systemd/user";

pub struct Systemd {
    home: PathBuf,
    run: Run,
}

/// The files of a unit, and the links that make it part of the session.
pub fn files(home: &Path, unit: &Unit) -> [PathBuf; 2] {
    let folder = home.join(FOLDER);
    [folder.join(unit.service), folder.join("default.target.wants").join(unit.service)]
}

impl Systemd {
    pub fn new(home: &Path, run: Run) -> Self {
        Systemd { home: home.into(), run }
    }

    fn must(&self, args: &[&str]) -> Result<String, ServiceError> {
        must(&self.run, PROGRAM, &[&["--user"], args].concat()).map(|said| said.stdout)
    }

    /// Failures of the past do not matter; a unit that has none is not even known.
    fn forgive(&self, unit: &Unit) -> Result<(), ServiceError> {
        ask(&self.run, PROGRAM, &["--user", "reset-failed", unit.service]).map(|_| ())
    }
}

impl Manager for Systemd {
    fn name(&self) -> &'static str {
        "systemd"
    }

    fn unit_name(&self, unit: &Unit) -> &'static str {
        unit.service
    }

    fn unit_file(&self, unit: &Unit) -> PathBuf {
        self.home.join(FOLDER).join(unit.service)
    }

    fn render(&self, unit: &Unit, site: &Site) -> Result<String, ServiceError> {
        site.fill(unit.systemd, &[("@PROGRAM@", &program), ("@HOME@", &quoted), ("", &plain)])
    }

    fn enable(&self, unit: &Unit) -> Result<(), ServiceError> {
        self.must(&["daemon-reload"])?;
        self.must(&["enable", unit.service]).map(|_| ())
    }

    fn disable(&self, unit: &Unit) -> Result<(), ServiceError> {
        self.must(&["disable", "--now", unit.service])?;
        self.forgive(unit)
    }

    fn forget(&self) -> Result<(), ServiceError> {
        self.must(&["daemon-reload"]).map(|_| ())
    }

    fn start(&self, unit: &Unit, anew: bool) -> Result<(), ServiceError> {
        if anew {
            self.forgive(unit)?;
        }
        self.must(&["start", unit.service]).map(|_| ())
    }

    fn stop(&self, unit: &Unit) -> Result<(), ServiceError> {
        self.must(&["stop", unit.service]).map(|_| ())
    }

    fn state(&self, unit: &Unit) -> Result<State, ServiceError> {
        let shown =
            self.must(&["show", unit.service, "--property=LoadState,ActiveState,MainPID,ExecMainStatus"])?;
        Ok(read(&shown))
    }
}

/// The state in what `systemctl show` prints: a line for each property.
fn read(shown: &str) -> State {
    let value = |name: &str| {
        let line = |line: &str| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
        shown.lines().find_map(line).unwrap_or_default()
    };
    if value("LoadState") != "loaded" {
        return State::Unknown;
    }
    match (value("ActiveState").as_str(), value("MainPID").parse()) {
        ("active", Ok(pid)) if pid != 0 => State::Running { pid },
        ("inactive", _) => State::Stopped,
        ("failed", _) => {
            State::Failed { code: value("ExecMainStatus").parse().ok().filter(|code| *code != 0) }
        }
        _ => State::Changing,
    }
}

/// The program of `ExecStart=`, between quotes. systemd refuses some characters there, however they are written.
fn program(text: &str) -> Option<String> {
    plain(text).filter(|text| !text.contains(['"', '\'', '\\']))
}

/// A value between quotes.
fn quoted(text: &str) -> Option<String> {
    Some(plain(text)?.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The rest of a line.
fn plain(text: &str) -> Option<String> {
    Some(text.replace('%', "%%"))
}
