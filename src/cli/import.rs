//! `loom import`: the servers that clients have, in the registry; the secrets among them, in the store of secrets.

mod report;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::cli::Ending;
use crate::cli::args::import::ImportServersArgs;
use crate::cli::context::Context;
use crate::cli::import::report::{Outcome, show, whole};
use crate::cli::out::Out;
use crate::cli::registry::text::{File, server};
use crate::cli::reload;
use crate::cli::secrets::Desk;
use crate::cli::secrets::set::say_written;
use crate::cli::server_table::counted;
use crate::cli::sync::report::Style;
use crate::cli::sync::{TakenOut, machine, named, take_servers_out};
use crate::fault::{Fault, Kind, Plain};
use crate::secret::Secret;
use crate::secrets::chain::{self, Written};
use crate::secrets::sealed::Values;
use crate::sync::format::Format;
use crate::sync::gather::{Gathered, Gathering, gather};
use crate::sync::place::Wrong;
use crate::sync::state::peek;
use crate::sync::theirs::{self, Haul, LeftOut, Theirs};

pub fn run(args: ImportServersArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let mut desk = Desk::open(context.clone())?;
    let machine = machine(context)?;
    let manifest = peek(&context.paths.sync_dir())?;
    let targets = named(&[args.from.as_str()], &machine, &manifest, false)?;
    let Haul { servers, left, obstacles } = theirs::read(&targets, &machine, &manifest);
    let flag = args.registry.as_deref().map(|path| context.absolute(path));
    let file = File::to_import_into(flag.as_deref(), args.dry_run, context)?;
    let gathered = if args.dry_run {
        let mut held = |name: &str| variable(&desk, name);
        gather(servers, &file.registry, &mut held)
    } else {
        beside_the_store(servers, &file, &mut desk)?
    };
    let mut gathered = gathered;
    leave_without_room(&mut gathered, file.text().unwrap_or_default());
    let made = file.edited(|text| with(text, &gathered), context)?;
    let is_new = gathered.servers.iter().any(Gathering::is_news);
    let mut outcome =
        Outcome { gathered, left, obstacles, file: &file, made: None, written: false, moves: args.moves };
    outcome.left.append(&mut outcome.gathered.left);
    if args.dry_run {
        outcome.made = is_new.then_some(made);
        let take_out = || take_servers_out(&outcome.replaced(), Style::Diff, context);
        let taken_out = args.moves.then(take_out).transpose()?;
        if args.json {
            out.json(&whole(&outcome, taken_out.as_ref()));
        } else {
            show(&outcome, &machine, out);
            taken_out.iter().for_each(|taken| taken.show(&machine, out));
        }
        return Ok(outcome.ending(taken_out.as_ref()));
    }
    let kept = keep(&outcome.gathered, &desk)?;
    if is_new {
        if let Err(fault) = file.write(&made, context) {
            forget(&outcome.gathered, &desk);
            return Err(fault);
        }
        outcome.written = true;
    }
    if !args.json {
        show(&outcome, &machine, out);
        let taken_out = pass_on(&outcome, kept, &desk, context, out)?;
        taken_out.iter().for_each(|taken| taken.show(&machine, out));
        return Ok(outcome.ending(taken_out.as_ref()));
    }
    let taken_out = pass_on(&outcome, kept, &desk, context, &mut Out::default());
    // What was done is said, whatever fails after it.
    out.json(&whole(&outcome, taken_out.as_ref().ok().and_then(Option::as_ref)));
    Ok(outcome.ending(taken_out?.as_ref()))
}

/// Tells the daemon what is new, and takes out of the clients' files what is theirs no more.
fn pass_on(
    outcome: &Outcome<'_>,
    kept: Option<Written>,
    desk: &Desk,
    context: &Context,
    told: &mut Out,
) -> Result<Option<TakenOut>, Fault> {
    if let Some(written) = kept {
        let names: BTreeSet<String> = outcome.gathered.secrets.keys().cloned().collect();
        let verb = if names.len() == 1 { "is kept" } else { "are kept" };
        say_written(&written, &format!("{} {verb}", counted(names.len() as u64, "secret")), desk, told);
        desk.tell_daemon(&names, told)?;
    }
    if outcome.written {
        reload::if_running(context, told)?;
    }
    let take_out = || take_servers_out(&outcome.replaced(), Style::Done, context);
    outcome.moves.then(take_out).transpose()
}

