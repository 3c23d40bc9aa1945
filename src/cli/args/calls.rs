//! What `loom calls` accepts.

use argh::{ArgsInfo, FromArgs};

use crate::cli::values::Limit;

/// show the last calls of all clients, or watch them as they end
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "calls")]
#[argh(
    note = "The daemon remembers the last 1000 calls, without arguments and results. Arguments are told only while \
               somebody watches with --args, shortened, and with `***` for what looks secret. Times are UTC."
)]
#[argh(example = "loom calls --follow --server echo --args")]
#[argh(example = "loom calls --summary")]
#[argh(error_code(2, "no such server, or options that do not go together"))]
#[argh(error_code(3, "the daemon does not run, or ended while it was watched"))]
pub struct CallsArgs {
    /// print each call as it ends, until Ctrl-C
    #[argh(switch)]
    pub follow: bool,
    /// calls, errors and the times of most calls (p50, p95, p99) for each tool
    #[argh(switch)]
    pub summary: bool,
    /// with --follow: the arguments too
    #[argh(switch)]
    pub args: bool,
    /// only the calls to one server
    #[argh(option, arg_name = "NAME")]
    pub server: Option<String>,
    /// only the calls of one client: its name or its number, as `loom status` shows them
    #[argh(option, arg_name = "NAME")]
    pub client: Option<String>,
    /// past calls to show; 0 shows all (default 20, with --follow none)
    #[argh(option, arg_name = "N")]
    pub limit: Option<Limit>,
    /// print JSON; with --follow one object a line
    #[argh(switch)]
    pub json: bool,
}
