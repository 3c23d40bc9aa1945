//! What waits for a daemon, in order, and for how long. Pure: time comes in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::wire::BUFFER_MAX;
use crate::wire::id::Id;

/// How long a request waits for a daemon.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    pub call: Duration,
    pub control: Duration,
}

/// A line that waits.
#[derive(Debug)]
pub struct Held {
    /// `None` for a notification.
    pub id: Option<Id>,
    /// It is a `tools/call`.
    pub call: bool,
    pub line: Box<[u8]>,
    deadline: Instant,
}

#[derive(Debug)]
pub struct Queue {
    waits: Waits,
    held: VecDeque<Held>,
    /// Of all lines together.
    bytes: usize,
}

impl Queue {
    pub fn new(waits: Waits) -> Self {
        Queue { waits, held: VecDeque::new(), bytes: 0 }
    }

    /// Whether a line of this length is more than is held back.
    pub fn is_full_for(&self, len: usize) -> bool {
        self.bytes + len > BUFFER_MAX
    }

    pub fn has_requests(&self) -> bool {
        self.held.iter().any(|held| held.id.is_some())
    }

    pub fn has(&self, id: &[u8]) -> bool {
        self.held.iter().any(|held| is(held, id))
    }

    /// A request, whose time begins now.
    pub fn push(&mut self, id: Id, call: bool, line: Box<[u8]>, now: Instant) {
        let deadline = now + self.wait(call);
        self.put(Held { id: Some(id), call, line, deadline });
    }

    /// A notification, which must not overtake what waits.
    pub fn push_notification(&mut self, line: &[u8], now: Instant) {
        if !self.is_full_for(line.len()) {
            self.put(Held { id: None, call: false, line: line.into(), deadline: now });
        }
    }

    fn put(&mut self, held: Held) {
        self.bytes += held.line.len();
        self.held.push_back(held);
    }

    /// Everything, in order.
    pub fn take(&mut self) -> VecDeque<Held> {
        self.bytes = 0;
        std::mem::take(&mut self.held)
    }

    /// Forgets a request. False when it does not wait here.
    pub fn remove(&mut self, id: &[u8]) -> bool {
        let before = self.held.len();
        self.keep(|held| !is(held, id));
        self.held.len() < before
    }

    /// The daemon is gone: what was meant for none but it is forgotten, and what waited while it was there begins to
    /// wait anew.
    pub fn restart(&mut self, now: Instant) {
        self.keep(|held| held.id.is_some());
        let waits = self.waits;
        for held in &mut self.held {
            held.deadline = now + waits.of(held.call);
        }
    }

    /// Takes out the requests whose time is up.
    pub fn expire(&mut self, now: Instant) -> Vec<Id> {
        let late: Vec<Id> =
            self.held.iter().filter(|held| held.deadline <= now).filter_map(|held| held.id.clone()).collect();
        if !late.is_empty() {
            self.keep(|held| held.id.is_none() || held.deadline > now);
        }
        late
    }

    fn keep(&mut self, wanted: impl Fn(&Held) -> bool) {
        self.held.retain(wanted);
        self.bytes = self.held.iter().map(|held| held.line.len()).sum();
    }

    fn wait(&self, call: bool) -> Duration {
        self.waits.of(call)
    }
}

impl Waits {
    fn of(self, call: bool) -> Duration {
        if call { self.call } else { self.control }
    }
}

fn is(held: &Held, id: &[u8]) -> bool {
    held.id.as_ref().is_some_and(|found| found.as_bytes() == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: Waits = Waits { call: Duration::from_secs(60), control: Duration::from_secs(30) };

    fn queue(now: Instant) -> Queue {
        let mut queue = Queue::new(WAITS);
        queue.push(Id::from(&b"1"[..]), true, b"call"[..].into(), now);
        queue.push(Id::from(&b"2"[..]), false, b"list"[..].into(), now);
        queue.push_notification(b"note", now);
        queue
    }

    fn left(queue: &mut Queue) -> Vec<String> {
        queue.take().into_iter().map(|held| String::from_utf8_lossy(&held.line).into_owned()).collect()
    }

    #[test]
    fn each_kind_waits_its_own_time() {
        let now = Instant::now();
        for (after, late, rest) in [
            (0, &[][..], &["call", "list", "note"][..]),
            (30, &["2"][..], &["call", "note"][..]),
            (60, &["1", "2"][..], &["note"][..]),
        ] {
            let mut queue = queue(now);
            let ids = queue.expire(now + Duration::from_secs(after));
            let ids: Vec<_> = ids.iter().map(|id| std::str::from_utf8(id.as_bytes()).unwrap()).collect();
            assert_eq!(ids, late, "after {after} s");
            assert_eq!(left(&mut queue), rest, "after {after} s");
        }
    }

    #[test]
    fn a_lost_daemon_starts_the_time_anew_and_takes_its_notifications_with_it() {
        let now = Instant::now();
        let mut queue = queue(now);
        let later = now + Duration::from_secs(100);
        queue.restart(later);
        assert!(queue.expire(later).is_empty());
        assert_eq!(queue.expire(later + WAITS.control).len(), 1);
        assert_eq!(left(&mut queue), ["call"]);
    }

    #[test]
    fn what_is_forgotten_takes_no_room() {
        let mut queue = queue(Instant::now());
        assert!(queue.is_full_for(BUFFER_MAX - 11) && !queue.is_full_for(BUFFER_MAX - 12));
        assert!(queue.has(b"2") && queue.remove(b"2") && !queue.remove(b"2") && !queue.has(b"2"));
        assert!(!queue.is_full_for(BUFFER_MAX - 8));
        assert!(queue.remove(b"1") && !queue.has_requests());
    }
}
