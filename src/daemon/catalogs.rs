//! The tools of each server: asked for at every start and change, kept on disk for the next daemon.

use std::collections::HashSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::switch::Switch;
use crate::file;
use crate::mcp::catalog::{self, Entry, Tool};
use crate::paths::Paths;
use crate::registry::Registry;
use crate::upstream::calls::Asker;
use crate::upstream::instance::{Instance, InstanceId};
use crate::upstream::life::ServerState;

/// The client capabilities that loom declares to servers; part of what a catalog depends on.
pub const CAPABILITIES: &str = "{}";

/// A server's list ends here, whatever more it would have to say.
const TOOLS_MAX: usize = 50_000;
const PAGES_MAX: usize = 1_000;
/// A catalog that nobody uses is kept so long.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

impl Switch {
    /// Asks a ready server for its tools, from the first page.
    pub fn relist(&mut self, id: InstanceId) {
        let limit_default = self.context.settings.startup_timeout;
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if !matches!(instance.state, ServerState::Ready { .. }) {
            return;
        }
        if instance.listing.busy {
            instance.listing.again = true;
            return;
        }
        instance.listing.busy = true;
        instance.listing.pages.clear();
        instance.listing.cursors.clear();
        self.ask_for_page(id, "{}", limit_default);
    }

    fn ask_for_page(&mut self, id: InstanceId, params: &str, limit: std::time::Duration) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let limit = instance.spec.startup_timeout.unwrap_or(limit);
        let now = Instant::now();
        instance.ask(Asker::List, "tools/list", params, now, limit);
        self.clock.note(now + limit);
        self.dirty_instances.insert(id);
    }

    /// A page of tools has come.
    pub fn listed(&mut self, id: InstanceId, result: &str) {
        let page = match catalog::parse_page(result) {
            Ok(page) => page,
            Err(error) => return self.listing_failed(id, error.to_string()),
        };
        let limit = self.context.settings.startup_timeout;
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if page.skipped > 0 {
            tracing::warn!(server = instance.name(), skipped = page.skipped, "tools without a name left out");
        }
        instance.listing.pages.extend(page.tools);
        match page.next_cursor {
            Some(cursor)
                if instance.listing.pages.len() < TOOLS_MAX
                    && instance.listing.cursors.len() < PAGES_MAX
                    && instance.listing.cursors.insert(cursor.clone()) =>
            {
                let params = serde_json::json!({ "cursor": cursor }).to_string();
                self.ask_for_page(id, &params, limit);
            }
            _ => self.all_listed(id),
        }
    }

    fn all_listed(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let listing = &mut instance.listing;
        let tools: Rc<[Tool]> = std::mem::take(&mut listing.pages).into();
        let changed = listing.stale || listing.tools.as_ref().is_none_or(|old| !same(old, &tools));
        listing.busy = false;
        listing.stale = false;
        listing.error = None;
        listing.tools = Some(tools);
        let again = std::mem::take(&mut listing.again);
        if changed {
            self.save_catalog(id);
            self.tools_changed();
        }
        self.answer_settled_lists();
        if again {
            self.relist(id);
        }
    }

    /// The list could not be had: the last good one stays, marked stale.
    pub fn listing_failed(&mut self, id: InstanceId, why: String) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        tracing::warn!(server = instance.name(), why, "no list of tools");
        instance.listing.busy = false;
        instance.listing.pages.clear();
        instance.listing.stale = instance.listing.tools.is_some();
        instance.listing.error = Some(why);
        self.answer_settled_lists();
    }

    /// Writes the catalog of one server, off this thread: a slow disk must not delay calls.
    fn save_catalog(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else { return };
        let (dir, path) = (self.context.paths.catalog_dir(), catalog_file(&self.context.paths, instance));
        let entry = Entry {
            server: instance.name().into(),
            key: instance.key,
            capabilities: CAPABILITIES.into(),
            fetched_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            server_info: None,
            tools: instance.listing.tools.as_deref().unwrap_or_default().to_vec(),
        };
        tokio::task::spawn_blocking(move || {
            let text = entry.to_json();
            let written = file::private_dir(&dir).and_then(|()| file::replace(&path, text.as_bytes(), 0o600));
            if let Err(error) = written {
                tracing::warn!(%error, path = %path.display(), "the catalog was not saved");
            }
        });
    }
}

/// What an earlier daemon knew of this server's tools.
pub fn load(paths: &Paths, instance: &mut Instance) {
    let path = catalog_file(paths, instance);
    let Ok(text) = std::fs::read_to_string(&path) else { return };
    match Entry::from_json(&text) {
        Ok(entry) if entry.key == instance.key && entry.capabilities == CAPABILITIES => {
            instance.listing.tools = Some(entry.tools.into());
        }
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "a catalog that cannot be read is left out")
        }
    }
}

/// Removes catalogs that no server of the registry uses and that have not been written for long.
pub fn forget_old(paths: &Paths, registry: &Registry) {
    let used: HashSet<PathBuf> = registry
        .servers
        .iter()
        .flat_map(|server| {
            let targets = server.targets().map(Some).chain([None]);
            targets.map(|target| file_of(paths, server.name.as_str(), server.spec_for(target).key()))
        })
        .collect();
    let is_old = |entry: &std::fs::DirEntry| {
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > KEPT))
    };
    for entry in std::fs::read_dir(paths.catalog_dir()).into_iter().flatten().flatten() {
        if !used.contains(&entry.path()) && is_old(&entry) {
            // One that cannot be removed is only untidy.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn catalog_file(paths: &Paths, instance: &Instance) -> PathBuf {
    file_of(paths, instance.name(), instance.key)
}

fn file_of(paths: &Paths, server: &str, key: u64) -> PathBuf {
    paths.catalog_dir().join(format!("{server}-{key:016x}.json"))
}

fn same(old: &[Tool], new: &[Tool]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.text == new.text)
}
