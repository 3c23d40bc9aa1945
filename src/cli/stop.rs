//! `loom stop`: the daemon ends, and stays ended until a person starts it again.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use crate::cli::Ending;
use crate::cli::context::{ANSWER_WAIT, Context};
use crate::cli::launch;
use crate::cli::out::Out;
use crate::cli::server_table::counted;
use crate::fault::{Fault, Kind, Plain};
use crate::file::replace;
use crate::link::client::Client;
use crate::link::connect::{ConnectError, dial};
use crate::link::ending::Process;
use crate::service::unit::DAEMON;

/// What ending the children takes, beyond the drain of open calls.
const CHILDREN_WAIT: Duration = Duration::from_secs(15);

/// How often a daemon that is busy is asked again whether it still is.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub fn run(context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    mark(context)?;
    let ended = end(context);
    stop_service(context)?;
    out.line(match ended? {
        Some(pid) => format!("stopped loomd (pid {pid}); it stays stopped until `loom start`"),
        None => "loomd does not run; it stays stopped until `loom start`".to_owned(),
    });
    Ok(Ending::Done)
}

/// Ends the daemon that runs, if one does.
fn end(context: &Context) -> Result<Option<u32>, Fault> {
    let pid = match context.dial() {
        Ok(client) => halt(context, Some(client), None)?,
        Err(ConnectError::Mismatch { pid, .. }) => halt(context, None, Some(pid))?,
        Err(ConnectError::Hello { .. }) if context.lock_holder().is_some() => {
            halt(context, None, context.lock_holder().map(|holder| holder.pid))?
        }
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(pid))
}

/// Ends the daemon behind `client`, or the one with this process number when we cannot talk to it, and waits until it
/// is gone.
pub fn halt(context: &Context, client: Option<Client>, pid: Option<u32>) -> Result<u32, Fault> {
    let pid = client.as_ref().map(|client| client.greeting().pid).or(pid).unwrap_or_default();
    let process = Process::open(pid);
    match (client, &process) {
        (Some(mut client), _) => {
            client.call("loom/stop", &json!({}), ANSWER_WAIT)?;
            client.wait_closed(wait(context));
        }
        (None, Some(process)) => process.terminate().map_err(|error| {
            Plain::new(Kind::Unavailable, format!("cannot end loomd (pid {pid}): {error}"))
        })?,
        (None, None) => {}
    }
    await_end(context, pid, process)
}

/// As `halt`, at a moment at which nothing is under way; without one within `patience` nothing is stopped.
pub fn halt_when_idle(context: &Context, mut client: Client, patience: Duration) -> Result<u32, Fault> {
    #[derive(Deserialize)]
    struct Answer {
        stopping: bool,
        #[serde(default)]
        active_calls: u64,
    }
    let pid = client.greeting().pid;
    let process = Process::open(pid);
    let until = Instant::now() + patience;
    loop {
        let answer = client.call("loom/stop", &json!({ "when_idle": true }), ANSWER_WAIT)?;
        let answer: Answer = serde_json::from_str(answer.get())
            .map_err(|error| Plain::new(Kind::Bug, format!("loomd answered loom/stop oddly: {error}")))?;
        if answer.stopping {
            return await_end(context, pid, process);
        }
        if Instant::now() >= until {
            let open = counted(answer.active_calls, "call");
            let text = format!("loomd was never idle within {} s ({open} open now)", patience.as_secs());
            return Err(Plain::new(Kind::Unavailable, text).hint("loom restart").into());
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// How long a daemon may take to end.
fn wait(context: &Context) -> Duration {
    context.settings.drain_timeout + CHILDREN_WAIT
}

fn await_end(context: &Context, pid: u32, process: Option<Process>) -> Result<u32, Fault> {
    let wait = wait(context);
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

/// A service that waits to start the daemon again has nothing to wait for.
fn stop_service(context: &Context) -> Result<(), Fault> {
    match launch::in_charge(&context.socket) {
        Some((manager, _)) => Ok(manager.stop(&DAEMON)?),
        None => Ok(()),
    }
}

/// From here on only a person starts a daemon.
pub fn mark(context: &Context) -> Result<(), Fault> {
    context.state_dir()?;
    let path = context.paths.stopped_marker();
    let text = format!("loom stop (pid {})\n", std::process::id());
    replace(&path, text.as_bytes(), 0o600).map_err(|error| {
        Plain::new(Kind::Unavailable, format!("cannot write {}: {error}", context.show(&path))).into()
    })
}
