//! The AI clients on this machine: whether loom is in their files as it should be, and no secret is.

use std::path::Path;

use super::trouble::{Fix, Trouble, word};
use crate::cli::context::Context;
use crate::cli::sync::doors::{Doors, Mode};
use crate::cli::sync::machine;
use crate::cli::sync::report::{drift_text, left_alone, passed_over_text};
use crate::cli::sync::told;
use crate::fault::Fault;
use crate::registry::Registry;
use crate::registry::find::{for_home, passed_over};
use crate::sync::gather::gather;
use crate::sync::history::{self, RunState};
use crate::sync::job::Draft;
use crate::sync::machine::Machine;
use crate::sync::plan::{DriftKind, Policy};
use crate::sync::state::{self, Manifest};
use crate::sync::survey::{Aim, Order, Survey, survey};
use crate::sync::target::Target;
use crate::sync::theirs::plain::plain_secrets;
use crate::sync::theirs::{self, Haul, LeftOut};
use crate::sync::{TARGETS, is_here};

/// What a registry that is not there is called.
pub const NO_REGISTRY: &str = "no_registry";

/// What becomes of a secret that `loom import` cannot lift out of its server.
const BY_HAND: &str = "`loom import` leaves this server out: let the secret come from a variable, or set the server up \
                       with `loom add` and `loom secrets set`, and take it out of the client's file";

/// What a person should know or do for a client: mostly whom it trusts.
pub struct Note {
    /// Its name, or the command that it is about.
    pub client: &'static str,
    pub text: String,
}

/// Looks at every client that is here. Writes nothing.
pub fn look(
    context: &Context,
    registry: Option<&Path>,
    troubles: &mut Vec<Trouble>,
) -> Result<Vec<Note>, Fault> {
    let machine = machine(context)?;
    let found = for_home(registry, &context.cwd, &context.paths)?;
    let doors = Doors::load(context, &found, Mode::AsBefore)?;
    let dir = context.paths.sync_dir();
    let manifest = state::peek(&dir)?;
    unfinished(&state::history_dir(&dir), troubles)?;
    // What is wrong with that registry is said elsewhere.
    let told = told::load(context, &found).ok();
    let door = |target: &Target| doors.door(target, &manifest);
    let order = Order {
        machine: &machine,
        manifest: &manifest,
        door: Some(&door),
        told: told.as_ref(),
        aim: Aim::Present,
        policy: Policy::Report,
    };
    servers_of_their_own(&machine, &manifest, troubles);
    for target in TARGETS.iter().filter(|target| is_here(target, &machine, &manifest)) {
        let found = survey(&[target], &order);
        stands(target, &found, &machine, &manifest, troubles);
    }
    let known = |target: &&Target| manifest.knows(target.name);
    let notes_of = |target: &'static Target| {
        (target.notes)(&machine).into_iter().map(|text| Note { client: target.name, text })
    };
    let near = passed_over(&found, &context.cwd).map(|path| passed_over_text(&path, &machine));
    let of_all = near.map(|text| Note { client: "sync", text });
    Ok(of_all.into_iter().chain(TARGETS.iter().filter(known).flat_map(notes_of)).collect())
}

/// Servers of the clients' own: a start for who has no registry; and secrets in them, which anybody can read who can read
/// the file.
fn servers_of_their_own(machine: &Machine, manifest: &Manifest, troubles: &mut Vec<Trouble>) {
    for target in TARGETS.iter().filter(|target| is_here(target, machine, manifest)) {
        let Haul { servers, mut left, .. } = theirs::read(&[target], machine, manifest);
        for server in servers {
            if let Some(at) = troubles.iter().position(|trouble| trouble.name == NO_REGISTRY) {
                let trouble = troubles.remove(at);
                troubles.insert(at, trouble.command(["loom", "import"]));
            }
            let name = server.name.clone();
            let gathered = gather(vec![server], &Registry::default(), &mut |_| None);
            left.extend(gathered.left);
            let secrets: Vec<String> = gathered.secrets.into_keys().collect();
            if !secrets.is_empty() {
                let text =
                    format!("its server `{name}` has in the clear what looks secret: {}", secrets.join(", "));
                let fix = ["loom", "import", "--from", target.name, "--move"];
                troubles.push(Trouble::warning("plain_secrets", target.name, text).command(fix));
            }
        }
        let troubles_of = |one: &LeftOut| {
            let secrets: Vec<String> = plain_secrets(&target.dialect, &one.entry).into_iter().collect();
            let (name, secrets) = (&one.name, (!secrets.is_empty()).then(|| secrets.join(", "))?);
            let text = format!("its server `{name}` has in the clear what looks secret: {secrets}");
            Some(Trouble::warning("plain_secrets", target.name, text).advice(BY_HAND))
        };
        troubles.extend(left.iter().filter_map(troubles_of));
    }
}

/// A sync that was broken off.
fn unfinished(history: &Path, troubles: &mut Vec<Trouble>) -> Result<(), Fault> {
    for run in history::all(history)?.iter().filter(|run| run.state == RunState::Writing) {
        let text = format!("run {} of `loom sync` was broken off", run.id);
        troubles.push(Trouble::warning("sync_unfinished", "", text).safe_command(["loom", "sync", "status"]));
    }
    Ok(())
}

fn stands(
    target: &Target,
    found: &Survey,
    machine: &Machine,
    manifest: &Manifest,
    troubles: &mut Vec<Trouble>,
) {
    for (_, path, obstacle) in &found.obstacles {
        let trouble = Trouble::error("client_file", target.name, left_alone(path, obstacle, machine));
        let file = word(path);
        troubles.push(trouble.command(["mv", &file, &format!("{file}.aside")]));
    }
    let drift: Vec<_> = found.drafts.iter().flat_map(|draft| &draft.drift).collect();
    for drift in &drift {
        let force = Fix::Command {
            words: ["loom", "sync", target.name, "--force"].map(str::to_owned).into(),
            safe: false,
        };
        let name = if drift.kind == DriftKind::Foreign { "client_conflict" } else { "client_drift" };
        let trouble = Trouble::warning(name, target.name, drift_text(drift));
        troubles.push(Trouble { fix: Some(force), ..trouble });
    }
    if !drift.is_empty() || !found.drafts.iter().any(Draft::writes) {
        return;
    }
    let recorded = manifest.knows(target.name);
    let text = match recorded {
        true => "loom's entry is out of date",
        false => "it is on this machine, and does not know loom",
    };
    let trouble = Trouble::warning("client_sync", target.name, text);
    let words = ["loom", "sync", target.name];
    troubles.push(if recorded { trouble.safe_command(words) } else { trouble.command(words) });
}
