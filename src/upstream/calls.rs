//! The calls of one server: under way, or waiting for it. Pure bookkeeping: no I/O, time comes in.

use foldhash::HashMap;

use crate::mcp::catalog::Kind;
use crate::wire::id::Id;
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

/// Who asked, and how to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A client's request: its connection, its own id (raw JSON) and its own progress token (raw JSON).
    Client { session: u32, id: Id, token: Option<Id>, purpose: Purpose },
    /// loom's own handshake.
    Initialize,
    /// loom's own request for a list; later pages carry what the earlier ones brought.
    List(Kind),
    /// A request of loom's own whose answer says nothing that matters.
    Errand,
}

/// What is done with the answer to a client's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The result of a tool, which may be cut to the client's limit.
    Tool,
    /// Passed on as it is.
    Plain,
    /// Task ids in it are told as loom's.
    Task,
    /// An error is no answer yet: other servers may know the resource.
    Search(Box<Search>),
}

/// Servers that may still know what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The client's line.
    pub line: Box<[u8]>,
    /// Numbers of the servers in the client's view, the next one first.
    pub rest: Vec<u32>,
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
}

impl Open {
    fn is_under_way(&self) -> bool {
        self.sent.is_some() && matches!(self.asker, Asker::Client { .. })
    }
}

/// All calls of one server, by the id that loom gave them.
#[derive(Debug, Default)]
pub struct Calls {
    last: u64,
    open: HashMap<u64, Open>,
    waiting: VecDeque<(u64, Vec<u8>)>,
    waiting_bytes: usize,
    /// Clients' calls in the server's hands; loom's own requests do not count.
    under_way: usize,
}

