//! `loom registry`: which registry the daemon reads, and choosing another. Also reads a registry file for other verbs.

pub mod text;

use std::path::Path;

use serde_json::json;

use crate::cli::Ending;
use crate::cli::args::registry::{RegistryArgs, RegistryUseArgs, RegistryVerb, RegistryWhichArgs};
use crate::cli::context::Context;
use crate::cli::out::Out;
use crate::cli::server_table::counted;
use crate::fault::{Explain, Fault, Kind, Plain};
use crate::file::replace;
use crate::paths::tilde;
use crate::registry::Registry;
use crate::registry::find::{self, FindError, Found, Source, for_service};
use crate::registry::finding::Level;
use crate::registry::parse::{Parsed, parse_bytes};
use crate::servers::BUILTINS;

pub fn run(args: RegistryArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    match args.verb {
        RegistryVerb::Which(args) => which(args, context, out),
        RegistryVerb::Use(args) => choose(args, context, out),
    }
}

/// Reads and parses a registry; `home` is the user's home folder.
pub fn read(found: &Found, home: &Path) -> Result<Parsed, Plain> {
    let shown = tilde(&found.path, home);
    let bytes = find::read(found).map_err(|error| {
        let text = match &error {
            FindError::Absent { .. } => format!("there is no registry at {shown}"),
            FindError::Read { source, .. } => format!("cannot read {shown}: {source}"),
            other => other.to_string(),
        };
        error.hint().into_iter().fold(Plain::new(Kind::Config, text), Plain::hint)
    })?;
    let builtins: Vec<&str> = BUILTINS.iter().map(|builtin| builtin.name).collect();
    Ok(parse_bytes(&bytes, &found.path, home, &builtins))
}

/// The registry, or a fault that names all its errors; `shown` is its path for people.
pub fn refuse_errors(parsed: Parsed, shown: &str) -> Result<Registry, Fault> {
    let errors: Vec<String> = parsed
        .findings
        .iter()
        .filter(|finding| finding.level == Level::Error)
        .map(|finding| format!("\n  {finding}"))
        .collect();
    match parsed.registry {
        Some(registry) if errors.is_empty() => Ok(registry),
        _ => {
            let count =
                if errors.len() == 1 { "an error".to_owned() } else { format!("{} errors", errors.len()) };
            Err(Plain::new(Kind::Config, format!("{shown} has {count}{}", errors.concat()))
                .hint("loom check")
                .into())
        }
    }
}

/// The word for a source in JSON.
pub fn source_word(source: Source) -> &'static str {
    match source {
        Source::Flag => "flag",
        Source::Workspace => "workspace",
        Source::Chosen => "chosen",
        Source::Home => "home",
    }
}

/// Why a registry is in force, for people.
pub fn reason(source: Source) -> &'static str {
    match source {
        Source::Flag => "named on the command line",
        Source::Workspace => "the nearest one of this workspace",
        Source::Chosen => "chosen with `loom registry use`",
        Source::Home => "the home registry",
    }
}

fn which(args: RegistryWhichArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let Found { path, source, .. } = for_service(None, &context.paths)?;
    match args.json {
        true => out.json(&json!({ "path": path.to_string_lossy(), "source": source_word(source) })),
        false => out.line(format!("{} ({})", context.show(&path), reason(source))),
    }
    Ok(Ending::Done)
}

fn choose(args: RegistryUseArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    match (args.path, args.home) {
        (Some(path), false) => use_path(&path, context, out)?,
        (None, true) => use_home(context, out)?,
        _ => {
            let text = "`loom registry use` needs either PATH or --home";
            return Err(Plain::new(Kind::Usage, text).hint("loom registry use --help").into());
        }
    }
    if context.dial().is_ok() {
        out.line("the daemon reads it after `loom reload`");
    }
    Ok(Ending::Done)
}

fn use_path(path: &Path, context: &Context, out: &mut Out) -> Result<(), Fault> {
    let typed = context.absolute(path);
    let path = std::fs::canonicalize(&typed).map_err(|error| {
        Plain::new(Kind::Config, format!("cannot read {}: {error}", context.show(&typed)))
    })?;
    let line = path.to_str().filter(|line| !line.contains('\n'));
    let Some(line) = line else {
        return Err(Plain::new(Kind::Usage, "a registry's path must be one line of UTF-8").into());
    };
    let found = Found { path: path.clone(), source: Source::Flag };
    let registry = refuse_errors(read(&found, context.paths.home())?, &context.show(&path))?;
    context.state_dir()?;
    let choice = context.paths.registry_choice();
    replace(&choice, format!("{line}\n").as_bytes(), 0o600).map_err(|error| {
        Plain::new(Kind::Unavailable, format!("cannot write {}: {error}", context.show(&choice)))
    })?;
    out.line(format!(
        "chosen: {} ({})",
        context.show(&path),
        counted(registry.servers.len() as u64, "server")
    ));
    Ok(())
}

fn use_home(context: &Context, out: &mut Out) -> Result<(), Fault> {
    let choice = context.paths.registry_choice();
    match std::fs::remove_file(&choice) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let text = format!("cannot remove {}: {error}", context.show(&choice));
            Err(Plain::new(Kind::Unavailable, text).into())
        }
        _ => {
            out.line(format!("chosen: {} (the home registry)", context.show(&context.paths.registry_file())));
            Ok(())
        }
    }
}
