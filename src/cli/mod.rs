//! The command line: words → one verb → what it prints and how it ends. One file a verb: arguments, one call below,
//! printing. Nothing here decides how servers run, and nothing below knows of this.

pub mod args;
mod calls;
mod check;
mod completions;
mod context;
mod daemon;
mod entries;
mod exec;
mod generate;
mod health;
mod help;
mod import;
mod install;
pub mod launch;
mod logs;
mod manual;
mod mcp;
mod normalise;
mod out;
mod proxy;
mod registry;
mod reload;
mod secrets;
mod server_table;
mod servers;
mod service_line;
mod start;
mod status;
mod stop;
mod sync;
mod tools;
mod uninstall;
mod values;
mod version;

use std::io::{IsTerminal, Write};

use argh::{ArgsInfo, CommandInfoWithArgs, FromArgs};

use crate::cli::args::{Top, Verb};
use crate::cli::context::Context;
use crate::cli::normalise::{Request, normalise};
use crate::cli::out::Out;
use crate::fault::{Fault, Kind, Plain, report};
use crate::servers::BUILTINS;
use crate::settings::{SettingsError, process_env};

/// How a command ended that has already said everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Exit code 0.
    Done,
    /// Another exit code.
    With(Kind),
}

/// Runs the command line `words` (without the program's name) and writes what it says to standard output.
pub fn run(words: &[String]) -> Result<Ending, Fault> {
    let mut out = writer();
    let ending = obey(words, &mut out);
    out.flush()?;
    ending
}

fn writer() -> Out {
    let env = process_env();
    let terminal = std::io::stdout().is_terminal();
    let plain =
        env("NO_COLOR").is_some_and(|value| !value.is_empty()) || env("TERM").as_deref() == Some("dumb");
    Out::new(terminal, !plain)
}

fn obey(words: &[String], out: &mut Out) -> Result<Ending, Fault> {
    let top = Top::get_args_info();
    if words.iter().map(String::as_str).eq(["help", "exit-codes"]) {
        out.raw(&help::exit_codes());
        return Ok(Ending::Done);
    }
    match normalise(words, &top)? {
        Request::Overview => out.raw(&help::overview(&top)),
        Request::Help(path) => out.raw(&help_text(&top, &path)),
        Request::Version => version::run(args::VersionArgs { json: false }, out),
        Request::Run(words) => return perform(parse(&words)?, out),
    }
    Ok(Ending::Done)
}

/// The help page for the verb at `path`; without one, the overview.
fn help_text(top: &CommandInfoWithArgs, path: &[String]) -> String {
    let Some(node) = normalise::find(top, path).filter(|_| !path.is_empty()) else {
        return help::overview(top);
    };
    let outer = (0..path.len()).rev().filter_map(|depth| normalise::find(top, &path[..depth]));
    let outer: Vec<&CommandInfoWithArgs> = outer.collect();
    let mut text = help::page(node, path, &outer);
    if node.name == "mcp" {
        let builtins = BUILTINS.iter().map(|builtin| (builtin.name, builtin.about));
        text.push_str(&help::listing("Built-in servers", builtins));
    }
    text
}

/// Reads words that `normalise` has sorted: only values can still be wrong.
fn parse(words: &[String]) -> Result<Top, Plain> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = words.as_slice();
    Top::from_args(&["loom"], words).map_err(|exit| {
        let text = exit.output.trim();
        let what = ["Error parsing option '", "Error parsing positional argument '"];
        let text = match what
            .iter()
            .find_map(|what| text.strip_prefix(what))
            .and_then(|rest| rest.split_once("' with value '"))
        {
            Some((option, rest)) => format!("{option} {}", rest.replacen("': ", ": ", 1)),
            None => text.to_owned(),
        };
        Plain::new(Kind::Usage, text).hint(format!("loom help {}", verb_of(words).join(" ")))
    })
}

