//! Elicitations by URL: which client an id belongs to, so that nobody else hears when it is done.

use serde_json::Value;

use super::session::SessionId;
use super::switch::Switch;
use crate::upstream::instance::InstanceId;
use crate::wire::scan;

/// The error of a call that can go on after its user has been to some pages (2025-11-25).
const REQUIRED: i64 = -32042;

/// More open ones are not remembered for one server.
const OPEN_MAX: usize = 1000;

impl Switch {
    /// A client was asked to send its user to a page.
    pub fn note_elicitation(&mut self, id: InstanceId, session: SessionId, params: &str) {
        if scan::find_text(params, &["mode"]).is_some_and(|mode| mode == "url")
            && let Some(own) = scan::find_text(params, &["elicitationId"])
        {
            self.note(id, session, &own);
        }
    }

    /// A call ended with an error that names pages.
    pub fn note_elicitations(&mut self, id: InstanceId, session: SessionId, error: &str) {
        let value: Value = match error.contains("-32042") {
            true => serde_json::from_str(error).unwrap_or_default(),
            false => return,
        };
        let named = value["data"]["elicitations"].as_array().filter(|_| value["code"] == REQUIRED);
        for one in named.into_iter().flatten() {
            if let Some(own) = one["elicitationId"].as_str() {
                self.note(id, session, own);
            }
        }
    }

    fn note(&mut self, id: InstanceId, session: SessionId, own: &str) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if instance.elicitations.len() < OPEN_MAX {
            instance.elicitations.insert(own.to_owned(), session);
        }
    }

    /// Nobody is to hear of those of a client that has gone; others have their room.
    pub fn forget_elicitations_of(&mut self, session: SessionId) {
        for instance in self.instances.values_mut() {
            instance.elicitations.retain(|_, asked| *asked != session);
        }
    }

    /// `notifications/elicitation/complete`: to the client that was asked.
    pub fn elicitation_complete(&mut self, id: InstanceId, params: &str) {
        let found = scan::members(params.as_bytes(), ["elicitationId"]).ok().and_then(|[at]| at);
        let own = found.and_then(|at| scan::unquote(&params[at]));
        let asked = own.and_then(|own| self.instances.get_mut(&id)?.elicitations.remove(&*own));
        match asked {
            Some(session) => self.notify(session, "notifications/elicitation/complete", params),
            None => self.counters.dropped_notifications += 1,
        }
    }
}
