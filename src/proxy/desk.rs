//! What a proxy remembers of its client's session: open ids, lines that wait for a daemon, the handshake to
//! repeat. Pure: no I/O, time comes in.

use foldhash::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fault::Plain;
use crate::mcp::initialize::{self, METHODS};
use crate::wire::code::{self, Code};
use crate::wire::id::{Id, is_id};
use crate::wire::oversize::Oversized;
use crate::wire::reply::{self, Detail};
use crate::wire::{BUFFER_MAX, LINE_MAX, scan};

/// The id of a repeated handshake: its answer is not for the client.
pub const REPLAY_ID: &[u8] = br#""loom/replay""#;

/// With so many open calls the client is likely to be in the middle of writing more.
const CROWD: usize = 8;

/// How long a request waits for a daemon.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    pub call: Duration,
    pub control: Duration,
}

/// The way to the daemon, as the client's lines find it.
#[derive(Debug)]
pub enum Way {
    /// Lines go straight through.
    Open(Arc<std::os::unix::net::UnixStream>),
    /// A daemon is on its way, or about to be replaced: requests wait.
    Soon,
    /// There will be none for now: requests are answered with this.
    Closed { code: Code, text: String, hint: Option<String> },
}

/// A request that the daemon has.
#[derive(Debug)]
struct Sent {
    /// Its line, kept when it may be asked again without harm.
    again: Option<Box<[u8]>>,
}

#[derive(Debug)]
struct Held {
    id: Option<Id>,
    line: Vec<u8>,
    deadline: Instant,
}

/// The kind of a client's line, as far as a proxy cares.
enum Kind<'a> {
    Request { id: &'a [u8], method: &'a [u8] },
    Notification { method: &'a [u8] },
    Answer,
}

pub struct Desk {
    pub way: Way,
    waits: Waits,
    sent: HashMap<Id, Sent>,
    held: VecDeque<Held>,
    held_bytes: usize,
    /// The client's `initialize` line.
    handshake: Option<Vec<u8>>,
    /// The client has had its answer to `initialize`.
    greeted: bool,
    initialized: bool,
    /// `uplink` is writing to the socket: what it writes is settled when it has done.
    pub writing: bool,
    /// Why this proxy must end.
    pub fatal: Option<Plain>,
    /// So many threads wait for something to change here.
    pub watchers: u32,
}

impl Desk {
    pub fn new(waits: Waits) -> Self {
        Desk {
            way: Way::Soon,
            waits,
            sent: HashMap::default(),
            held: VecDeque::new(),
            held_bytes: 0,
            handshake: None,
            greeted: false,
            initialized: false,
            writing: false,
            fatal: None,
            watchers: 0,
        }
    }

    /// So many calls are open that lines come in crowds.
    pub fn is_crowded(&self) -> bool {
        self.sent.len() >= CROWD
    }

    /// The client still expects something.
    pub fn expects_answers(&self) -> bool {
        self.fatal.is_none() && (!self.sent.is_empty() || self.held.iter().any(|held| held.id.is_some()))
    }

    /// A line of the client's. Goes to `to_daemon`, or is kept, or is answered into `to_client`.
    pub fn client_line(
        &mut self,
        line: &[u8],
        now: Instant,
        to_daemon: &mut Vec<u8>,
        to_client: &mut Vec<u8>,
    ) {
        if self.passes(line).is_some() {
            return push_line(to_daemon, line);
        }
        let envelope = match std::str::from_utf8(line).map_err(|_| "the line is not UTF-8".to_string()) {
            Ok(_) => scan::envelope(line).map_err(|error| format!("not JSON-RPC: {error}")),
            Err(text) => Err(text),
        };
        let envelope = match envelope {
            Ok(envelope) => envelope,
            Err(text) => return reply::error(to_client, b"null", code::PARSE, &text, &Detail::default()),
        };
        let get = |range: Option<std::ops::Range<usize>>| range.map(|range| &line[range]);
        let kind = match (get(envelope.id), get(envelope.method)) {
            (Some(id), Some(method)) if is_id(id) => Kind::Request { id, method },
            // The answer could not name it, so nobody would ever know that it is no longer open.
            (Some(_), Some(_)) => {
                let text = "an id must be a number or a text";
                return reply::error(to_client, b"null", code::INVALID_REQUEST, text, &Detail::default());
            }
            (None, Some(method)) => Kind::Notification { method },
            (_, None) => Kind::Answer,
        };
        match kind {
            Kind::Request { id, method } => self.request(line, id, method, now, to_daemon, to_client),
            Kind::Notification { method } => {
                self.notification(method, get(envelope.params).unwrap_or(b"{}"));
                if matches!(self.way, Way::Open(_)) {
                    push_line(to_daemon, line);
                }
            }
            Kind::Answer if matches!(self.way, Way::Open(_)) => push_line(to_daemon, line),
            Kind::Answer => {}
        }
    }

