//! Whom each instance is for: everybody, one client, or the clients of one workspace; and what is declared to it.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;
use serde_json::value::RawValue;

use super::asks::Ask;
use super::local::ListKind;
use super::request::Refusal;
use super::session::SessionId;
use super::switch::Switch;
use crate::registry::spec::Sharing;
use crate::upstream::instance::{Instance, Scope};
use crate::wire::code;
use crate::wire::id::Id;
use crate::wire::scan;

/// What loom declares to a server that everybody shares. A client's roots would replace those of all others.
const SHARED: &str = r#"{"sampling":{"context":{},"tools":{}},"elicitation":{"form":{},"url":{}}}"#;
/// To one that the clients of a workspace share; loom itself knows the roots.
const WORKSPACE: &str = r#"{"roots":{"listChanged":true},"sampling":{"context":{},"tools":{}},"elicitation":{"form":{},"url":{}}}"#;

/// The roots of a client that has none, in the form of a key.
const NONE: &str = r#"{"roots":[]}"#;

/// How long a client has from the beginning of its handshake until its roots are known.
const ROOTS_WAIT: Duration = Duration::from_secs(15);
/// A daemon that looks so much too late was kept busy, and may have the answer unread.
const LATE: Duration = Duration::from_millis(100);
/// In which case it has this time to read it.
const READ_WAIT: Duration = Duration::from_secs(1);
/// Requests of one client that wait for its roots, in bytes.
const HELD_MAX: usize = 16 << 20;

/// What is known of a client's roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// It has none: its folder counts.
    #[default]
    Folder,
    /// It is asked; until then requests wait for the answer.
    Asked {
        until: Instant,
        /// That was put off once.
        late: bool,
    },
    /// The form in which equal folders are equal texts, and the result of `roots/list` as it came.
    Known { key: Rc<str>, text: Rc<str> },
}

impl Switch {
    /// Whether some server of the registry is shared in this way.
    fn in_use(&self, sharing: Sharing) -> bool {
        self.loaded.registry.servers.iter().any(|server| server.shares(sharing))
    }

    /// What tells a session's view from that of its likes.
    pub fn scopes_of(&self, session: SessionId) -> Vec<Scope> {
        let own = [Sharing::PerClient, Sharing::PerWorkspace];
        own.into_iter()
            .filter(|sharing| self.in_use(*sharing))
            .map(|sharing| self.scope_of(session, sharing))
            .collect()
    }

    pub fn scope_of(&self, session: SessionId, sharing: Sharing) -> Scope {
        match sharing {
            Sharing::Shared => Scope::Everybody,
            Sharing::PerClient => Scope::Client(session),
            Sharing::PerWorkspace => Scope::Workspace(self.roots_of(session)),
        }
    }

    /// What a server for this workspace hears when it asks for roots: as one of its clients says it.
    pub fn roots_text(&self, key: &Rc<str>) -> Rc<str> {
        let mut known = self.sessions.values().filter_map(|session| match &session.roots {
            Roots::Known { key: own, text } if own == key => Some(text.clone()),
            Roots::Known { .. } | Roots::Folder | Roots::Asked { .. } => None,
        });
        known.next().unwrap_or_else(|| key.clone())
    }

    /// What stands for a client's roots: its own, or the folder it was started in.
    pub fn roots_of(&self, session: SessionId) -> Rc<str> {
        let Some(session) = self.sessions.get(&session) else { return NONE.into() };
        match &session.roots {
            Roots::Known { key, .. } => key.clone(),
            Roots::Folder | Roots::Asked { .. } => {
                let folder = session.hello.git_top.as_deref().unwrap_or(&session.hello.cwd);
                let uri = format!("file://{}", percent_encoding::utf8_percent_encode(folder, PATH));
                result_of(std::iter::once(uri.as_str()))
            }
        }
    }

    pub fn capabilities_for(&self, scope: &Scope) -> Rc<str> {
        match scope {
            Scope::Everybody => SHARED.into(),
            Scope::Workspace(_) => WORKSPACE.into(),
            Scope::Client(session) => self
                .sessions
                .get(session)
                .map_or_else(|| "{}".into(), |session| session.capabilities.text.clone()),
        }
    }

