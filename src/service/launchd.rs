//! launchd, by `launchctl` and the plists of `~/Library/LaunchAgents`.

use std::path::{Path, PathBuf};

use crate::service::unit::{Site, Unit};
use crate::service::{Manager, Run, Said, ServiceError, State, ask, must, refused};

const PROGRAM: &str = "launchctl";

/// What `launchctl` ends with when there is no such unit, or it does not run.
const NO_SUCH_PROCESS: i32 = 3;
const NOT_FOUND: i32 = 113;

pub struct Launchd {
    home: PathBuf,
    /// `gui/501`: the user's login session.
    domain: String,
    run: Run,
}

impl Launchd {
    pub fn new(home: &Path, uid: u32, run: Run) -> Self {
        Launchd { home: home.into(), domain: format!("gui/{uid}"), run }
    }

    fn target(&self, unit: &Unit) -> String {
        format!("{}/{}", self.domain, unit.label)
    }
}

impl Manager for Launchd {
    fn name(&self) -> &'static str {
        "launchd"
    }

    fn unit_name(&self, unit: &Unit) -> &'static str {
        unit.label
    }

    fn unit_file(&self, unit: &Unit) -> PathBuf {
        self.home.join("Library/LaunchAgents").join(format!("{}.plist", unit.label))
    }

    fn render(&self, unit: &Unit, site: &Site) -> Result<String, ServiceError> {
        site.fill(unit.plist, &[("", &xml)])
    }

    fn enable(&self, unit: &Unit) -> Result<(), ServiceError> {
        must(&self.run, PROGRAM, &["enable", &self.target(unit)])?;
        if self.state(unit)? == State::Unknown {
            let file = self.unit_file(unit);
            must(&self.run, PROGRAM, &["bootstrap", &self.domain, &file.to_string_lossy()])?;
        }
        Ok(())
    }

    fn disable(&self, unit: &Unit) -> Result<(), ServiceError> {
        let target = self.target(unit);
        let args = ["bootout", target.as_str()];
        match ask(&self.run, PROGRAM, &args)? {
            Said { code: 0 | NO_SUCH_PROCESS | NOT_FOUND, .. } => Ok(()),
            said => Err(refused(PROGRAM, &args, &said)),
        }
    }

    fn forget(&self) -> Result<(), ServiceError> {
        Ok(())
    }

    fn start(&self, unit: &Unit, _anew: bool) -> Result<(), ServiceError> {
        self.enable(unit)?;
        must(&self.run, PROGRAM, &["kickstart", &self.target(unit)]).map(|_| ())
    }

    fn stop(&self, unit: &Unit) -> Result<(), ServiceError> {
        let target = self.target(unit);
        let args = ["kill", "TERM", target.as_str()];
        match ask(&self.run, PROGRAM, &args)? {
            Said { code: 0 | NO_SUCH_PROCESS | NOT_FOUND, .. } => Ok(()),
            said => Err(refused(PROGRAM, &args, &said)),
        }
    }

    fn state(&self, unit: &Unit) -> Result<State, ServiceError> {
        let target = self.target(unit);
        let args = ["print", target.as_str()];
        match ask(&self.run, PROGRAM, &args)? {
            said if said.code == 0 => Ok(read(&said.stdout)),
            Said { code: NOT_FOUND, .. } => Ok(State::Unknown),
            said => Err(refused(PROGRAM, &args, &said)),
        }
    }
}

/// The state in what `launchctl print` shows: the lines of the unit itself, which are indented once.
fn read(shown: &str) -> State {
    let value = |name: &str| {
        let line =
            |line: &str| Some(line.strip_prefix('\t')?.strip_prefix(name)?.strip_prefix(" = ")?.to_owned());
        shown.lines().find_map(line)
    };
    match value("state").as_deref() {
        Some("running") => match value("pid").and_then(|pid| pid.parse().ok()) {
            Some(pid) => State::Running { pid },
            None => State::Changing,
        },
        Some("not running") => match value("last exit code").and_then(|code| exit_code(&code)) {
            None if value("last terminating signal").is_some() => State::Failed { code: None },
            Some(0) | None => State::Stopped,
            code => State::Failed { code },
        },
        Some(_) => State::Changing,
        None => State::Unknown,
    }
}

/// `78: EX_CONFIG` and `78` are 78; `(never exited)` is none.
fn exit_code(text: &str) -> Option<i32> {
    text.split(':').next()?.trim().parse().ok()
}

/// `text` within an element.
fn xml(text: &str) -> Option<String> {
    Some(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}
