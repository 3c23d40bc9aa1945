//! The calls of one server: under way, or waiting for it. Pure bookkeeping: no I/O, time comes in.

use foldhash::HashMap;

use super::purpose::Purpose;
use super::queues::Queues;
use super::topic::Topic;
use crate::mcp::catalog::Kind;
use crate::wire::id::Id;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Who asked, and how to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A client's request: its connection, its own id (raw JSON) and its own progress token (raw JSON).
    Client { session: u32, id: Id, token: Option<Id>, purpose: Purpose, topic: Topic },
    /// loom's own handshake.
    Initialize,
    /// loom's own request for a page of a list.
    List(Kind),
    /// A request of loom's own whose answer says nothing that matters.
    Errand,
}

/// One call that has not been answered.
#[derive(Debug)]
pub struct Open {
    pub asker: Asker,
    pub began: Instant,
    /// How long it may take; progress starts the time anew.
    pub limit: Duration,
    pub deadline: Instant,
    /// Its line in the stream to the server; `None` while it waits.
    pub sent: Option<Range<u64>>,
    /// When that was written.
    pub sent_at: Instant,
    /// The client's line, unless it can be told from that to the server.
    pub written: Option<Box<[u8]>>,
    /// So often its session was forgotten before it arrived.
    pub forgotten: u32,
    /// When its server could first not be reached.
    pub unsent_since: Option<Instant>,
}

impl Asker {
    /// From when the time of a request counts that is sent `now`.
    pub fn since(&self, now: Instant) -> Instant {
        match self {
            Asker::Client { purpose: Purpose::Search(search), .. } => search.began,
            Asker::Client { .. } | Asker::Initialize | Asker::List(_) | Asker::Errand => now,
        }
    }
}

impl Open {
    pub fn new(asker: Asker, now: Instant, limit: Duration, sent: Option<Range<u64>>) -> Self {
        let deadline = asker.since(now) + limit;
        Open {
            asker,
            began: now,
            limit,
            deadline,
            sent,
            sent_at: now,
            written: None,
            forgotten: 0,
            unsent_since: None,
        }
    }

    /// How long it waited in loom, and how long it has been with the server.
    pub fn stages(&self, now: Instant) -> (Duration, Duration) {
        let sent_at = if self.sent.is_some() { self.sent_at } else { now };
        (sent_at.saturating_duration_since(self.began), now.saturating_duration_since(sent_at))
    }
}

/// So many calls of one client are in a server's hands at most; the others wait, so that a client with a thousand
/// does not make another's one wait for them all.
pub const CLIENT_MAX: usize = 64;

/// How long a server may go on with a call that was taken back, as far as anybody is asked anything meanwhile.
const LINGER: Duration = Duration::from_secs(30);

/// What a server has of one client.
#[derive(Debug, Default)]
struct Hand {
    calls: usize,
    /// Of the lines of those, and of questions about tasks.
    bytes: u64,
}

/// All calls of one server, by the id that loom gave them.
#[derive(Debug, Default)]
pub struct Calls {
    last: u64,
    open: HashMap<u64, Open>,
    queues: Queues,
    /// Clients' calls in the server's hands, by connection and together; loom's own requests do not count.
    by_client: HashMap<u32, Hand>,
    under_way: usize,
    /// Calls that were taken back and may still be worked on: id, client, until when that is thought possible.
    left: Vec<(u64, u32, Instant)>,
}

