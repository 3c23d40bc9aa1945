//! Notifications to clients: bounded for each, and in the client's own words for tasks.

use std::borrow::Cow;

use super::session::{NOTIFY_BACKLOG, SessionId};
use super::switch::Switch;
use crate::mcp::tasks;
use crate::upstream::instance::{Instance, InstanceId, Scope};
use crate::wire::reply;

impl Switch {
    /// Tells a client something. One that leaves too much unread loses it, counted.
    pub fn notify(&mut self, session: SessionId, method: &str, params: &str) {
        let Some(state) = self.sessions.get_mut(&session) else { return };
        if state.out.pending().len() > NOTIFY_BACKLOG {
            self.counters.dropped_notifications += 1;
            return;
        }
        reply::notification(state.out.tail(), method, params);
        self.dirty_sessions.insert(session);
    }

    /// Params of a server's message as a client may see them: the task that they belong to under its exposed id.
    pub fn told<'p>(&self, id: InstanceId, params: &'p str) -> Cow<'p, str> {
        let Some(instance) = self.instances.get(&id).filter(|_| params.contains(tasks::RELATED)) else {
            return Cow::Borrowed(params);
        };
        let exposed = |own: &str| Some(tasks::exposed(instance.name(), own));
        tasks::rename_related(params, exposed).map_or(Cow::Borrowed(params), Cow::Owned)
    }

    /// A server's notification that loom does not know: to the one client that it can be for.
    pub fn pass_notice(&mut self, id: InstanceId, method: &str, params: &str) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let session = match instance.scope {
            Scope::Client(session) => Some(session),
            Scope::Everybody | Scope::Workspace(_) => instance.only_caller(),
        };
        match session {
            Some(session) => {
                let params = self.told(id, params).into_owned();
                self.notify(session, method, &params);
            }
            None => self.counters.dropped_notifications += 1,
        }
    }

    /// A client's notification for the servers that it has to itself, as far as there is room.
    pub fn tell_own_servers(&mut self, session: SessionId, method: &str, params: &str) {
        let is_own = |instance: &Instance| instance.scope == Scope::Client(session) && instance.is_ready();
        let own = self.instances.iter().filter(|(_, instance)| is_own(instance)).map(|(id, _)| *id);
        for id in own.collect::<Vec<InstanceId>>() {
            self.tell_server(id, method, params);
        }
    }

    /// Something that a client says to a server. What there is no room for is dropped.
    pub fn tell_server(&mut self, id: InstanceId, method: &str, params: &str) {
        let fits = self.instances.get(&id).is_some_and(|server| self.has_spare_room(server, params.len()));
        match self.instances.get_mut(&id).filter(|_| fits) {
            Some(instance) => {
                reply::notification(instance.out.tail(), method, params);
                self.dirty_instances.insert(id);
            }
            None => self.counters.dropped_notifications += 1,
        }
    }
}
