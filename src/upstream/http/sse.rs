//! Server-sent events out of chunks of bytes, as the HTML standard parses them, with bounds.
//!
//! The value of a line goes straight to where it belongs, so that a comment of any length costs nothing and a
//! long message is held once.

use std::time::Duration;

use memchr::{memchr, memchr2};

use crate::wire::oversize::{Oversized, Tracker};

/// The byte order mark that a stream may begin with.
const BOM: &[u8] = b"\xEF\xBB\xBF";
/// Longer field names are of no interest, in bytes; room for the longest known one behind the mark.
const NAME_MAX: usize = 16;
/// Longer ids, event types and retry times are ignored, in bytes.
const VALUE_MAX: usize = 4 << 10;
/// A server that asks for a longer pause than this gets this.
const RETRY_MAX: Duration = Duration::from_secs(600);
/// Room for data that is kept from event to event, in bytes.
const KEEP: usize = 16 << 10;

/// What an event brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// The type (empty when it has none) and the data, lines joined by a newline.
    Event { kind: &'a [u8], data: &'a [u8] },
    /// Its data went beyond the limit and was thrown away.
    Oversized(Oversized),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Data,
    Id,
    Kind,
    Retry,
    Other,
}

/// Where in a line the next byte stands.
#[derive(Debug, Default)]
enum At {
    #[default]
    Name,
    /// Behind the colon; the one space that may follow is not part of the value.
    Colon(Field),
    Value(Field),
}

/// The reader of one stream. It may go on with the stream that continues it: see [`Parser::restart`].
#[derive(Debug, Default)]
pub struct Parser {
    at: At,
    name: Vec<u8>,
    value: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    kind: Vec<u8>,
    skipped: Option<Tracker>,
    /// The last byte was a CR: a LF now is of the same line end.
    after_cr: bool,
    /// The first line has been read; the mark can only stand in that one.
    begun: bool,
    /// An id that counts when its event is complete.
    next_id: Option<Vec<u8>>,
    last_id: Option<Vec<u8>>,
    retry: Option<Duration>,
}

impl Parser {
    /// The id of the last complete event, if any had one that was not empty.
    pub fn last_id(&self) -> Option<&[u8]> {
        self.last_id.as_deref().filter(|id| !id.is_empty())
    }

    /// Bytes held of an event that is not complete.
    pub fn held(&self) -> usize {
        self.data.len()
    }

    /// The pause before connecting again that the server asked for.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The stream has ended and another will continue it: an unfinished event is dropped.
    pub fn restart(&mut self) {
        let (last_id, retry) = (self.last_id.take(), self.retry);
        *self = Parser { next_id: last_id.clone(), last_id, retry, ..Parser::default() };
    }