    /// A client begins its handshake: its roots decide about servers for a workspace, so it will be asked for them
    /// before anything else.
    pub fn expect_roots(&mut self, id: SessionId) {
        let wanted = self.in_use(Sharing::PerWorkspace);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if wanted && session.capabilities.has("roots") {
            let until = Instant::now() + ROOTS_WAIT;
            session.roots = Roots::Asked { until, late: false };
            self.clock.note(until);
        }
    }

    /// A client has shaken hands, or its roots have changed.
    pub fn ask_for_roots(&mut self, id: SessionId) {
        let wanted = self.in_use(Sharing::PerWorkspace);
        if wanted && self.sessions.get(&id).is_some_and(|session| session.capabilities.has("roots")) {
            self.ask_client(id, Ask::Roots, "roots/list", "{}");
        }
    }

    /// Clients that do not tell their roots in time count by their folders.
    pub fn expire_roots(&mut self, now: Instant) {
        let mut late = Vec::new();
        for (id, session) in &mut self.sessions {
            match session.roots {
                Roots::Asked { until, late: false } if until + LATE < now => {
                    session.roots = Roots::Asked { until: now + READ_WAIT, late: true };
                    self.clock.note(now + READ_WAIT);
                }
                Roots::Asked { until, .. } if until <= now => late.push(*id),
                _ => {}
            }
        }
        for id in late {
            self.roots_answered(id, None);
        }
    }

    /// After a change of the registry roots may matter that did not before.
    pub fn ask_all_for_roots(&mut self) {
        let unasked = self.sessions.iter().filter(|(_, one)| one.initialized && one.roots == Roots::Folder);
        let ids: Vec<SessionId> = unasked.map(|(id, _)| *id).collect();
        for id in ids {
            self.ask_for_roots(id);
        }
    }

    /// Whether a client's requests wait until its roots are known.
    pub fn waits_for_roots(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|session| matches!(session.roots, Roots::Asked { .. }))
    }

    /// A request that waits until the roots are known; a client that sends too many is told so.
    pub fn hold_back(&mut self, id: SessionId, line: &[u8]) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let held: usize = session.held_back.iter().map(|line| line.len()).sum();
        if held + line.len() <= HELD_MAX {
            return session.held_back.push(line.into());
        }
        if let Ok([Some(at)]) = scan::members(line, ["id"]) {
            let request = String::from_utf8_lossy(&line[at]).into_owned();
            let text = "too much waits for this client to tell its roots";
            self.refuse(id, &request, &Refusal::new(code::BUSY, text));
        }
    }

    /// The daemon ends: what waited for roots goes back to its client.
    pub fn give_back_held(&mut self) {
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in ids {
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            let mut held = std::mem::take(&mut session.held_back);
            session.lists.retain(|list| match &list.kind {
                ListKind::Way(_, line) => {
                    held.push(line.clone());
                    false
                }
                ListKind::Of(_) | ListKind::Inventory => true,
            });
            for line in held {
                if let Ok([Some(at)]) = scan::members(&line, ["id"]) {
                    self.give_back(id, &Id::from(&line[at]), &line);
                }
            }
        }
    }

    /// The client's answer: `None` when it has none.
    pub fn roots_answered(&mut self, id: SessionId, result: Option<&str>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let known = result.and_then(|text| Some((normal(text)?, text)));
        let roots = match (known, &session.roots) {
            (Some((key, _)), _) if *key == *NONE => Roots::Folder,
            (Some((key, text)), _) => Roots::Known { key, text: text.into() },
            // What it said before holds.
            (None, before @ Roots::Known { .. }) => before.clone(),
            (None, Roots::Folder | Roots::Asked { .. }) => Roots::Folder,
        };
        let changed = std::mem::replace(&mut session.roots, roots.clone()) != roots;
        let waiting = std::mem::take(&mut session.held_back);
        if changed {
            self.view_moved(id);
        }
        for line in waiting {
            self.client_line(id, &line, Instant::now());
        }
    }

    /// A session's instances are others than before.
    pub fn view_moved(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.view = None;
        }
        self.retire_unused_scopes();
        if let Ok(view) = self.view_of(id) {
            self.discover(&view);
        }
        self.announce_soon();
    }

    /// A client that introduces itself again may have other capabilities than its own servers were told.
    pub fn retire_outdated(&mut self, session: SessionId) {
        let declared = self.capabilities_for(&Scope::Client(session));
        let by = Instant::now() + self.context.settings.drain_timeout;
        let own = |one: &Instance| one.scope == Scope::Client(session) && one.declared != declared;
        let mut retired = Vec::new();
        for (id, instance) in self.instances.iter_mut().filter(|(_, one)| own(one)) {
            instance.retire(by);
            retired.push(*id);
        }
        self.forget_views_of(&retired);
    }

    /// Instances for clients or workspaces that are not there any more go.
    pub fn retire_unused_scopes(&mut self) {
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        let workspaces: Vec<Scope> =
            sessions.iter().map(|id| self.scope_of(*id, Sharing::PerWorkspace)).collect();
        // One that has nothing under way goes at once; what is under way has its own deadline, as everywhere.
        let by = Instant::now() + self.context.settings.tool_timeout;
        let mut retired = Vec::new();
        for (id, instance) in self.instances.iter_mut().filter(|(_, one)| one.retiring.is_none()) {
            let used = match &instance.scope {
                Scope::Everybody => true,
                Scope::Client(id) => self.sessions.contains_key(id),
                scope @ Scope::Workspace(_) => workspaces.contains(scope),
            };
            if !used {
                instance.retire(by);
                retired.push(*id);
            }
        }
        self.forget_views_of(&retired);
        for id in retired {
            self.release_waiting(id);
        }
    }
}

