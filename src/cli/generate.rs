//! `loom generate`: what `loom sync` would write for a home with one client only, in a folder for each.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cli::Ending;
use crate::cli::args::sync::{GenerateArgs, GenerateConfigsArgs, GenerateSkillsArgs, GenerateVerb};
use crate::cli::context::Context;
use crate::cli::out::{Out, Paint};
use crate::cli::sync::doors::{Doors, Mode};
use crate::cli::sync::{named, told};
use crate::fault::{Fault, Kind, Plain};
use crate::registry::find::for_person;
use crate::sync::format::Format;
use crate::sync::machine::Machine;
use crate::sync::place::Place;
use crate::sync::plan::{Policy, plan};
use crate::sync::skills::Told;
use crate::sync::skills::layout::layout;
use crate::sync::state::Manifest;
use crate::sync::target::Target;

/// Where the files go, seen from the working directory.
pub const FOLDER: &str = "generated/mcp";

/// The same for what models are told.
pub const TOLD_FOLDER: &str = "generated/skills";

/// A folder that cannot be there, so that nothing of this machine plays a part.
const NOWHERE: &str = "/dev/null/home";

pub fn run(args: GenerateArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    match args.verb {
        GenerateVerb::Configs(args) => configs(args, context, out),
        GenerateVerb::Skills(args) => skills(args, context, out),
    }
}

fn configs(args: GenerateConfigsArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let words: Vec<&str> = args.target.split(',').map(str::trim).collect();
    let targets = named(&words, &nowhere(), &Manifest::default(), true)?;
    let mode = Mode::of(args.loom_mode, args.no_loom_mode)?;
    let found = for_person(args.registry.as_deref(), &context.cwd, &context.paths)?;
    let doors = Doors::load(context, &found, mode)?;
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
            put(&path, planned.text.as_bytes(), None, context, out)?;
        }
    }
    Ok(Ending::Done)
}

fn skills(args: GenerateSkillsArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let words: Vec<&str> = args.target.split(',').map(str::trim).collect();
    let targets = named(&words, &nowhere(), &Manifest::default(), true)?;
    let file = match &args.registry {
        Some(path) => Some(context.absolute(path)),
        None => told::file(context)?,
    };
    let Some(file) = file else {
        out.line("there is no skills-registry.yaml; nothing is told to any client");
        return Ok(Ending::Done);
    };
    let (told, findings) = told::read(&file, context)?;
    for finding in &findings {
        out.line(out.paint(Paint::Warn, &finding.to_string()));
    }
    let count = told.sources.len();
    if args.validate {
        let entries = if count == 1 { "entry" } else { "entries" };
        out.line(format!("{}: {count} {entries}, in order", context.show(&file)));
        return Ok(Ending::Done);
    }
    let folder = context.absolute(&args.output_dir);
    if args.dry_run {
        for (path, _, _) in targets.iter().flat_map(|target| rendered(target, &folder, &told, context)) {
            out.line(format!("{}: would be written", context.show(&path)));
        }
        return Ok(Ending::Done);
    }
    write_told(&targets, &folder, &told, context, out)
}

/// Writes a folder for each client with what its models are told, and says so.
pub fn write_told(
    targets: &[&'static Target],
    folder: &Path,
    told: &Told,
    context: &Context,
    out: &mut Out,
) -> Result<Ending, Fault> {
    for target in targets {
        for (path, bytes, mode) in rendered(target, folder, told, context) {
            put(&path, &bytes, Some(mode), context, out)?;
        }
    }
    Ok(Ending::Done)
}

/// Path, bytes and permission bits of each file for a client that is alone in the user's home folder.
fn rendered(
    target: &'static Target,
    folder: &Path,
    told: &Told,
    context: &Context,
) -> Vec<(PathBuf, Vec<u8>, u32)> {
    let machine = Machine { home: context.paths.home().into(), ..nowhere() };
    let laid = layout(told, &[target], &machine, &|_| false);
    let (folder, mut all) = (folder.join(target.name), Vec::new());
    for (path, text) in &laid.texts {
        let add = |text: String, (name, told): &(String, String)| {
            let told = told.as_str().into();
            Format::Blocks.set(&text, &Place::keys(&[name]), &told).expect("blocks of ours are whole")
        };
        let text = text.blocks.iter().fold(String::new(), add);
        all.push((folder.join(path.file_name().unwrap_or_default()), text.into_bytes(), 0o644));
    }
    for (path, file) in laid.files {
        // A skill stands in its folder of skills, any other file in the folder of its kind.
        let above = file.unit.parent().unwrap_or(Path::new("/"));
        let below = path.strip_prefix(above).unwrap_or(&path);
        let kind = Path::new(above.file_name().unwrap_or_default());
        all.push((folder.join(kind).join(below), file.bytes, file.mode));
    }
    all
}

/// Writes a file unless it is there already, and says so.
fn put(path: &Path, bytes: &[u8], mode: Option<u32>, context: &Context, out: &mut Out) -> Result<(), Fault> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        out.line(format!("{}: unchanged", context.show(path)));
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, bytes))
        .and_then(|()| match mode {
            Some(mode) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
            None => Ok(()),
        })
        .map_err(|error| {
            Plain::new(Kind::Unavailable, format!("cannot write {}: {error}", context.show(path)))
        })?;
    out.line(format!("{}: written", context.show(path)));
    Ok(())
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