    /// Takes a chunk and hands out every event that it completes. `limit` is the longest data kept, in bytes.
    /// Returns whether any event was complete, be it one without data.
    pub fn feed(&mut self, mut chunk: &[u8], limit: usize, mut each: impl FnMut(Item<'_>)) -> bool {
        let mut any = false;
        while !chunk.is_empty() {
            if std::mem::take(&mut self.after_cr) && chunk[0] == b'\n' {
                chunk = &chunk[1..];
                continue;
            }
            let Some(end) = memchr2(b'\r', b'\n', chunk) else {
                self.part(chunk, limit);
                break;
            };
            self.part(&chunk[..end], limit);
            self.after_cr = chunk[end] == b'\r';
            any |= self.line_ends(limit, &mut each);
            chunk = &chunk[end + 1..];
        }
        any
    }

    /// A piece of a line, without line ends.
    fn part(&mut self, mut part: &[u8], limit: usize) {
        if let At::Name = self.at {
            let Some(colon) = memchr(b':', part) else {
                push(&mut self.name, part, NAME_MAX);
                return;
            };
            push(&mut self.name, &part[..colon], NAME_MAX);
            part = &part[colon + 1..];
            self.field_begins(At::Colon);
        }
        if let At::Colon(field) = self.at {
            if part.is_empty() {
                return;
            }
            part = part.strip_prefix(b" ").unwrap_or(part);
            self.at = At::Value(field);
        }
        match self.at {
            At::Value(Field::Data) => self.hold(part, limit),
            At::Value(Field::Id | Field::Kind | Field::Retry) => push(&mut self.value, part, VALUE_MAX),
            At::Value(Field::Other) | At::Name | At::Colon(_) => {}
        }
    }

    /// The name is complete.
    fn field_begins(&mut self, at: fn(Field) -> At) {
        let name =
            if self.begun { &self.name[..] } else { self.name.strip_prefix(BOM).unwrap_or(&self.name) };
        let field = match name {
            b"data" => Field::Data,
            b"id" => Field::Id,
            b"event" => Field::Kind,
            b"retry" => Field::Retry,
            _ => Field::Other,
        };
        self.begun = true;
        self.name.clear();
        self.at = at(field);
    }

    /// Returns whether an event was complete.
    fn line_ends(&mut self, limit: usize, each: &mut impl FnMut(Item<'_>)) -> bool {
        if let At::Name = self.at {
            let blank = self.name.is_empty() || (!self.begun && self.name == BOM);
            self.begun |= blank;
            if blank {
                self.name.clear();
                return self.event_ends(each);
            }
            self.field_begins(At::Value);
        }
        let (At::Colon(field) | At::Value(field)) = std::mem::take(&mut self.at) else { return false };
        match field {
            Field::Data => {
                // The newline behind the last line is taken off again in the end.
                self.hold(b"\n", limit.saturating_add(1));
                self.has_data = true;
            }
            Field::Id if self.value.len() <= VALUE_MAX && memchr(0, &self.value).is_none() => {
                self.next_id = Some(self.value.clone());
            }
            Field::Kind => self.kind.clone_from(&self.value),
            Field::Retry => self.retry = pause(&self.value).or(self.retry),
            Field::Id | Field::Other => {}
        }
        self.value.clear();
        false
    }

    fn event_ends(&mut self, each: &mut impl FnMut(Item<'_>)) -> bool {
        let complete = self.has_data || self.last_id != self.next_id;
        self.last_id.clone_from(&self.next_id);
        if let Some(tracker) = self.skipped.take() {
            each(Item::Oversized(tracker.finish()));
        } else if self.has_data {
            let data = self.data.strip_suffix(b"\n").unwrap_or(&self.data);
            each(Item::Event { kind: &self.kind, data });
        }
        self.has_data = false;
        self.data.clear();
        self.data.shrink_to(KEEP);
        self.kind.clear();
        complete
    }

    fn hold(&mut self, part: &[u8], limit: usize) {
        if let Some(tracker) = &mut self.skipped {
            tracker.feed(part);
        } else if self.data.len() + part.len() > limit {
            let mut tracker = Tracker::default();
            tracker.feed(&std::mem::take(&mut self.data));
            tracker.feed(part);
            self.skipped = Some(tracker);
        } else {
            self.data.extend_from_slice(part);
        }
    }
}

/// Appends, but never more than one byte beyond `limit`: enough to see that it was too long.
fn push(place: &mut Vec<u8>, part: &[u8], limit: usize) {
    let room = (limit + 1).saturating_sub(place.len());
    place.extend_from_slice(&part[..part.len().min(room)]);
}

/// Milliseconds in decimal digits, and nothing else.
fn pause(digits: &[u8]) -> Option<Duration> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let ms = std::str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX);
    Some(Duration::from_millis(ms).min(RETRY_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(parser: &mut Parser, stream: &[u8], step: usize, limit: usize) -> Vec<String> {
        let mut seen = Vec::new();
        for chunk in stream.chunks(step) {
            parser.feed(chunk, limit, |item| {
                seen.push(match item {
                    Item::Event { kind, data } => format!("{}|{}", kind.escape_ascii(), data.escape_ascii()),
                    Item::Oversized(Oversized { id, len, .. }) => {
                        format!("<{len} {:?}>", id.map(|id| String::from_utf8_lossy(&id).into_owned()))
                    }
                });
            });
        }
        seen
    }

    #[test]
    fn events_are_found_in_any_chunking() {
        for (stream, want, last_id) in [
            ("data: a\n\ndata:b\n\n", &["|a", "|b"][..], None),
            ("data: a\r\n\r\ndata: b\r\rdata:  c\n\n", &["|a", "|b", "| c"], None),
            ("\u{feff}data: a\n\n\u{feff}data: b\n\n", &["|a"], None),
            ("\u{feff}\ndata: a\n\n", &["|a"], None),
            ("\u{feff}: note\ndata: a\n\n", &["|a"], None),
            (": note: data: x\n:\ndata: a\n: y\ndata: b\n\n", &["|a\\nb"], None),
            ("event: message\nid: 7\ndata: a\n\ndata: b\n\n", &["message|a", "|b"], Some("7")),
            ("id: 1\ndata: a\n\nid: 2\ndata: b", &["|a"], Some("1")),
            ("id: 1\n\nid\n\n", &[], None),
            ("id: p\ndata:\n\n", &["|"], Some("p")),
            ("id: p\ndata\n\n", &["|"], Some("p")),
            ("id: p\n\n", &[], Some("p")),
            ("id: 1\n\nid: a\0b\n\n", &[], Some("1")),
            ("data\ndata\n\n", &["|\\n"], None),
            ("datum: x\nDATA: y\ndata x: z\n\n", &[], None),
            ("data:\u{e9}\n\n", &["|\\xc3\\xa9"], None),
            ("\n\n\n", &[], None),
            ("", &[], None),
        ] {
            for step in [1, 2, 3, 1000] {
                let mut parser = Parser::default();
                assert_eq!(parse(&mut parser, stream.as_bytes(), step, 99), want, "{stream:?} by {step}");
                assert_eq!(parser.last_id(), last_id.map(str::as_bytes), "{stream:?} by {step}");
            }
        }
    }

    #[test]
    fn retry_is_digits_and_bounded() {
        for (stream, want) in [
            ("retry: 1500\n", Some(1500)),
            ("retry:0\n", Some(0)),
            ("retry: 10\nretry: -1\nretry: 1s\nretry:\n", Some(10)),
            ("retry: 99999999999999999999999\n", Some(600_000)),
            ("retry: 10", None),
        ] {
            let mut parser = Parser::default();
            parse(&mut parser, stream.as_bytes(), 1, 99);
            assert_eq!(parser.retry(), want.map(Duration::from_millis), "{stream:?}");
        }
    }

    #[test]
    fn a_continued_stream_keeps_its_id_and_drops_half_an_event() {
        let mut parser = Parser::default();
        parse(&mut parser, b"retry: 5\nid: 1\ndata: a\n\nid: 2\ndata: half", 9, 99);
        parser.restart();
        assert_eq!(parse(&mut parser, b"data: b\n\n", 9, 99), ["|b"]);
        assert_eq!((parser.last_id(), parser.retry()), (Some(&b"1"[..]), Some(Duration::from_millis(5))));
    }

    #[test]
    fn data_beyond_the_limit_gives_its_id_and_the_next_event_is_whole() {
        let stream =
            b"data: {\"id\":5,\ndata: \"x\":\"yyyyyyyyyy\"}\n\ndata: 0123456789\n\ndata: 01234567890\n\n";
        for step in [1, 7, 1000] {
            let seen = parse(&mut Parser::default(), stream, step, 10);
            assert_eq!(seen, ["<27 Some(\"5\")>", "|0123456789", "<12 None>"], "by {step}");
        }
    }

    #[test]
    fn what_is_of_no_interest_is_not_held() {
        let mut parser = Parser::default();
        let long = "x".repeat(100_000);
        let stream = format!(": {long}\n{long}: y\nid: {long}\nevent: {long}\ndata: a\n\n");
        let mut seen = 0;
        parser.feed(stream.as_bytes(), 99, |_| seen += 1);
        assert_eq!((seen, parser.last_id()), (1, None));
        assert!(parser.value.capacity() <= 2 * VALUE_MAX && parser.name.capacity() <= 64);
    }
}
