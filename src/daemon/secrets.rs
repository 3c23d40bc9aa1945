//! Secrets of servers: asked for off the daemon's one thread just before a start, known only while a server has them,
//! and asked for again when a person has changed them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::HashMap;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use super::switch::{Shared, Switch};
use crate::registry::launch::LaunchError;
use crate::registry::spec::Spec;
use crate::registry::template::Why;
use crate::registry::wanted::{secret_variables, wanted};
use crate::secret::Secret;
use crate::secret::mask::Mask;
use crate::secrets::Trouble;
use crate::secrets::chain::{self, Found};
use crate::secrets::place::{Keys, Place};
use crate::secrets::wrap::Cache;
use crate::upstream::instance::{InstanceId, Order};
use crate::upstream::life::ServerState;

/// How long all sources together may take; each has a deadline of its own.
const PATIENCE: Duration = Duration::from_secs(40);

/// What the daemon knows of secrets.
#[derive(Default)]
pub struct Vault {
    pub keys: Keys,
    cache: Arc<Cache>,
    /// The values that an instance was last started with.
    known: HashMap<InstanceId, Vec<Secret<String>>>,
    /// Hides all of these.
    mask: Mask,
}

impl Vault {
    pub fn new(keys: Keys) -> Self {
        Vault { keys, ..Vault::default() }
    }

    /// Forgets what a server had.
    pub fn forget(&mut self, id: InstanceId) {
        if self.known.remove(&id).is_some_and(|values| !values.is_empty()) {
            self.mask = Mask::new(self.known.values().flatten());
        }
    }

    fn note(&mut self, id: InstanceId, values: Vec<Secret<String>>) {
        if self.known.get(&id).is_none_or(|old| *old != values) {
            self.known.insert(id, values);
            self.mask = Mask::new(self.known.values().flatten());
        }
    }

    /// Hides what any server has.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }
}

/// What a person has set or deleted.
#[derive(Deserialize)]
pub struct Changed {
    names: BTreeSet<String>,
}

/// The secrets that the next start of an instance needs. `None`: it is to go meanwhile.
pub async fn fetch(shared: &Shared, id: InstanceId, wake: &Rc<Notify>) -> Option<Found> {
    let (place, names) = shared.borrow().asked_for(id)?;
    if names.is_empty() {
        return Some(Found::default());
    }
    let mut answer = ask(place, names);
    let patience = tokio::time::sleep(PATIENCE);
    tokio::pin!(patience);
    loop {
        tokio::select! {
            found = &mut answer => return Some(found.unwrap_or_else(|_| unanswered("there was no answer"))),
            () = &mut patience => return Some(unanswered("they did not answer in time")),
            () = wake.notified() => {
                let switch = shared.borrow();
                if switch.instances.get(&id).is_none_or(|instance| instance.retiring.is_some()) {
                    return None;
                }
            }
        }
    }
}

/// A thread of its own and not one of the runtime's: the daemon's end would wait for those, and a keychain may hang.
fn ask(place: Place, names: BTreeSet<String>) -> oneshot::Receiver<Found> {
    let (tell, told) = oneshot::channel();
    let thread = std::thread::Builder::new().name("secrets".into());
    let started = thread.spawn(move || drop(tell.send(chain::find(&place, &names))));
    if let Err(error) = started {
        tracing::error!(%error, "no thread for the sources of secrets");
    }
    told
}

fn unanswered(why: &str) -> Found {
    let source = crate::secrets::Source::Keychain;
    let trouble = Trouble {
        source,
        text: format!("the sources of secrets: {why}"),
        hint: Some("loom secrets doctor".into()),
    };
    Found { values: BTreeMap::new(), troubles: vec![trouble] }
}

