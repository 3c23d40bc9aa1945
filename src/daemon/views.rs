//! What each client sees: the tools, prompts and resources of its target, profile and budget, built once for all
//! clients alike.

use foldhash::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::catalogs;
use super::hello::Role;
use super::keeper;
use super::request::Refusal;
use super::session::SessionId;
use super::switch::Switch;
use crate::mcp::catalog::{Item, Kind};
use crate::mcp::prompts::{self, Prompts};
use crate::mcp::resources::{self, Resources};
use crate::mcp::view::{Filter, Source, View};
use crate::registry::Server;
use crate::registry::spec::{Sharing, Spec};
use crate::upstream::instance::{Demand, Instance, InstanceId, Listing, Scope};
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
    /// Of the sharings in use, whom the instances are for.
    scopes: Vec<Scope>,
}

/// One server of a view, under its number.
#[derive(Clone)]
pub struct Member {
    pub name: Rc<str>,
    pub instance: InstanceId,
    /// How long this client's calls may take; others may share the instance under another limit.
    pub tool_timeout: Duration,
}

/// A view, and what is behind its server numbers.
pub struct ClientView {
    /// The tools.
    pub view: View,
    pub prompts: Prompts,
    pub resources: Resources,
    pub members: Vec<Member>,
}

impl ClientView {
    /// The answer to a request for a list.
    pub fn list(&self, kind: Kind) -> &Rc<str> {
        match kind {
            Kind::Tools => &self.view.list,
            Kind::Prompts => &self.prompts.list,
            Kind::Resources => &self.resources.list,
            Kind::Templates => &self.resources.templates,
        }
    }

