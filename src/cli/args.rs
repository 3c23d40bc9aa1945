//! What every verb accepts. The structures are also the source of `--help`: purpose, options, examples and exit
//! codes all stand here, those of verbs with verbs of their own in a file each, and nowhere else. Nothing is done here.

pub mod calls;
pub mod entries;
pub mod import;
pub mod registry;
pub mod secrets;
pub mod servers;
pub mod service;
pub mod sync;
pub mod tools;

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use crate::cli::args::calls::CallsArgs;
use crate::cli::args::entries::{AddArgs, DisableArgs, EnableArgs, RemoveArgs};
use crate::cli::args::import::ImportServersArgs;
use crate::cli::args::registry::RegistryArgs;
use crate::cli::args::secrets::SecretsArgs;
use crate::cli::args::servers::ServersArgs;
use crate::cli::args::service::{CompletionsArgs, InstallArgs, LogsArgs, UninstallArgs};
use crate::cli::args::sync::{GenerateArgs, SyncArgs};
use crate::cli::args::tools::ToolsArgs;
use crate::cli::values::{Limit, Wait};

/// one door for every MCP server of this machine
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
pub struct Top {
    /// socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
    #[argh(option, arg_name = "PATH")]
    pub socket: Option<PathBuf>,
    #[argh(subcommand)]
    pub verb: Verb,
}

#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand)]
pub enum Verb {
    Start(StartArgs),
    Stop(StopArgs),
    Restart(RestartArgs),
    Status(StatusArgs),
    Reload(ReloadArgs),
    Tools(ToolsArgs),
    Servers(ServersArgs),
    Calls(CallsArgs),
    Logs(LogsArgs),
    Health(HealthArgs),
    Add(AddArgs),
    Remove(RemoveArgs),
    Enable(EnableArgs),
    Disable(DisableArgs),
    Import(ImportServersArgs),
    Sync(SyncArgs),
    Generate(GenerateArgs),
    Check(CheckArgs),
    Registry(RegistryArgs),
    Secrets(SecretsArgs),
    Install(InstallArgs),
    Uninstall(UninstallArgs),
    Proxy(ProxyArgs),
    Exec(ExecArgs),
    Daemon(DaemonArgs),
    Mcp(McpArgs),
    Completions(CompletionsArgs),
    Version(VersionArgs),
}

/// start the daemon, or hand the running one this shell's environment
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "start")]
#[argh(
    note = "PATH and the variables that the registry names as ${{env:NAME}} are recorded, so that servers see \
               them whoever starts the daemon later. Names that look secret are never written to disk."
)]
#[argh(example = "loom start")]
#[argh(example = "loom start --registry ~/work/registry.yaml")]
#[argh(error_code(78, "the registry or config.toml is wrong; the places are named"))]
pub struct StartArgs {
    /// registry to read (default: the chosen one, then ~/.config/loom/registry.yaml)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
}

/// stop the daemon and keep it stopped until `loom start`
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "stop")]
#[argh(
    note = "Calls under way get time to finish. AI clients that ask meanwhile are told that a person stopped loom."
)]
#[argh(example = "loom stop")]
#[argh(example = "loom stop --socket /tmp/other.sock")]
#[argh(error_code(4, "the daemon did not end in time"))]
pub struct StopArgs {}

/// stop the daemon and start it again; clients reconnect by themselves
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "restart")]
#[argh(note = "The registry is checked first: with errors in it the old daemon keeps running.")]
#[argh(example = "loom restart")]
#[argh(example = "loom restart --when-idle 5m")]
#[argh(error_code(4, "the old daemon did not end, or what serves now is another build"))]
#[argh(error_code(69, "with --when-idle: calls were open all the time; nothing was stopped"))]
#[argh(error_code(78, "the registry or config.toml is wrong; nothing was stopped"))]
pub struct RestartArgs {
    /// registry to read (default: the chosen one, then ~/.config/loom/registry.yaml)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
    /// wait at most so long for a moment without an open call
    #[argh(option, arg_name = "TIME")]
    pub when_idle: Option<Wait>,
}

