//! Whose tasks are beyond one life of their servers, or of a daemon: what each client has begun, and what its proxy says
//! that it began under an earlier daemon. Nobody else may ask about a task, or hears of its progress.

use foldhash::HashMap;
use serde_json::value::RawValue;

use super::hello::Role;
use super::session::SessionId;
use super::switch::Switch;
use crate::mcp::quote::quote;
use crate::mcp::tasks;
use crate::upstream::instance::{Instance, InstanceId, Scope};
use crate::wire::id::{Id, is_id};
use crate::wire::{reply, scan};

/// More are not remembered for one client: the oldest go first.
const CLAIMS_MAX: usize = 1000;

/// A client whose progress tokens are longer, in bytes, hears of no progress once the call was answered with a task.
const TOKEN_MAX: usize = 1024;

/// The tasks of one client, by the ids that it knows them by.
#[derive(Debug, Default)]
pub struct Claims {
    noted: HashMap<String, Claim>,
    last: u64,
}

#[derive(Debug)]
struct Claim {
    /// They are numbered as they come.
    number: u64,
    /// While it is worked on.
    progress: Option<Progress>,
}

/// The progress token of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The server's, as raw JSON: see [`tasks::token`].
    pub given: String,
    /// The client's own, as raw JSON.
    pub own: Id,
}

impl Claims {
    pub fn note(&mut self, id: &str, progress: Option<Progress>) {
        if self.noted.len() >= CLAIMS_MAX && !self.noted.contains_key(id) {
            let oldest = self.noted.iter().min_by_key(|(_, claim)| claim.number).map(|(id, _)| id.clone());
            oldest.and_then(|oldest| self.noted.remove(&oldest));
        }
        self.last += 1;
        let progress = progress.filter(|progress| progress.own.as_bytes().len() <= TOKEN_MAX);
        self.noted.insert(id.to_owned(), Claim { number: self.last, progress });
    }

    fn forget(&mut self, id: &str) {
        self.noted.remove(id);
    }

    pub fn has(&self, id: &str) -> bool {
        self.noted.contains_key(id)
    }

    fn progress(&self, id: &str) -> Option<&Progress> {
        self.noted.get(id)?.progress.as_ref()
    }

    /// The client's own token of the task for which a server got this one.
    fn own_token(&self, server: &str, given: &str) -> Option<&Id> {
        self.noted.iter().find_map(|(id, claim)| {
            let progress = claim.progress.as_ref().filter(|progress| progress.given == given)?;
            tasks::parse(id).filter(|(of, _)| *of == server).map(|_| &progress.own)
        })
    }

    pub fn has_of(&self, server: &str) -> bool {
        self.noted.keys().any(|id| tasks::parse(id).is_some_and(|(of, _)| of == server))
    }
}

impl Switch {
    /// `loom/tasks`: a proxy says which tasks its client has, and what `tell_progress` has said of them. It is the first
    /// that a daemon hears of a client that an earlier one knew.
    pub fn client_claims(&mut self, session: SessionId, params: &str) {
        let Some(state) = self.sessions.get_mut(&session) else { return };
        let ids = scan::find(params, &["taskIds"]).unwrap_or_default();
        let ids: Vec<String> = serde_json::from_str(ids).unwrap_or_default();
        ids.iter().for_each(|id| state.claims.note(id, None));
        let told = scan::find(params, &["progress"]).unwrap_or_default();
        let told: Vec<&RawValue> = serde_json::from_str(told).unwrap_or_default();
        for (id, progress) in told.into_iter().filter_map(|told| read_progress(told.get())) {
            state.claims.note(&id, Some(progress));
        }
    }

