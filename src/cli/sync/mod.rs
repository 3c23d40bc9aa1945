//! `loom sync`: loom in the configuration files of AI clients.

pub mod doors;
mod history;
pub mod report;
mod status;
pub mod told;
mod verify;

use std::collections::BTreeSet;
use std::path::Path;

use crate::cli::Ending;
use crate::cli::args::sync::SyncArgs;
use crate::cli::context::Context;
use crate::cli::generate;
use crate::cli::out::Out;
use crate::cli::sync::doors::{Doors, Mode};
use crate::cli::sync::report::Style;
use crate::fault::{Fault, Kind, Plain};
use crate::nearest::nearest;
use crate::settings::process_environment;
use crate::sync::apply::{apply, recover};
use crate::sync::disk;
use crate::sync::job::{Job, draft};
use crate::sync::machine::Machine;
use crate::sync::place::Place;
use crate::sync::plan::Policy;
use crate::sync::skills::Told;
use crate::sync::state::{Manifest, State};
use crate::sync::survey::{Aim, Order, Survey, survey};
use crate::sync::target::{Door, Target};
use crate::sync::theirs;
use crate::sync::{TARGETS, is_here};

pub fn run(args: SyncArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    one_task(&args)?;
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    if args.undo {
        return history::undo(&words, args.json, context, out);
    }
    match words[..] {
        ["status"] => return status::run(args.registry.as_deref(), args.json, context, out),
        ["history"] => return history::list(args.json, context, out),
        _ => {}
    }
    let (words, settings) = match words.split_first() {
        Some((&"skills", words)) => (words, false),
        _ => (words.as_slice(), true),
    };
    let registry = args.registry.as_deref();
    let mode = Mode::of(args.loom_mode, args.no_loom_mode)?;
    let content = Content {
        doors: settings.then(|| Doors::load(context, registry, mode)).transpose()?,
        told: match (args.skip_skills, args.remove) {
            (true, _) => None,
            // What is to go may go even if the registry is broken.
            (false, true) => Some(Told::default()),
            (false, false) => Some(told::load(context, registry)?),
        },
    };
    if args.repo_only {
        let targets = named(words, &machine(context)?, &Manifest::default(), true)?;
        generated(&targets, &content, context, out)?;
        return Ok(Ending::Done);
    }
    write(&args, words, &content, context, out)
}

/// What goes into files of clients; what is `None` is left alone there.
struct Content {
    doors: Option<Doors>,
    told: Option<Told>,
}

/// Plans all files, writes them unless they are only to be shown, and says so.
fn write(
    args: &SyncArgs,
    words: &[&str],
    content: &Content,
    context: &Context,
    out: &mut Out,
) -> Result<Ending, Fault> {
    let machine = machine(context)?;
    let (state, mut manifest) = open(context)?;
    let targets = named(words, &machine, &manifest, args.all_targets)?;
    let policy = match (args.accept, args.force) {
        (true, _) => Policy::Accept,
        (_, true) => Policy::Force,
        (false, false) => Policy::Report,
    };
    let before = manifest.clone();
    let doors = content.doors.as_ref().map(|doors| |target: &Target| doors.door(target, &before));
    let aim = if args.remove { Aim::Absent } else { Aim::Present };
    let order = Order {
        machine: &machine,
        manifest: &manifest,
        door: doors.as_ref().map(|door| door as &dyn Fn(&Target) -> Door),
        told: content.told.as_ref(),
        aim,
        policy,
    };
    let mut found = survey(&targets, &order);
    let notes = |target: &Target| match (aim, &doors) {
        (Aim::Present, Some(door)) => door(target).direct.map(|direct| direct.notes).unwrap_or_default(),
        _ => Vec::new(),
    };
    let style = match (args.dry_run, args.check) {
        (true, _) => Style::Diff,
        (_, true) => Style::Check,
        (false, false) => Style::Done,
    };
    let run = match style {
        Style::Done => apply(&state, &mut manifest, &mut found.drafts, policy, &verb(args))?,
        Style::Diff | Style::Check => None,
    };
    if args.regen && style == Style::Done {
        generated(&targets, content, context, &mut Out::default())?;
    }
    let ending = report::ending(&found, style);
    if !args.verify {
        report::show(&found, &targets, run.as_ref(), style, &machine, &notes, args.json, out);
        return Ok(ending);
    }
    if !args.json {
        report::show(&found, &targets, run.as_ref(), style, &machine, &notes, false, out);
    }
    // The daemon that a client starts now may want the state.
    drop(state);
    let door = |target: &Target| doors.as_ref().map_or_else(Door::nowhere, |door| door(target));
    let seen = verify::run(&targets, &machine, &door, args.json, out);
    Ok(if ending == Ending::Done { seen } else { ending })
}

