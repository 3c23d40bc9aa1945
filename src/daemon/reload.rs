//! A changed registry: read, checked, swapped in whole; only the servers that changed are touched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use notify::{EventKind, RecursiveMode, Watcher};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::hello::Role;
use super::request::Refusal;
use super::switch::{Context, Loaded, Shared, Switch};
use crate::fault::{Explain, Kind};
use crate::file;
use crate::registry::Registry;
use crate::registry::diff::{self, Diff};
use crate::registry::find::{self, FindError, Found};
use crate::registry::finding::Level;
use crate::settings::file::Profile;
use crate::settings::{self, Settings, SettingsError};
use crate::upstream::instance::{Demand, InstanceId};
use crate::upstream::life::ServerState;
use crate::wire::code;

/// An editor writes a file in several steps.
const SETTLE: Duration = Duration::from_millis(200);

/// A registry file that cannot be in force.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{}", shown(.0))]
    Find(FindError),
    #[error("{}", .0.join("\n       "))]
    Wrong(Vec<String>),
    /// `config.toml`.
    #[error("{}", shown(.0))]
    Settings(SettingsError),
}

impl Explain for LoadError {
    fn kind(&self) -> Kind {
        Kind::Config
    }

    fn hint(&self) -> Option<String> {
        match self {
            LoadError::Find(error) => error.hint(),
            LoadError::Wrong(_) | LoadError::Settings(_) => Some("loom check".into()),
        }
    }
}

impl LoadError {
    fn findings(&self) -> Vec<String> {
        match self {
            LoadError::Find(_) | LoadError::Settings(_) => vec![self.to_string()],
            LoadError::Wrong(findings) => findings.clone(),
        }
    }
}

/// An error with its cause.
fn shown(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Reads the registry that is in force for a daemon: never one from a working directory. A file without a word in it
/// does not take the place of `before`'s servers: an editor that writes in place empties it first.
pub fn load(context: &Context, before: Option<&Registry>) -> Result<Loaded, LoadError> {
    let (found, bytes) = read(context)?;
    parse(context, before, found, bytes)
}

fn read(context: &Context) -> Result<(Found, Vec<u8>), LoadError> {
    let found =
        find::for_service(context.registry_flag.as_deref(), &context.paths).map_err(LoadError::Find)?;
    let bytes = find::read(&found).map_err(LoadError::Find)?;
    Ok((found, bytes))
}

fn parse(
    context: &Context,
    before: Option<&Registry>,
    found: Found,
    bytes: Vec<u8>,
) -> Result<Loaded, LoadError> {
    let builtins: Vec<&str> = crate::servers::BUILTINS.iter().map(|builtin| builtin.name).collect();
    let parsed = crate::registry::parse::parse_bytes(&bytes, &found.path, context.paths.home(), &builtins);
    if parsed.is_blank && before.is_some_and(|before| !before.servers.is_empty()) {
        let place = found.path.display();
        let text = "the file is empty; a registry without servers says `servers: []`";
        return Err(LoadError::Wrong(vec![format!("{place}:1:1: error: {text}")]));
    }
    for finding in parsed.findings.iter().filter(|finding| finding.level == Level::Warning) {
        tracing::warn!("{finding}");
    }
    match parsed.registry {
        Some(registry) => Ok(Loaded {
            registry: Rc::new(registry),
            found,
            bytes: Some(bytes),
            profiles: Rc::new(read_profiles(context)?),
            error: None,
        }),
        None => {
            let errors = parsed.findings.iter().filter(|finding| finding.level == Level::Error);
            Err(LoadError::Wrong(errors.map(ToString::to_string).collect()))
        }
    }
}

/// The tool profiles as `config.toml` has them now. Its other settings are read once, at the daemon's start.
pub fn read_profiles(context: &Context) -> Result<BTreeMap<String, Profile>, LoadError> {
    let (settings, _) =
        Settings::load(&context.paths, &settings::process_env()).map_err(LoadError::Settings)?;
    Ok(settings.profiles)
}

impl Switch {
    /// Reads the registry anew. A broken file changes nothing.
    pub fn reload(&mut self) -> Result<Diff, LoadError> {
        let read = read(&self.context);
        self.loaded.bytes = read.as_ref().ok().map(|(_, bytes)| bytes.clone());
        let loaded =
            read.and_then(|(found, bytes)| parse(&self.context, Some(&self.loaded.registry), found, bytes));
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(%error, "the registry stays as it was");
                self.loaded.error = Some(error.to_string());
                return Err(error);
            }
        };
        let diff = diff::diff(&self.loaded.registry, &loaded.registry);
        if loaded.found.path != self.loaded.found.path {
            self.moved.notify_one();
        }
        self.loaded = loaded;
        tracing::info!(added = ?diff.added, removed = ?diff.removed, changed = ?diff.changed, "registry read");
        let retired = self.settle_instances();
        self.stand_by();
        self.lists_changed();
        self.ask_all_for_roots();
        for id in retired {
            self.release_waiting(id);
        }
        self.discover_for_clients();
        Ok(diff)
    }

    /// Instances whose process would be started differently now, or not at all, go; the others take over what
    /// changed about them without a restart. Returns the ones that go.
    fn settle_instances(&mut self) -> Vec<InstanceId> {
        let registry = self.loaded.registry.clone();
        let retire_by = Instant::now() + self.context.settings.drain_timeout;
        let mut retired = Vec::new();
        for (id, instance) in self.instances.iter_mut().filter(|(_, instance)| instance.retiring.is_none()) {
            let server = registry.servers.iter().find(|server| server.name.as_str() == instance.name());
            let kept = server.filter(|server| !server.disabled).and_then(|server| {
                let spec = server
                    .targets()
                    .map(Some)
                    .chain([None])
                    .map(|target| server.spec_for(target))
                    .find(|spec| spec.key() == instance.key);
                Some((server.clone(), spec?))
            });
            match kept {
                Some((server, spec)) => {
                    instance.server = Rc::new(server);
                    instance.spec = Rc::new(spec);
                    instance.wake.notify_one();
                }
                None => {
                    instance.retire(retire_by);
                    retired.push(*id);
                }
            }
        }
        retired
    }

    pub fn discover_for_clients(&mut self) {
        let proxies = self.sessions.iter().filter(|(_, session)| session.hello.role == Role::Proxy);
        let ids: Vec<u32> = proxies.map(|(id, _)| *id).collect();
        for id in ids {
            if let Ok(view) = self.view_of(id) {
                self.discover(&view);
            }
        }
    }

    /// `loom reload`: also clears what failed, and asks every server for its tools.
    pub fn reload_for_person(&mut self) -> Result<Value, Refusal> {
        let diff = self.reload().map_err(|error| {
            let mut refusal = Refusal::new(code::CONFIG, "the registry is wrong; what was in force stays so");
            refusal.detail.findings = error.findings();
            refusal.hint("loom check")
        })?;
        let ids: Vec<u32> = self.instances.keys().copied().collect();
        for id in ids {
            let Some(instance) = self.instances.get_mut(&id) else { continue };
            if instance.state.trouble().is_some() {
                instance.history.forgive();
                instance.state = ServerState::Idle;
            }
            instance.forgive_lists();
            instance.want(Demand::Tools);
            self.relist_all(id);
        }
        Ok(json!({
            "reloaded": true,
            "servers": self.loaded.registry.servers.len(),
            "added": diff.added,
            "removed": diff.removed,
            "changed": diff.changed,
            "unchanged": diff.unchanged.len(),
        }))
    }
}

