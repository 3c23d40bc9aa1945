//! Lines out of chunks of bytes, with a bound.
//!
//! Complete lines are handed out as slices of the chunk itself; only a line that spans chunks is copied.

use memchr::memchr;

use super::oversize::{Oversized, Tracker};

/// Room that an idle stream keeps, in bytes; see [`Lines::trim`].
const KEEP: usize = 16 << 10;
/// Room that is never kept, in bytes.
const KEEP_MOST: usize = 4 << 20;

/// What a chunk brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A line without its newline; never blank.
    Line(&'a [u8]),
    /// A line beyond the limit was thrown away.
    Oversized(Oversized),
}

/// The unfinished line of one stream.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
    skipped: Option<Tracker>,
}

impl Lines {
    /// Bytes held back for the unfinished line.
    pub fn held(&self) -> usize {
        self.partial.len()
    }

    /// Whether it holds on to room that an idle stream should give back.
    pub fn is_fat(&self) -> bool {
        self.partial.capacity() > KEEP
    }

    /// Gives back the room of a long line. Pages that come and go with each long line would cost more than the
    /// line itself, so this is for when nothing has come for a while.
    pub fn trim(&mut self) {
        self.partial.shrink_to(KEEP);
    }

    /// Takes a chunk and hands out every line that it completes. `limit` is the longest line kept, in bytes.
    pub fn feed(&mut self, mut chunk: &[u8], limit: usize, mut each: impl FnMut(Item<'_>)) {
        while let Some(end) = memchr(b'\n', chunk) {
            let (head, tail) = (&chunk[..end], &chunk[end + 1..]);
            self.line(head, limit, &mut each);
            chunk = tail;
        }
        self.hold(chunk, limit);
    }

    /// The stream has ended: the last line may lack its newline.
    pub fn finish(&mut self, limit: usize, mut each: impl FnMut(Item<'_>)) {
        self.line(b"", limit, &mut each);
    }

    fn line(&mut self, head: &[u8], limit: usize, each: &mut impl FnMut(Item<'_>)) {
        if self.partial.is_empty() && self.skipped.is_none() && head.len() <= limit {
            hand_out(head, each);
            return;
        }
        self.hold(head, limit);
        if let Some(tracker) = self.skipped.take() {
            each(Item::Oversized(tracker.finish()));
            return;
        }
        let mut partial = std::mem::take(&mut self.partial);
        hand_out(&partial, each);
        partial.clear();
        partial.shrink_to(KEEP_MOST);
        self.partial = partial;
    }

    fn hold(&mut self, part: &[u8], limit: usize) {
        if let Some(tracker) = &mut self.skipped {
            tracker.feed(part);
        } else if self.partial.len() + part.len() > limit {
            let mut tracker = Tracker::default();
            tracker.feed(&std::mem::take(&mut self.partial));
            tracker.feed(part);
            self.skipped = Some(tracker);
        } else {
            self.partial.extend_from_slice(part);
        }
    }
}

fn hand_out(line: &[u8], each: &mut impl FnMut(Item<'_>)) {
    let line = line.trim_ascii();
    if !line.is_empty() {
        each(Item::Line(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(chunks: &[&str], limit: usize) -> Vec<String> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        let mut each = |item: Item<'_>| {
            seen.push(match item {
                Item::Line(line) => String::from_utf8_lossy(line).into_owned(),
                Item::Oversized(Oversized { id, len, .. }) => {
                    format!("<{len} {:?}>", id.map(|id| String::from_utf8_lossy(&id).into_owned()))
                }
            });
        };
        for chunk in chunks {
            lines.feed(chunk.as_bytes(), limit, &mut each);
        }
        lines.finish(limit, &mut each);
        seen
    }

    #[test]
    fn splits_whatever_the_chunks() {
        assert_eq!(run(&["a\nb", "c\r\n\n  \nd"], 99), ["a", "bc", "d"]);
        assert_eq!(run(&["", "\n", "ab", "", "c\n"], 99), ["abc"]);
    }

    #[test]
    fn an_oversized_line_gives_its_id_and_the_next_line_is_whole() {
        assert_eq!(run(&["{\"id\":5,\"p\":\"xxxxxxx", "xxxxxxxxx\"}\nok\n"], 20), ["<31 Some(\"5\")>", "ok"]);
        assert_eq!(run(&["12345678901\nok"], 10), ["<11 None>", "ok"]);
    }
}
