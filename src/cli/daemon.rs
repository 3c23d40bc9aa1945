//! `loom daemon`: the daemon itself, in this process.

use std::io::IsTerminal;

use crate::cli::Ending;
use crate::cli::args::DaemonArgs;
use crate::cli::context::Context;
use crate::daemon::{self, Options};
use crate::fault::Fault;
use crate::settings::process_environment;

/// Verbs that only a person types; each records and hands over the environment of the shell it was typed in.
const PERSONS_VERBS: &[&str] = &["loom start ", "loom restart "];

pub fn run(args: DaemonArgs, context: Context) -> Result<Ending, Fault> {
    let registry = args.registry.map(|path| context.absolute(&path));
    let by_person = match &args.started_by {
        Some(text) => PERSONS_VERBS.iter().any(|verb| text.starts_with(verb)),
        None => std::io::stdin().is_terminal(),
    };
    let started_by = args.started_by.unwrap_or_else(|| format!("loom daemon (pid {})", std::process::id()));
    let Context { paths, settings, socket, .. } = context;
    let options = Options { paths, settings, registry, socket, started_by, detach: args.detach, by_person };
    daemon::run::run(options, process_environment()).map(|()| Ending::Done)
}
