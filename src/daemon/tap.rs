//! The live tap: the last calls that ended, and who watches the next ones.
//!
//! Nothing of what a call says is kept, only that it was. Arguments are read (`redact`) for as long as somebody who
//! wants them watches, and go from the call to the watcher.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};

use super::control::params;
use super::ending::CallEnd;
use super::redact::redacted;
use super::request::{Refusal, Request};
use super::session::SessionId;
use super::switch::Switch;
use super::tally::{Tallies, millis};
use crate::mcp::initialize::METHODS;
use crate::nearest::nearest;
use crate::upstream::calls::{Asker, Open};
use crate::upstream::topic::{Asked, Topic};
use crate::wire::code;
use crate::wire::reply;
use crate::wire::scan;

/// So many calls are remembered.
const KEPT: usize = 1000;

/// A watcher that leaves more than this unread loses calls, in bytes.
const UNREAD_MAX: usize = 1 << 20;

/// The wall clock is looked at no more often.
const CLOCK_LASTS: Duration = Duration::from_millis(100);

/// Names that a client made up are cut, in bytes.
const NAME_MAX: usize = 128;

/// One call that has ended.
pub struct Ended {
    pub session: SessionId,
    pub topic: Topic,
    /// In loom, before the server got it.
    pub queued: Duration,
    /// At the server.
    pub served: Duration,
    /// Length of what was answered.
    pub bytes_out: usize,
    pub end: CallEnd,
}

struct Row {
    /// Counts all calls from 1.
    number: u64,
    /// When it ended, in ms since 1970.
    at_ms: u64,
    ended: Ended,
}

#[derive(Default)]
pub struct Tap {
    last: u64,
    rows: VecDeque<Row>,
    followers: Vec<Follower>,
    pub tallies: Tallies,
    wall: Wall,
}

/// Who watches.
struct Follower {
    session: SessionId,
    filter: Filter,
    args: bool,
    /// Calls that it was not told of, because it does not read.
    lost: u64,
}

#[derive(Default)]
struct Filter {
    server: Option<String>,
    client: Option<String>,
}

/// The time of day, from the clock that is at hand.
#[derive(Default)]
struct Wall {
    read: Option<Instant>,
    ms: u64,
}

impl Wall {
    fn at(&mut self, now: Instant) -> u64 {
        match self.read.map(|read| now.saturating_duration_since(read)) {
            Some(since) if since < CLOCK_LASTS => self.ms + since.as_millis() as u64,
            _ => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                self.ms = since.as_millis() as u64;
                self.read = Some(now);
                self.ms
            }
        }
    }
}

impl Tap {
    /// Whether somebody wants to see arguments.
    pub fn wants_args(&self) -> bool {
        self.followers.iter().any(|follower| follower.args)
    }

    pub fn forget(&mut self, session: SessionId) {
        self.followers.retain(|follower| follower.session != session);
    }

    fn note(&mut self, ended: Ended, now: Instant) {
        if !matches!(ended.end, CallEnd::Refused(_)) {
            let tally = self.tallies.of(&ended.topic.server, &ended.topic.asked);
            tally.calls += 1;
            tally.errors += u64::from(ended.end.is_error());
            if ended.end.is_answer() {
                tally.times.observe(ended.queued + ended.served);
            }
        }
        if self.rows.len() == KEPT {
            self.rows.pop_front();
        }
        self.last += 1;
        let at_ms = self.wall.at(now);
        self.rows.push_back(Row { number: self.last, at_ms, ended });
    }
}

impl Filter {
    fn takes(&self, ended: &Ended) -> bool {
        let topic = &ended.topic;
        self.server.as_deref().is_none_or(|server| server == &*topic.server)
            && self.client.as_deref().is_none_or(|client| {
                client.eq_ignore_ascii_case(&topic.client) || client.parse() == Ok(ended.session)
            })
    }
}

impl Row {
    fn json(&self) -> Value {
        let Ended { session, topic, queued, served, bytes_out, end } = &self.ended;
        let (code, error) = end.code();
        json!({
            "n": self.number, "at": self.at_ms,
            "client": &*topic.client, "session": session,
            "server": &*topic.server, "method": topic.asked.method(), "tool": topic.asked.tool(),
            "queue_ms": millis(*queued), "server_ms": millis(*served), "total_ms": millis(*queued + *served),
            "bytes_in": topic.bytes, "bytes_out": bytes_out,
            "outcome": end.word(), "code": code, "error": error,
        })
    }
}