impl Calls {
    /// A fresh id. Ids never repeat during a daemon's life, so a late answer finds nobody.
    pub fn mint(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Whether a client's call need not wait. `max` bounds all clients' calls together.
    pub fn has_room(&self, session: u32, max: Option<usize>) -> bool {
        let own = self.by_client.get(&session).map_or(0, |hand| hand.calls);
        let together = max.is_none_or(|max| self.under_way < max && self.queues.count == 0);
        together && own < CLIENT_MAX && !self.queues.has(session)
    }

    /// Notes a call whose line has been written to the stream at `sent`.
    pub fn sent(&mut self, id: u64, asker: Asker, now: Instant, limit: Duration, sent: Range<u64>) {
        self.begins(whose(&asker), &sent);
        self.open.insert(id, Open::new(asker, now, limit, Some(sent)));
    }

    /// Notes a client's call that waits for the server. `line` is complete, with its newline.
    pub fn wait(&mut self, id: u64, asker: Asker, now: Instant, limit: Duration, line: Vec<u8>) {
        if let Some(session) = session_of(&asker) {
            self.queues.push_back(session, id, line);
        }
        self.open.insert(id, Open::new(asker, now, limit, None));
    }

    /// Takes the next waiting call out of its queue: one of each client in turn, and none of a client that has its
    /// share. `max` bounds all clients' calls together.
    pub fn next_waiting(&mut self, max: Option<usize>) -> Option<(u64, Vec<u8>)> {
        if max.is_some_and(|max| self.under_way >= max) {
            return None;
        }
        let by_client = &self.by_client;
        self.queues.pop(|session| by_client.get(&session).is_none_or(|hand| hand.calls < CLIENT_MAX))
    }

    /// Marks a call taken from the queue as sent.
    pub fn now_sent(&mut self, id: u64, sent: Range<u64>, now: Instant) {
        if let Some(open) = self.open.get_mut(&id) {
            open.sent_at = now;
            open.sent = Some(sent.clone());
            let whose = whose(&open.asker);
            self.begins(whose, &sent);
        }
    }

    /// Puts calls whose lines never left back to the head of their clients' queues, in their order.
    pub fn wait_again(&mut self, mut lines: Vec<(u64, Vec<u8>)>) {
        lines.sort_by_key(|(id, _)| *id);
        for (id, line) in lines.into_iter().rev() {
            let Some(open) = self.open.get_mut(&id) else { continue };
            let Some(whose) = whose(&open.asker) else { continue };
            if let Some(sent) = open.sent.take() {
                self.ends(whose, &sent);
            }
            self.queues.push_front(whose.0, id, line);
        }
    }

    /// Notes that a call did not arrive because its session was forgotten. How often that has been.
    pub fn was_forgotten(&mut self, id: u64) -> u32 {
        let Some(open) = self.open.get_mut(&id) else { return 0 };
        open.forgotten += 1;
        open.forgotten
    }

    /// Notes that a call did not arrive because its server could not be reached. For how long that has been so.
    pub fn was_unsent(&mut self, id: u64, now: Instant) -> Duration {
        let Some(open) = self.open.get_mut(&id) else { return Duration::ZERO };
        now.saturating_duration_since(*open.unsent_since.get_or_insert(now))
    }

    /// Clients' calls in the server's hands.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Ends every call that waits. Each comes with its line.
    pub fn take_waiting(&mut self) -> Vec<(Open, Vec<u8>)> {
        let waiting = std::mem::take(&mut self.queues).into_lines();
        waiting.into_iter().filter_map(|(id, line)| Some((self.open.remove(&id)?, line))).collect()
    }

    /// Keeps a client's line until its call ends.
    pub fn keep(&mut self, id: u64, line: &[u8]) {
        if let Some(open) = self.open.get_mut(&id) {
            open.written = Some(line.into());
        }
    }

    /// The client of this call no longer wants to be subscribed to `uri`. False when that is not what the call is for.
    pub fn forget_subscription(&mut self, id: u64, uri: &str) -> bool {
        match self.open.get_mut(&id).map(|open| &mut open.asker) {
            Some(Asker::Client { purpose, .. }) if *purpose == Purpose::Subscribe(uri.into()) => {
                *purpose = Purpose::Plain;
                true
            }
            _ => false,
        }
    }

    /// Clients that have asked for a subscription and have no answer yet, and to which URI of theirs.
    pub fn subscribing(&self) -> impl Iterator<Item = (u32, &str)> {
        self.open.values().filter_map(|open| match &open.asker {
            Asker::Client { session, purpose: Purpose::Subscribe(uri), .. } => Some((*session, &**uri)),
            _ => None,
        })
    }

    pub fn get(&self, id: u64) -> Option<&Open> {
        self.open.get(&id)
    }

    /// Ends a call: answered, cancelled or given up.
    pub fn remove(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        if let Some(whose) = whose(&open.asker) {
            match &open.sent {
                Some(sent) => self.ends(whose, sent),
                None => self.queues.remove(whose.0, id),
            }
        }
        Some(open)
    }

    /// A call was taken back from a server that may be working on it.
    pub fn leave(&mut self, id: u64, session: u32, now: Instant) {
        self.left.retain(|(_, _, until)| *until > now);
        self.left.push((id, session, now + LINGER));
    }

    /// An answer to a call that was taken back: whose that was.
    pub fn answered_late(&mut self, id: u64) -> Option<u32> {
        let at = self.left.iter().position(|(left, ..)| *left == id)?;
        Some(self.left.swap_remove(at).1)
    }

    /// The server's life is over.
    pub fn forget_left(&mut self) {
        self.left.clear();
    }

    fn begins(&mut self, whose: Option<(u32, usize)>, sent: &Range<u64>) {
        if let Some((session, calls)) = whose {
            self.under_way += calls;
            let hand = self.by_client.entry(session).or_default();
            hand.calls += calls;
            hand.bytes += sent.end - sent.start;
        }
    }

    fn ends(&mut self, (session, calls): (u32, usize), sent: &Range<u64>) {
        self.under_way -= calls;
        if let Entry::Occupied(mut hand) = self.by_client.entry(session) {
            hand.get_mut().calls -= calls;
            hand.get_mut().bytes -= sent.end - sent.start;
            if hand.get().bytes == 0 {
                hand.remove();
            }
        }
    }

    /// Progress: the call's time starts anew. Says whom to tell.
    pub fn progress(&mut self, id: u64, now: Instant) -> Option<&Asker> {
        let open = self.open.get_mut(&id)?;
        open.deadline = now + open.limit;
        if let Asker::Client { purpose: Purpose::Search(search), .. } = &mut open.asker {
            search.began = now;
        }
        Some(&open.asker)
    }

    /// The ids of calls for which `which` holds.
    pub fn ids(&self, which: impl Fn(&Open) -> bool) -> Vec<u64> {
        let mut ids: Vec<u64> = self.open.iter().filter(|(_, open)| which(open)).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    /// The clients that have a call in the server's hands, or had one until a moment ago.
    pub fn callers(&self, now: Instant) -> impl Iterator<Item = u32> {
        let left = self.left.iter().filter(move |(_, _, until)| *until > now).map(|(_, session, _)| *session);
        let open = self.open.values().filter(|open| open.sent.is_some());
        open.filter_map(|open| session_of(&open.asker)).chain(left)
    }

    /// Whether a call of this client's is under way that is to become a task.
    pub fn may_begin_task(&self, session: u32) -> bool {
        let begins = |asker: &Asker| match asker {
            Asker::Client { session: of, purpose: Purpose::Task, .. } => *of == session,
            Asker::Client { .. } | Asker::Initialize | Asker::List(_) | Asker::Errand => false,
        };
        self.open.values().any(|open| open.sent.is_some() && begins(&open.asker))
    }

    /// When the first call runs out of time.
    pub fn first_deadline(&self) -> Option<Instant> {
        self.open.values().map(|open| open.deadline).min()
    }

    /// Calls not yet answered, sent or waiting.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Calls not yet sent.
    pub fn waiting(&self) -> usize {
        self.queues.count
    }

    /// Bytes of the lines not yet sent.
    pub fn waiting_bytes(&self) -> usize {
        self.queues.bytes
    }

    /// Bytes of one client's lines not yet sent, or at most so many as `unwritten` of those that are on their way.
    pub fn bytes_of(&self, session: u32, unwritten: usize) -> usize {
        // How much of whose lines is left is not kept: who has much there is taken to have all of it.
        let sent = self.by_client.get(&session).map_or(0, |hand| hand.bytes);
        self.queues.bytes_of(session) + usize::try_from(sent).map_or(unwritten, |sent| sent.min(unwritten))
    }
}

/// The client that asked, and how many calls in the server's hands its request counts for: a question about a task is
/// none.
fn whose(asker: &Asker) -> Option<(u32, usize)> {
    match asker {
        Asker::Client { session, purpose, .. } => Some((*session, usize::from(!purpose.is_of_task()))),
        Asker::Initialize | Asker::List(_) | Asker::Errand => None,
    }
}

/// The client that asked.
fn session_of(asker: &Asker) -> Option<u32> {
    match asker {
        Asker::Client { session, .. } => Some(*session),
        Asker::Initialize | Asker::List(_) | Asker::Errand => None,
    }
}

#[cfg(test)]
mod tests;
