//! `loom daemon`: the daemon itself, in this process.

use std::io::{IsTerminal, Write};

use crate::cli::Ending;
use crate::cli::args::DaemonArgs;
use crate::cli::context::Context;
use crate::daemon::{self, Options};
use crate::fault::{Explain, Fault, Kind, report};
use crate::link::start::GAVE_WAY;
use crate::settings::process_environment;

/// Verbs that only a person types; each records and hands over the environment of the shell it was typed in.
const PERSONS_VERBS: &[&str] = &["loom start ", "loom restart "];

/// Whether `started_by` names one of these.
pub fn by_person(started_by: &str) -> bool {
    PERSONS_VERBS.iter().any(|verb| started_by.starts_with(verb))
}

pub fn run(args: DaemonArgs, context: Context) -> Result<Ending, Fault> {
    let registry = args.registry.map(|path| context.absolute(&path));
    let by_person = match &args.started_by {
        Some(text) => by_person(text),
        None => std::io::stdin().is_terminal(),
    };
    let started_by = args.started_by.unwrap_or_else(|| format!("loom daemon (pid {})", std::process::id()));
    let service = Service::of(&started_by);
    let Context { paths, settings, socket, .. } = context;
    let options = Options { paths, settings, registry, socket, started_by, detach: args.detach, by_person };
    let ended = daemon::run::run(options, process_environment());
    match ended {
        Err(fault) if service.is_some_and(|service| service.is_content(&*fault)) => {
            // There is nobody to whom a log that cannot be written could be told.
            let _ = std::io::stderr().write_all(report(&*fault).as_bytes());
            Ok(Ending::Done)
        }
        ended => ended.map(|()| Ending::Done),
    }
}

/// Who starts a service again, and with which ends it is content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    /// Starts again whatever ends with anything but 0, for ever.
    Launchd,
    /// Knows from the unit's file with which exit codes it is to stay down.
    Systemd,
}

impl Service {
    fn of(started_by: &str) -> Option<Service> {
        match started_by {
            _ if started_by.starts_with("launchd ") => Some(Service::Launchd),
            _ if started_by.starts_with("systemd ") => Some(Service::Systemd),
            _ => None,
        }
    }

    /// Whether to start again would mend nothing: it leaves the place to the daemon that has it, and to a person what
    /// only a person changes.
    fn is_content(self, fault: &dyn Explain) -> bool {
        let persons = matches!(fault.kind(), Kind::Usage | Kind::NotRunning | Kind::Config);
        fault.to_string().starts_with(GAVE_WAY) || (self == Service::Launchd && persons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Plain;

    #[test]
    fn a_service_stays_down_where_starting_again_mends_nothing() {
        let (launchd, systemd) =
            (Service::of("launchd (com.loom.daemon)"), Service::of("systemd (loomd.service)"));
        assert_eq!(Service::of("loom start (pid 1)"), None);
        for (kind, text, want) in [
            (Kind::Unavailable, "another loomd runs already (pid 1, started by x)", [true, true]),
            (Kind::Unavailable, "cannot serve the socket", [false, false]),
            (Kind::Config, "r.yaml:1:1: no name", [true, false]),
            (Kind::NotRunning, "loom was stopped", [true, false]),
            (Kind::Bug, "x", [false, false]),
        ] {
            let fault = Plain::new(kind, text);
            let got = [launchd, systemd].map(|service| service.expect("a service").is_content(&fault));
            assert_eq!(got, want, "{text}");
        }
    }
}
