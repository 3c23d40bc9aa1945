//! What each client sees: the tools of its target, profile and budget, built once for all clients alike.

use foldhash::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::catalogs;
use super::hello::{Hello, Role};
use super::keeper;
use super::request::Refusal;
use super::session::SessionId;
use super::switch::Switch;
use crate::mcp::catalog::Tool;
use crate::mcp::view::{Filter, Source, View};
use crate::registry::Server;
use crate::registry::spec::Spec;
use crate::upstream::instance::{Demand, Instance, InstanceId};
use crate::wire::code;
use crate::wire::reply;

/// Several servers that change at once lead to one `list_changed`.
const SETTLE: Duration = Duration::from_millis(50);

/// Clients with equal keys see the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    target: Option<String>,
    profile: Option<String>,
    max_tools: Option<usize>,
}

/// One server of a view, under its number.
pub struct Member {
    pub name: String,
    pub instance: InstanceId,
    /// How long this client's calls may take; others may share the instance under another limit.
    pub tool_timeout: Duration,
}

/// A view, and what is behind its server numbers.
pub struct ClientView {
    pub view: View,
    pub members: Vec<Member>,
}

impl ClientView {
    pub fn member(&self, number: u32) -> Option<&Member> {
        self.members.get(number as usize)
    }

    pub fn server_name(&self, number: u32) -> &str {
        self.member(number).map_or("", |member| &member.name)
    }

    pub fn instances(&self) -> impl Iterator<Item = InstanceId> + '_ {
        self.members.iter().map(|member| member.instance)
    }
}

/// All views in use.
#[derive(Default)]
pub struct Views {
    built: HashMap<Key, Rc<ClientView>>,
    /// A `list_changed` is about to be considered.
    announcing: bool,
}

impl Switch {
    /// The view of a session, built when there is none.
    pub fn view_of(&mut self, id: SessionId) -> Result<Rc<ClientView>, Refusal> {
        let session =
            self.sessions.get(&id).ok_or_else(|| Refusal::new(code::INVALID_REQUEST, "no session"))?;
        if let Some(view) = &session.view {
            return Ok(view.clone());
        }
        let key = key_of(&session.hello);
        let view = match self.views.built.get(&key) {
            Some(view) => view.clone(),
            None => {
                let view = Rc::new(self.build_view(&key));
                self.views.built.insert(key, view.clone());
                view
            }
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.view = Some(view.clone());
        }
        Ok(view)
    }

    fn build_view(&mut self, key: &Key) -> ClientView {
        let registry = self.loaded.registry.clone();
        let mut servers: Vec<(&Server, InstanceId)> = Vec::new();
        for server in registry.servers.iter().filter(|server| !server.disabled) {
            servers.push((server, self.instance_for(server, key.target.as_deref())));
        }
        let context = self.context.clone();
        let profiles = self.loaded.profiles.clone();
        let profile = key.profile.as_deref().and_then(|name| Some((name, profiles.get(name)?)));
        let specs: Vec<_> =
            servers.iter().map(|(server, _)| server.spec_for(key.target.as_deref())).collect();
        let statics: Vec<Vec<Tool>> = specs.iter().map(|spec| static_tools(&spec.static_tools)).collect();
        let sources: Vec<Source<'_>> = servers
            .iter()
            .zip(&specs)
            .zip(&statics)
            .map(|(((server, id), spec), static_tools)| Source {
                server: server.name.as_str(),
                tools: self.instances.get(id).and_then(|instance| instance.listing.tools.as_deref()),
                static_tools,
                enabled: spec.enabled_tools.as_deref(),
                disabled: &spec.disabled_tools,
                priority: server.priority,
                categories: &server.categories,
            })
            .collect();
        let view = View::build(&sources, &Filter { profile, max_tools: key.max_tools });
        let member = |((server, id), spec): ((&Server, InstanceId), &Spec)| Member {
            name: server.name.as_str().to_string(),
            instance: id,
            tool_timeout: spec.tool_timeout.unwrap_or(context.settings.tool_timeout),
        };
        let members = servers.into_iter().zip(&specs).map(member).collect();
        ClientView { view, members }
    }

    /// The instance that serves `server` for a target: equal specs share one.
    pub fn instance_for(&mut self, server: &Server, target: Option<&str>) -> InstanceId {
        let spec = server.spec_for(target);
        let key = spec.key();
        let name = server.name.as_str();
        let alive = |instance: &&Instance| instance.order != Some(crate::upstream::instance::Order::Retire);
        let found = self
            .instances
            .iter()
            .find(|(_, instance)| instance.key == key && instance.name() == name && alive(instance));
        if let Some((id, _)) = found {
            return *id;
        }
        let mut instance = Instance::new(Rc::new(server.clone()), Rc::new(spec), Instant::now());
        catalogs::load(&self.context.paths, &mut instance);
        let id = self.next_instance_id();
        self.instances.insert(id, instance);
        if let Some(me) = self.me.upgrade() {
            // The keeper ends with its instance; at shutdown `drain` waits until all have.
            tokio::task::spawn_local(keeper::keep(me, id));
        }
        id
    }

    /// Makes an instance of every server, with what earlier daemons knew of it, so that its state can be shown
    /// before the first client comes. Starts nothing.
    pub fn stand_by(&mut self) {
        let registry = self.loaded.registry.clone();
        for server in registry.servers.iter().filter(|server| !server.disabled) {
            self.instance_for(server, None);
        }
    }

    /// Starts servers whose tools nobody has ever listed.
    pub fn discover(&mut self, view: &ClientView) {
        for id in view.instances() {
            if let Some(instance) = self.instances.get_mut(&id)
                && !instance.tools_settled()
            {
                instance.want(Demand::Tools);
            }
        }
    }

    /// A session is gone: views that nobody uses any more go with it.
    pub fn forget_unused_views(&mut self) {
        self.views.built.retain(|_, view| Rc::strong_count(view) > 1);
    }

    /// Catalogs or the registry changed: every view is built anew when it is next looked at, and clients whose
    /// list differs from the one they have had are told soon.
    pub fn tools_changed(&mut self) {
        self.views.built.clear();
        for session in self.sessions.values_mut() {
            session.view = None;
        }
        if std::mem::replace(&mut self.views.announcing, true) {
            return;
        }
        let Some(me) = self.me.upgrade() else { return };
        // Ends by itself after one short pause.
        tokio::task::spawn_local(async move {
            tokio::time::sleep(SETTLE).await;
            let mut switch = me.borrow_mut();
            switch.views.announcing = false;
            switch.announce();
            switch.flush();
        });
    }

    fn announce(&mut self) {
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in ids {
            let Ok(view) = self.view_of(id) else { continue };
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            let tell = session.initialized && session.hello.role == Role::Proxy;
            if tell && session.announced.as_ref() != Some(&view.view.list) {
                session.announced = Some(view.view.list.clone());
                reply::notification(session.out.tail(), "notifications/tools/list_changed", "{}");
                self.dirty_sessions.insert(id);
            }
        }
    }
}

/// The tools that the registry itself describes. The registry's parser has checked them.
fn static_tools(texts: &[String]) -> Vec<Tool> {
    texts.iter().filter_map(|text| Tool::parse(text).ok()).collect()
}

fn key_of(hello: &Hello) -> Key {
    Key {
        target: hello.target().map(str::to_string),
        profile: hello.profile.clone(),
        max_tools: hello.max_tools,
    }
}
