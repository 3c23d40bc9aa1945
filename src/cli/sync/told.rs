//! What models are told: `skills-registry.yaml` and the files that it names.

use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::fault::{Fault, Kind, Plain};
use crate::registry::find::{Found, for_person, skills_for};
use crate::registry::finding::{Finding, Level};
use crate::registry::skills::parse::{Parsed, parse};
use crate::sync::skills::Told;
use crate::sync::skills::source;

/// Reads what goes with the registry `found`; nothing where there is no such file.
pub fn load(context: &Context, found: &Found) -> Result<Told, Fault> {
    match skills_for(found, &context.paths) {
        Some(path) => Ok(read(&path, context)?.0),
        None => Ok(Told::default()),
    }
}

/// The file that goes with the registry in force for a person, if there is one.
pub fn file(context: &Context) -> Result<Option<PathBuf>, Fault> {
    let found = for_person(None, &context.cwd, &context.paths)?;
    Ok(skills_for(&found, &context.paths))
}

/// Reads the file at `path` and all that belongs to it, with its warnings; or a fault that names all its mistakes.
pub fn read(path: &Path, context: &Context) -> Result<(Told, Vec<Finding>), Fault> {
    examine(path).map_err(|errors| {
        let count =
            if errors.len() == 1 { "an error".to_owned() } else { format!("{} errors", errors.len()) };
        let all: String = errors.iter().map(|error| format!("\n  {error}")).collect();
        let text = format!("{} has {count}{all}", context.show(path));
        Plain::new(Kind::Config, text).hint("loom generate skills --validate").into()
    })
}

/// The same, with every mistake by itself.
pub fn examine(path: &Path) -> Result<(Told, Vec<Finding>), Vec<String>> {
    let bytes =
        std::fs::read(path).map_err(|error| vec![format!("cannot read {}: {error}", path.display())])?;
    let Parsed { skills, findings } = parse(&bytes, path);
    let errors = findings.iter().filter(|found| found.level == Level::Error).map(ToString::to_string);
    let errors: Vec<String> = errors.collect();
    match skills {
        Some(skills) if errors.is_empty() => Ok((Told { sources: source::load(&skills)? }, findings)),
        _ => Err(errors),
    }
}
