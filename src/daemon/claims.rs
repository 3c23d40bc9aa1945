//! Whose tasks are beyond one life of their servers, or of a daemon: what each client has begun, and what its proxy says
//! that it began under an earlier daemon. Nobody else may ask about a task.

use foldhash::HashMap;

use super::session::SessionId;
use super::switch::Switch;
use crate::mcp::tasks;
use crate::upstream::instance::{Instance, InstanceId, Scope};
use crate::wire::scan;

/// More are not remembered for one client: the oldest go first.
const CLAIMS_MAX: usize = 1000;

/// The tasks of one client, by the ids that it knows them by.
#[derive(Debug, Default)]
pub struct Claims {
    /// In which order they came.
    noted: HashMap<String, u64>,
    last: u64,
}

impl Claims {
    pub fn note(&mut self, id: &str) {
        if self.noted.len() >= CLAIMS_MAX && !self.noted.contains_key(id) {
            let oldest = self.noted.iter().min_by_key(|(_, number)| **number).map(|(id, _)| id.clone());
            oldest.and_then(|oldest| self.noted.remove(&oldest));
        }
        self.last += 1;
        self.noted.insert(id.to_owned(), self.last);
    }

    fn forget(&mut self, id: &str) {
        self.noted.remove(id);
    }

    pub fn has(&self, id: &str) -> bool {
        self.noted.contains_key(id)
    }

    pub fn has_of(&self, server: &str) -> bool {
        self.noted.keys().any(|id| tasks::parse(id).is_some_and(|(of, _)| of == server))
    }
}

impl Switch {
    /// `loom/tasks`: a proxy says which tasks its client has. It is the first that a daemon hears of a client that an
    /// earlier one knew.
    pub fn client_claims(&mut self, session: SessionId, params: &str) {
        let ids = scan::find(params, &["taskIds"]).unwrap_or_default();
        let ids: Vec<String> = serde_json::from_str(ids).unwrap_or_default();
        if let Some(state) = self.sessions.get_mut(&session) {
            ids.iter().for_each(|id| state.claims.note(id));
        }
    }

    /// A server has just begun a task for a client. When it gives an id anew, that is no longer the task of whoever had it.
    pub fn note_claim(&mut self, id: InstanceId, own: &str, session: SessionId) {
        let Some(instance) = self.instances.get(&id) else { return };
        let exposed = tasks::exposed(instance.name(), own);
        let before = self.owner_of_task(id, own).filter(|before| *before != session);
        if let Some(state) = before.and_then(|before| self.sessions.get_mut(&before)) {
            state.claims.forget(&exposed);
        }
        if let Some(state) = self.sessions.get_mut(&session) {
            state.claims.note(&exposed);
        }
    }

    /// Whether a task is this client's. One that nobody has begun is nobody's: whoever asked first about the task of
    /// another, whose proxy is still on its way to a new daemon, would have it.
    pub fn is_own_task(&self, id: InstanceId, own: &str, session: SessionId) -> bool {
        let Some(instance) = self.instances.get(&id) else { return false };
        match instance.tasks.get(own).filter(|task| !task.gone) {
            Some(task) => task.session == session,
            None => self.claims(session, instance, own),
        }
    }

    /// The client that a task is of, which may be gone.
    pub fn owner_of_task(&self, id: InstanceId, own: &str) -> Option<SessionId> {
        let instance = self.instances.get(&id)?;
        let task = instance.tasks.get(own);
        let claimant = || {
            let mut sessions = self.sessions.keys().copied();
            sessions.find(|session| self.claims(*session, instance, own) && self.uses(*session, id, instance))
        };
        let known = task.filter(|task| !task.gone).map(|task| task.session);
        known.or_else(claimant).or_else(|| task.map(|task| task.session))
    }

    fn claims(&self, session: SessionId, instance: &Instance, own: &str) -> bool {
        let exposed = || tasks::exposed(instance.name(), own);
        self.sessions.get(&session).is_some_and(|state| state.claims.has(&exposed()))
    }

    /// Whether an instance is the one that a client's calls to this server go to.
    fn uses(&self, session: SessionId, id: InstanceId, instance: &Instance) -> bool {
        match self.sessions.get(&session).and_then(|state| state.view.as_ref()) {
            Some(view) => view.number(id).is_some(),
            // It has asked for nothing yet, or lists have just changed.
            None => match &instance.scope {
                Scope::Everybody => true,
                Scope::Client(one) => *one == session,
                Scope::Workspace(roots) => *roots == self.roots_of(session),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_claims_are_forgotten() {
        let mut claims = Claims::default();
        (0..CLAIMS_MAX).for_each(|n| claims.note(&format!("s:{n}")));
        claims.note("s:0");
        claims.note("t:1");
        assert!(claims.has("s:0") && !claims.has("s:1") && claims.has("s:2") && claims.has("t:1"));
        assert!(claims.has_of("t") && !claims.has_of("u") && !claims.has_of("s:2"));
    }
}