    /// A call as the usual SDKs write it, with the way open, is noted and can go as it stands.
    ///
    /// The daemon reads the whole line; when it is no JSON, it answers this same id.
    pub fn passes(&mut self, line: &[u8]) -> Option<&Arc<std::os::unix::net::UnixStream>> {
        let Way::Open(stream) = &self.way else { return None };
        let id = scan::call_id(line)?;
        self.sent.entry(Id::from(id)).or_insert(Sent { again: None });
        Some(stream)
    }

    fn request(
        &mut self,
        line: &[u8],
        id: &[u8],
        method: &[u8],
        now: Instant,
        to_daemon: &mut Vec<u8>,
        to_client: &mut Vec<u8>,
    ) {
        let handshake = method == br#""initialize""#;
        if handshake {
            self.handshake = Some(line.to_vec());
        }
        match &self.way {
            Way::Open(_) => {
                // A second use of an id in flight is for the daemon to refuse; the first keeps its place.
                self.sent
                    .entry(id.into())
                    .or_insert_with(|| Sent { again: (method != br#""tools/call""#).then(|| line.into()) });
                push_line(to_daemon, line);
            }
            _ if method == br#""ping""# => reply::result(to_client, id, b"{}"),
            // Clients probe before they shake hands, and fall back only when they are told so at once.
            _ if !is_served(method) => {
                let text = format!("loom does not know the method {}", String::from_utf8_lossy(method));
                reply::error(to_client, id, code::METHOD_NOT_FOUND, &text, &Detail::default());
            }
            Way::Soon if self.held_bytes + line.len() > BUFFER_MAX => {
                reply::error(to_client, id, code::BUSY, "too much waits for the daemon", &Detail::default());
            }
            Way::Soon => {
                let wait = if method == br#""tools/call""# { self.waits.call } else { self.waits.control };
                self.hold(Held { id: Some(Id::from(id)), line: line.to_vec(), deadline: now + wait });
            }
            Way::Closed { code, text, hint } => {
                let (code, text, hint) = (*code, text.clone(), hint.clone());
                self.answer_closed(line, id, handshake, code, &text, hint, to_client);
            }
        }
    }

    /// No daemon for now. The handshake succeeds all the same, so that the session lives on when one comes.
    #[expect(clippy::too_many_arguments, reason = "one error, taken apart because `way` is borrowed")]
    fn answer_closed(
        &mut self,
        line: &[u8],
        id: &[u8],
        handshake: bool,
        code: Code,
        text: &str,
        hint: Option<String>,
        to_client: &mut Vec<u8>,
    ) {
        if !handshake {
            return reply::error(to_client, id, code, text, &Detail { hint, ..Detail::default() });
        }
        let params = scan::members(line, ["params"]).ok().and_then(|[params]| params);
        let params = params.and_then(|range| std::str::from_utf8(&line[range]).ok()).unwrap_or("{}");
        let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        let answer = initialize::answer(params, env!("CARGO_PKG_VERSION"), &format!("{text}{hint}"));
        self.greeted = true;
        reply::result(to_client, id, answer.as_bytes());
    }

    fn notification(&mut self, method: &[u8], params: &[u8]) {
        match method {
            br#""notifications/initialized""# => self.initialized = true,
            br#""notifications/cancelled""# => {
                if let Ok([Some(id)]) = scan::members(params, ["requestId"]) {
                    let id = &params[id];
                    self.sent.remove(id);
                    self.held.retain(|held| held.id.as_ref().map(Id::as_bytes) != Some(id));
                    self.held_bytes = self.held.iter().map(|held| held.line.len()).sum();
                }
            }
            _ => {}
        }
    }

    /// A line of the client's that was too long to keep.
    pub fn client_oversized(&mut self, lost: &Oversized, to_client: &mut Vec<u8>) {
        if let (Some(id), true) = (&lost.id, lost.has_method) {
            let text = format!("a message of {} bytes is more than loom passes on ({LINE_MAX})", lost.len);
            reply::error(to_client, id, code::TOO_LARGE, &text, &Detail::default());
        }
    }

    /// A line of the daemon's: `true` when it is for the client.
    pub fn daemon_line(&mut self, line: &[u8], now: Instant) -> bool {
        match reply::leading_id(line) {
            Some((REPLAY_ID, false)) => false,
            Some((id, false)) => {
                self.sent.remove(id);
                if !self.greeted && self.handshake.as_deref().is_some_and(|handshake| has_id(handshake, id)) {
                    self.greeted = true;
                }
                true
            }
            Some((_, true)) => true,
            None if line.starts_with(br#"{"jsonrpc":"2.0","method":"loom/"#) => {
                self.daemon_word(line, now);
                false
            }
            None => true,
        }
    }

    /// A message between loom's own processes.
    fn daemon_word(&mut self, line: &[u8], now: Instant) {
        let Ok([Some(method), params]) = scan::members(line, ["method", "params"]) else { return };
        match (&line[method], params) {
            (br#""loom/draining""#, _) => self.way = Way::Soon,
            (br#""loom/returned""#, Some(params)) => {
                let line = &line[params];
                let Ok([Some(id), method]) = scan::members(line, ["id", "method"]) else { return };
                let call = method.is_some_and(|method| &line[method] == br#""tools/call""#);
                let wait = if call { self.waits.call } else { self.waits.control };
                self.sent.remove(&line[id.clone()]);
                self.hold(Held { id: Some(line[id].into()), line: line.to_vec(), deadline: now + wait });
            }
            _ => {}
        }
    }

    fn hold(&mut self, held: Held) {
        self.held_bytes += held.line.len();
        self.held.push_back(held);
    }

    /// `uplink` could not write these lines: no byte of them left.
    pub fn take_back(&mut self, lines: &[u8], now: Instant) {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok([id, method]) = scan::members(line, ["id", "method"]) else { continue };
            let Some(id) = id.map(|id| &line[id]) else { continue };
            let call = method.is_some_and(|method| &line[method] == br#""tools/call""#);
            let wait = if call { self.waits.call } else { self.waits.control };
            if self.sent.remove(id).is_some() {
                self.hold(Held { id: Some(id.into()), line: line.to_vec(), deadline: now + wait });
            }
        }
    }

    /// The daemon is gone. What it may have begun gets a named error; what may be asked again waits.
    pub fn daemon_gone(&mut self, now: Instant, to_client: &mut Vec<u8>) {
        self.way = Way::Soon;
        let mut again = Vec::new();
        for (id, sent) in self.sent.drain() {
            match sent.again {
                Some(line) => again.push((id, line)),
                None => {
                    let detail = Detail { hint: Some("loom status".into()), ..Detail::default() };
                    let text = "loomd ended while the call was under way: it may or may not have run";
                    reply::error(to_client, id.as_bytes(), code::DAEMON_GONE, text, &detail);
                }
            }
        }
        for (id, line) in again {
            self.hold(Held { id: Some(id), line: line.into(), deadline: now + self.waits.control });
        }
    }

    /// There will be no daemon for now: whoever waits is told why.
    pub fn close(&mut self, code: Code, text: &str, hint: Option<String>, to_client: &mut Vec<u8>) {
        for held in std::mem::take(&mut self.held) {
            if let Some(id) = &held.id {
                let handshake = self.handshake.as_deref().is_some_and(|line| line == held.line);
                self.answer_closed(&held.line, id.as_bytes(), handshake, code, text, hint.clone(), to_client);
            }
        }
        self.held_bytes = 0;
        self.way = Way::Closed { code, text: text.into(), hint };
    }

    /// Requests that have waited as long as they may are told so.
    pub fn expire(&mut self, now: Instant, to_client: &mut Vec<u8>) {
        let (late, rest) = std::mem::take(&mut self.held).into_iter().partition(|held| held.deadline <= now);
        self.held = rest;
        self.held_bytes = self.held.iter().map(|held| held.line.len()).sum();
        let late: VecDeque<Held> = late;
        for id in late.into_iter().filter_map(|held| held.id) {
            let detail = Detail { hint: Some("loom status".into()), ..Detail::default() };
            reply::error(
                to_client,
                id.as_bytes(),
                code::TIMEOUT,
                "no loomd came in time to take the call",
                &detail,
            );
        }
    }

    /// What a fresh daemon is told before anything else, after the hello: the handshake, if it was had before.
    pub fn replay(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(handshake) = self.handshake.as_deref().filter(|_| self.greeted) else { return out };
        if let Ok([Some(id)]) = scan::members(handshake, ["id"]) {
            reply::splice(&mut out, handshake, &[(id, REPLAY_ID)]);
        }
        if self.initialized {
            reply::notification(&mut out, "notifications/initialized", "{}");
        }
        out
    }

    /// The way is open: everything that waited, to be written now. A client that had its handshake from an
    /// earlier daemon is told to look at the tools again.
    pub fn open(&mut self, stream: Arc<std::os::unix::net::UnixStream>, to_client: &mut Vec<u8>) -> Vec<u8> {
        let mut out = Vec::new();
        for held in std::mem::take(&mut self.held) {
            if let Some(id) = held.id {
                let call = scan::members(&held.line, ["method"]).is_ok_and(|[method]| {
                    method.is_some_and(|method| &held.line[method] == br#""tools/call""#)
                });
                let again = (!call).then(|| held.line.clone().into_boxed_slice());
                self.sent.insert(id, Sent { again });
            }
            push_line(&mut out, &held.line);
        }
        self.held_bytes = 0;
        self.way = Way::Open(stream);
        if self.greeted && self.initialized {
            reply::notification(to_client, "notifications/tools/list_changed", "{}");
        }
        out
    }
}

/// Whether a method, as it stands in JSON, is one that a daemon would answer.
fn is_served(method: &[u8]) -> bool {
    let name = method.strip_prefix(b"\"").and_then(|method| method.strip_suffix(b"\""));
    name.is_some_and(|name| METHODS.iter().any(|known| known.as_bytes() == name))
}

fn push_line(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(line);
    out.push(b'\n');
}

fn has_id(line: &[u8], id: &[u8]) -> bool {
    scan::members(line, ["id"]).is_ok_and(|[found]| found.is_some_and(|found| &line[found] == id))
}

#[cfg(test)]
mod tests;