/// A name that a client made up, not longer than is good.
pub fn short_name(name: &str) -> Rc<str> {
    name[..name.floor_char_boundary(NAME_MAX)].into()
}

impl Follower {
    /// Tells how many calls it was not told of, once it reads again.
    fn say_lost(&mut self, out: &mut Vec<u8>) {
        if self.lost > 0 {
            reply::notification(out, "loom/calls/lost", &json!({ "lost": self.lost }).to_string());
            self.lost = 0;
        }
    }
}

impl Switch {
    /// What a request to a server is about. `tool` is the server's own name for it.
    pub fn topic(&self, request: &Request<'_>, server: &Rc<str>, tool: Option<Rc<str>>) -> Topic {
        let client = self.sessions.get(&request.session).map(|session| session.label.clone());
        let method = || METHODS.iter().find(|method| **method == request.method).copied().unwrap_or_default();
        let args = self.tap.wants_args().then(|| match request.param("arguments") {
            Some(at) => redacted(&request.line[at], self.vault.mask()),
            None => redacted(request.params(), self.vault.mask()),
        });
        Topic {
            client: client.unwrap_or_default(),
            server: server.clone(),
            asked: tool.map_or_else(|| Asked::Method(method()), Asked::Tool),
            bytes: request.line.len(),
            args,
        }
    }

    /// A call has ended.
    pub fn tapped(&mut self, mut ended: Ended, now: Instant) {
        let args = ended.topic.args.take();
        self.tap.note(ended, now);
        if !self.tap.followers.is_empty() {
            self.tell_followers(args.as_deref());
        }
    }

    /// A call, if it was one, has ended without an answer of its server.
    pub fn tapped_open(&mut self, open: Option<Open>, end: CallEnd) {
        let Some(open) = open else { return };
        let now = Instant::now();
        let (queued, served) = open.stages(now);
        if let Asker::Client { session, topic, .. } = open.asker {
            self.tapped(Ended { session, topic, queued, served, bytes_out: 0, end }, now);
        }
    }

    /// A request to a server was refused at once.
    pub fn tapped_refusal(&mut self, request: &Request<'_>, refusal: &Refusal) {
        if !GO_TO_SERVERS.contains(&request.method) {
            return;
        }
        let named = request.places.name.clone().filter(|_| request.method == "tools/call");
        let tool = named.and_then(|at| scan::unquote(&request.line[at]));
        let tool = tool.map(|name| short_name(&name));
        let server: Rc<str> = refusal.detail.server.as_deref().unwrap_or_default().into();
        let topic = self.topic(request, &server, tool);
        let (queued, served) = (Duration::ZERO, Duration::ZERO);
        let end = CallEnd::Refused(refusal.code);
        let ended = Ended { session: request.session, topic, queued, served, bytes_out: 0, end };
        self.tapped(ended, request.now);
    }

    fn tell_followers(&mut self, args: Option<&str>) {
        let Tap { rows, followers, .. } = &mut self.tap;
        let Some(row) = rows.back() else { return };
        let mut value = row.json();
        for follower in followers.iter_mut().filter(|follower| follower.filter.takes(&row.ended)) {
            let Some(state) = self.sessions.get_mut(&follower.session) else { continue };
            if state.out.pending().len() > UNREAD_MAX {
                follower.lost += 1;
                continue;
            }
            follower.say_lost(state.out.tail());
            value["args"] = args.filter(|_| follower.args).into();
            reply::notification(state.out.tail(), "loom/call", &value.to_string());
            self.dirty_sessions.insert(follower.session);
        }
    }

    /// A client that did not read does again.
    pub fn tell_lost(&mut self, session: SessionId) {
        let follower = self.tap.followers.iter_mut().find(|follower| follower.session == session);
        let Some((follower, state)) = follower.zip(self.sessions.get_mut(&session)) else { return };
        if state.out.pending().len() <= UNREAD_MAX {
            follower.say_lost(state.out.tail());
        }
    }

