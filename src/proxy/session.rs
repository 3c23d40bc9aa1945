//! What a fresh daemon must be told of a client's session that an earlier one knew, and what the client was asked.

use std::collections::BTreeMap;

use foldhash::HashSet;

use super::tasks::Tasks;
use crate::wire::id::Id;
use crate::wire::reply;
use crate::wire::scan;

/// How the ids of repeated requests begin: their answers are not for the client.
const REPLAY: &str = "\"loom/replay";
/// Those of questions about its tasks; the task's id follows.
const TASK: &str = "loom/replay/task/";

/// What a client asks for beyond this before anything is answered is not followed.
const UNSETTLED_MAX: usize = 64;

#[derive(Debug, Default)]
pub struct Session {
    /// The client's `initialize` line.
    handshake: Option<Vec<u8>>,
    /// The client has had its answer to `initialize`.
    pub greeted: bool,
    pub initialized: bool,
    /// Its last `logging/setLevel` line that was accepted.
    level: Option<Vec<u8>>,
    /// Requests that change what holds once they are accepted: `logging/setLevel` and `resources/unsubscribe`.
    unsettled: Vec<Vec<u8>>,
    /// Its `resources/subscribe` lines, by the raw URI.
    subscriptions: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Requests of the daemon's that it has not answered.
    asks: HashSet<Id>,
    pub tasks: Tasks,
}

