//! From the client to the daemon.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::MutexGuard;
use std::time::Instant;

use super::desk::{Desk, Way};
use super::{BIG, Shared, stdio};
use crate::wire::LINE_MAX;
use crate::wire::lines::{Item, Lines};

/// How much is read at once, in bytes.
const CHUNK: usize = 128 << 10;

/// Reads the client until it closes its end.
pub fn run(shared: &Shared) {
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
        if n == 0 || shared.desk().fatal.is_some() {
            return;
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
                    return send(shared, &stream, line, b"\n");
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
        let stream = match &desk.way {
            Way::Open(stream) if !self.up.is_empty() => Some(stream.clone()),
            Way::Open(_) | Way::Soon | Way::Closed { .. } => None,
        };
        desk.writing = stream.is_some();
        self.crowded = desk.is_crowded();
        drop(desk);
        if let Some(stream) = stream {
            send(shared, &stream, &self.up, b"");
        }
        if !self.down.is_empty() {
            shared.client.write(&self.down);
        }
        self.up.clear();
        self.down.clear();
    }
}

/// Writes lines to the socket, and an end that the last one lacks. Lines of which no byte left, because the
/// daemon is gone, wait for the next one.
fn send(shared: &Shared, stream: &UnixStream, lines: &[u8], end: &[u8]) {
    let written = write(stream, lines).and_then(|()| write(stream, end).map_err(|_| lines.len()));
    let mut desk = shared.desk();
    desk.writing = false;
    if let Err(written) = written {
        // A line that left in part may have been read: it is for `daemon_gone` to answer.
        let whole = lines[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let unsent = if whole == written { whole } else { next_line(lines, written) };
        desk.take_back(&lines[unsent..], Instant::now());
    }
    shared.tell(desk);
}

/// Writes all of it, or says how many bytes left before the daemon was gone.
fn write(mut stream: &UnixStream, bytes: &[u8]) -> Result<(), usize> {
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(0) => return Err(written),
            Ok(n) => written += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Err(written),
        }
    }
    Ok(())
}

fn next_line(lines: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &lines[at..]).map_or(lines.len(), |end| at + end + 1)
}
