//! Calls that wait for a server: a queue for each client, which take turns.

use foldhash::HashMap;
use std::collections::VecDeque;

/// A call's id and its line.
type Waiting = (u64, Vec<u8>);

/// What waits of one client, and how many bytes that is.
#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Debug, Default)]
pub struct Queues {
    of: HashMap<u32, Queue>,
    /// Clients that have something waiting, the next one first.
    turns: VecDeque<u32>,
    /// Of all clients together.
    pub count: usize,
    pub bytes: usize,
}

impl Queues {
    pub fn has(&self, session: u32) -> bool {
        self.count > 0 && self.of.contains_key(&session)
    }

    pub fn push_back(&mut self, session: u32, id: u64, line: Vec<u8>) {
        self.of_client(session, line.len()).lines.push_back((id, line));
    }

    pub fn push_front(&mut self, session: u32, id: u64, line: Vec<u8>) {
        self.of_client(session, line.len()).lines.push_front((id, line));
    }

    fn of_client(&mut self, session: u32, more: usize) -> &mut Queue {
        self.count += 1;
        self.bytes += more;
        let turns = &mut self.turns;
        let queue = self.of.entry(session).or_insert_with(|| {
            turns.push_back(session);
            Queue::default()
        });
        queue.bytes += more;
        queue
    }

    /// Bytes of one client.
    pub fn bytes_of(&self, session: u32) -> usize {
        self.of.get(&session).map_or(0, |queue| queue.bytes)
    }

    /// The first call of the next client that may have one more.
    pub fn pop(&mut self, may: impl Fn(u32) -> bool) -> Option<Waiting> {
        let at = self.turns.iter().position(|session| may(*session))?;
        let session = self.turns.remove(at)?;
        let queue = self.of.get_mut(&session)?;
        let first = queue.lines.pop_front()?;
        self.count -= 1;
        self.bytes -= first.1.len();
        queue.bytes -= first.1.len();
        if queue.lines.is_empty() {
            self.of.remove(&session);
        } else {
            self.turns.push_back(session);
        }
        Some(first)
    }

    /// Forgets a call.
    pub fn remove(&mut self, session: u32, id: u64) {
        let Some(queue) = self.of.get_mut(&session) else { return };
        let Some(at) = queue.lines.iter().position(|(waiting, _)| *waiting == id) else { return };
        if let Some((_, line)) = queue.lines.remove(at) {
            self.count -= 1;
            self.bytes -= line.len();
            queue.bytes -= line.len();
        }
        if queue.lines.is_empty() {
            self.of.remove(&session);
            self.turns.retain(|turn| *turn != session);
        }
    }

    /// All of it, in the order in which the calls came.
    pub fn into_lines(self) -> Vec<Waiting> {
        let mut all: Vec<Waiting> = self.of.into_values().flat_map(|queue| queue.lines).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }
}