/// A client's result of `roots/list` in the form in which equal folders are equal texts; `None` when it is none.
fn normal(result: &str) -> Option<Rc<str>> {
    let roots: Vec<&RawValue> = serde_json::from_str(scan::find(result, &["roots"])?).ok()?;
    let uris: Vec<_> = roots.iter().filter_map(|root| scan::find_text(root.get(), &["uri"])).collect();
    let uris: BTreeSet<&str> = uris
        .iter()
        .map(|uri| uri.strip_suffix('/').filter(|short| !short.ends_with('/')).unwrap_or(uri))
        .collect();
    Some(result_of(uris.into_iter()))
}

/// The result of `roots/list` for some URIs; each root is called what its last part says.
fn result_of<'a>(uris: impl Iterator<Item = &'a str>) -> Rc<str> {
    let root = |uri: &str| {
        let last = uri.rsplit('/').next().unwrap_or_default();
        let name = percent_encoding::percent_decode_str(last).decode_utf8_lossy();
        serde_json::json!({ "uri": uri, "name": name })
    };
    let roots: Vec<Value> = uris.map(root).collect();
    serde_json::json!({ "roots": roots }).to_string().into()
}

/// What may stand in the path of a `file:` URI.
const PATH: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_folders_are_equal_texts() {
        let one = normal(r#"{ "roots":[{"uri":"file:///b/","name":"x"},{"uri":"file:///a%20c"}] }"#).unwrap();
        let two = normal(
            r#"{"roots":[{"uri":"file:///a%20c"},{"uri":"file:///b"},{"uri":"file:///b"}],"_meta":{}}"#,
        );
        assert_eq!(Some(&one), two.as_ref());
        assert_eq!(
            *one,
            *r#"{"roots":[{"uri":"file:///a%20c","name":"a c"},{"uri":"file:///b","name":"b"}]}"#
        );
        assert_eq!(normal(r#"{"roots":[{"uri":"file:///"}]}"#).unwrap().matches("file:///").count(), 1);
        assert_eq!((normal("{}"), normal("7"), normal(r#"{"roots":7}"#)), (None, None, None));
    }
}
