//! What `loom tools` and its verbs accept.

use argh::{ArgsInfo, FromArgs};

use crate::cli::values::{Limit, Page, Wait};

/// list, find, describe and call the tools of all servers
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "tools")]
#[argh(
    note = "A tool is named SERVER__TOOL. The daemon is started when none runs, but not after `loom stop`."
)]
#[argh(example = "loom tools list")]
#[argh(example = "loom tools call echo__echo '{{\"message\":\"hi\"}}'")]
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
#[argh(example = "loom tools call echo__echo '{{\"message\":\"hi\"}}'")]
#[argh(example = "loom tools call db__query --args @query.json --timeout 2m --json")]
#[argh(error_code(1, "the tool answered with an error"))]
#[argh(error_code(2, "no such tool, or the arguments are not a JSON object"))]
#[argh(error_code(3, "the daemon does not run"))]
#[argh(error_code(69, "the server behind the tool is gone, failed or too slow"))]
pub struct ToolsCallArgs {
    /// tool, as `loom tools list` names it
    #[argh(positional, arg_name = "TOOL")]
    pub name: String,
    /// arguments: an object, @FILE, or - for standard input (default: none)
    #[argh(positional, arg_name = "JSON")]
    pub arguments: Option<String>,
    /// the same
    #[argh(option, arg_name = "JSON")]
    pub args: Option<String>,
    /// print the whole result as JSON
    #[argh(switch)]
    pub json: bool,
    /// longest wait for the answer: 500ms, 30s, 5m, 2h (default: the tool_timeout setting)
    #[argh(option, arg_name = "TIME")]
    pub timeout: Option<Wait>,
}
