//! What `loom import` accepts.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

/// take the servers that your clients have over into the registry
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "import")]
#[argh(
    note = "Reads what the clients have for your user, and changes their files only with --move. Servers that several have become \
               one; different ones of the same name get another name. Values that look secret go into the store of \
               secrets (see `loom secrets`), and the registry refers to them. What loom has written is passed over. \
               Comments and order of the registry stay, and a running daemon reads it at once."
)]
#[argh(example = "loom import --dry-run")]
#[argh(example = "loom import --from codex,claude --move")]
#[argh(error_code(1, "a server was left out, or changed and stays; the others were taken over"))]
#[argh(error_code(2, "no such client"))]
#[argh(error_code(69, "secrets cannot be kept, or the registry not written; nothing was changed"))]
#[argh(error_code(78, "a file of a client cannot be read, or the registry is wrong"))]
pub struct ImportServersArgs {
    /// clients, with commas between them, or `all`: those on this machine (default all)
    #[argh(option, arg_name = "NAMES", default = "String::from(\"all\")")]
    pub from: String,
    /// then take these servers out of the clients' files, which reach them through loom (`loom sync`); `loom sync --undo`
    /// puts them back, secrets in the clear too, until `loom sync history --forget`
    #[argh(switch, long = "move")]
    pub moves: bool,
    /// show what would change as a diff, and write nothing
    #[argh(switch)]
    pub dry_run: bool,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
    /// registry to change (default: the one that the daemon reads)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
}
