//! `loom servers`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::cli::Ending;
use crate::cli::args::servers::{ServersArgs, ServersVerb};
use crate::cli::context::{ANSWER_WAIT, Context};
use crate::cli::out::Out;
use crate::cli::server_table::{ServerRow, is_degraded, render};
use crate::fault::{Fault, Kind, Plain};

/// Ending the old child is part of a restart.
const RESTART_WAIT: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Servers {
    servers: Vec<ServerRow>,
}

pub fn run(args: ServersArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let mut client = context.connect()?;
    if let Some(ServersVerb::Restart(restart)) = args.verb {
        let result = client.call("loom/server/restart", &json!({ "name": restart.name }), RESTART_WAIT)?;
        match args.json {
            true => out.json(&result),
            false => out.line(format!("restarted {}", restart.name)),
        }
        return Ok(Ending::Done);
    }
    let result = client.call("loom/servers", &json!({}), ANSWER_WAIT)?;
    let answer: Servers = serde_json::from_str(result.get())
        .map_err(|error| Plain::new(Kind::Bug, format!("loomd answered loom/servers oddly: {error}")))?;
    match args.json {
        true => out.json(&serde_json::from_str::<serde_json::Value>(result.get()).unwrap_or_default()),
        false => render(&answer.servers, out),
    }
    Ok(if is_degraded(&answer.servers) { Ending::With(Kind::Unhealthy) } else { Ending::Done })
}
