//! From the client to the daemon.

use std::os::unix::net::UnixStream;
use std::sync::MutexGuard;
use std::time::Instant;

use super::desk::Desk;
use super::socket::{self, Ends};
use super::{BIG, Shared, stdio};
use crate::wire::LINE_MAX;
use crate::wire::lines::{Item, Lines};

/// How much is read at once, in bytes.
const CHUNK: usize = 128 << 10;

/// Why there is nothing more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client closed its end, or this proxy cannot be.
    Closed,
    /// The client closed its end, and the daemon takes nothing: there is nobody to wait for.
    Stuck,
}

/// Reads the client until it closes its end.
pub fn run(shared: &Shared) -> Ending {
    let mut lines = Lines::default();
    let mut chunk = vec![0; CHUNK];
    let mut batch = Batch::default();
    loop {
        if (lines.is_fat() || batch.up.capacity() > CHUNK) && stdio::is_quiet() {
            lines.trim();
            batch.up.shrink_to(0);
        }
        if batch.crowded {
            stdio::gather();
        }
        let n = stdio::read(&mut chunk).unwrap_or(0);
        let now = Instant::now();
        // Held from the first line to the write: nothing can be lost in between without being known.
        let mut desk = Some(shared.desk());
        let mut take = |item: Item<'_>| batch.take(shared, &mut desk, item, now);
        match n {
            0 => lines.finish(LINE_MAX, &mut take),
            n => lines.feed(&chunk[..n], LINE_MAX, &mut take),
        }
        batch.flush(shared, desk.unwrap_or_else(|| shared.desk()));
        if batch.alone {
            return Ending::Stuck;
        }
        if n == 0 || shared.desk().fatal.is_some() {
            return Ending::Closed;
        }
    }
}

/// What the lines of one read led to.
#[derive(Default)]
struct Batch {
    up: Vec<u8>,
    down: Vec<u8>,
    /// Many calls are open: what comes next is likely to come in a crowd.
    crowded: bool,
    /// The client was gone while the daemon took nothing.
    alone: bool,
}

impl Batch {
    fn take<'s>(
        &mut self,
        shared: &'s Shared,
        held: &mut Option<MutexGuard<'s, Desk>>,
        item: Item<'_>,
        now: Instant,
    ) {
        let mut desk = held.take().unwrap_or_else(|| shared.desk());
        match item {
            Item::Line(line) if line.len() >= BIG => {
                self.flush(shared, desk);
                desk = shared.desk();
                if let Some(stream) = desk.passes(line).cloned() {
                    desk.writing = true;
                    drop(desk);
                    self.alone |= send(shared, &stream, line, b"\n");
                    return;
                }
                desk.client_line(line, now, &mut self.up, &mut self.down);
            }
            Item::Line(line) => desk.client_line(line, now, &mut self.up, &mut self.down),
            Item::Oversized(lost) => desk.client_oversized(&lost, &mut self.down),
        }
        *held = Some(desk);
    }

    /// Writes what there is, to both sides. The lock is let go of before.
    fn flush(&mut self, shared: &Shared, mut desk: MutexGuard<'_, Desk>) {
        let stream = desk.way.stream().filter(|_| !self.up.is_empty()).cloned();
        desk.writing = stream.is_some();
        self.crowded = desk.is_crowded();
        drop(desk);
        if let Some(stream) = stream {
            self.alone |= send(shared, &stream, &self.up, b"");
        }
        if !self.down.is_empty() {
            shared.client.write(&self.down);
        }
        self.up.clear();
        self.down.clear();
    }
}

/// Writes lines to the socket, and an end that the last one lacks. Lines of which no byte left, because the
/// daemon is gone, wait for the next one. True when nobody is left to wait for it.
fn send(shared: &Shared, stream: &UnixStream, lines: &[u8], end: &[u8]) -> bool {
    let client = Ends::of_client();
    let outcome = match socket::write(stream, lines, client) {
        Ok(()) => socket::write(stream, end, client).map_err(|cut| (lines.len(), cut.alone)),
        Err(cut) => Err((cut.written, cut.alone)),
    };
    let mut desk = shared.desk();
    desk.writing = false;
    if let Err((written, _)) = outcome {
        desk.take_back(socket::unsent(lines, written), Instant::now());
    }
    shared.tell(desk);
    outcome.is_err_and(|(_, alone)| alone)
}
