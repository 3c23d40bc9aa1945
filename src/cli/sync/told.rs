//! What models are told: `skills-registry.yaml` and the files that it names.

use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::fault::{Fault, Kind, Plain};
use crate::registry::find::{Found, for_person, skills_for};
use crate::registry::finding::{Finding, Level};
use crate::registry::parse::MAX_BYTES;
use crate::registry::skills::parse::{Parsed, parse};
use crate::sync::skills::Told;
use crate::sync::skills::source;
use crate::sync::state::{Record, peek};

/// Reads what goes with the registry `found`; nothing where there is no such file. A file that says nothing, as while an
/// editor writes it anew, takes nothing away from clients.
pub fn load(context: &Context, found: &Found) -> Result<Told, Fault> {
    let Some(path) = skills_for(found, &context.paths) else { return Ok(Told::default()) };
    let read = examine(&path).map_err(|wrong| refusal(&path, wrong, context))?;
    if read.says_nothing && peek(&context.paths.sync_dir())?.files.values().any(Record::is_told) {
        let text = format!(
            "{} has no `skills`, and clients have some of loom's; a file that is to have none says `skills: []`",
            context.show(&path)
        );
        return Err(Plain::new(Kind::Config, text)
            .hint(format!("echo 'skills: []' > {}", context.show(&path)))
            .into());
    }
    Ok(read.told)
}

/// The file that goes with the registry in force for a person, if there is one.
pub fn file(context: &Context) -> Result<Option<PathBuf>, Fault> {
    let found = for_person(None, &context.cwd, &context.paths)?;
    Ok(skills_for(&found, &context.paths))
}

/// Reads the file at `path` and all that belongs to it, with its warnings; or a fault that names all its mistakes.
pub fn read(path: &Path, context: &Context) -> Result<(Told, Vec<Finding>), Fault> {
    let read = examine(path).map_err(|wrong| refusal(path, wrong, context))?;
    Ok((read.told, read.findings))
}

/// What a file of skills says.
pub struct Read {
    pub told: Told,
    pub findings: Vec<Finding>,
    says_nothing: bool,
}

/// Why a file of skills cannot be gone by.
pub enum Wrong {
    /// It cannot be read at all.
    Unreadable(String),
    /// Each of its mistakes, with its place.
    Mistakes(Vec<String>),
}

impl Wrong {
    pub fn errors(self) -> Vec<String> {
        match self {
            Wrong::Unreadable(error) => vec![error],
            Wrong::Mistakes(errors) => errors,
        }
    }
}

fn refusal(path: &Path, wrong: Wrong, context: &Context) -> Plain {
    let errors = match wrong {
        Wrong::Unreadable(error) => return Plain::new(Kind::Config, error),
        Wrong::Mistakes(errors) => errors,
    };
    let count = if errors.len() == 1 { "an error".to_owned() } else { format!("{} errors", errors.len()) };
    let all: String = errors.iter().map(|error| format!("\n  {error}")).collect();
    let text = format!("{} has {count}{all}", context.show(path));
    Plain::new(Kind::Config, text).hint("loom generate skills --validate")
}

/// The same, with every mistake by itself.
pub fn examine(path: &Path) -> Result<Read, Wrong> {
    let unreadable = |error| Wrong::Unreadable(format!("cannot read {}: {error}", path.display()));
    let bytes = crate::file::read(path, MAX_BYTES).map_err(unreadable)?;
    let Parsed { skills, findings, says_nothing } = parse(&bytes, path);
    let errors = findings.iter().filter(|found| found.level == Level::Error).map(ToString::to_string);
    let errors: Vec<String> = errors.collect();
    match skills {
        Some(skills) if errors.is_empty() => {
            let sources = source::load(&skills).map_err(Wrong::Mistakes)?;
            Ok(Read { told: Told { sources }, findings, says_nothing })
        }
        _ => Err(Wrong::Mistakes(errors)),
    }
}
