//! `loom proxy`: the stdio entry of an AI client, in this process.

use crate::cli::Ending;
use crate::cli::args::ProxyArgs;
use crate::cli::context::Context;
use crate::cli::warn;
use crate::fault::{Fault, Kind, Plain};
use crate::nearest::nearest;
use crate::paths::tilde;
use crate::proxy::{self, Options};
use crate::settings::SettingsError;

/// `wrong` settings end it only where the profile that was asked for is lost with them: a daemon that runs serves all
/// the same, and one that cannot be started says why in every answer.
pub fn run(args: ProxyArgs, context: Context, wrong: Option<SettingsError>) -> Result<Ending, Fault> {
    match (check_profile(args.tool_profile.as_deref(), &context), wrong) {
        (Ok(()), wrong) => wrong.iter().for_each(warn),
        (Err(_), Some(wrong)) => return Err(wrong.into()),
        (Err(unknown), None) => return Err(unknown.into()),
    }
    let Context { paths, settings, socket, cwd } = context;
    let max_tools = args.max_tools.map(|limit| limit.0).filter(|limit| *limit > 0);
    let options = Options {
        paths,
        settings,
        agent_hint: args.agent_hint,
        profile: args.tool_profile,
        max_tools,
        socket,
        cwd,
    };
    proxy::run(options).map(|()| Ending::Done)
}

/// A client is told at once, and not by tools that never come.
fn check_profile(name: Option<&str>, context: &Context) -> Result<(), Plain> {
    let profiles = &context.settings.profiles;
    let Some(name) = name.filter(|name| !profiles.contains_key(*name)) else { return Ok(()) };
    let file = tilde(&context.paths.config_file(), context.paths.home());
    let known: Vec<&str> = profiles.keys().map(String::as_str).collect();
    let listed = if known.is_empty() { "none is defined".to_owned() } else { known.join(", ") };
    let plain = Plain::new(Kind::Config, format!("no tool profile `{name}` in {file} (known: {listed})"));
    Err(match nearest(name, known.iter().copied()) {
        Some(near) => plain.hint(format!("loom proxy --tool-profile {near}")),
        None => plain,
    })
}
