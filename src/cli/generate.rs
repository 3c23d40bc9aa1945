//! `loom generate`: what `loom sync` would write for a home without clients, in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::cli::Ending;
use crate::cli::args::sync::{GenerateArgs, GenerateConfigsArgs, GenerateVerb};
use crate::cli::context::Context;
use crate::cli::out::Out;
use crate::cli::sync::doors::{Doors, Mode};
use crate::cli::sync::named;
use crate::fault::{Fault, Kind, Plain};
use crate::sync::machine::Machine;
use crate::sync::plan::{Policy, plan};
use crate::sync::state::Manifest;
use crate::sync::target::Target;

/// Where the files go, seen from the working directory.
pub const FOLDER: &str = "generated/mcp";

/// A folder that cannot be there, so that nothing of this machine plays a part.
const NOWHERE: &str = "/dev/null/home";

pub fn run(args: GenerateArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    match args.verb {
        GenerateVerb::Configs(args) => configs(args, context, out),
    }
}

fn configs(args: GenerateConfigsArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let words: Vec<&str> = args.target.split(',').map(str::trim).collect();
    let targets = named(&words, &nowhere(), &Manifest::default(), true)?;
    let mode = Mode::of(args.loom_mode, args.no_loom_mode)?;
    let doors = Doors::load(context, args.registry.as_deref(), mode)?;
    write(&targets, &context.absolute(&args.output_dir), &doors, context, out)
}

/// Writes a folder for each client, and says so.
pub fn write(
    targets: &[&'static Target],
    folder: &Path,
    doors: &Doors,
    context: &Context,
    out: &mut Out,
) -> Result<Ending, Fault> {
    for target in targets {
        let door = doors.door(target, &Manifest::default());
        for note in door.direct.iter().flat_map(|direct| &direct.notes) {
            out.line(format!("{}: {note}", target.name));
        }
        for wanted in (target.files)(&nowhere(), &door) {
            if wanted.items.is_empty() {
                continue;
            }
            let planned =
                plan(wanted.format, wanted.seed, None, &wanted.items, Policy::Report).map_err(|wrong| {
                    Plain::new(
                        Kind::Bug,
                        format!("the file for {} cannot be made: {}", target.name, wrong.text),
                    )
                })?;
            let name = wanted.path.file_name().unwrap_or_default();
            let path = folder.join(target.name).join(name);
            if fs::read(&path).is_ok_and(|old| old == planned.text.as_bytes()) {
                out.line(format!("{}: unchanged", context.show(&path)));
                continue;
            }
            fs::create_dir_all(folder.join(target.name))
                .and_then(|()| fs::write(&path, &planned.text))
                .map_err(|error| {
                    Plain::new(Kind::Unavailable, format!("cannot write {}: {error}", context.show(&path)))
                })?;
            out.line(format!("{}: written", context.show(&path)));
        }
    }
    Ok(Ending::Done)
}

fn nowhere() -> Machine {
    Machine {
        os: Machine::own_os(),
        home: NOWHERE.into(),
        env: BTreeMap::new(),
        overrides: BTreeMap::new(),
        cwd: NOWHERE.into(),
    }
}
