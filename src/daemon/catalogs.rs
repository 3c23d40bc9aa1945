//! The lists of each server: asked for at every start and change, kept on disk for the next daemon.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::switch::Switch;
use crate::file;
use crate::mcp::catalog::{self, Entry, Item, Kind};
use crate::paths::Paths;
use crate::registry::{Registry, spec};
use crate::upstream::calls::Asker;
use crate::upstream::greeting::Greeting;
use crate::upstream::instance::{Instance, InstanceId, Scope};

/// More is no catalog, in bytes.
const CATALOG_MAX: usize = 256 << 20;
/// A server's list ends here, whatever more it would have to say.
const ITEMS_MAX: usize = 50_000;
const PAGES_MAX: usize = 1_000;
/// So many entries that were left out are named.
const NAMED_MAX: usize = 5;
/// A catalog that nobody uses is kept so long.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

impl Switch {
    /// Asks a ready server for all its lists.
    pub fn relist_all(&mut self, id: InstanceId) {
        for kind in Kind::ALL {
            self.relist(id, kind);
        }
    }

    /// The server says that a list changed: it is asked again, less often the more often it says so for nothing.
    pub fn relist_soon(&mut self, id: InstanceId, kind: Kind) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let list = instance.list_mut(kind);
        if list.busy {
            list.again = true;
            return;
        }
        let left = list.had.map_or(Duration::ZERO, |had| list.pause.saturating_sub(had.elapsed()));
        if left.is_zero() {
            return self.relist(id, kind);
        }
        if let (false, Some(me)) = (std::mem::replace(&mut list.due, true), self.me.upgrade()) {
            // Ends by itself after a pause.
            tokio::task::spawn_local(async move {
                tokio::time::sleep(left).await;
                let mut switch = me.borrow_mut();
                if let Some(instance) = switch.instances.get_mut(&id) {
                    instance.list_mut(kind).due = false;
                    switch.relist(id, kind);
                    switch.flush();
                }
            });
        }
    }

    /// Asks a ready server for a list, from the first page. One that it does not have is empty.
    pub fn relist(&mut self, id: InstanceId, kind: Kind) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if !instance.is_ready() || instance.retiring.is_some() {
            return;
        }
        let has = instance.greeting.as_ref().is_some_and(|greeting| greeting.lists(kind));
        let list = instance.list_mut(kind);
        if list.busy {
            list.again = true;
            return;
        }
        list.pages.clear();
        list.left_out.clear();
        list.cursors.clear();
        if !has {
            return self.all_listed(id, kind);
        }
        list.busy = true;
        self.ask_for_page(id, kind, "{}");
    }

    fn ask_for_page(&mut self, id: InstanceId, kind: Kind, params: &str) {
        let default = self.context.settings.startup_timeout;
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let limit = instance.spec.startup_timeout.unwrap_or(default);
        let now = Instant::now();
        instance.ask(Asker::List(kind), kind.method(), params, now, limit);
        self.clock.note(now + limit);
        self.dirty_instances.insert(id);
    }

    /// A page has come.
    pub fn listed(&mut self, id: InstanceId, kind: Kind, result: &str) {
        let page = match catalog::parse_page(kind, result) {
            Ok(page) => page,
            Err(error) => return self.listing_failed(id, kind, error.to_string()),
        };
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let list = instance.list_mut(kind);
        list.pages.extend(page.items);
        list.left_out.extend(page.left_out);
        match page.next_cursor {
            Some(cursor)
                if list.pages.len() < ITEMS_MAX
                    && list.cursors.len() < PAGES_MAX
                    && list.cursors.insert(cursor.clone()) =>
            {
                let params = serde_json::json!({ "cursor": cursor }).to_string();
                self.ask_for_page(id, kind, &params);
            }
            _ => self.all_listed(id, kind),
        }
    }

    /// A server does not know the method: it has none of these.
    pub fn no_list(&mut self, id: InstanceId, kind: Kind) {
        if let Some(instance) = self.instances.get_mut(&id) {
            let list = instance.list_mut(kind);
            list.pages.clear();
            list.left_out.clear();
            self.all_listed(id, kind);
        }
    }

    fn all_listed(&mut self, id: InstanceId, kind: Kind) {
        let mask = self.vault.mask();
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let server: Box<str> = instance.name().into();
        let list = instance.list_mut(kind);
        let items: Rc<[Item]> = std::mem::take(&mut list.pages).into();
        let left_out = std::mem::take(&mut list.left_out);
        let unreadable = told(kind, &left_out).map(|text| mask.text(&text).into_owned());
        let before = std::mem::replace(&mut list.unreadable, unreadable);
        if let Some(why) = list.unreadable.as_ref().filter(|why| before.as_ref() != Some(why)) {
            tracing::warn!(server = %server, why, "entries left out");
        }
        let changed = list.stale || list.items.as_ref().is_none_or(|old| !same(old, &items));
        list.busy = false;
        list.stale = false;
        list.inherited = false;
        list.error = None;
        list.lost = 0;
        list.rests(changed);
        list.items = Some(items.clone());
        let again = std::mem::take(&mut list.again);
        instance.unsaved |= changed;
        self.last_lists.entry(server).or_default()[kind as usize] = Some(items);
        self.save_when_settled(id);
        if changed {
            self.lists_changed();
        }
        self.answer_settled_lists();
        if again {
            self.relist_soon(id, kind);
        }
    }

    /// A list could not be had: the last good one stays, marked stale.
    pub fn listing_failed(&mut self, id: InstanceId, kind: Kind, why: String) {
        let why = self.vault.mask().text(&why).into_owned();
        let Some(instance) = self.instances.get_mut(&id) else { return };
        tracing::warn!(server = instance.name(), list = kind.member(), why, "no list");
        let list = instance.list_mut(kind);
        list.busy = false;
        list.pages.clear();
        list.stale = list.items.is_some();
        list.error = Some(format!("{}: {why}", kind.method()));
        list.rests(false);
        let again = std::mem::take(&mut list.again);
        self.save_when_settled(id);
        self.answer_settled_lists();
        if again {
            self.relist_soon(id, kind);
        }
    }

    /// What has changed is written once no list is on its way.
    fn save_when_settled(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if instance.unsaved && !instance.lists.iter().any(|list| list.busy) {
            instance.unsaved = false;
            self.save_catalog(id);
        }
    }

    /// Writes the catalog of one server, off this thread: a slow disk must not delay calls.
    fn save_catalog(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else { return };
        let Some(greeting) = &instance.greeting else { return };
        let Some(path) = catalog_file(&self.context.paths, instance) else { return };
        let dir = self.context.paths.catalog_dir();
        let entry = Entry {
            server: instance.name().into(),
            key: instance.key,
            capabilities: instance.declared.to_string(),
            fetched_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            greeting: greeting.text.to_string(),
            lists: Kind::ALL.map(|kind| instance.list(kind).items.as_deref().map(<[Item]>::to_vec)),
        };
        let mask = self.vault.mask().clone();
        tokio::task::spawn_blocking(move || {
            let text = entry.to_json();
            if mask.text(&text) != text {
                tracing::warn!(server = entry.server, "its lists hold a secret and are not kept on disk");
                return;
            }
            let written = file::private_dir(&dir).and_then(|()| file::replace(&path, text.as_bytes(), 0o600));
            if let Err(error) = written {
                tracing::warn!(%error, path = %path.display(), "the catalog was not saved");
            }
        });
    }
}

