//! From the client to the daemon.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use super::desk::Way;
use super::{Shared, stdio};
use crate::wire::LINE_MAX;
use crate::wire::lines::{Item, Lines};

/// How much is read at once, in bytes.
const CHUNK: usize = 128 << 10;

/// Reads the client until it closes its end.
pub fn run(shared: &Shared) {
    let mut lines = Lines::default();
    let mut chunk = vec![0; CHUNK];
    let (mut up, mut down) = (Vec::new(), Vec::new());
    loop {
        if (lines.is_fat() || is_fat(&up)) && stdio::is_quiet() {
            lines.trim();
            up.shrink_to(0);
        }
        let n = stdio::read(&mut chunk).unwrap_or(0);
        let now = Instant::now();
        let mut desk = shared.desk();
        let mut take = |item: Item<'_>| match item {
            Item::Line(line) => desk.client_line(line, now, &mut up, &mut down),
            Item::Oversized(lost) => desk.client_oversized(&lost, &mut down),
        };
        match n {
            0 => lines.finish(LINE_MAX, &mut take),
            n => lines.feed(&chunk[..n], LINE_MAX, &mut take),
        }
        let stream = match &desk.way {
            Way::Open(stream) if !up.is_empty() => Some(stream.clone()),
            _ => None,
        };
        desk.writing = stream.is_some();
        drop(desk);
        if let Some(stream) = stream {
            send(shared, &stream, &up);
        }
        if !down.is_empty() {
            shared.client.write(&down);
        }
        up.clear();
        down.clear();
        if n == 0 || shared.desk().fatal.is_some() {
            return;
        }
    }
}

/// Writes lines to the socket. Lines of which no byte left, because the daemon is gone, wait for the next one.
fn send(shared: &Shared, stream: &Arc<UnixStream>, lines: &[u8]) {
    let mut written = 0;
    let mut socket = &**stream;
    let broken = loop {
        match socket.write(&lines[written..]) {
            Ok(0) => break true,
            Ok(n) => written += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break true,
        }
        if written == lines.len() {
            break false;
        }
    };
    let mut desk = shared.desk();
    desk.writing = false;
    if broken {
        // A line that left in part may have been read: it is for `daemon_gone` to answer.
        let whole = lines[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let unsent = if whole == written { whole } else { next_line(lines, written) };
        desk.take_back(&lines[unsent..], Instant::now());
    }
    shared.tell(desk);
}

fn next_line(lines: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &lines[at..]).map_or(lines.len(), |end| at + end + 1)
}

/// Whether a buffer has grown that an idle proxy should give back.
fn is_fat(buffer: &Vec<u8>) -> bool {
    buffer.capacity() > CHUNK
}