impl Calls {
    /// A fresh id. Ids never repeat during a daemon's life, so a late answer finds nobody.
    pub fn mint(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Notes a call whose line has been written to the stream at `sent`.
    pub fn sent(&mut self, id: u64, asker: Asker, now: Instant, limit: Duration, sent: Range<u64>) {
        let open = Open { asker, began: now, limit, deadline: now + limit, sent: Some(sent) };
        self.under_way += usize::from(open.is_under_way());
        self.open.insert(id, open);
    }

    /// Notes a call that waits for the server. `line` is complete, with its newline.
    pub fn wait(&mut self, id: u64, asker: Asker, now: Instant, limit: Duration, line: Vec<u8>) {
        self.open.insert(id, Open { asker, began: now, limit, deadline: now + limit, sent: None });
        self.waiting_bytes += line.len();
        self.waiting.push_back((id, line));
    }

    /// Takes the next waiting call out of the queue.
    pub fn next_waiting(&mut self) -> Option<(u64, Vec<u8>)> {
        let (id, line) = self.waiting.pop_front()?;
        self.waiting_bytes -= line.len();
        Some((id, line))
    }

    /// Marks a call taken from the queue as sent.
    pub fn now_sent(&mut self, id: u64, sent: Range<u64>) {
        if let Some(open) = self.open.get_mut(&id) {
            open.sent = Some(sent);
            self.under_way += usize::from(open.is_under_way());
        }
    }

    /// Puts calls whose lines never left back to the head of the queue, in their order.
    pub fn wait_again(&mut self, mut lines: Vec<(u64, Vec<u8>)>) {
        lines.sort_by_key(|(id, _)| *id);
        for (id, line) in lines.into_iter().rev() {
            if let Some(open) = self.open.get_mut(&id) {
                self.under_way -= usize::from(open.is_under_way());
                open.sent = None;
                self.waiting_bytes += line.len();
                self.waiting.push_front((id, line));
            }
        }
    }

    /// Ends every call that waits. Each comes with its line.
    pub fn take_waiting(&mut self) -> Vec<(Open, Vec<u8>)> {
        self.waiting_bytes = 0;
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().filter_map(|(id, line)| Some((self.open.remove(&id)?, line))).collect()
    }

    pub fn get(&self, id: u64) -> Option<&Open> {
        self.open.get(&id)
    }

    /// Ends a call: answered, cancelled or given up.
    pub fn remove(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        self.under_way -= usize::from(open.is_under_way());
        if open.sent.is_none()
            && let Some(at) = self.waiting.iter().position(|(waiting, _)| *waiting == id)
            && let Some((_, line)) = self.waiting.remove(at)
        {
            self.waiting_bytes -= line.len();
        }
        Some(open)
    }

    /// Progress: the call's time starts anew. Says whom to tell.
    pub fn progress(&mut self, id: u64, now: Instant) -> Option<&Asker> {
        let open = self.open.get_mut(&id)?;
        open.deadline = now + open.limit;
        Some(&open.asker)
    }

    /// The ids of calls for which `which` holds.
    pub fn ids(&self, which: impl Fn(&Open) -> bool) -> Vec<u64> {
        let mut ids: Vec<u64> = self.open.iter().filter(|(_, open)| which(open)).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    /// The clients that have a call in the server's hands, each once.
    pub fn callers(&self) -> impl Iterator<Item = u32> {
        let sessions = self.open.values().filter_map(|open| match &open.asker {
            Asker::Client { session, .. } if open.sent.is_some() => Some(*session),
            _ => None,
        });
        sessions.collect::<BTreeSet<u32>>().into_iter()
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
        self.waiting.len()
    }

    /// Bytes of the lines not yet sent.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Clients' calls that are in the server's hands.
    pub fn under_way(&self) -> usize {
        self.under_way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(9);

    fn client(n: u8) -> Asker {
        Asker::Client { session: 1, id: Id::from(&[b'0' + n][..]), token: None, purpose: Purpose::Plain }
    }

    #[test]
    fn given_up_calls_leave_the_queue_and_unsent_ones_go_back_in_order() {
        let now = Instant::now();
        let mut calls = Calls::default();
        let ids: Vec<u64> = (0..3).map(|_| calls.mint()).collect();
        for (n, id) in (0..).zip(&ids) {
            calls.wait(*id, client(n), now, LIMIT, vec![b'x'; 10]);
        }
        calls.remove(ids[0]);
        assert_eq!((calls.waiting(), calls.waiting_bytes(), calls.under_way()), (2, 20, 0));
        let (second, line) = calls.next_waiting().unwrap();
        calls.now_sent(second, 0..10);
        assert_eq!((second, calls.under_way(), calls.waiting_bytes()), (ids[1], 1, 10));
        calls.wait_again(vec![(second, line)]);
        assert_eq!((calls.under_way(), calls.waiting()), (0, 2));
        assert_eq!(calls.next_waiting().unwrap().0, ids[1]);
        assert_eq!(calls.next_waiting().unwrap().0, ids[2]);
        assert!(calls.next_waiting().is_none());
        assert_eq!(calls.waiting_bytes(), 0);
    }

    #[test]
    fn the_whole_queue_can_be_taken() {
        let now = Instant::now();
        let mut calls = Calls::default();
        let (sent, waits) = (calls.mint(), calls.mint());
        calls.sent(sent, client(1), now, LIMIT, 0..1);
        calls.wait(waits, client(2), now, LIMIT, b"two\n".to_vec());
        let taken: Vec<_> = calls.take_waiting().into_iter().map(|(open, line)| (open.asker, line)).collect();
        assert_eq!(taken, [(client(2), b"two\n".to_vec())]);
        assert_eq!((calls.len(), calls.waiting(), calls.waiting_bytes()), (1, 0, 0));
    }

    #[test]
    fn only_calls_of_clients_take_a_place() {
        let now = Instant::now();
        let mut calls = Calls::default();
        let (list, call) = (calls.mint(), calls.mint());
        calls.sent(list, Asker::Errand, now, LIMIT, 0..1);
        calls.sent(call, client(1), now, LIMIT, 1..2);
        assert_eq!(calls.under_way(), 1);
        calls.remove(list);
        assert_eq!(calls.under_way(), 1);
        calls.remove(call);
        assert_eq!((calls.under_way(), calls.is_empty()), (0, true));
    }

    #[test]
    fn progress_moves_the_deadline() {
        let now = Instant::now();
        let mut calls = Calls::default();
        let id = calls.mint();
        calls.sent(id, Asker::Errand, now, LIMIT, 0..1);
        let later = now + LIMIT / 2;
        assert_eq!(calls.progress(id, later), Some(&Asker::Errand));
        assert_eq!(calls.first_deadline(), Some(later + LIMIT));
        assert_eq!(calls.progress(99, later), None);
    }
}