/// The words that name the verb.
fn verb_of<'w>(words: &[&'w str]) -> Vec<&'w str> {
    let top = Top::get_args_info();
    let mut commands = &top.commands;
    let mut path = Vec::new();
    for word in words {
        if let Some(found) = commands.iter().find(|found| found.name == *word) {
            path.push(*word);
            commands = &found.command.commands;
        }
    }
    path
}

fn perform(top: Top, out: &mut Out) -> Result<Ending, Fault> {
    let Top { socket, verb } = top;
    match verb {
        Verb::Version(args) => {
            version::run(args, out);
            return Ok(Ending::Done);
        }
        Verb::Completions(args) => {
            completions::run(args, out);
            return Ok(Ending::Done);
        }
        Verb::Mcp(args) => return mcp::run(args),
        Verb::Check(args) => return check::run(args, socket.as_deref(), out),
        Verb::Secrets(args) => return secrets::run(args, socket.as_deref(), out),
        _ => {}
    }
    // What ends a daemon, and what a client's user has of loom, do not depend on a file without mistakes.
    if matches!(verb, Verb::Stop(_) | Verb::Proxy(_)) {
        let (context, wrong) = Context::lenient(socket.as_deref())?;
        return match verb {
            Verb::Proxy(args) => proxy::run(args, context, wrong),
            _ => {
                wrong.iter().for_each(warn);
                stop::run(&context, out)
            }
        };
    }
    let context = Context::load(socket.as_deref())?;
    match verb {
        Verb::Start(args) => start::start(args, &context, out),
        Verb::Restart(args) => start::restart(args, &context, out),
        Verb::Status(args) => status::run(args, &context, out),
        Verb::Reload(args) => reload::run(args, &context, out),
        Verb::Tools(args) => tools::run(args, &context, out),
        Verb::Servers(args) => servers::run(args, &context, out),
        Verb::Calls(args) => calls::run(args, &context, out),
        Verb::Logs(args) => logs::run(args, &context, out),
        Verb::Health(args) => health::run(args, &context, out),
        Verb::Add(args) => entries::add(args, &context, out),
        Verb::Remove(args) => entries::remove(args, &context, out),
        Verb::Enable(args) => entries::enable(args, &context, out),
        Verb::Disable(args) => entries::disable(args, &context, out),
        Verb::Import(args) => import::run(args, &context, out),
        Verb::Sync(args) => sync::run(args, &context, out),
        Verb::Generate(args) => generate::run(args, &context, out),
        Verb::Registry(args) => registry::run(args, &context, out),
        Verb::Install(_) => install::run(&context, out),
        Verb::Uninstall(args) => uninstall::run(args, &context, out),
        Verb::Exec(args) => exec::run(args, context),
        Verb::Daemon(args) => daemon::run(args, context),
        Verb::Version(_)
        | Verb::Completions(_)
        | Verb::Mcp(_)
        | Verb::Check(_)
        | Verb::Secrets(_)
        | Verb::Stop(_)
        | Verb::Proxy(_) => unreachable!("handled above"),
    }
}

/// Says on standard error which settings are wrong and do not count.
fn warn(wrong: &SettingsError) {
    let text = report(wrong);
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // A standard error that is gone hears no warnings.
    let _ = write!(std::io::stderr(), "warning: the defaults stand in for what is wrong: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Explain;

    #[test]
    fn wrong_values_are_named_with_what_was_wanted() {
        let say = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let refused = parse(&words).unwrap_err();
            let verb: Vec<&str> = line.split(' ').take_while(|word| !word.starts_with("--")).collect();
            assert!(
                Explain::hint(&refused)
                    .is_some_and(|hint| format!("loom help {}", verb.join(" ")).starts_with(&hint))
            );
            refused.to_string()
        };
        assert_eq!(say("completions fsh"), "shell fsh: bash, zsh, fish or man is wanted");
        assert_eq!(say("tools list --page 0"), "--page 0: a whole number from 1 is wanted");
        assert_eq!(say("proxy --max-tools many"), "--max-tools many: a whole number from 0 is wanted");
        assert_eq!(
            say("tools call --timeout 5d -- x"),
            "--timeout 5d: a time such as 500ms, 30s, 5m or 2h is wanted"
        );
    }
}
