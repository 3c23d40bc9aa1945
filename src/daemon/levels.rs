//! Log messages of servers: each server is told the most detailed level that its clients want, each client hears its own.

use super::request::{Refusal, Request, bad_params};
use super::session::{Session, SessionId};
use super::switch::Switch;
use crate::upstream::instance::{InstanceId, Scope};
use crate::wire::scan;

/// From the most detailed on (RFC 5424, as MCP takes it).
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
/// What a client hears that has not said, when another has made the server talk more.
const USUAL: Level = 1;

/// A place in `LEVELS`.
pub type Level = usize;

impl Switch {
    /// `logging/setLevel`.
    pub fn set_level(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let word = request.param("level").and_then(|at| scan::unquote(&request.line[at]));
        let level = word.and_then(|word| LEVELS.iter().position(|level| *level == word));
        let level = level
            .ok_or_else(|| bad_params(request, &format!("`level` must be one of {}", LEVELS.join(", "))))?;
        if let Some(session) = self.sessions.get_mut(&request.session) {
            session.level = Some(level);
        }
        self.tell_levels();
        self.answer(request, "{}")
    }

    /// What clients want may have changed: servers that must be told are.
    pub fn tell_levels(&mut self) {
        let ids: Vec<InstanceId> = self.instances.keys().copied().collect();
        for id in ids {
            self.tell_level(id);
        }
    }

    /// The most detailed level that somebody wants whom this instance is for.
    fn wanted(&self, scope: &Scope) -> Option<Level> {
        let mut sessions = self.sessions.iter().filter(|(id, _)| match scope {
            Scope::Client(own) => own == *id,
            Scope::Everybody | Scope::Workspace(_) => true,
        });
        let first = sessions.next().and_then(|(_, session)| session.level);
        sessions.filter_map(|(_, session)| session.level).chain(first).min()
    }

    /// A server is told what its clients want to hear, if any has said and it has not been told yet.
    pub fn tell_level(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(&id).filter(|_| self.server_can(id, "logging")) else {
            return;
        };
        let Some(level) = self.wanted(&instance.scope).filter(|level| instance.level != Some(*level)) else {
            return;
        };
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.level = Some(level);
        }
        self.send_errand(id, "logging/setLevel", &serde_json::json!({ "level": LEVELS[level] }).to_string());
    }

    /// `notifications/message`: to the client that the server works for, or, when that is not one, to those that use
    /// it; each if it is loud enough.
    pub fn server_logs(&mut self, id: InstanceId, params: &str) {
        let found = scan::members(params.as_bytes(), ["level"]).ok().and_then(|[at]| at);
        let word = found.and_then(|at| scan::unquote(&params[at]));
        let level = word.and_then(|word| LEVELS.iter().position(|level| *level == word)).unwrap_or(USUAL);
        let Some(instance) = self.instances.get(&id) else { return };
        let told_more = instance.level.is_some();
        let only = match instance.scope {
            Scope::Client(session) => Some(session),
            Scope::Everybody | Scope::Workspace(_) => instance.only_caller(),
        };
        let wants = |session: &Session| match session.level {
            Some(wanted) => level >= wanted,
            None => !told_more || level >= USUAL,
        };
        let hears = |(number, session): &(&SessionId, &Session)| {
            let meant = only.map_or_else(|| session.used.contains(&id), |only| only == **number);
            meant && session.initialized && wants(session)
        };
        let sessions: Vec<SessionId> =
            self.sessions.iter().filter(hears).map(|(number, _)| *number).collect();
        let params = self.told(id, params).into_owned();
        for session in sessions {
            self.notify(session, "notifications/message", &params);
        }
    }
}
