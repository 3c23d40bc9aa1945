//! What can still be known of a line that is too long to keep: its id, and whether it is a request.
//!
//! Fed with the line's bytes as they stream by, it keeps a few hundred bytes at most.

use super::id;

/// The longest id that is remembered, in bytes.
const ID_MAX: usize = 512;
/// Longer member names are of no interest.
const KEY_MAX: usize = 8;

/// A line that was thrown away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oversized {
    /// The raw JSON of its `id`, when it had one that could be read; that of an answer as [`id::plain`] has it.
    pub id: Option<Vec<u8>>,
    /// It had a `method`: a request or a notification, not an answer.
    pub has_method: bool,
    /// Its length in bytes.
    pub len: usize,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
enum At {
    #[default]
    Key,
    Value,
}

/// The streaming reader of one too long line.
#[derive(Debug, Default)]
pub struct Tracker {
    found: Oversized,
    depth: usize,
    in_text: bool,
    escaped: bool,
    at: At,
    key: Vec<u8>,
    id: Vec<u8>,
}

impl Tracker {
    /// Takes the next bytes of the line.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.found.len += bytes.len();
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            if self.in_text && self.depth > 1 && !self.escaped {
                // Long texts of no interest: jump to the next quote or backslash.
                match memchr::memchr2(b'"', b'\\', rest) {
                    Some(n) if n > 0 => {
                        rest = &rest[n..];
                        continue;
                    }
                    Some(_) => {}
                    None => return,
                }
            }
            self.byte(byte);
            rest = &rest[1..];
        }
    }

    /// The line has ended.
    pub fn finish(mut self) -> Oversized {
        self.member_ends();
        if let Some(id) = self.found.id.as_mut().filter(|_| !self.found.has_method)
            && let Some(plain) = id::plain(id)
        {
            *id = plain.into();
        }
        self.found
    }

    fn byte(&mut self, byte: u8) {
        if self.depth == 1 {
            self.keep(byte);
        }
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b':' if self.depth == 1 => self.at = At::Value,
            b',' if self.depth == 1 => self.member_ends(),
            _ => {}
        }
    }

    /// Remembers a byte of a member's name or of the id's value.
    fn keep(&mut self, byte: u8) {
        match self.at {
            At::Key if self.in_text && byte != b'"' && self.key.len() <= KEY_MAX => self.key.push(byte),
            At::Value if self.key == b"id" && self.id.len() <= ID_MAX => {
                let ends = !self.in_text && (byte == b',' || byte == b'}');
                if !ends {
                    self.id.push(byte);
                }
            }
            At::Key | At::Value => {}
        }
    }

    fn member_ends(&mut self) {
        match self.key.as_slice() {
            b"id" if self.id.len() <= ID_MAX => {
                let id = self.id.trim_ascii().to_vec();
                let usable = serde_json::from_slice::<serde_json::Value>(&id)
                    .is_ok_and(|value| value.is_string() || value.is_number());
                self.found.id = usable.then_some(id);
            }
            b"method" => self.found.has_method = true,
            _ => {}
        }
        self.key.clear();
        self.id.clear();
        self.at = At::Key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_id_before_and_after_the_bulk_in_any_chunking() {
        let bulk = format!(r#"{{"a":["x,\"id\":9}}",{{"id":3}}],"t":"{}\\"}}"#, "y".repeat(100));
        for (line, id, has_method) in [
            (format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","params":{bulk}}}"#), Some("7"), true),
            (format!(r#"{{"method":"m","params":{bulk},"id": "a,}}b" }}"#), Some(r#""a,}b""#), true),
            (format!(r#"{{"result":{bulk},"id":41}}"#), Some("41"), false),
            (format!(r#"{{"result":{bulk},"id":41.0}}"#), Some("41"), false),
            (format!(r#"{{"id":"41","method":"m","params":{bulk}}}"#), Some("\"41\""), true),
            (format!(r#"{{"method":"m","params":{bulk}}}"#), None, true),
            (format!(r#"{{"id":null,"params":{bulk}}}"#), None, false),
            ("garbage ".repeat(20), None, false),
        ] {
            for step in [1, 3, 1000] {
                let mut tracker = Tracker::default();
                line.as_bytes().chunks(step).for_each(|chunk| tracker.feed(chunk));
                let want = Oversized { id: id.map(|id| id.into()), has_method, len: line.len() };
                assert_eq!(tracker.finish(), want, "{line}");
            }
        }
    }
}
