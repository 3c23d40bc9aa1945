//! What every verb accepts. The structures are also the source of `--help`: purpose, options, examples and exit
//! codes all stand here and nowhere else. Nothing is done here.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use crate::cli::values::{Limit, Page, Wait};

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
    Health(HealthArgs),
    Check(CheckArgs),
    Registry(RegistryArgs),
    Proxy(ProxyArgs),
    Daemon(DaemonArgs),
    Mcp(McpArgs),
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
#[argh(example = "loom restart --registry ~/work/registry.yaml")]
#[argh(error_code(78, "the registry or config.toml is wrong; nothing was stopped"))]
pub struct RestartArgs {
    /// registry to read (default: the chosen one, then ~/.config/loom/registry.yaml)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
}

/// show the daemon, its servers and the clients connected to it
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "status")]
#[argh(example = "loom status")]
#[argh(example = "loom status --json")]
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

/// list, find, describe and call the tools of all servers
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "tools")]
#[argh(
    note = "A tool is named SERVER__TOOL. The daemon is started when none runs, but not after `loom stop`."
)]
#[argh(example = "loom tools list")]
#[argh(example = "loom tools call echo__echo --args '{{\"message\":\"hi\"}}'")]
pub struct ToolsArgs {
    #[argh(subcommand)]
    pub verb: ToolsVerb,
}

#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand)]
pub enum ToolsVerb {
    List(ToolsListArgs),
    Search(ToolsSearchArgs),
    Get(ToolsGetArgs),
    Call(ToolsCallArgs),
}

/// list tools, grouped by server
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "list")]
#[argh(example = "loom tools list --server echo")]
#[argh(example = "loom tools list --json --page 2 --limit 100")]
#[argh(error_code(2, "no such server, or no such page"))]
pub struct ToolsListArgs {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
    /// only the tools of one server
    #[argh(option, arg_name = "NAME")]
    pub server: Option<String>,
    /// page to show, from 1 (default 1)
    #[argh(option, arg_name = "N", default = "Page(1)")]
    pub page: Page,
    /// tools on a page, 10 to 500; 0 shows all (default 0)
    #[argh(option, arg_name = "N", default = "Limit(0)")]
    pub limit: Limit,
}

/// find tools by words in their names and descriptions, best first
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "search")]
#[argh(example = "loom tools search query range")]
#[argh(example = "loom tools search file --limit 5 --json")]
pub struct ToolsSearchArgs {
    /// words that must all occur
    #[argh(positional, arg_name = "WORD")]
    pub words: Vec<String>,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
    /// only the tools of one server
    #[argh(option, arg_name = "NAME")]
    pub server: Option<String>,
    /// hits to show; 0 shows all (default 20)
    #[argh(option, arg_name = "N", default = "Limit(20)")]
    pub limit: Limit,
}

/// describe one tool: what it does and what arguments it takes
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "get")]
#[argh(example = "loom tools get echo__echo")]
#[argh(example = "loom tools get echo__echo --json")]
#[argh(error_code(2, "no such tool"))]
pub struct ToolsGetArgs {
    /// tool, as `loom tools list` names it
    #[argh(positional, arg_name = "TOOL")]
    pub name: String,
    /// print the tool object as the server gave it
    #[argh(switch)]
    pub json: bool,
}

/// call one tool and print what it answers
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "call")]
#[argh(example = "loom tools call echo__echo --args '{{\"message\":\"hi\"}}'")]
#[argh(example = "loom tools call db__query --args @query.json --timeout 2m --json")]
#[argh(error_code(1, "the tool answered with an error"))]
#[argh(error_code(2, "no such tool, or the arguments are not a JSON object"))]
#[argh(error_code(3, "the daemon does not run"))]
#[argh(error_code(69, "the server behind the tool is gone, failed or too slow"))]
pub struct ToolsCallArgs {
    /// tool, as `loom tools list` names it
    #[argh(positional, arg_name = "TOOL")]
    pub name: String,
    /// arguments: a JSON object, @FILE, or - for standard input (default {})
    #[argh(option, arg_name = "JSON")]
    pub args: Option<String>,
    /// print the whole result as JSON
    #[argh(switch)]
    pub json: bool,
    /// longest wait for the answer: 500ms, 30s, 5m, 2h (default: the tool_timeout setting)
    #[argh(option, arg_name = "TIME")]
    pub timeout: Option<Wait>,
}

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

/// examine the registry and the settings, and say which are in force
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "check")]
#[argh(example = "loom check")]
#[argh(example = "loom check --settings")]
#[argh(error_code(1, "there are errors; warnings alone are 0"))]
pub struct CheckArgs {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
    /// show every setting, its value and where the value comes from
    #[argh(switch)]
    pub settings: bool,
    /// registry to examine (default: the nearest one of the workspace, then what the daemon reads)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
}

/// say which registry is in force, or choose another
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "registry")]
#[argh(
    note = "A daemon never reads a registry because of the folder it was started in: it reads the one chosen \
               here, or ~/.config/loom/registry.yaml."
)]
#[argh(example = "loom registry which")]
#[argh(example = "loom registry use ~/work/mcp/context/registry.yaml")]
pub struct RegistryArgs {
    #[argh(subcommand)]
    pub verb: RegistryVerb,
}

#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand)]
pub enum RegistryVerb {
    Which(RegistryWhichArgs),
    Use(RegistryUseArgs),
}

/// print the registry that the daemon reads, and why
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "which")]
#[argh(example = "loom registry which")]
#[argh(example = "loom registry which --json")]
#[argh(error_code(78, "there is no registry"))]
pub struct RegistryWhichArgs {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// make the daemon read another registry from now on
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "use")]
#[argh(example = "loom registry use ~/work/mcp/context/registry.yaml")]
#[argh(example = "loom registry use --home")]
#[argh(error_code(78, "that registry has errors; nothing was changed"))]
pub struct RegistryUseArgs {
    /// registry file
    #[argh(positional, arg_name = "PATH")]
    pub path: Option<PathBuf>,
    /// go back to ~/.config/loom/registry.yaml
    #[argh(switch)]
    pub home: bool,
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

/// print the version
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "version")]
#[argh(example = "loom version")]
#[argh(example = "loom version --json")]
pub struct VersionArgs {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}