/// What an earlier daemon, or an earlier client's instance, knew of this server.
pub fn load(paths: &Paths, instance: &mut Instance) {
    let Some(path) = catalog_file(paths, instance) else { return };
    let Ok(text) = file::read_text(&path, CATALOG_MAX) else { return };
    match Entry::from_json(&text) {
        Ok(entry) if entry.key == instance.key && *entry.capabilities == *instance.declared => {
            instance.greeting = Greeting::parse(&entry.greeting);
            for (list, items) in instance.lists.iter_mut().zip(entry.lists) {
                list.items = items.map(Into::into);
            }
        }
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "a catalog that cannot be read is left out")
        }
    }
}

/// Removes catalogs of servers that the registry does not know and that have not been written for long.
pub fn forget_old(paths: &Paths, registry: &Registry) {
    let known = |file: &std::ffi::OsStr| {
        let name = file.to_str().and_then(|name| name.rsplit_once('-')).map(|(server, _)| server);
        name.is_some_and(|name| registry.server(name).is_some())
    };
    let is_old = |entry: &std::fs::DirEntry| {
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > KEPT))
    };
    for entry in std::fs::read_dir(paths.catalog_dir()).into_iter().flatten().flatten() {
        if !known(&entry.file_name()) && is_old(&entry) {
            // One that cannot be removed is only untidy.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// What a person is told of entries that were left out.
fn told(kind: Kind, left_out: &[String]) -> Option<String> {
    let more = match left_out.len() {
        0 => return None,
        count if count > NAMED_MAX => format!("; and {} more", count - NAMED_MAX),
        _ => String::new(),
    };
    let named = left_out[..left_out.len().min(NAMED_MAX)].join("; ");
    Some(format!("{}: left out what clients cannot read: {named}{more}", kind.method()))
}

/// Other capabilities and other workspaces may bring other lists: they have files of their own. What a server showed
/// to one client alone is nobody else's.
fn catalog_file(paths: &Paths, instance: &Instance) -> Option<PathBuf> {
    let scope = match &instance.scope {
        Scope::Everybody => 0,
        Scope::Workspace(roots) => spec::fnv(roots),
        Scope::Client(_) => return None,
    };
    let key = instance.key ^ spec::fnv(&instance.declared) ^ scope.rotate_left(1);
    Some(file_of(paths, instance.name(), key))
}

fn file_of(paths: &Paths, server: &str, key: u64) -> PathBuf {
    paths.catalog_dir().join(format!("{server}-{key:016x}.json"))
}

fn same(old: &[Item], new: &[Item]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.text == new.text)
}
