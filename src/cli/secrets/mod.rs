//! `loom secrets`: keeps, shows, lists and deletes secrets, and says how they are protected. Values are never printed but
//! by `get`.

mod doctor;
mod get;
mod import;
mod list;
pub mod needs;
pub mod set;
mod sources;
mod terminal;
mod unlock;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use self::needs::Lack;
use crate::cli::Ending;
use crate::cli::args::secrets::{SecretsArgs, SecretsVerb};
use crate::cli::check::servers::Needs;
use crate::cli::context::{ANSWER_WAIT, Context};
use crate::cli::out::{Out, Paint};
use crate::fault::{Explain, Fault, Kind, Plain};
use crate::link::start::own_executable;
use crate::paths::Paths;
use crate::registry::Registry;
use crate::secrets::place::{Keys, Place, check_owner, forbid_core_files};
use crate::secrets::sealed::Holder;
use crate::secrets::wrap::Cache;
use crate::secrets::{Source, Trouble, chain, file};
use crate::settings::{process_env, process_environment};

pub fn run(args: SecretsArgs, socket: Option<&Path>, out: &mut Out) -> Result<Ending, Fault> {
    // Before anything of that home is read.
    check_owner(&Paths::new(process_env()("HOME").map(PathBuf::from))?)?;
    forbid_core_files();
    let context = Context::load(socket)?;
    let mut desk = Desk::new(context)?;
    match args.verb {
        SecretsVerb::Set(args) => set::set(args, &mut desk, out),
        SecretsVerb::Get(args) => get::run(args, &mut desk, out),
        SecretsVerb::List(args) => list::run(args, &mut desk, out),
        SecretsVerb::Delete(args) => set::delete(args, &mut desk, out),
        SecretsVerb::Import(args) => import::run(args, &mut desk, out),
        SecretsVerb::Unlock(args) => unlock::run(args, &mut desk, out),
        SecretsVerb::Doctor(args) => doctor::run(args, &mut desk, out),
    }
}

/// What these verbs need.
pub struct Desk {
    pub context: Context,
    pub place: Place,
    /// This shell's, without the keys.
    pub env: BTreeMap<String, String>,
}

impl Desk {
    /// For a person in this shell; refuses a home of somebody else's.
    pub fn open(context: Context) -> Result<Desk, Fault> {
        check_owner(&context.paths)?;
        forbid_core_files();
        Desk::new(context)
    }

    fn new(context: Context) -> Result<Desk, Fault> {
        let mut env = process_environment();
        let place = place(&context, &mut env)?;
        Ok(Desk { context, place, env })
    }

    /// Asks for the file's passphrase where that is what is missing, and a person is there.
    pub fn ask_passphrase(&mut self) -> Result<(), Fault> {
        let needed = matches!(file::holder(&self.place), Ok(Some(Holder::Passphrase)));
        if needed && self.place.keys.passphrase.is_none() && terminal::is_there() {
            let asked = terminal::ask("passphrase of secrets.enc: ", "set LOOM_PASSPHRASE")?;
            self.place.keys.passphrase = Some(asked);
        }
        Ok(())
    }

    /// What the servers of the daemon's registry lack in this shell.
    fn lacks(&self) -> Vec<Lack> {
        let Some(registry) = self.registry() else { return Vec::new() };
        let found = self.found(&registry, &self.env);
        needs::lacks(&registry, &self.env, &found, self.context.paths.home())
    }

    /// What the sources have of all that servers want and `env` has not.
    fn found(&self, registry: &Registry, env: &BTreeMap<String, String>) -> chain::Found {
        let names: BTreeSet<String> = needs::users(registry, env).into_keys().collect();
        chain::find(&self.place, &names)
    }

    /// A running daemon gives the servers that use one of `names` the new value.
    pub fn tell_daemon(&self, names: &BTreeSet<String>, out: &mut Out) -> Result<(), Fault> {
        #[derive(Deserialize)]
        struct Told {
            servers: Vec<String>,
        }
        let Ok(mut client) = self.context.dial() else { return Ok(()) };
        let told = client.call("loom/secrets/changed", &json!({ "names": names }), ANSWER_WAIT)?;
        let told: Told = serde_json::from_str(told.get())
            .map_err(|error| Plain::new(Kind::Bug, format!("loomd answered oddly: {error}")))?;
        if !told.servers.is_empty() {
            let text = format!("restarted when idle or at the next call: {}", told.servers.join(", "));
            out.line(out.paint(Paint::Dim, &text));
        }
        Ok(())
    }
}

/// Hands on what the servers of the daemon's registry need, and what of it is missing in this shell. Asks nobody for a
/// passphrase; whoever may not look sees nothing.
pub fn with_needs(context: &Context, mut look: impl FnMut(&Needs<'_>, &[Lack])) {
    if check_owner(&context.paths).is_err() {
        return;
    }
    let Ok(desk) = Desk::new(context.clone()) else { return };
    let Some(registry) = desk.registry() else { return };
    // Also what this shell has: it may be nowhere else.
    let mut found = desk.found(&registry, &BTreeMap::new());
    if !found.troubles.iter().any(|trouble| trouble.source == Source::File) {
        found.troubles.extend(damage(&desk.place));
    }
    let lacks = needs::lacks(&registry, &desk.env, &found, context.paths.home());
    look(&Needs { context, registry: &registry, env: &desk.env, found: &found }, &lacks);
}

/// What is wrong with the file, used or not. A key that only the keychain has is not asked for.
fn damage(place: &Place) -> Option<Trouble> {
    let error = match file::holder(place) {
        Ok(None | Some(Holder::Keychain)) => return None,
        Ok(Some(_)) => file::read(place).err()?,
        Err(error) => error,
    };
    // That it is locked matters only to who needs what is in it.
    (error.kind() == Kind::Config).then(|| chain::file_trouble(&error))
}

/// Deletes every secret from the keychain that loom put there. The files are the caller's.
pub fn purge(context: &Context) -> Result<(), Fault> {
    check_owner(&context.paths)?;
    chain::forget_keychain(&place(context, &mut process_environment())?)
}

/// Where secrets are, for a command in this shell; takes the keys out of `env`.
fn place(context: &Context, env: &mut BTreeMap<String, String>) -> Result<Place, Fault> {
    let exe = own_executable().map_err(|error| {
        Plain::new(Kind::Unavailable, format!("cannot find this program's file: {error}"))
    })?;
    let keys = Keys::take(env);
    let vault = context.settings.onepassword.clone();
    Ok(Place::new(context.paths.clone(), exe, vault, env, keys, Arc::new(Cache::default())))
}