    /// The number of a server.
    pub fn number(&self, instance: InstanceId) -> Option<u32> {
        let at = self.members.iter().position(|member| member.instance == instance)?;
        u32::try_from(at).ok()
    }

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
        let scopes = self.scopes_of(id);
        if session.hello.role == Role::Proxy && session.introduced.is_none() && !scopes.is_empty() {
            // Servers for one client or workspace are told what the client can, which it has not said.
            return Err(Refusal::new(code::INVALID_REQUEST, "the first request must be initialize"));
        }
        let key = Key {
            target: session.hello.target().map(str::to_string),
            profile: session.hello.profile.clone(),
            max_tools: session.hello.max_tools,
            scopes,
        };
        let view = match self.views.built.get(&key) {
            Some(view) => view.clone(),
            None => {
                let view = Rc::new(self.build_view(&key, id));
                self.views.built.insert(key, view.clone());
                view
            }
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.view = Some(view.clone());
        }
        Ok(view)
    }

    fn build_view(&mut self, key: &Key, session: SessionId) -> ClientView {
        let registry = self.loaded.registry.clone();
        let target = key.target.as_deref();
        let mut servers: Vec<(&Server, Spec, InstanceId)> = Vec::new();
        for server in registry.servers.iter().filter(|server| !server.disabled) {
            let spec = server.spec_for(target);
            let scope = self.scope_of(session, spec.sharing);
            servers.push((server, spec, self.instance_for(server, target, scope)));
        }
        let context = self.context.clone();
        let profiles = self.loaded.profiles.clone();
        let profile = key.profile.as_deref().and_then(|name| Some((name, profiles.get(name)?)));
        let statics: Vec<Vec<Item>> =
            servers.iter().map(|(_, spec, _)| static_tools(&spec.static_tools)).collect();
        let known = |id: &InstanceId, kind| self.instances.get(id)?.list(kind).items.as_deref();
        let hints = |server: &Server, kind| self.hints(server, kind);
        let sources: Vec<Source<'_>> = servers
            .iter()
            .zip(&statics)
            .map(|((server, spec, id), static_tools)| Source {
                server: server.name.as_str(),
                tools: known(id, Kind::Tools),
                hints: hints(server, Kind::Tools),
                static_tools,
                enabled: spec.enabled_tools.as_deref(),
                disabled: &spec.disabled_tools,
                priority: server.priority,
                categories: &server.categories,
            })
            .collect();
        let view = View::build(&sources, &Filter { profile, max_tools: key.max_tools });
        let prompts: Vec<_> = servers
            .iter()
            .map(|(server, _, id)| prompts::Source {
                server: server.name.as_str(),
                prompts: known(id, Kind::Prompts),
                hints: hints(server, Kind::Prompts),
            })
            .collect();
        let resources: Vec<_> = servers
            .iter()
            .map(|(server, _, id)| resources::Source {
                server: server.name.as_str(),
                resources: known(id, Kind::Resources),
                templates: known(id, Kind::Templates),
                hints: [hints(server, Kind::Resources), hints(server, Kind::Templates)],
                tools: known(id, Kind::Tools).unwrap_or_default(),
                may_have: self.may_have(*id, Kind::Resources),
            })
            .collect();
        let (prompts, resources) = (Prompts::build(&prompts), Resources::build(&resources));
        let member = |(server, spec, id): &(&Server, Spec, InstanceId)| Member {
            name: server.name.as_str().into(),
            instance: *id,
            tool_timeout: spec.tool_timeout.unwrap_or(context.settings.tool_timeout),
        };
        let members = servers.iter().map(member).collect();
        ClientView { view, prompts, resources, members }
    }

    /// What some instance of a server had.
    fn hints(&self, server: &Server, kind: Kind) -> &[Item] {
        let had = self.last_lists.get(server.name.as_str());
        had.and_then(|lists| lists[kind as usize].as_deref()).unwrap_or_default()
    }

    /// Whether a server has lists of this kind, or has not said.
    pub fn may_have(&self, id: InstanceId, kind: Kind) -> bool {
        let greeting = self.instances.get(&id).and_then(|instance| instance.greeting.as_ref());
        greeting.is_none_or(|greeting| greeting.lists(kind))
    }

    /// The instance that serves `server` for a target and a scope: equal specs share one.
    pub fn instance_for(&mut self, server: &Server, target: Option<&str>, scope: Scope) -> InstanceId {
        let spec = server.spec_for(target);
        let key = spec.key();
        let name = server.name.as_str();
        let found = self.instances.iter().find(|(_, instance)| {
            instance.key == key
                && instance.name() == name
                && instance.scope == scope
                && instance.retiring.is_none()
        });
        if let Some((id, _)) = found {
            return *id;
        }
        let declared = self.capabilities_for(&scope);
        let roots = match &scope {
            Scope::Workspace(key) => Some(self.roots_text(key)),
            Scope::Everybody | Scope::Client(_) => None,
        };
        let now = Instant::now();
        let mut instance = Instance::new(Rc::new(server.clone()), Rc::new(spec), scope, declared, now);
        if let Some(roots) = roots {
            instance.roots = roots;
        }
        catalogs::load(&self.context.paths, &mut instance);
        self.inherit(&mut instance);
        let id = self.next_instance_id();
        self.instances.insert(id, instance);
        if let Some(me) = self.me.upgrade() {
            // The keeper ends with its instance; at shutdown `drain` waits until all have.
            tokio::task::spawn_local(keeper::keep(me, id));
        }
        id
    }

    /// As long as an instance has no lists, those of the one before it stand for them: names that clients know go on
    /// leading to the server.
    fn inherit(&self, instance: &mut Instance) {
        let before =
            self.instances.values().find(|one| one.name() == instance.name() && one.scope == instance.scope);
        let Some(before) = before else { return };
        for (list, had) in instance.lists.iter_mut().zip(&before.lists) {
            if list.items.is_none() && had.items.is_some() {
                list.items.clone_from(&had.items);
                list.inherited = true;
            }
        }
    }

    /// Makes an instance of every server, with what earlier daemons knew of it, so that its state can be shown
    /// before the first client comes. Starts nothing.
    pub fn stand_by(&mut self) {
        let registry = self.loaded.registry.clone();
        for server in registry.servers.iter().filter(|server| !server.disabled) {
            if server.spec_for(None).sharing == Sharing::Shared {
                self.instance_for(server, None, Scope::Everybody);
            }
        }
    }

    /// Starts servers whose lists nobody has ever had.
    pub fn discover(&mut self, view: &ClientView) {
        for id in view.instances() {
            if let Some(instance) = self.instances.get_mut(&id)
                && !instance.lists.iter().all(Listing::is_settled)
            {
                instance.want(Demand::Tools);
            }
        }
    }

    /// A session is gone: views that nobody uses any more go with it.
    pub fn forget_unused_views(&mut self) {
        self.views.built.retain(|_, view| Rc::strong_count(view) > 1);
    }

    /// These instances go: no view may lead to them.
    pub fn forget_views_of(&mut self, gone: &[InstanceId]) {
        let leads = |view: &Rc<ClientView>| view.instances().any(|id| gone.contains(&id));
        self.views.built.retain(|_, view| !leads(view));
        for session in self.sessions.values_mut().filter(|session| session.view.as_ref().is_some_and(leads)) {
            session.view = None;
        }
    }

    /// Catalogs or the registry changed: every view is built anew when it is next looked at, and clients whose
    /// list differs from the one they have had are told soon.
    pub fn lists_changed(&mut self) {
        self.views.built.clear();
        for session in self.sessions.values_mut() {
            session.view = None;
        }
        self.announce_soon();
    }

    /// Clients whose lists differ from those they have had are told, after a short pause.
    pub fn announce_soon(&mut self) {
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
            if self.sessions.get(&id).is_none_or(|session| session.hello.role != Role::Proxy) {
                continue;
            }
            self.move_subscriptions(id);
            let Ok(view) = self.view_of(id) else { continue };
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            if !session.initialized {
                continue;
            }
            let mut told = "";
            for kind in Kind::ALL {
                let had = session.announced[kind as usize].replace(view.list(kind).clone());
                if had.as_ref() != Some(view.list(kind)) && kind.changed() != told {
                    told = kind.changed();
                    reply::notification(session.out.tail(), told, "{}");
                    self.dirty_sessions.insert(id);
                }
            }
        }
    }
}

/// The tools that the registry itself describes. The registry's parser has checked them.
fn static_tools(texts: &[String]) -> Vec<Item> {
    texts.iter().filter_map(|text| Item::parse(Kind::Tools, text).ok()).collect()
}
