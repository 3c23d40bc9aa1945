//! `loom stop`: the daemon ends, and stays ended until a person starts it again.

use std::time::Duration;

use serde_json::json;

use crate::cli::Ending;
use crate::cli::context::{ANSWER_WAIT, Context};
use crate::cli::out::Out;
use crate::fault::{Fault, Kind, Plain};
use crate::file::replace;
use crate::link::client::Client;
use crate::link::connect::{ConnectError, dial};
use crate::link::ending::Process;

/// What ending the children takes, beyond the drain of open calls.
const CHILDREN_WAIT: Duration = Duration::from_secs(15);

pub fn run(context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    mark(context)?;
    let pid = match context.dial() {
        Ok(client) => halt(context, Some(client), None)?,
        Err(ConnectError::Mismatch { pid, .. }) => halt(context, None, Some(pid))?,
        Err(ConnectError::Hello { .. }) if context.lock_holder().is_some() => {
            halt(context, None, context.lock_holder())?
        }
        Err(error) if error.is_absent() => {
            out.line("loomd does not run; it stays stopped until `loom start`");
            return Ok(Ending::Done);
        }
        Err(error) => return Err(error.into()),
    };
    out.line(format!("stopped loomd (pid {pid}); it stays stopped until `loom start`"));
    Ok(Ending::Done)
}

/// Ends the daemon behind `client`, or the one with this process number when we cannot talk to it, and waits until it
/// is gone.
pub fn halt(context: &Context, client: Option<Client>, pid: Option<u32>) -> Result<u32, Fault> {
    let wait = context.settings.drain_timeout + CHILDREN_WAIT;
    let pid = client.as_ref().map(|client| client.greeting().pid).or(pid).unwrap_or_default();
    let process = Process::open(pid);
    match (client, &process) {
        (Some(mut client), _) => {
            client.call("loom/stop", &json!({}), ANSWER_WAIT)?;
            client.wait_closed(wait);
        }
        (None, Some(process)) => process.terminate().map_err(|error| {
            Plain::new(Kind::Unavailable, format!("cannot end loomd (pid {pid}): {error}"))
        })?,
        (None, None) => {}
    }
    let ended = process.is_none_or(|process| process.wait(wait));
    let served =
        matches!(dial(&context.socket, Duration::from_secs(1)), Ok(_) | Err(ConnectError::Dial { .. }));
    if !ended {
        let still = if served { "still serves" } else { "has closed its socket but not ended" };
        let text = format!("loomd (pid {pid}) {still} after {} s", wait.as_secs());
        return Err(Plain::new(Kind::Unhealthy, text).hint(format!("kill -9 {pid}")).into());
    }
    Ok(pid)
}

fn mark(context: &Context) -> Result<(), Fault> {
    context.state_dir()?;
    let path = context.paths.stopped_marker();
    let text = format!("loom stop (pid {})\n", std::process::id());
    replace(&path, text.as_bytes(), 0o600).map_err(|error| {
        Plain::new(Kind::Unavailable, format!("cannot write {}: {error}", context.show(&path))).into()
    })
}
