//! `loom tools`: the tools of all servers, as the daemon lists them.

mod call;
mod get;
mod list;
mod search;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::cli::Ending;
use crate::cli::args::tools::{ToolsArgs, ToolsVerb};
use crate::cli::context::{ANSWER_WAIT, Context};
use crate::cli::out::Out;
use crate::fault::{Fault, Kind, Plain};
use crate::link::client::Client;
use crate::nearest::nearest;

pub fn run(args: ToolsArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    match args.verb {
        ToolsVerb::List(args) => list::run(args, context, out),
        ToolsVerb::Search(args) => search::run(args, context, out),
        ToolsVerb::Get(args) => get::run(args, context, out),
        ToolsVerb::Call(args) => call::run(args, context, out),
    }
}

/// One tool: what is shown of it, and the object as the server gave it.
struct Tool {
    name: String,
    description: String,
    raw: Box<RawValue>,
}

impl Tool {
    /// The server's part of the name.
    fn server(&self) -> &str {
        self.name.split_once("__").map_or(self.name.as_str(), |(server, _)| server)
    }
}

/// Everything that the daemon lists.
struct Inventory {
    tools: Vec<Tool>,
    servers: Vec<Lister>,
    /// When the oldest list in it was made, if the daemon says so.
    cached_at: Option<Box<RawValue>>,
}

/// How listing went with one server.
#[derive(Deserialize)]
struct Lister {
    name: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    tools: Vec<Box<RawValue>>,
    #[serde(default)]
    servers: Vec<Lister>,
    #[serde(default)]
    cached_at: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Peek {
    name: String,
    #[serde(default)]
    description: Option<String>,
}

impl Inventory {
    fn read(answer: &str) -> Result<Inventory, serde_json::Error> {
        let Answer { tools, servers, cached_at } = serde_json::from_str(answer)?;
        let tools = tools.into_iter().map(|raw| {
            let Peek { name, description } = serde_json::from_str(raw.get())?;
            Ok(Tool { name, description: description.unwrap_or_default(), raw })
        });
        Ok(Inventory { tools: tools.collect::<Result<_, serde_json::Error>>()?, servers, cached_at })
    }

    /// Fails with the nearest name when there is no such server.
    fn check_server(&self, name: &str) -> Result<(), Plain> {
        if self.servers.iter().any(|server| server.name == name)
            || self.tools.iter().any(|tool| tool.server() == name)
        {
            return Ok(());
        }
        let plain = Plain::new(Kind::Usage, format!("no server `{name}`"));
        Err(match nearest(name, self.servers.iter().map(|server| server.name.as_str())) {
            Some(near) => plain.hint(format!("--server {near}")),
            None => plain.hint("loom servers"),
        })
    }

    /// What went wrong with the servers that `only` selects.
    fn complaints(&self, only: Option<&str>) -> Vec<String> {
        self.servers
            .iter()
            .filter(|server| only.is_none_or(|only| only == server.name))
            .filter_map(|server| {
                Some(format!("{}: {} ({})", server.name, server.error.as_ref()?, server.state))
            })
            .collect()
    }
}

/// Asks the daemon, which is started when none runs. Servers that were never listed get time to answer.
fn inventory(context: &Context) -> Result<(Client, Inventory), Fault> {
    let mut client = context.connect_or_start("tools")?;
    let wait = context.settings.list_wait;
    let result =
        client.call("loom/tools", &json!({ "wait_ms": wait.as_millis() as u64 }), wait + ANSWER_WAIT)?;
    let inventory = Inventory::read(result.get())
        .map_err(|error| Plain::new(Kind::Bug, format!("loomd answered loom/tools oddly: {error}")))?;
    Ok((client, inventory))
}

#[cfg(test)]
mod tests;
