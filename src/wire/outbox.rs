//! Bytes on their way to a peer, with stream positions.
//!
//! A position counts bytes since the stream began, so that after a peer's death it is known for every line
//! whether any byte of it left.

use std::ops::Range;

/// Room that an idle stream keeps, in bytes; see [`Outbox::trim`].
const KEEP: usize = 16 << 10;
/// Room that is never kept, in bytes.
const KEEP_MOST: usize = 4 << 20;

#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// How many of `bytes` have been written.
    head: usize,
    /// The stream position of `bytes[0]`.
    base: u64,
}

impl Outbox {
    /// Where lines are appended; each must end with a newline.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The stream position of the next byte appended.
    pub fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// The stream position of the next byte to be written.
    pub fn written(&self) -> u64 {
        self.base + self.head as u64
    }

    /// What is still to be written.
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.head..]
    }

    /// Notes that the first `n` pending bytes were written.
    pub fn wrote(&mut self, n: usize) {
        self.head += n;
        if self.head == self.bytes.len() {
            self.base += self.head as u64;
            self.head = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEEP_MOST);
        } else if self.head > KEEP_MOST / 4 && self.head > self.bytes.len() / 2 {
            self.base += self.head as u64;
            self.bytes.drain(..self.head);
            self.head = 0;
        }
    }

    /// Whether it holds on to room that an idle stream should give back.
    pub fn is_fat(&self) -> bool {
        self.bytes.capacity() > KEEP && self.pending().is_empty()
    }

    /// Gives back the room of a long line; for when nothing has been written for a while.
    pub fn trim(&mut self) {
        self.bytes.shrink_to(KEEP);
    }

    /// The bytes at a range of stream positions, when none of them has been written yet.
    pub fn unsent(&self, range: &Range<u64>) -> Option<&[u8]> {
        if range.start < self.written() {
            return None;
        }
        let at = |position: u64| usize::try_from(position - self.base).ok();
        self.bytes.get(at(range.start)?..at(range.end)?)
    }

    /// Forgets everything; the stream begins anew.
    pub fn reset(&mut self) {
        *self = Outbox::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_has_not_left() {
        let mut out = Outbox::default();
        out.tail().extend_from_slice(b"one\n");
        let start = out.end();
        out.tail().extend_from_slice(b"two\n");
        let two = start..out.end();
        out.wrote(4);
        assert_eq!(out.unsent(&two), Some(&b"two\n"[..]));
        out.wrote(1);
        assert_eq!(out.unsent(&two), None);
        assert_eq!(out.pending(), b"wo\n");
        out.wrote(3);
        assert_eq!((out.pending(), out.written(), out.end()), (&b""[..], 8, 8));
    }

    #[test]
    fn a_long_backlog_is_given_back_while_it_drains() {
        let mut out = Outbox::default();
        out.tail().resize(4 << 20, b'x');
        out.wrote(3 << 20);
        assert_eq!((out.pending().len(), out.written()), (1 << 20, 3 << 20));
        assert_eq!(out.unsent(&(3 << 20..(3 << 20) + 2)), Some(&b"xx"[..]));
        out.wrote(1 << 20);
        assert!(out.is_fat() && out.tail().capacity() <= KEEP_MOST);
        out.trim();
        assert!(!out.is_fat());
    }
}