impl Session {
    /// A request goes to the daemon. `method` as it stands in JSON.
    pub fn note(&mut self, method: &[u8], line: &[u8]) {
        match method {
            br#""initialize""# => self.handshake = Some(line.to_vec()),
            br#""logging/setLevel""# | br#""resources/unsubscribe""#
                if self.unsettled.len() < UNSETTLED_MAX =>
            {
                self.unsettled.push(line.to_vec());
            }
            br#""resources/subscribe""# => {
                if let Some(uri) = uri_of(line) {
                    self.subscriptions.insert(uri.to_vec(), line.to_vec());
                }
            }
            _ => {}
        }
    }

    /// An answer has come: what was asked for holds when it was accepted.
    pub fn settle(&mut self, id: &[u8], answer: &[u8]) {
        let Some(at) = self.unsettled.iter().position(|line| has_id(line, id)) else { return };
        let line = self.unsettled.remove(at);
        if !scan::members(answer, ["result"]).is_ok_and(|[result]| result.is_some()) {
            return;
        }
        match scan::members(&line, ["method"]) {
            Ok([Some(method)]) if &line[method.clone()] == br#""logging/setLevel""# => {
                self.level = Some(line)
            }
            _ => {
                if let Some(uri) = uri_of(&line) {
                    self.subscriptions.remove(uri);
                }
            }
        }
    }

    pub fn is_handshake(&self, line: &[u8]) -> bool {
        self.handshake.as_deref() == Some(line)
    }

    /// An answer of the daemon's: false when it is to a repeated request.
    pub fn answered(&mut self, id: &[u8], answer: &[u8]) -> bool {
        if id.starts_with(REPLAY.as_bytes()) {
            self.tasks.replayed(id, TASK, answer);
            return false;
        }
        let greets = |handshake: &Vec<u8>| has_id(handshake, id);
        self.greeted = self.greeted || self.handshake.as_ref().is_some_and(greets);
        true
    }

    /// The daemon asks the client.
    pub fn asked(&mut self, id: &[u8]) {
        self.asks.insert(id.into());
    }

    /// A notification to the client; it may take a question back, or end a task.
    pub fn told(&mut self, line: &[u8]) {
        self.tasks.told(line);
        if !self.asks.is_empty()
            && line.starts_with(br#"{"jsonrpc":"2.0","method":"notifications/cancelled""#)
            && let Ok([Some(params)]) = scan::members(line, ["params"])
            && let Ok([Some(id)]) = scan::members(&line[params.clone()], ["requestId"])
        {
            self.asks.remove(&line[params][id]);
        }
    }

    /// The client answers. False when no daemon that lives has asked this.
    pub fn answers(&mut self, id: &[u8]) -> bool {
        self.asks.remove(id)
    }

    /// The daemon is gone: tells the client that nobody waits for its answers.
    pub fn forget_asks(&mut self, to_client: &mut Vec<u8>) {
        for id in self.asks.drain() {
            let id = String::from_utf8_lossy(id.as_bytes()).into_owned();
            let params = format!(r#"{{"requestId":{id},"reason":"loomd is gone"}}"#);
            reply::notification(to_client, "notifications/cancelled", &params);
        }
    }

    /// The handshake and what followed from it, if it was had before.
    pub fn replay(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(handshake) = self.handshake.as_deref().filter(|_| self.greeted) else { return out };
        again(&mut out, handshake, 0);
        if self.initialized {
            reply::notification(&mut out, "notifications/initialized", "{}");
        }
        self.tasks.replay(TASK, &mut out);
        for (number, line) in (1..).zip(self.level.iter().chain(self.subscriptions.values())) {
            again(&mut out, &without_meta(line), number);
        }
        out
    }
}

/// A request without what was meant for its first time only: a progress token that is no longer open.
fn without_meta(line: &[u8]) -> Vec<u8> {
    let place = || {
        let [params] = scan::members(line, ["params"]).ok()?;
        let params = params?;
        let [meta] = scan::members(&line[params.clone()], ["_meta"]).ok()?;
        meta.map(|at| params.start + at.start..params.start + at.end)
    };
    let mut out = Vec::new();
    reply::splice(&mut out, line, &place().map(|at| (at, &b"{}"[..])).into_iter().collect::<Vec<_>>());
    out.pop();
    out
}

/// A request under an id of ours.
fn again(out: &mut Vec<u8>, line: &[u8], number: usize) {
    if let Ok([Some(id)]) = scan::members(line, ["id"]) {
        reply::splice(out, line, &[(id, format!("{REPLAY}/{number}\"").as_bytes())]);
    }
}

fn uri_of(line: &[u8]) -> Option<&[u8]> {
    let [params] = scan::members(line, ["params"]).ok()?;
    let params = &line[params?];
    let [uri] = scan::members(params, ["uri"]).ok()?;
    uri.map(|uri| &params[uri])
}

fn has_id(line: &[u8], id: &[u8]) -> bool {
    scan::members(line, ["id"]).is_ok_and(|[found]| found.is_some_and(|found| &line[found] == id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: u32, method: &str, params: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
    }

    #[test]
    fn a_fresh_daemon_hears_what_still_holds() {
        let mut session = Session::default();
        for (id, method, params) in [
            (1, "initialize", "{}"),
            (2, "logging/setLevel", r#"{"level":"info"}"#),
            (3, "resources/subscribe", r#"{"uri":"a://b"}"#),
            (4, "resources/subscribe", r#"{"_meta":{"progressToken":7},"uri":"c://d"}"#),
            (5, "resources/unsubscribe", r#"{"uri":"a://b"}"#),
            (6, "logging/setLevel", r#"{"level":"debug"}"#),
            (7, "prompts/list", "{}"),
            (8, "logging/setLevel", r#"{"level":"loud"}"#),
            (9, "resources/unsubscribe", r#"{"uri":"c://d"}"#),
        ] {
            session.note(format!("\"{method}\"").as_bytes(), request(id, method, params).as_bytes());
        }
        for id in ["2", "5", "6"] {
            session
                .settle(id.as_bytes(), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#).as_bytes());
        }
        for id in ["8", "9"] {
            session
                .settle(id.as_bytes(), format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{}}}}"#).as_bytes());
        }
        assert!(session.replay().is_empty(), "the handshake is not done");
        assert!(session.answered(b"1", b"{}") && session.greeted);
        session.initialized = true;
        let text = String::from_utf8(session.replay()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                r#"{"jsonrpc":"2.0","id":"loom/replay/0","method":"initialize","params":{}}"#,
                r#"{"jsonrpc":"2.0","method":"notifications/initialized","params":{}}"#,
                r#"{"jsonrpc":"2.0","id":"loom/replay/1","method":"logging/setLevel","params":{"level":"debug"}}"#,
                r#"{"jsonrpc":"2.0","id":"loom/replay/2","method":"resources/subscribe","params":{"_meta":{},"uri":"c://d"}}"#,
            ]
        );
        assert!(!session.answered(br#""loom/replay/2""#, b"{}"));
    }

    #[test]
    fn questions_of_a_dead_daemon_are_taken_back() {
        let mut session = Session::default();
        session.asked(b"7");
        session.asked(b"8");
        session.asked(b"9");
        let taken_back = br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}"#;
        session.told(taken_back);
        assert!(session.answers(b"7") && !session.answers(b"7") && !session.answers(b"9"));
        let mut down = Vec::new();
        session.forget_asks(&mut down);
        let text = String::from_utf8(down).unwrap();
        assert!(text.contains(r#""requestId":8,"#) && text.lines().count() == 1, "{text}");
        assert!(!session.answers(b"8"));
    }
}