/// Writes the files of `loom generate`.
fn generated(
    targets: &[&'static Target],
    content: &Content,
    context: &Context,
    out: &mut Out,
) -> Result<(), Fault> {
    if let Some(doors) = &content.doors {
        generate::write(targets, &context.cwd.join(generate::FOLDER), doors, context, out)?;
    }
    if let Some(told) = &content.told {
        generate::write_told(targets, &context.cwd.join(generate::TOLD_FOLDER), told, context, out)?;
    }
    Ok(())
}

/// Takes what is loom's out of the files of all clients that have it.
pub fn take_out(context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let machine = machine(context)?;
    let (state, mut manifest) = open(context)?;
    let targets = named(&["all"], &machine, &manifest, false)?;
    let nowhere = |_: &Target| Door::nowhere();
    let order = Order {
        machine: &machine,
        manifest: &manifest,
        door: Some(&nowhere),
        told: Some(&Told::default()),
        aim: Aim::Absent,
        policy: Policy::Report,
    };
    let mut found = survey(&targets, &order);
    if found.obstacles.is_empty() {
        apply(&state, &mut manifest, &mut found.drafts, Policy::Report, "uninstall")?;
    } else {
        found.drafts.clear();
    }
    report::rows(&found, Style::Done, &machine, out);
    Ok(report::ending(&found, Style::Done))
}

/// Takes servers of their own out of clients' files: each a client and its name for one.
pub fn take_servers_out(
    servers: &[(&'static str, String)],
    style: Style,
    context: &Context,
    out: &mut Out,
) -> Result<Ending, Fault> {
    let machine = machine(context)?;
    let (state, mut manifest) = open(context)?;
    let is_asked = |target: &&Target| servers.iter().any(|(client, _)| *client == target.name);
    let targets: Vec<&'static Target> = TARGETS.iter().filter(is_asked).collect();
    let mut found = Survey::default();
    for target in &targets {
        let own = servers.iter().filter(|(client, _)| *client == target.name);
        let places: Vec<Place> = own.map(|(_, name)| target.dialect.place(name)).collect();
        for (path, format) in theirs::files(target, &machine) {
            let record = manifest.files.get(&path);
            let job = Job::taking_out(target.name, path.clone(), format, places.clone(), record);
            match draft(job, record, Policy::Report) {
                Ok(draft) => found.drafts.extend(draft),
                Err(obstacle) => found.obstacles.push((target.name, path, obstacle)),
            }
        }
    }
    let run = match style {
        Style::Done => apply(&state, &mut manifest, &mut found.drafts, Policy::Report, "import --move")?,
        Style::Diff | Style::Check => None,
    };
    let no_notes = |_: &Target| Vec::new();
    report::show(&found, &targets, run.as_ref(), style, &machine, &no_notes, false, out);
    Ok(report::ending(&found, style))
}

/// Refuses options that contradict each other.
fn one_task(args: &SyncArgs) -> Result<(), Plain> {
    let tasks = [
        (args.undo, "--undo"),
        (args.accept, "--accept"),
        (args.force, "--force"),
        (args.remove, "--remove"),
        (args.repo_only, "--repo-only"),
    ];
    if args.skip_skills && args.words.first().is_some_and(|word| word == "skills") {
        return Err(Plain::new(Kind::Usage, "`skills` and --skip-skills leave nothing to do"));
    }
    let shows = [(args.dry_run, "--dry-run"), (args.check, "--check")];
    for group in [&tasks[..], &shows[..]] {
        let given: Vec<&str> = group.iter().filter(|(given, _)| *given).map(|(_, name)| *name).collect();
        if given.len() > 1 {
            return Err(Plain::new(Kind::Usage, format!("{} do not go together", given.join(" and "))));
        }
    }
    match shows.iter().find(|(given, _)| *given && (args.undo || args.repo_only)) {
        Some((_, name)) => Err(Plain::new(Kind::Usage, format!("{name} does not go with the other option"))),
        None => Ok(()),
    }
}

/// What was typed, for the history.
fn verb(args: &SyncArgs) -> String {
    let flags = [
        (args.no_loom_mode, " --no-loom-mode"),
        (args.remove, " --remove"),
        (args.accept, " --accept"),
        (args.force, " --force"),
    ];
    let flags: String = flags.iter().filter(|(given, _)| *given).map(|(_, flag)| *flag).collect();
    format!("sync {}{flags}", args.words.join(" "))
}

/// The state, with a run that was broken off finished.
fn open(context: &Context) -> Result<(State, Manifest), Fault> {
    context.state_dir()?;
    let state = State::open(context.paths.sync_dir())?;
    let mut manifest = state.manifest()?;
    recover(&state, &mut manifest)?;
    let mut folders: BTreeSet<&Path> = manifest.files.keys().filter_map(|path| path.parent()).collect();
    let own = [context.paths.config_dir(), context.paths.state_dir()];
    folders.extend(own.iter().map(|path| path.as_path()));
    folders.into_iter().for_each(disk::sweep);
    Ok((state, manifest))
}

pub fn machine(context: &Context) -> Result<Machine, Plain> {
    let known = |name: &String| TARGETS.iter().any(|target| target.name == *name);
    if let Some(name) = context.settings.clients.keys().find(|name| !known(name)) {
        let path = context.show(&context.paths.config_file());
        let text = format!("{path}: `[clients]` names `{name}`, which is no client that loom knows");
        return Err(Plain::new(Kind::Config, text).hint("loom help sync"));
    }
    Ok(Machine {
        os: Machine::own_os(),
        home: context.paths.home().into(),
        env: process_environment(),
        overrides: context.settings.clients.clone(),
        cwd: context.cwd.clone(),
    })
}

/// The clients that the words name.
pub fn named(
    words: &[&str],
    machine: &Machine,
    manifest: &Manifest,
    every: bool,
) -> Result<Vec<&'static Target>, Plain> {
    let words = if every && words.is_empty() { &["all"] } else { words };
    if words.is_empty() {
        let text = "which clients? Name some, or `all` for those on this machine";
        return Err(Plain::new(Kind::Usage, text).hint("loom sync all"));
    }
    let words: Vec<&str> = words.iter().flat_map(|word| word.split(',')).collect();
    if let Some(unknown) =
        words.iter().find(|word| **word != "all" && TARGETS.iter().all(|target| target.name != **word))
    {
        let names = TARGETS.iter().map(|target| target.name).chain(["all", "status", "history", "skills"]);
        let near =
            nearest(unknown, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let text = format!("there is no client `{unknown}`{near}");
        return Err(Plain::new(Kind::Usage, text).hint("loom help sync"));
    }
    let all = words.contains(&"all");
    let wanted = |target: &&Target| {
        words.contains(&target.name) || all && (every || is_here(target, machine, manifest))
    };
    Ok(TARGETS.iter().filter(wanted).collect())
}
