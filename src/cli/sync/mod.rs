//! `loom sync`: loom in the configuration files of AI clients.

pub mod doors;
mod history;
pub mod report;
mod status;
pub mod told;
mod verify;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::Ending;
use crate::cli::args::sync::SyncArgs;
use crate::cli::context::Context;
use crate::cli::generate;
use crate::cli::out::{Out, Paint};
use crate::cli::sync::doors::{Doors, Mode};
use crate::cli::sync::report::Style;
use crate::fault::{Fault, Kind, Plain};
use crate::nearest::nearest;
use crate::registry::find::{Found, for_home, for_person, passed_over};
use crate::settings::process_environment;
use crate::sync::apply::{apply, recover};
use crate::sync::history::{Run, all};
use crate::sync::job::{Job, draft};
use crate::sync::machine::Machine;
use crate::sync::plan::Policy;
use crate::sync::skills::Told;
use crate::sync::state::{Manifest, State};
use crate::sync::survey::{Aim, Order, Survey, survey};
use crate::sync::target::{Door, Target};
use crate::sync::theirs::plain::plain_secrets;
use crate::sync::theirs::{self, Origin};
use crate::sync::{TARGETS, is_here};

pub fn run(args: SyncArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    one_task(&args)?;
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    if let Some(numbers) = &args.forget {
        return history::forget(&words, numbers, args.json, context, out);
    }
    if args.undo {
        return history::undo(&words, args.json, context, out);
    }
    match words[..] {
        ["status"] => return status::run(args.registry.as_deref(), args.json, context, out),
        ["history"] => return history::list(args.json, context, out),
        _ => {}
    }
    if let ["skills", word @ ("status" | "history")] = words[..] {
        let text = format!("`loom sync {word}` speaks of skills, too");
        return Err(Plain::new(Kind::Usage, text).hint(format!("loom sync {word}")).into());
    }
    let (words, settings) = match words.split_first() {
        Some((&"skills", words)) => (words, false),
        _ => (words.as_slice(), true),
    };
    let registry = args.registry.as_deref();
    let near = match args.regen || args.repo_only {
        true => {
            let found = for_person(registry, &context.cwd, &context.paths)?;
            Some(Content::load(&args, settings, &found, context)?)
        }
        false => None,
    };
    if let (Some(near), true) = (&near, args.repo_only) {
        let targets = named(words, &machine(context)?, &Manifest::default(), true)?;
        generated(&targets, near, context, out)?;
        return Ok(Ending::Done);
    }
    let found = for_home(registry, &context.cwd, &context.paths)?;
    let content = Content::load(&args, settings, &found, context)?;
    let passed_over = passed_over(&found, &context.cwd).filter(|_| !args.remove);
    write(&args, words, &Contents { content, near, passed_over }, context, out)
}

/// What goes into files of clients; what is `None` is left alone there.
struct Content {
    doors: Option<Doors>,
    told: Option<Told>,
}

/// What goes where.
struct Contents {
    /// Into the home folder.
    content: Content,
    /// Into the files of `loom generate`, in the workspace.
    near: Option<Content>,
    /// The workspace's registry, where the home folder gets nothing of it.
    passed_over: Option<PathBuf>,
}

impl Content {
    fn load(args: &SyncArgs, settings: bool, found: &Found, context: &Context) -> Result<Self, Fault> {
        let mode = Mode::of(args.loom_mode, args.no_loom_mode)?;
        Ok(Content {
            doors: settings.then(|| Doors::load(context, found, mode)).transpose()?,
            told: match (args.skip_skills, args.remove) {
                (true, _) => None,
                // What is to go may go even if the registry is broken.
                (false, true) => Some(Told::default()),
                (false, false) => Some(told::load(context, found)?),
            },
        })
    }
}

