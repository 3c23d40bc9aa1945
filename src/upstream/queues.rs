//! Calls that wait for a server: a queue for each client, which take turns.

use foldhash::HashMap;
use std::collections::VecDeque;

/// A call's id and its line.
type Waiting = (u64, Vec<u8>);

#[derive(Debug, Default)]
pub struct Queues {
    of: HashMap<u32, VecDeque<Waiting>>,
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
        self.of_client(session, line.len()).push_back((id, line));
    }

    pub fn push_front(&mut self, session: u32, id: u64, line: Vec<u8>) {
        self.of_client(session, line.len()).push_front((id, line));
    }

    fn of_client(&mut self, session: u32, more: usize) -> &mut VecDeque<Waiting> {
        self.count += 1;
        self.bytes += more;
        let turns = &mut self.turns;
        self.of.entry(session).or_insert_with(|| {
            turns.push_back(session);
            VecDeque::new()
        })
    }

    /// The first call of the next client that may have one more.
    pub fn pop(&mut self, may: impl Fn(u32) -> bool) -> Option<Waiting> {
        let at = self.turns.iter().position(|session| may(*session))?;
        let session = self.turns.remove(at)?;
        let queue = self.of.get_mut(&session)?;
        let first = queue.pop_front()?;
        if queue.is_empty() {
            self.of.remove(&session);
        } else {
            self.turns.push_back(session);
        }
        self.count -= 1;
        self.bytes -= first.1.len();
        Some(first)
    }

    /// Forgets a call.
    pub fn remove(&mut self, session: u32, id: u64) {
        let Some(queue) = self.of.get_mut(&session) else { return };
        let Some(at) = queue.iter().position(|(waiting, _)| *waiting == id) else { return };
        if let Some((_, line)) = queue.remove(at) {
            self.count -= 1;
            self.bytes -= line.len();
        }
        if queue.is_empty() {
            self.of.remove(&session);
            self.turns.retain(|turn| *turn != session);
        }
    }

    /// All of it, in the order in which the calls came.
    pub fn into_lines(self) -> Vec<Waiting> {
        let mut all: Vec<Waiting> = self.of.into_values().flatten().collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }
}
