//! What a proxy remembers of its client's session: open ids, lines that wait for a daemon, the handshake to
//! repeat. Pure: no I/O, time comes in.

use foldhash::HashMap;
use std::collections::hash_map::Entry;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use super::message::Message;
use super::queue::{Held, Queue, Waits};
use super::session::Session;
use super::tasks;
use super::way::{Absence, Way};
use crate::fault::Plain;
use crate::mcp::initialize::{self, METHODS};
use crate::wire::code;
use crate::wire::id::Id;
use crate::wire::oversize::Oversized;
use crate::wire::reply::{self, Detail};
use crate::wire::{LINE_MAX, scan};

/// With so many open calls the client is likely to be in the middle of writing more.
const CROWD: usize = 8;

/// A request that the daemon has.
#[derive(Debug)]
struct Sent {
    /// Its line, kept when it may be asked again without harm.
    again: Option<Box<[u8]>>,
    /// Its answer may be a task.
    task: bool,
}

pub struct Desk {
    pub way: Way,
    sent: HashMap<Id, Sent>,
    queue: Queue,
    session: Session,
    /// `uplink` is writing to the socket: what it writes is settled when it has done.
    pub writing: bool,
    /// `downlink` is writing to the client what is no longer noted here.
    pub delivering: bool,
    /// Why this proxy must end.
    pub fatal: Option<Plain>,
    /// So many threads wait for something to change here.
    pub watchers: u32,
}

