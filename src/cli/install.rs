//! `loom install`: the daemon becomes a service of this user's session.

use crate::cli::Ending;
use crate::cli::context::Context;
use crate::cli::launch;
use crate::cli::out::{Out, Paint};
use crate::cli::start::{adopt, greet, prepare};
use crate::fault::{Fault, Kind, Plain};
use crate::file::private_dir;
use crate::service::unit::{DAEMON, Site};
use crate::service::{self, Manager, State};
use crate::settings::process_env;

pub fn run(context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let manager = service::find(&context.paths, &process_env()).ok_or_else(no_manager)?;
    let ready = prepare(context, None, "install")?;
    let logs = context.paths.logs_dir();
    private_dir(&logs).map_err(|error| {
        Plain::new(Kind::Unavailable, format!("cannot create {}: {error}", context.show(&logs)))
    })?;
    let site = Site::new(&context.program()?, &context.paths);
    let runs = matches!(manager.state(&DAEMON), Ok(State::Running { .. } | State::Changing));
    if runs && !service::is_current(&*manager, &site)? {
        out.line("the service runs with a unit of before; `loom restart` brings it up to date");
        return Ok(Ending::Done);
    }
    let written = service::install(&*manager, &site)?;
    for path in &written {
        out.line(format!("wrote {}", context.show(path)));
    }
    if written.is_empty() {
        out.line(format!("{} is installed already", manager.unit_name(&DAEMON)));
    }
    if launch::in_charge(&context.socket).is_none() {
        let text =
            "the service serves the socket that config.toml names, not that of this command line or shell";
        out.line(out.paint(Paint::Warn, text));
        return Ok(Ending::Done);
    }
    context.clear_stopped()?;
    match context.dial() {
        Ok(mut client) => adopt(&mut client)?,
        Err(error) if error.is_absent() => {
            context.spawn(None, "start")?;
            greet(context, out, &ready, "started")?;
        }
        Err(error) => return Err(error.into()),
    }
    say_owner(context, &*manager, out);
    Ok(Ending::Done)
}

/// Brings the unit of an installed service up to date, as an upgrade may need; the daemon has been stopped.
pub fn refresh(context: &Context) -> Result<(), Fault> {
    let Some((manager, paths)) = launch::in_charge(&context.socket) else { return Ok(()) };
    let site = Site::new(&context.program()?, &paths);
    if !service::is_current(&*manager, &site)? {
        service::install(&*manager, &site)?;
    }
    Ok(())
}

/// Who keeps the daemon that runs now.
fn say_owner(context: &Context, manager: &dyn Manager, out: &mut Out) {
    let Some(holder) = context.lock_holder() else { return };
    let name = manager.name();
    out.line(match is_of(manager, &holder.started_by) {
        true => format!("{name} keeps it running, from each login on"),
        false => format!(
            "{name} starts it from the next login on; `loom restart` hands it the running one (pid {}, started by {})",
            holder.pid, holder.started_by
        ),
    });
}

/// Whether a daemon that `started_by` started is the service's.
pub fn is_of(manager: &dyn Manager, started_by: &str) -> bool {
    started_by == format!("{} ({})", manager.name(), manager.unit_name(&DAEMON))
}

fn no_manager() -> Plain {
    let text = "there is no service manager here: `systemd --user` does not run in this session";
    Plain::new(Kind::Unavailable, text).hint("loom start")
}
