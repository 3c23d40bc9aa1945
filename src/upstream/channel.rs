//! The way to a server: a process's standard input, or messages to the HTTP transport.

use std::io::ErrorKind;
use std::rc::Rc;

use tokio::net::unix::pipe;

use super::http::outgoing::Outgoing;
use crate::wire::outbox::Outbox;

#[derive(Clone)]
pub enum Channel {
    Pipe(Rc<pipe::Sender>),
    Http(Outgoing),
}

impl Channel {
    /// Writes what can be written now. True when something is left that waits for room.
    pub fn write(&self, out: &mut Outbox) -> bool {
        while !out.pending().is_empty() {
            let written = match self {
                Channel::Pipe(pipe) => match pipe.try_write(out.pending()) {
                    Ok(n) => n,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                    // A broken pipe: the keeper sees the process end and settles the calls.
                    Err(_) => return false,
                },
                Channel::Http(outgoing) => {
                    let pending = out.pending();
                    let end = memchr::memchr(b'\n', pending).map_or(pending.len(), |end| end + 1);
                    if !outgoing.hand_over(&pending[..end]) {
                        return false;
                    }
                    end
                }
            };
            out.wrote(written);
        }
        false
    }

    /// Bytes that were written and are still held for the server. What a pipe has taken is its own.
    pub fn held(&self) -> usize {
        match self {
            Channel::Pipe(_) => 0,
            Channel::Http(outgoing) => outgoing.held(),
        }
    }
}