/// Gathers with what the sources of secrets have, asked for all names at once.
fn beside_the_store(servers: Vec<Theirs>, file: &File, desk: &mut Desk) -> Result<Gathered, Fault> {
    let mut known: BTreeMap<String, Option<Secret<String>>> = BTreeMap::new();
    loop {
        let mut asked = BTreeSet::new();
        let mut held = |name: &str| match known.get(name) {
            Some(value) => value.clone(),
            None => {
                asked.insert(name.to_owned());
                None
            }
        };
        let gathered = gather(servers.clone(), &file.registry, &mut held);
        if asked.is_empty() {
            return Ok(gathered);
        }
        desk.ask_passphrase()?;
        let found = chain::find(&desk.place, &asked);
        if let Some(trouble) = found.troubles.first() {
            let text = format!("secrets cannot be kept, so nothing was written: {}", trouble.text);
            let hint = trouble.hint.clone().unwrap_or_else(|| "loom secrets doctor".to_owned());
            return Err(Plain::new(Kind::Unavailable, text).hint(hint).into());
        }
        for name in asked {
            let value = variable(desk, &name).or_else(|| found.value(&name).cloned());
            known.insert(name, value);
        }
    }
}

/// A variable of this shell goes before every store.
fn variable(desk: &Desk, name: &str) -> Option<Secret<String>> {
    desk.env.get(name).filter(|value| !value.is_empty()).cloned().map(Secret::new)
}

/// The registry's text with every new server, and what is new of those that it has.
fn with(text: &str, gathered: &Gathered) -> Result<String, Wrong> {
    gathered.servers.iter().try_fold(text.to_owned(), |text, one| match one.known {
        false => Format::Yaml.set(&text, &server(&one.name), &one.entry.clone().into()),
        true => one
            .tools
            .iter()
            .try_fold(text, |text, (client, tools)| with_tools(&text, &one.name, client, tools)),
    })
}

/// The registry's text with what `client` shows of the tools of a server that it has.
fn with_tools(text: &str, name: &str, client: &str, tools: &Map<String, Value>) -> Result<String, Wrong> {
    let place = server(name).key("targets").key(client);
    tools
        .iter()
        .try_fold(text.to_owned(), |text, (key, tools)| Format::Yaml.set(&text, &place.key(key), tools))
}

/// Leaves out what the registry has no room for: a server that stands on one line there takes nothing more.
fn leave_without_room(gathered: &mut Gathered, text: &str) {
    for one in &mut gathered.servers {
        let name = one.name.clone();
        for (client, tools) in std::mem::take(&mut one.tools) {
            let Err(wrong) = with_tools(text, &name, client, &tools) else {
                one.tools.insert(client, tools);
                continue;
            };
            let left = one.from.iter().filter(|(from, _)| *from == client);
            let why = format!("its list of tools has no room at `{name}` of the registry: {}", wrong.text);
            gathered.left.extend(left.map(|(_, called)| LeftOut {
                client,
                name: called.clone(),
                why: why.clone(),
                entry: Value::Null,
            }));
            one.from.retain(|(from, _)| *from != client);
            one.replaces.retain(|(from, _)| *from != client);
            one.notes.retain(|note| !note.contains(&format!("`targets.{client}`")));
        }
    }
    gathered.servers.retain(|one| !one.from.is_empty());
}

/// Keeps what was lifted, before anything refers to it.
fn keep(gathered: &Gathered, desk: &Desk) -> Result<Option<Written>, Fault> {
    if gathered.secrets.is_empty() {
        return Ok(None);
    }
    let values: Values = gathered.secrets.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    chain::set(&desk.place, &values, None).map(Some)
}

/// Takes back what was kept, since nothing refers to it.
fn forget(gathered: &Gathered, desk: &Desk) {
    for name in gathered.secrets.keys() {
        // What stays does no harm: the next import finds it, with its value.
        let _ = chain::delete(&desk.place, name);
    }
}
