//! What models are told: `skills-registry.yaml` and the files that it names.

use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::fault::{Fault, Kind, Plain};
use crate::registry::find::{for_person, skills_for};
use crate::registry::finding::{Finding, Level};
use crate::registry::skills::parse::{Parsed, parse};
use crate::sync::skills::Told;
use crate::sync::skills::source;

/// Reads what goes with the registry in force; nothing where there is no such file. `flag` is `--registry`.
pub fn load(context: &Context, flag: Option<&Path>) -> Result<Told, Fault> {
    let found = for_person(flag, &context.cwd, &context.paths)?;
    match skills_for(&found, &context.paths) {
        Some(path) => Ok(read(&path, context)?.0),
        None => Ok(Told::default()),
    }
}

/// The file that `load` reads, if there is one.
pub fn file(context: &Context) -> Result<Option<PathBuf>, Fault> {
    let found = for_person(None, &context.cwd, &context.paths)?;
    Ok(skills_for(&found, &context.paths))
}

/// Reads the file at `path` and all that belongs to it, with its warnings; or a fault that names all its mistakes.
pub fn read(path: &Path, context: &Context) -> Result<(Told, Vec<Finding>), Fault> {
    let shown = context.show(path);
    let bytes = std::fs::read(path)
        .map_err(|error| Plain::new(Kind::Config, format!("cannot read {shown}: {error}")))?;
    let Parsed { skills, findings } = parse(&bytes, path);
    let errors: Vec<String> =
        findings.iter().filter(|found| found.level == Level::Error).map(ToString::to_string).collect();
    let sources = match skills {
        Some(skills) if errors.is_empty() => source::load(&skills),
        _ => Err(errors),
    };
    match sources {
        Ok(sources) => Ok((Told { sources }, findings)),
        Err(errors) => {
            let count =
                if errors.len() == 1 { "an error".to_owned() } else { format!("{} errors", errors.len()) };
            let all: String = errors.iter().map(|error| format!("\n  {error}")).collect();
            let hint = "loom generate skills --validate";
            Err(Plain::new(Kind::Config, format!("{shown} has {count}{all}")).hint(hint).into())
        }
    }
}
