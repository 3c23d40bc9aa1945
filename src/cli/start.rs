//! `loom start` and `loom restart`. Both record the environment of the shell they are typed in, so that servers see
//! it whoever starts the daemon later.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::cli::Ending;
use crate::cli::args::{RestartArgs, StartArgs};
use crate::cli::context::{ANSWER_WAIT, Context};
use crate::cli::install;
use crate::cli::out::{Out, Paint};
use crate::cli::registry::{read, refuse_errors};
use crate::cli::server_table::counted;
use crate::cli::stop::{halt, halt_when_idle};
use crate::fault::{Fault, Kind, Plain};
use crate::file::replace;
use crate::link::client::Client;
use crate::link::connect::ConnectError;
use crate::registry::environ::recordable;
use crate::registry::find::for_service;
use crate::settings::process_environment;
use crate::wire::hello::{COMMIT, VERSION, build};
pub fn start(args: StartArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let registry = args.registry.map(|path| context.absolute(&path));
    let ready = prepare(context, registry.as_deref(), "start")?;
    context.clear_stopped()?;
    match context.dial() {
        Ok(mut client) => {
            adopt(&mut client)?;
            let pid = client.greeting().pid;
            out.line(format!("loomd runs already (pid {pid}); it took over this shell's environment"));
            if registry.is_some() {
                let text = format!("{} is not read by a daemon that runs already", ready.shown);
                return Err(Plain::new(Kind::Usage, text).hint("loom restart --registry PATH").into());
            }
        }
        Err(error) if error.is_absent() => {
            context.spawn(registry.as_deref(), "start")?;
            greet(context, out, &ready, "started")?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Ending::Done)
}

pub fn restart(args: RestartArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let registry = args.registry.map(|path| context.absolute(&path));
    let ready = prepare(context, registry.as_deref(), "restart")?;
    let before = match context.dial() {
        Ok(client) => Some(match args.when_idle {
            Some(patience) => halt_when_idle(context, client, patience.0)?,
            None => halt(context, Some(client), None)?,
        }),
        Err(ConnectError::Mismatch { pid, .. }) => Some(halt(context, None, Some(pid))?),
        Err(ConnectError::Hello { .. }) if context.lock_holder().is_some() => {
            Some(halt(context, None, context.lock_holder().map(|holder| holder.pid))?)
        }
        Err(error) if error.is_absent() => None,
        Err(error) => return Err(error.into()),
    };
    install::refresh(context)?;
    context.clear_stopped()?;
    // Between the two a proxy may be quicker than we are: then there is a new daemon all the same, and it takes over
    // our environment below.
    context.spawn(registry.as_deref(), "restart")?;
    let word = if before.is_some() { "restarted" } else { "started" };
    greet(context, out, &ready, word)?;
    let client = context.dial()?;
    let greeting = client.greeting();
    if !greeting.is_this_build() {
        let text =
            format!("the new daemon is {}, and this loom is {}", greeting.build(), build(VERSION, COMMIT));
        return Err(Plain::new(Kind::Unhealthy, text).hint("make dev-upgrade").into());
    }
    Ok(Ending::Done)
}

/// What was found out before anything was touched.
pub struct Ready {
    /// The registry's path, for people.
    pub shown: String,
    servers: u64,
}

/// Checks the registry and records this shell's environment.
pub fn prepare(context: &Context, registry: Option<&Path>, verb: &str) -> Result<Ready, Fault> {
    let found = for_service(registry, &context.paths)?;
    let parsed = read(&found, context.paths.home())?;
    let registry = refuse_errors(parsed, &context.show(&found.path))?;
    record(context, recordable(&process_environment(), &registry), verb)?;
    Ok(Ready { shown: context.show(&found.path), servers: registry.servers.len() as u64 })
}

fn record(context: &Context, env: BTreeMap<String, String>, verb: &str) -> Result<(), Fault> {
    context.state_dir()?;
    let path: PathBuf = context.paths.environment_file();
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let by = format!("loom {verb} (pid {})", std::process::id());
    let text = format!("{:#}\n", json!({ "recorded_by": by, "at": at, "env": env }));
    replace(&path, text.as_bytes(), 0o600).map_err(|error| {
        Plain::new(Kind::Unavailable, format!("cannot write {}: {error}", context.show(&path))).into()
    })
}

/// Gives a running daemon the whole environment; unlike the recorded part it is kept in memory only.
pub fn adopt(client: &mut Client) -> Result<(), Fault> {
    client.call("loom/adopt", &json!({ "environment": process_environment() }), ANSWER_WAIT)?;
    Ok(())
}

pub fn greet(context: &Context, out: &mut Out, ready: &Ready, word: &str) -> Result<(), Fault> {
    let mut client = context.dial()?;
    adopt(&mut client)?;
    let pid = client.greeting().pid;
    let word = out.paint(Paint::Good, word);
    let servers = counted(ready.servers, "server");
    out.line(format!("{word} loomd (pid {pid}) with {servers} from {}", ready.shown));
    out.line(format!("socket  {}", context.show(&context.socket)));
    Ok(())
}
