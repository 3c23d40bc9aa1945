//! Notifications: progress, log messages, changed resources.

use std::time::Instant;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::cast::Sharing;
use super::super::lists;
use super::super::play::LEVELS;
use super::super::texts::{self, flat};
use super::{Actor, Level};

#[derive(Deserialize)]
struct Progress<'a> {
    #[serde(borrow, rename = "progressToken")]
    token: &'a RawValue,
}

#[derive(Deserialize)]
struct Log {
    level: String,
    logger: String,
    data: Mark,
}

#[derive(Deserialize)]
struct Updated {
    uri: String,
    by: Mark,
}

#[derive(Deserialize)]
struct Notice {
    nonce: String,
}

/// Whose script it is, and which message of its kind.
#[derive(Deserialize)]
struct Mark {
    nonce: String,
    step: usize,
}

impl Actor {
    /// What nobody knows reaches the client whose request it is, or nobody.
    pub fn unknown_notice(&mut self, params: &str) {
        let own = serde_json::from_str(params).is_ok_and(|Notice { nonce }| nonce.starts_with(&self.tag()));
        if !own {
            self.differ("an unknown notification of another's request");
        }
    }

    pub fn progress(&mut self, params: &str) {
        let Ok(Progress { token }) = serde_json::from_str(params) else {
            self.differ("progress without a token")
        };
        let Some(nonce) = self.tokens.get(token.get()).cloned() else {
            self.differ("progress under a token that is not open")
        };
        let Some(course) = self.courses.get_mut(&nonce) else { self.differ("progress after the end") };
        course.progress += 1;
        let (step, due) = (course.progress, course.progress_due);
        let is = |step: usize| params == flat(&texts::progress(token.get(), step, &nonce));
        if step <= due && is(step) {
            return;
        }
        if is(1) && self.may_repeat(&nonce) {
            if let Some(course) = self.courses.get_mut(&nonce) {
                course.progress = 1;
            }
            return;
        }
        self.differ(&format!("progress {step} of {due} of {nonce}"));
    }

    pub fn log_message(&mut self, params: &str) {
        let Ok(Log { level, logger, data }) = serde_json::from_str(params) else {
            self.differ("no log message")
        };
        let Some(level) = LEVELS.iter().position(|known| *known == level) else {
            self.differ("no such level")
        };
        let Some(server) = self.world.roles.iter().position(|role| role.name == logger) else {
            self.differ("a log message of no server")
        };
        if params != flat(&texts::log(&logger, &data.nonce, data.step, level)) {
            self.differ("another log message than the server's");
        }
        match self.level {
            Level::Set(least) | Level::Moving(least) if level < least => {
                self.differ("a log message that is not urgent enough")
            }
            Level::Unset if !self.used[server] && !self.may_have_strayed() => {
                self.differ("a log message of a server never used");
            }
            Level::Unset | Level::Set(_) | Level::Moving(_) => {}
        }
        if data.nonce.starts_with(&self.tag()) {
            return self.own_log(server, &data, level);
        }
        if self.is_own(server) {
            self.differ("a log message of another client's own server");
        }
    }

    fn own_log(&mut self, server: usize, mark: &Mark, level: usize) {
        let (repeats, right) = (self.may_repeat(&mark.nonce), self.may_play(&mark.nonce, server));
        let Some(course) = self.courses.get_mut(&mark.nonce) else {
            return self.must_have_faded(&mark.nonce);
        };
        match course.logs.iter_mut().find(|due| due.step == mark.step) {
            Some(due) if right && due.level == level && (!due.came || repeats) => due.came = true,
            found => {
                let text = format!("a log message that is not due: {found:?}");
                self.differ(&text);
            }
        }
    }

    pub fn resource_updated(&mut self, params: &str) {
        let Ok(Updated { uri, by }) = serde_json::from_str(params) else { self.differ("no update") };
        let quoted = serde_json::to_string(&uri).expect("texts are JSON");
        if params != flat(&texts::updated(&quoted, &by.nonce, by.step)) {
            self.differ("another update than the server's");
        }
        let servers = self.subscribed_at(&uri);
        if servers.is_empty() {
            self.differ("an update that nobody asked for");
        }
        if !by.nonce.starts_with(&self.tag()) {
            if servers.iter().all(|server| self.is_own(*server)) {
                self.differ("an update of another client's own server");
            }
            return;
        }
        let right = servers.iter().any(|server| self.may_play(&by.nonce, *server));
        let repeats = self.may_repeat(&by.nonce);
        let own = self.subscriptions.get(&uri).map_or(uri, |one| one.own.clone());
        let Some(course) = self.courses.get_mut(&by.nonce) else { return self.must_have_faded(&by.nonce) };
        match course.updates.iter_mut().find(|due| due.step == by.step) {
            Some(due) if right && due.uri == own && (!due.came || repeats) => due.came = true,
            found => {
                let text = format!("an update that is not due: {found:?}");
                self.differ(&text);
            }
        }
    }

    /// Whether a request may have been brought to other servers than its own, while the registry changed.
    fn may_have_strayed(&self) -> bool {
        self.world.ledger.registry_changes(self.start, Instant::now()) > 0
    }

    /// What is not tied to a request may still come of one that was taken back, but not of one that was answered.
    fn must_have_faded(&self, nonce: &str) {
        if !self.faded.iter().any(|faded| faded == nonce) {
            self.differ("a notification of a script that is over");
        }
    }

    /// The servers of which an update may come under this URI. A part of a resource is told of under its own.
    fn subscribed_at(&self, uri: &str) -> Vec<usize> {
        if let Some(one) = self.subscriptions.get(uri) {
            return vec![one.server];
        }
        let whole = lists::whole(uri);
        let wholes = self.subscriptions.values().filter(|one| whole != uri && one.own == whole);
        wholes.map(|one| one.server).collect()
    }

    /// Whether others may be on the instance that this client uses.
    pub fn may_be_shared(&self, server: usize) -> bool {
        self.world.roles[server].sharing != Sharing::Client
    }
}
