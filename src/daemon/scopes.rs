//! Whom each instance is for: everybody, one client, or the clients of one workspace; and what is declared to it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::asks::Ask;
use super::session::{Session, SessionId};
use super::switch::Switch;
use crate::registry::spec::Sharing;
use crate::upstream::instance::{Order, Scope};

/// What loom declares to a server that everybody shares. A client's roots would replace those of all others.
const SHARED: &str = r#"{"sampling":{"context":{},"tools":{}},"elicitation":{"form":{},"url":{}}}"#;
/// To one that the clients of a workspace share; loom itself knows the roots.
const WORKSPACE: &str = r#"{"roots":{"listChanged":true},"sampling":{"context":{},"tools":{}},"elicitation":{"form":{},"url":{}}}"#;

/// How long a client has from the beginning of its handshake until its roots are known.
const ROOTS_WAIT: Duration = Duration::from_secs(5);

/// What is known of a client's roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// It has none of its own: its folder counts.
    #[default]
    Folder,
    /// It is asked; until then requests wait for the answer.
    Asked { until: Instant },
    /// The result of `roots/list`.
    Known(Rc<str>),
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

    /// The result of `roots/list` that stands for a client: its own, or the folder it was started in.
    pub fn roots_of(&self, session: SessionId) -> Rc<str> {
        let Some(session) = self.sessions.get(&session) else { return "{\"roots\":[]}".into() };
        match &session.roots {
            Roots::Known(roots) => roots.clone(),
            Roots::Folder | Roots::Asked { .. } => {
                let folder = session.hello.git_top.as_deref().unwrap_or(&session.hello.cwd);
                let name = folder.rsplit('/').next().unwrap_or_default();
                let uri = format!("file://{}", percent_encoding::utf8_percent_encode(folder, PATH));
                serde_json::json!({ "roots": [{ "uri": uri, "name": name }] }).to_string().into()
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
            session.roots = Roots::Asked { until };
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
        let late = |session: &Session| matches!(session.roots, Roots::Asked { until } if until <= now);
        let ids: Vec<SessionId> =
            self.sessions.iter().filter(|(_, session)| late(session)).map(|(id, _)| *id).collect();
        for id in ids {
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

    /// The client's answer: `None` when it has none.
    pub fn roots_answered(&mut self, id: SessionId, result: Option<&str>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let known = result.filter(|result| {
            serde_json::from_str::<Value>(result).is_ok_and(|found| found["roots"].is_array())
        });
        let roots = known.map_or(Roots::Folder, |result| Roots::Known(result.into()));
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

    /// Instances for clients or workspaces that are not there any more go.
    pub fn retire_unused_scopes(&mut self) {
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        let workspaces: Vec<Scope> =
            sessions.iter().map(|id| self.scope_of(*id, Sharing::PerWorkspace)).collect();
        let now = Instant::now();
        let mut retired = Vec::new();
        for (id, instance) in &mut self.instances {
            let used = match &instance.scope {
                Scope::Everybody => true,
                Scope::Client(id) => self.sessions.contains_key(id),
                scope @ Scope::Workspace(_) => workspaces.contains(scope),
            };
            if !used {
                instance.retire_by = now;
                instance.give_order(Order::Retire);
                retired.push(*id);
            }
        }
        self.forget_views_of(&retired);
    }
}

/// What may stand in the path of a `file:` URI.
const PATH: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