    /// `loom/progress`: the answer that a client has just had began a task. Its proxy is told under which token that makes
    /// progress, for the next daemon.
    pub fn tell_progress(&mut self, session: SessionId, answer: &str) {
        let proxy = self.sessions.get_mut(&session).filter(|state| state.hello.role == Role::Proxy);
        let (Some(state), Some(id)) = (proxy, scan::find_text(answer, &["task", "taskId"])) else { return };
        if let Some(Progress { given, own }) = state.claims.progress(&id) {
            let (id, own) = (quote(&id), String::from_utf8_lossy(own.as_bytes()));
            let params = format!(r#"{{"taskId":{id},"given":{given},"progressToken":{own}}}"#);
            reply::notification(state.out.tail(), "loom/progress", &params);
            self.dirty_sessions.insert(session);
        }
    }

    /// Whom progress belongs to whose request has been answered with a task: the client and its own token.
    pub fn task_progress(&self, id: InstanceId, given: &str) -> Option<(SessionId, Id)> {
        // Late progress of plain calls, under a number, is not looked for.
        let server = self.instances.get(&id).filter(|_| given.starts_with('"'))?.name();
        let mut sessions = self.sessions.iter();
        sessions.find_map(|(session, state)| Some((*session, state.claims.own_token(server, given)?.clone())))
    }

    /// A task is no longer worked on.
    pub fn end_progress(&mut self, id: InstanceId, own: &str) {
        let Some(instance) = self.instances.get(&id) else { return };
        let exposed = tasks::exposed(instance.name(), own);
        let state = self.owner_of_task(id, own).and_then(|owner| self.sessions.get_mut(&owner));
        if let Some(claim) = state.and_then(|state| state.claims.noted.get_mut(&exposed)) {
            claim.progress = None;
        }
    }

    /// A server has just begun a task for a client. When it gives an id anew, that is no longer the task of whoever had it.
    pub fn note_claim(&mut self, id: InstanceId, own: &str, session: SessionId, progress: Option<Progress>) {
        let Some(instance) = self.instances.get(&id) else { return };
        let exposed = tasks::exposed(instance.name(), own);
        let before = self.owner_of_task(id, own).filter(|before| *before != session);
        if let Some(state) = before.and_then(|before| self.sessions.get_mut(&before)) {
            state.claims.forget(&exposed);
        }
        if let Some(state) = self.sessions.get_mut(&session) {
            state.claims.note(&exposed, progress);
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
        let last = || self.instances.get(&id)?.tasks.get(own).map(|task| task.session);
        self.heir_of_task(id, own).or_else(last)
    }

    /// Whether a task is of a client that has gone, or took back the call that began it: it waits for no word of it.
    pub fn is_lost_task(&self, id: InstanceId, own: &str) -> bool {
        let is_known = self.instances.get(&id).is_some_and(|instance| instance.tasks.contains_key(own));
        is_known && self.heir_of_task(id, own).is_none()
    }

    fn heir_of_task(&self, id: InstanceId, own: &str) -> Option<SessionId> {
        let instance = self.instances.get(&id)?;
        let task = instance.tasks.get(own);
        let claimant = || {
            let mut sessions = self.sessions.keys().copied();
            sessions.find(|session| self.claims(*session, instance, own) && self.uses(*session, id, instance))
        };
        let known = task.filter(|task| !task.gone).map(|task| task.session);
        known.or_else(claimant)
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

/// The task of which a proxy says how it makes progress.
fn read_progress(told: &str) -> Option<(String, Progress)> {
    let id = scan::find_text(told, &["taskId"])?.into_owned();
    let token = |key| scan::find(told, &[key]).filter(|token| is_id(token.as_bytes()));
    let (given, own) = (token("given")?.to_owned(), Id::from(token("progressToken")?.as_bytes()));
    Some((id, Progress { given, own }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_claims_are_forgotten() {
        let mut claims = Claims::default();
        (0..CLAIMS_MAX).for_each(|n| claims.note(&format!("s:{n}"), None));
        claims.note("s:0", None);
        claims.note("t:1", None);
        assert!(claims.has("s:0") && !claims.has("s:1") && claims.has("s:2") && claims.has("t:1"));
        assert!(claims.has_of("t") && !claims.has_of("u") && !claims.has_of("s:2"));
    }
}