    /// `loom/calls`: the last calls, and on from there.
    pub fn list_calls(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let asked: Watch = params(request)?;
        let filter = Filter { server: asked.server, client: asked.client };
        self.check_filter(&filter)?;
        let rows = self.tap.rows.iter().rev().filter(|row| filter.takes(&row.ended));
        let mut rows: Vec<Value> = rows.take(asked.limit.unwrap_or(KEPT)).map(Row::json).collect();
        rows.reverse();
        self.answer(request, &json!({ "calls": rows }).to_string())?;
        self.tap.forget(request.session);
        if asked.follow {
            let follower = Follower { session: request.session, filter, args: asked.args, lost: 0 };
            self.tap.followers.push(follower);
        }
        Ok(())
    }

    /// `loom/calls/summary`: each server's tools, how often they were called and how long that took.
    pub fn sum_up_calls(&self, request: &Request<'_>) -> Result<Value, Refusal> {
        let asked: Watch = params(request)?;
        let filter = Filter { server: asked.server, client: None };
        self.check_filter(&filter)?;
        Ok(json!({ "tools": self.tap.tallies.summary(filter.server.as_deref()) }))
    }

    /// A server that there is not, and of which nothing is remembered, is a slip of the pen.
    fn check_filter(&self, filter: &Filter) -> Result<(), Refusal> {
        let Some(name) = filter.server.as_deref() else { return Ok(()) };
        let names = || self.loaded.registry.servers.iter().map(|server| server.name.as_str());
        if names().any(|known| known == name) || self.tap.tallies.knows(name) {
            return Ok(());
        }
        let refusal = Refusal::new(code::INVALID_PARAMS, format!("no server `{name}` in the registry"));
        Err(match nearest(name, names()) {
            Some(near) => refusal.hint(format!("loom calls --server {near}")),
            None => refusal.hint("loom servers"),
        })
    }
}

/// What goes to a server unless something is wrong with it.
const GO_TO_SERVERS: [&str; 10] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "tasks/list",
    "tasks/get",
    "tasks/result",
    "tasks/cancel",
];

#[derive(Deserialize)]
struct Watch {
    /// So many past calls; absent: all that are remembered.
    limit: Option<usize>,
    server: Option<String>,
    client: Option<String>,
    #[serde(default)]
    follow: bool,
    #[serde(default)]
    args: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(session: SessionId, end: CallEnd) -> Ended {
        let topic = Topic { client: "Claude".into(), server: "db".into(), ..Topic::untold() };
        let (queued, served) = (Duration::from_micros(20), Duration::from_millis(3));
        Ended { session, topic, queued, served, bytes_out: 5, end }
    }

    #[test]
    fn the_last_ones_are_kept_and_all_are_counted() {
        let mut tap = Tap::default();
        let now = Instant::now();
        for _ in 0..KEPT + 5 {
            tap.note(ended(1, CallEnd::Ok), now);
        }
        tap.note(ended(1, CallEnd::Refused(code::BUSY)), now);
        assert_eq!((tap.rows.len(), tap.rows[0].number), (KEPT, 7));
        let row = tap.rows[0].json();
        assert_eq!((&row["queue_ms"], &row["total_ms"]), (&json!(0.02), &json!(3.02)));
        let refused = tap.rows[KEPT - 1].json();
        assert_eq!((&refused["outcome"], &refused["error"]), (&json!("refused"), &json!("BUSY")));
        assert_eq!(tap.tallies.summary(None)[0]["calls"], KEPT + 5);
    }

    #[test]
    fn a_client_is_meant_by_its_name_or_its_number() {
        let one = ended(7, CallEnd::Ok);
        for (server, client, want) in [
            (None, None, true),
            (Some("db"), Some("claude"), true),
            (None, Some("7"), true),
            (None, Some("8"), false),
            (Some("d"), None, false),
            (Some("db"), Some("codex"), false),
        ] {
            let filter = Filter { server: server.map(str::to_owned), client: client.map(str::to_owned) };
            assert_eq!(filter.takes(&one), want, "{server:?} {client:?}");
        }
    }

    #[test]
    fn the_time_of_day_follows_the_clock_at_hand() {
        let mut wall = Wall::default();
        let now = Instant::now();
        let first = wall.at(now);
        assert_eq!(wall.at(now + Duration::from_millis(40)), first + 40);
        assert!(wall.at(now + CLOCK_LASTS) < first + 50_000);
    }
}