impl Desk {
    pub fn new(waits: Waits) -> Self {
        Desk {
            way: Way::Soon,
            sent: HashMap::default(),
            queue: Queue::new(waits),
            session: Session::default(),
            writing: false,
            delivering: false,
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
        self.delivering || self.fatal.is_none() && (!self.sent.is_empty() || self.queue.has_requests())
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
        // A batch (2025-03-26) is taken apart; its requests are answered one by one.
        if let Some(messages) = scan::batch(line) {
            if messages.is_empty() {
                refuse("an empty batch", to_client);
            }
            return messages.into_iter().for_each(|message| match message.starts_with('{') {
                true => self.client_line(message.as_bytes(), now, to_daemon, to_client),
                false => refuse("a part of a batch that is no object", to_client),
            });
        }
        match Message::parse(line) {
            Ok(Message::Request { id, method }) => {
                self.request(line, id, method, now, to_daemon, to_client);
            }
            Ok(Message::Notification { method, params }) => {
                self.notification(line, method, params, now, to_daemon);
            }
            Ok(Message::InOtherWords(plain)) => {
                self.client_line(&plain, now, to_daemon, to_client);
            }
            // One that no daemon waits for any more is dropped.
            Ok(Message::Answer { id }) if self.session.answers(id) && self.way.stream().is_some() => {
                push_line(to_daemon, line);
            }
            Ok(Message::Answer { .. }) => {}
            Err(unfit) => reply::error(to_client, unfit.id, unfit.code, &unfit.text, &Detail::default()),
        }
    }

    /// A call as the usual SDKs write it, with the way open, is noted and can go as it stands.
    ///
    /// The daemon reads the whole line; when it is no JSON, it answers this same id.
    pub fn passes(&mut self, line: &[u8]) -> Option<&Arc<UnixStream>> {
        let Way::Open(stream) = &self.way else { return None };
        let id = scan::call_id(line).filter(|_| !tasks::may_ask_for_one(line))?;
        match self.sent.entry(Id::from(id)) {
            Entry::Vacant(place) => place.insert(Sent { again: None, task: false }),
            // It is refused by `request`.
            Entry::Occupied(_) => return None,
        };
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
        if self.sent.contains_key(id) || self.queue.has(id) {
            // The daemon would say the same; but its answer would look like that to the first request.
            let text = format!("id {} is already in use", String::from_utf8_lossy(id));
            return reply::error(to_client, id, code::INVALID_REQUEST, &text, &Detail::default());
        }
        let call = method == br#""tools/call""#;
        let handshake = method == br#""initialize""#;
        if handshake {
            self.session.note(method, line);
        }
        match &self.way {
            Way::Open(_) => {
                self.session.note(method, line);
                let task = call && tasks::asks_for_one(line);
                self.sent.insert(id.into(), Sent { again: (!call).then(|| line.into()), task });
                push_line(to_daemon, line);
            }
            _ if method == br#""ping""# => reply::result(to_client, id, b"{}"),
            // Clients probe before they shake hands, and fall back only when they are told so at once.
            _ if !is_served(method) => {
                let text = format!("loom does not know the method {}", String::from_utf8_lossy(method));
                reply::error(to_client, id, code::METHOD_NOT_FOUND, &text, &Detail::default());
            }
            Way::Closed(absence) => {
                let absence = absence.clone();
                self.answer_closed(line, id, handshake, &absence, to_client);
            }
            Way::Opening | Way::Draining(_) | Way::Soon if self.queue.is_full_for(line.len()) => {
                reply::error(to_client, id, code::BUSY, "too much waits for the daemon", &Detail::default());
            }
            Way::Opening | Way::Draining(_) | Way::Soon => {
                self.queue.push(id.into(), call, line.into(), now);
            }
        }
    }

    /// No daemon for now. The handshake succeeds all the same, so that the session lives on when one comes.
    fn answer_closed(
        &mut self,
        line: &[u8],
        id: &[u8],
        handshake: bool,
        absence: &Absence,
        to_client: &mut Vec<u8>,
    ) {
        let Absence { code, text, hint } = absence;
        if !handshake {
            let detail = Detail { hint: hint.clone(), ..Detail::default() };
            return reply::error(to_client, id, *code, text, &detail);
        }
        let params = scan::members(line, ["params"]).ok().and_then(|[params]| params);
        let params = params.and_then(|range| std::str::from_utf8(&line[range]).ok()).unwrap_or("{}");
        let hint = hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let told = format!("{text}{hint}");
        let answer = initialize::answer(params, env!("CARGO_PKG_VERSION"), &told, std::iter::empty());
        self.session.greeted = true;
        reply::result(to_client, id, answer.as_bytes());
    }

    fn notification(
        &mut self,
        line: &[u8],
        method: &[u8],
        params: &[u8],
        now: Instant,
        to_daemon: &mut Vec<u8>,
    ) {
        match method {
            br#""notifications/initialized""# => self.session.initialized = true,
            br#""notifications/cancelled""# if self.cancel(params) => return,
            // What loom's own processes tell each other.
            _ if method.starts_with(br#""loom/"#) => return,
            _ => {}
        }
        match self.way {
            Way::Open(_) | Way::Draining(_) => push_line(to_daemon, line),
            Way::Opening => self.queue.push_notification(line, now),
            Way::Soon | Way::Closed(_) => {}
        }
    }

    /// Nobody waits for this request any more. True when it had waited here, so that no daemon knows it.
    fn cancel(&mut self, params: &[u8]) -> bool {
        let Ok([Some(id)]) = scan::members(params, ["requestId"]) else { return false };
        let id = &params[id];
        self.sent.remove(id);
        self.queue.remove(id)
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
            Some((id, false)) => {
                match self.sent.remove(id) {
                    Some(Sent { task: true, .. }) => self.session.tasks.begun(line),
                    Some(Sent { again: Some(request), .. }) => self.session.tasks.answered(&request, line),
                    Some(Sent { again: None, task: false }) | None => {}
                }
                self.session.settle(id, line);
                self.session.greeted && !id.starts_with(b"\"") || self.session.answered(id, line)
            }
            Some((id, true)) => {
                self.session.asked(id);
                true
            }
            None if line.starts_with(br#"{"jsonrpc":"2.0","method":"loom/"#) => {
                self.daemon_word(line, now);
                false
            }
            None => {
                self.session.told(line);
                true
            }
        }
    }

    /// A message between loom's own processes.
    fn daemon_word(&mut self, line: &[u8], now: Instant) {
        let Ok([Some(method), params]) = scan::members(line, ["method", "params"]) else { return };
        match (&line[method], params) {
            (br#""loom/draining""#, _) => {
                if let Way::Open(stream) = &self.way {
                    self.way = Way::Draining(stream.clone());
                }
            }
            (br#""loom/progress""#, Some(params)) => self.session.tasks.progresses(&line[params]),
            (br#""loom/returned""#, Some(params)) => self.wait_again(&line[params], now),
            _ => {}
        }
    }

    /// `uplink` could not write these lines: no byte of them left.
    pub fn take_back(&mut self, lines: &[u8], now: Instant) {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.wait_again(line, now);
        }
    }

    /// A request that no daemon has begun waits for the next one; unless it was cancelled meanwhile.
    fn wait_again(&mut self, line: &[u8], now: Instant) {
        let Ok([Some(id), Some(method)]) = scan::members(line, ["id", "method"]) else { return };
        let (id, call) = (&line[id], &line[method] == br#""tools/call""#);
        if self.sent.remove(id).is_some() {
            self.queue.push(id.into(), call, line.into(), now);
        }
    }

    /// The daemon is gone. What it may have begun gets a named error; what may be asked again waits.
    pub fn daemon_gone(&mut self, now: Instant, to_client: &mut Vec<u8>) {
        self.way = Way::Soon;
        self.queue.restart(now);
        self.session.forget_asks(to_client);
        for (id, sent) in self.sent.drain() {
            match sent.again {
                Some(line) => self.queue.push(id, false, line, now),
                None => {
                    let detail = Detail { hint: Some("loom status".into()), ..Detail::default() };
                    let text = "loomd ended while the call was under way: it may or may not have run";
                    reply::error(to_client, id.as_bytes(), code::DAEMON_GONE, text, &detail);
                }
            }
        }
    }

    /// There will be no daemon for now: whoever waits is told why.
    pub fn close(&mut self, absence: Absence, to_client: &mut Vec<u8>) {
        for held in self.queue.take() {
            if let Some(id) = &held.id {
                let handshake = self.session.is_handshake(&held.line);
                self.answer_closed(&held.line, id.as_bytes(), handshake, &absence, to_client);
            }
        }
        self.way = Way::Closed(absence);
    }

    /// Requests that have waited as long as they may are told so. While there is a daemon, none has.
    pub fn expire(&mut self, now: Instant, to_client: &mut Vec<u8>) {
        match self.way {
            Way::Open(_) | Way::Opening | Way::Draining(_) => return,
            Way::Soon | Way::Closed(_) => {}
        }
        for id in self.queue.expire(now) {
            let detail = Detail { hint: Some("loom status".into()), ..Detail::default() };
            let text = "no loomd came in time to take the call";
            reply::error(to_client, id.as_bytes(), code::TIMEOUT, text, &detail);
        }
    }

    /// A daemon is there. Returns what it is told first: the handshake, if the client had one before, and everything
    /// that waited. A client that had its handshake from an earlier daemon is told to look at the tools again.
    pub fn begin(&mut self, to_client: &mut Vec<u8>) -> Vec<u8> {
        self.way = Way::Opening;
        let mut out = self.session.replay();
        self.release(&mut out);
        if self.session.greeted && self.session.initialized {
            for list in ["tools", "prompts", "resources"] {
                reply::notification(to_client, &format!("notifications/{list}/list_changed"), "{}");
            }
        }
        out
    }

    /// What `begin` or this function returned before was written. Returns what has queued up since; when there is
    /// nothing, the way is open.
    pub fn go_on(&mut self, stream: &Arc<UnixStream>) -> Vec<u8> {
        let mut out = Vec::new();
        self.release(&mut out);
        if out.is_empty() {
            self.way = Way::Open(stream.clone());
        }
        out
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        for Held { id, call, line, .. } in self.queue.take() {
            push_line(out, &line);
            if let Some(id) = id {
                if let (false, Ok([Some(method)])) = (call, scan::members(&line, ["method"])) {
                    self.session.note(&line[method], &line);
                }
                let task = call && tasks::asks_for_one(&line);
                self.sent.insert(id, Sent { again: (!call).then_some(line), task });
            }
        }
    }
}

/// Whether a method, as it stands in JSON, is one that a daemon would answer.
fn is_served(method: &[u8]) -> bool {
    let name = method.strip_prefix(b"\"").and_then(|method| method.strip_suffix(b"\""));
    name.is_some_and(|name| METHODS.iter().any(|known| known.as_bytes() == name))
}

/// Answers what is JSON and no message.
fn refuse(text: &str, to_client: &mut Vec<u8>) {
    reply::error(to_client, b"null", code::INVALID_REQUEST, text, &Detail::default());
}

fn push_line(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(line);
    out.push(b'\n');
}

#[cfg(test)]
mod tests;