/// Plans all files, writes them unless they are only to be shown, and says so.
fn write(
    args: &SyncArgs,
    words: &[&str],
    contents: &Contents,
    context: &Context,
    out: &mut Out,
) -> Result<Ending, Fault> {
    let Contents { content, near, passed_over } = contents;
    let passed_over = passed_over.as_deref();
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
    if let (Some(near), Style::Done) = (near, style) {
        generated(&targets, near, context, &mut Out::default())?;
    }
    let ending = report::ending(&found, style);
    if !args.verify {
        report::show(&found, &targets, run.as_ref(), style, &machine, passed_over, &notes, args.json, out);
        return Ok(ending);
    }
    if !args.json {
        report::show(&found, &targets, run.as_ref(), style, &machine, passed_over, &notes, false, out);
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

/// What became of clients' own servers that were to be taken out.
pub struct TakenOut {
    pub found: Survey,
    pub run: Option<Run>,
    pub style: Style,
    /// The runs that keep files' bytes with secrets of these servers in the clear, the newest first.
    pub with_secrets: Vec<u64>,
    targets: Vec<&'static Target>,
}

impl TakenOut {
    pub fn ending(&self) -> Ending {
        report::ending(&self.found, self.style)
    }

    pub fn show(&self, machine: &Machine, out: &mut Out) {
        let (run, no_notes) = (self.run.as_ref(), |_: &Target| Vec::new());
        report::show(&self.found, &self.targets, run, self.style, machine, None, &no_notes, false, out);
        if !self.with_secrets.is_empty() {
            let numbers: Vec<String> = self.with_secrets.iter().map(u64::to_string).collect();
            let text = format!(
                "for `--undo` the secrets that were moved stay in the clear in loom's state, for your user alone, until \
                 `loom sync history --forget {}`",
                numbers.join(",")
            );
            out.line(out.paint(Paint::Warn, &text));
        }
    }
}

/// Takes servers of their own out of clients' files, where they are still as they were read: each a client and its entry.
pub fn take_servers_out(
    servers: &[(&'static str, Origin)],
    style: Style,
    context: &Context,
) -> Result<TakenOut, Fault> {
    let machine = machine(context)?;
    let (state, mut manifest) = open(context)?;
    let is_asked = |target: &&Target| servers.iter().any(|(client, _)| *client == target.name);
    let targets: Vec<&'static Target> = TARGETS.iter().filter(is_asked).collect();
    let mut found = Survey::default();
    for target in &targets {
        for (path, format) in theirs::files(target, &machine) {
            let here = servers.iter().filter(|(client, from)| *client == target.name && from.path == path);
            let entries: Vec<_> = here.map(|(_, from)| (from.place.clone(), from.entry.clone())).collect();
            if entries.is_empty() {
                continue;
            }
            let record = manifest.files.get(&path);
            let job = Job::taking_out(target.name, path.clone(), format, entries, record);
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
    let is_plain = |(client, from): &&(&'static str, Origin)| {
        let target = targets.iter().find(|target| target.name == *client);
        target.is_some_and(|target| !plain_secrets(&target.dialect, &from.entry).is_empty())
    };
    let plain: Vec<&PathBuf> = servers.iter().filter(is_plain).map(|(_, from)| &from.path).collect();
    let has_plain = |run: &Run| run.files.iter().any(|file| plain.contains(&&file.path));
    let with_secrets = match &run {
        Some(run) if has_plain(run) => {
            all(&state.history_dir())?.into_iter().filter(has_plain).map(|run| run.id).collect()
        }
        _ => Vec::new(),
    };
    Ok(TakenOut { found, run, style, with_secrets, targets })
}

/// Refuses options that contradict each other.
fn one_task(args: &SyncArgs) -> Result<(), Plain> {
    let tasks = [
        (args.undo, "--undo"),
        (args.forget.is_some(), "--forget"),
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
    match shows.iter().find(|(given, _)| *given && (args.undo || args.forget.is_some() || args.repo_only)) {
        Some((_, name)) => Err(Plain::new(Kind::Usage, format!("{name} does not go with the other option"))),
        None => Ok(()),
    }
}

/// What was typed, for the history.
fn verb(args: &SyncArgs) -> String {
    let flags = [
        (args.loom_mode, " --loom-mode"),
        (args.no_loom_mode, " --no-loom-mode"),
        (args.skip_skills, " --skip-skills"),
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
    folders.into_iter().for_each(crate::file::sweep);
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