/// Reloads when the registry file changes, for ever; after `loom registry use`, or when a link leads elsewhere, that is
/// another file.
pub async fn watch(shared: Shared) {
    let moved = shared.borrow().moved.clone();
    loop {
        let path = shared.borrow().loaded.found.path.clone();
        let behind = behind(&path);
        let (tell, told) = mpsc::channel(1);
        match begin(&path, &behind, tell) {
            Ok(_watcher) => tokio::select! {
                () = follow(&shared, &path, &behind, told) => {}
                () = moved.notified() => {}
            },
            Err(error) => {
                tracing::warn!(%error, "the registry file is not watched; use `loom reload`");
                moved.notified().await;
            }
        }
    }
}

/// Reloads at each change of what the file holds, until another file is `behind` its path. What changed before anybody
/// watched counts, too.
async fn follow(shared: &Shared, path: &Path, target: &Path, mut told: mpsc::Receiver<()>) {
    loop {
        let now = file::read(path, file::OWN_MAX).ok();
        if now.is_some() && now != shared.borrow().loaded.bytes {
            let mut switch = shared.borrow_mut();
            // The error is kept for `loom status` and has been logged.
            let _ = switch.reload();
            switch.flush();
        }
        if behind(path) != target || told.recv().await.is_none() {
            return;
        }
        tokio::time::sleep(SETTLE).await;
        while told.try_recv().is_ok() {}
    }
}

/// The file that is read at `path`: where a link leads.
fn behind(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.into())
}

/// Watches the folder of `path`, since editors replace files, and that of the file behind a link.
fn begin(path: &Path, behind: &Path, tell: mpsc::Sender<()>) -> notify::Result<impl Watcher + use<>> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let is_change = |kind: &EventKind| kind.is_create() || kind.is_modify() || kind.is_remove();
        if event.is_ok_and(|event| is_change(&event.kind)) {
            // One waiting message says all there is to say.
            let _ = tell.try_send(());
        }
    })?;
    let dirs = [path, behind].map(|path| path.parent().unwrap_or(Path::new("/")));
    watcher.watch(dirs[0], RecursiveMode::NonRecursive)?;
    if dirs[1] != dirs[0] {
        watcher.watch(dirs[1], RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}
