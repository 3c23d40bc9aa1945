//! Log messages of servers: each server is told the most detailed level that a client wants, each client hears its own.

use super::request::{Refusal, Request, bad_params};
use super::session::NOTIFY_BACKLOG;
use super::switch::Switch;
use crate::upstream::instance::InstanceId;
use crate::wire::reply;
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
        let before = self.most_detailed();
        if let Some(session) = self.sessions.get_mut(&request.session) {
            session.level = Some(level);
        }
        if self.most_detailed() != before {
            let ids: Vec<InstanceId> = self.instances.keys().copied().collect();
            for id in ids {
                self.tell_level(id);
            }
        }
        self.answer(request, "{}")
    }

    fn most_detailed(&self) -> Option<Level> {
        self.sessions.values().filter_map(|session| session.level).min()
    }

    /// A server is told what its clients want to hear, if any has said.
    pub fn tell_level(&mut self, id: InstanceId) {
        if let Some(level) = self.most_detailed()
            && self.server_can(id, "logging")
        {
            self.send_errand(
                id,
                "logging/setLevel",
                &serde_json::json!({ "level": LEVELS[level] }).to_string(),
            );
        }
    }

    /// `notifications/message`: to the clients that use this server, if it is loud enough for them.
    pub fn server_logs(&mut self, id: InstanceId, params: &str) {
        let found = scan::members(params.as_bytes(), ["level"]).ok().and_then(|[at]| at);
        let word = found.and_then(|at| scan::unquote(&params[at]));
        let level = word.and_then(|word| LEVELS.iter().position(|level| *level == word)).unwrap_or(USUAL);
        let asked = self.most_detailed().is_some();
        for (session, state) in &mut self.sessions {
            let wanted = match state.level {
                Some(wanted) => level >= wanted,
                None => !asked || level >= USUAL,
            };
            let uses = state.used.contains(&id) || state.level.is_some();
            if !wanted || !uses || !state.initialized || !state.sees(id) {
                continue;
            }
            if state.out.pending().len() > NOTIFY_BACKLOG {
                self.counters.dropped_notifications += 1;
                continue;
            }
            reply::notification(state.out.tail(), "notifications/message", params);
            self.dirty_sessions.insert(*session);
        }
    }
}
