//! The service's part of `loom status`.

use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::install::is_of;
use crate::cli::launch;
use crate::cli::out::{Out, Paint};
use crate::service::State;
use crate::service::unit::DAEMON;

/// How the service stands.
pub struct Service {
    pub manager: &'static str,
    pub unit: &'static str,
    /// What the manager says of it, or why it says nothing.
    pub state: Result<State, String>,
    /// The daemon that runs is the service's; `None` when none runs.
    pub owner: Option<bool>,
}

/// Asks the manager; `None` where no service is installed for this socket. `started_by` is of the daemon that runs.
pub fn ask(context: &Context, started_by: Option<&str>) -> Option<Service> {
    let (manager, _) = launch::in_charge(&context.socket)?;
    Some(Service {
        manager: manager.name(),
        unit: manager.unit_name(&DAEMON),
        state: manager.state(&DAEMON).map_err(|error| error.to_string()),
        owner: started_by.map(|text| is_of(&*manager, text)),
    })
}

/// `null` where no service is installed.
pub fn to_json(service: Option<&Service>) -> Value {
    service.map_or(Value::Null, |service| {
        json!({
            "manager": service.manager,
            "unit": service.unit,
            "state": service.state.as_ref().map_or("unknown", State::word),
            "error": service.state.as_ref().err(),
            "owner": service.owner,
        })
    })
}

pub fn render(service: Option<&Service>, out: &mut Out) {
    let Some(service) = service else { return };
    let head = format!("service   {} {}", service.manager, service.unit);
    out.line(match &service.state {
        Err(error) => format!("{head}: {}", out.paint(Paint::Bad, error)),
        Ok(State::Failed { code: Some(code) }) => {
            format!("{head}: {}, exit code {code}; `loom logs --errors`", out.paint(Paint::Bad, "failed"))
        }
        Ok(state @ (State::Failed { code: None } | State::Unknown)) => {
            format!("{head}: {}", out.paint(Paint::Bad, state.word()))
        }
        Ok(state) => format!("{head}: {}", state.word()),
    });
    if service.owner == Some(false) {
        out.line("          did not start this daemon; `loom restart` hands it over");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_a_line_and_what_is_wrong_with_it() {
        let mut out = Out::new(false, false);
        let states = [
            (Ok(State::Running { pid: 7 }), Some(true)),
            (Ok(State::Stopped), Some(false)),
            (Ok(State::Failed { code: Some(78) }), None),
            (Ok(State::Unknown), None),
            (Err("cannot ask systemctl".to_owned()), None),
        ];
        for (state, owner) in states {
            let service = Service { manager: "systemd", unit: "loomd.service", state, owner };
            render(Some(&service), &mut out);
        }
        render(None, &mut out);
        insta::assert_snapshot!(out.text(), @r"
        service   systemd loomd.service: running
        service   systemd loomd.service: stopped
                  did not start this daemon; `loom restart` hands it over
        service   systemd loomd.service: failed, exit code 78; `loom logs --errors`
        service   systemd loomd.service: not loaded
        service   systemd loomd.service: cannot ask systemctl
        ");
    }
}
