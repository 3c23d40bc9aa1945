//! What a line of the client's is, as far as a proxy cares. Pure.

use crate::wire::code::{self, Code};
use crate::wire::id::is_id;
use crate::wire::scan;

/// Ids and methods as they stand in the line.
pub enum Message<'a> {
    Request {
        id: &'a [u8],
        method: &'a [u8],
    },
    Notification {
        method: &'a [u8],
        params: &'a [u8],
    },
    Answer {
        id: &'a [u8],
    },
    /// The same message as [`scan::plain`] has it.
    InOtherWords(Vec<u8>),
}

/// A line that is no message: the error that answers it.
pub struct Unfit<'a> {
    pub id: &'a [u8],
    pub code: Code,
    pub text: String,
}

impl<'a> Message<'a> {
    pub fn parse(line: &'a [u8]) -> Result<Self, Unfit<'a>> {
        let broken = |text| Unfit { id: b"null", code: code::PARSE, text };
        std::str::from_utf8(line).map_err(|_| broken("the line is not UTF-8".into()))?;
        let envelope = scan::envelope(line).map_err(|error| broken(format!("not JSON-RPC: {error}")))?;
        if let Some(plain) = scan::plain(line, &envelope) {
            return Ok(Message::InOtherWords(plain));
        }
        let get = |range: Option<std::ops::Range<usize>>| range.map(|range| &line[range]);
        let refused = |id, text: &str| Err(Unfit { id, code: code::INVALID_REQUEST, text: text.into() });
        match (get(envelope.id), get(envelope.method)) {
            (Some(id), Some(method)) if is_id(id) => Ok(Message::Request { id, method }),
            // The answer could not name it, so nobody would ever know that it is no longer open.
            (Some(_), Some(_)) => refused(b"null", "an id must be a number or a text"),
            (None, Some(method)) => {
                Ok(Message::Notification { method, params: get(envelope.params).unwrap_or(b"{}") })
            }
            (id, None) if envelope.result.is_none() && envelope.error.is_none() => {
                refused(id.filter(|id| is_id(id)).unwrap_or(b"null"), "neither a request nor an answer")
            }
            (id, None) => Ok(Message::Answer { id: id.unwrap_or(b"null") }),
        }
    }
}