/// show the daemon, its servers and the clients connected to it
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "status")]
#[argh(example = "loom status")]
#[argh(example = "loom status --json")]
#[argh(note = "A service is shown where one is installed, see `loom help install`.")]
#[argh(error_code(3, "the daemon does not run"))]
#[argh(error_code(4, "a server that is not optional has failed"))]
pub struct StatusArgs {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// read the registry again and restart only what changed
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "reload")]
#[argh(note = "The daemon also does this by itself when the file changes.")]
#[argh(example = "loom reload")]
#[argh(example = "loom reload --json")]
#[argh(error_code(3, "the daemon does not run"))]
#[argh(error_code(78, "the registry has errors; the daemon keeps the one it has"))]
pub struct ReloadArgs {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// say in one screen whether the servers work
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "health")]
#[argh(example = "loom health")]
#[argh(example = "loom health --json")]
#[argh(error_code(3, "the daemon does not run"))]
#[argh(error_code(4, "degraded or unhealthy"))]
pub struct HealthArgs {
    /// print JSON, the same object as /health
    #[argh(switch)]
    pub json: bool,
}

/// find what is wrong around loom, and the command that mends it
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "check")]
#[argh(example = "loom check")]
#[argh(example = "loom check --fix")]
#[argh(error_code(1, "there are errors; warnings alone are 0"))]
pub struct CheckArgs {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
    /// run the proposed commands that lose nothing of yours, and look again
    #[argh(switch)]
    pub fix: bool,
    /// show every setting, its value and where the value comes from
    #[argh(switch)]
    pub settings: bool,
    /// registry to examine (default: the nearest one of the workspace, then what the daemon reads)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
}

/// what an AI client starts: all tools of this machine over stdio
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "proxy")]
#[argh(
    note = "Standard output carries the protocol and nothing else. The daemon is started when none runs, but not \
               after `loom stop`. It ends when its standard input does."
)]
#[argh(example = "loom proxy --agent-hint claude")]
#[argh(example = "loom proxy --tool-profile research --max-tools 40")]
pub struct ProxyArgs {
    /// name of the client, for `loom status`
    #[argh(option, arg_name = "NAME")]
    pub agent_hint: Option<String>,
    /// offer only the tools of [profiles.NAME] in config.toml
    #[argh(option, arg_name = "NAME")]
    pub tool_profile: Option<String>,
    /// list at most so many tools; the others stay callable (default: no limit)
    #[argh(option, arg_name = "N")]
    pub max_tools: Option<Limit>,
}

/// become one server of the registry, as a client starts it
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "exec")]
#[argh(
    note = "What `loom sync --no-loom-mode` writes where a client cannot say it itself: templates and secrets are \
               resolved, then this process becomes the server, with its folder and environment. Nothing is printed \
               on standard output. The registry is the daemon's, never one of the working directory."
)]
#[argh(example = "loom exec files")]
#[argh(example = "loom exec forge --agent-hint codex --registry ~/work/registry.yaml")]
#[argh(error_code(2, "no such server, or it is no program"))]
#[argh(error_code(69, "its program cannot be started"))]
#[argh(error_code(78, "the registry is wrong, the server is disabled, or a value that it needs is missing"))]
pub struct ExecArgs {
    /// name of the server
    #[argh(positional, arg_name = "NAME")]
    pub name: String,
    /// name of the client, for what `targets` of the registry say of it
    #[argh(option, arg_name = "NAME")]
    pub agent_hint: Option<String>,
    /// registry to read (default: the chosen one, then ~/.config/loom/registry.yaml)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
}

/// run the daemon in the foreground
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "daemon")]
#[argh(
    note = "`loomd` is the same. People mostly want `loom start`. One daemon runs at a time; TERM drains, a second \
               TERM ends at once, HUP reads the registry again."
)]
#[argh(example = "loom daemon")]
#[argh(example = "loom daemon --registry ./registry.yaml --socket /tmp/loom.sock")]
#[argh(error_code(69, "the socket cannot be had, or another daemon runs"))]
#[argh(error_code(78, "the registry or config.toml is wrong"))]
pub struct DaemonArgs {
    /// registry to read (default: the chosen one, then ~/.config/loom/registry.yaml)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
    /// leave the terminal once ready
    #[argh(switch)]
    pub detach: bool,
    /// who started it, for `loom status`
    #[argh(option, arg_name = "TEXT", hidden_help)]
    pub started_by: Option<String>,
}

/// run one built-in MCP server over standard input and output
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "mcp")]
#[argh(note = "The registry starts one with `builtin: NAME`. What follows the name is the server's own.")]
#[argh(example = "loom mcp echo")]
#[argh(example = "loom mcp echo --delay-ms 200")]
pub struct McpArgs {
    /// built-in server
    #[argh(positional, arg_name = "NAME")]
    pub name: String,
    /// the server's own arguments
    #[argh(positional, greedy, arg_name = "ARG")]
    pub args: Vec<String>,
}

/// print the version, and with --json what this build is made of
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "version")]
#[argh(example = "loom version")]
#[argh(example = "loom version --json")]
pub struct VersionArgs {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}
