//! What `loom servers` and its verbs accept.

use argh::{ArgsInfo, FromArgs};

/// show the servers of the registry, or restart one
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "servers")]
#[argh(note = "Without a further word the servers are listed.")]
#[argh(example = "loom servers")]
#[argh(example = "loom servers restart echo")]
#[argh(error_code(3, "the daemon does not run"))]
#[argh(error_code(4, "a server that is not optional has failed"))]
pub struct ServersArgs {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
    #[argh(subcommand)]
    pub verb: Option<ServersVerb>,
}

#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand)]
pub enum ServersVerb {
    List(ServersListArgs),
    Restart(ServersRestartArgs),
}

/// list the servers with their state
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "list")]
#[argh(example = "loom servers list")]
#[argh(example = "loom servers list --json")]
#[argh(error_code(3, "the daemon does not run"))]
#[argh(error_code(4, "a server that is not optional has failed"))]
pub struct ServersListArgs {}

/// restart one server; also ends a crash-loop
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "restart")]
#[argh(example = "loom servers restart echo")]
#[argh(example = "loom servers restart echo --json")]
#[argh(error_code(2, "no such server"))]
#[argh(error_code(3, "the daemon does not run"))]
pub struct ServersRestartArgs {
    /// server, as the registry names it
    #[argh(positional, arg_name = "NAME")]
    pub name: String,
}
