//! What loom asks of servers for its clients' sake, and what it knows that they can.

use std::time::Instant;

use super::switch::Switch;
use crate::mcp::catalog::Kind;
use crate::upstream::calls::Asker;
use crate::upstream::instance::InstanceId;

impl Switch {
    /// A request of loom's own to a server that is ready, whose answer says nothing that matters.
    pub fn send_errand(&mut self, id: InstanceId, method: &str, params: &str) {
        let limit = self.context.settings.startup_timeout;
        let now = Instant::now();
        if let Some(instance) = self.instances.get_mut(&id).filter(|instance| instance.is_ready()) {
            instance.ask(Asker::Errand, method, params, now, limit);
            self.clock.note(now + limit);
            self.dirty_instances.insert(id);
        }
    }

    /// Whether a ready server has a capability.
    pub fn server_can(&self, id: InstanceId, capability: &str) -> bool {
        let instance = self.instances.get(&id).filter(|instance| instance.is_ready());
        instance
            .and_then(|instance| instance.greeting.as_ref())
            .is_some_and(|greeting| greeting.can(capability))
    }

    /// A list of a server's changed. False when `method` says so of none that loom knows: it may be an extension's.
    pub fn server_list_changed(&mut self, id: InstanceId, method: &str) -> bool {
        let mut is_known = false;
        for kind in Kind::ALL.into_iter().filter(|kind| kind.changed() == method) {
            is_known = true;
            self.relist_soon(id, kind);
        }
        is_known
    }
}
