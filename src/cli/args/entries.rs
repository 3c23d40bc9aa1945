//! What the verbs accept that change the registry: `loom add`, `remove`, `enable` and `disable`.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

/// add a server to the registry
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "add")]
#[argh(
    note = "The entry is added as text: comments and order stay. The file is checked before it is written, and a \
               running daemon reads it at once."
)]
#[argh(example = "loom add files -- npx -y @modelcontextprotocol/server-filesystem ~/notes")]
#[argh(example = "loom add forge --url https://forge.example/mcp")]
#[argh(error_code(2, "there is such a server already, or nothing says how it is started"))]
#[argh(error_code(78, "the registry is wrong, or would be; nothing was changed"))]
pub struct AddArgs {
    /// name of the server
    #[argh(positional, arg_name = "NAME")]
    pub name: String,
    /// program and arguments, behind `--`
    #[argh(positional, arg_name = "COMMAND")]
    pub command: Vec<String>,
    /// variable of the server, NAME=VALUE; may be given several times
    #[argh(option, arg_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// address of a server elsewhere, in place of a command
    #[argh(option, arg_name = "URL")]
    pub url: Option<String>,
    /// header for a server elsewhere, NAME=VALUE; may be given several times
    #[argh(option, arg_name = "NAME=VALUE")]
    pub header: Vec<String>,
    /// registry to change (default: the nearest one of the workspace, then what the daemon reads)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
}

/// take a server out of the registry
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "remove")]
#[argh(example = "loom remove files")]
#[argh(example = "loom remove files --registry ~/work/registry.yaml")]
#[argh(error_code(2, "no such server"))]
#[argh(error_code(78, "the registry is wrong, or would be; nothing was changed"))]
pub struct RemoveArgs {
    /// name of the server
    #[argh(positional, arg_name = "NAME")]
    pub name: String,
    /// registry to change (default: the nearest one of the workspace, then what the daemon reads)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
}

/// use a server again that was disabled
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "enable")]
#[argh(example = "loom enable files")]
#[argh(example = "loom enable files --registry ~/work/registry.yaml")]
#[argh(error_code(2, "no such server"))]
#[argh(error_code(78, "the registry is wrong, or would be; nothing was changed"))]
pub struct EnableArgs {
    /// name of the server
    #[argh(positional, arg_name = "NAME")]
    pub name: String,
    /// registry to change (default: the nearest one of the workspace, then what the daemon reads)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
}

/// keep a server in the registry, but never start or list it
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "disable")]
#[argh(example = "loom disable files")]
#[argh(example = "loom disable files --registry ~/work/registry.yaml")]
#[argh(error_code(2, "no such server"))]
#[argh(error_code(78, "the registry is wrong, or would be; nothing was changed"))]
pub struct DisableArgs {
    /// name of the server
    #[argh(positional, arg_name = "NAME")]
    pub name: String,
    /// registry to change (default: the nearest one of the workspace, then what the daemon reads)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
}