/// What could not be asked, in words, after what is missing.
pub fn troubles(error: &LaunchError, found: &Found) -> String {
    let LaunchError::Missing { missing, .. } = error else { return String::new() };
    let relevant = missing.iter().any(|missing| matches!(missing.why, Why::NoSecret | Why::NotSet));
    let texts = found.troubles.iter().filter(|_| relevant).map(|trouble| format!("; {}", trouble.text));
    texts.collect()
}

/// The command that mends a missing secret.
pub fn hint(error: &LaunchError, found: &Found) -> Option<String> {
    let LaunchError::Missing { missing, .. } = error else { return None };
    let gone = missing.iter().filter(|missing| missing.why == Why::NoSecret);
    let commands: Vec<String> = gone.map(|missing| format!("loom secrets set {}", missing.name)).collect();
    let trouble = found.troubles.iter().find_map(|trouble| trouble.hint.clone());
    (!commands.is_empty()).then(|| trouble.unwrap_or_else(|| commands.join(" && ")))
}

impl Switch {
    /// A variable of the environment that servers get.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment.values.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn asked_for(&self, id: InstanceId) -> Option<(Place, BTreeSet<String>)> {
        let spec = &self.instances.get(&id)?.spec;
        Some((self.place(), self.wanted_by(spec)))
    }

    fn wanted_by(&self, spec: &Spec) -> BTreeSet<String> {
        wanted(spec, &self.loaded.registry.aliases, &|name| self.variable(name))
    }

    fn place(&self) -> Place {
        let context = &self.context;
        Place::new(
            context.paths.clone(),
            context.exe.clone(),
            context.settings.onepassword.clone(),
            &self.environment.values,
            self.vault.keys.clone(),
            self.vault.cache.clone(),
        )
    }

    /// From now on the values are hidden that an instance is started with.
    pub fn note_secrets(&mut self, id: InstanceId, spec: &Spec, found: &Found) {
        let registry = self.loaded.registry.clone();
        let variables = secret_variables(spec, &registry.aliases).filter_map(|name| self.variable(name));
        let mut values: Vec<Secret<String>> = variables.map(Secret::new).collect();
        values.extend(found.values.values().map(|(value, _)| value.clone()));
        self.vault.note(id, values);
    }

    /// Servers that use one of the names have the new value from their next call on, or at once when nothing is under
    /// way on them. Calls under way finish on the process that has the old one.
    pub fn secrets_changed(&mut self, changed: &Changed) -> Value {
        let retire_by = Instant::now() + self.context.settings.tool_timeout;
        let (mut servers, mut retired) = (BTreeSet::new(), Vec::new());
        let uses = |switch: &Switch, spec: &Spec| !switch.wanted_by(spec).is_disjoint(&changed.names);
        let lasting = self.instances.iter().filter(|(_, instance)| instance.retiring.is_none());
        let ids: Vec<InstanceId> = lasting.map(|(id, _)| *id).collect();
        for id in ids {
            let Some(spec) = self.instances.get(&id).map(|instance| instance.spec.clone()) else { continue };
            if !uses(self, &spec) {
                continue;
            }
            let Some(instance) = self.instances.get_mut(&id) else { continue };
            servers.insert(instance.name().to_owned());
            instance.forgive_lists();
            match instance.state {
                ServerState::Failed { .. } | ServerState::CrashLoop { .. } => {
                    instance.history.forgive();
                    instance.state = ServerState::Idle;
                    instance.wake.notify_one();
                }
                ServerState::Idle => {}
                ServerState::Starting | ServerState::Ready { .. } if !instance.is_busy() => {
                    instance.give_order(Order::Restart);
                }
                ServerState::Starting | ServerState::Ready { .. } => {
                    instance.retire(retire_by);
                    retired.push(id);
                }
            }
        }
        tracing::info!(names = ?changed.names, ?servers, "secrets changed");
        if !retired.is_empty() {
            self.stand_by();
            self.lists_changed();
        }
        for id in retired {
            self.release_waiting(id);
        }
        self.discover_for_clients();
        json!({ "servers": servers })
    }
}
