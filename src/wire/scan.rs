//! The envelope scanner: one pass that proves a line to be JSON and finds the members asked for.
//!
//! It accepts exactly the texts that RFC 8259 calls JSON (compared with serde_json by a property test), except
//! that nesting is bounded, and it refuses an object that names a member asked for twice: a router that reads
//! the first and a server that reads the last would disagree about what was allowed.

use std::borrow::Cow;
use std::ops::Range;

/// Deepest nesting of arrays and objects.
pub const DEPTH_MAX: usize = 512;

/// Why a text is not taken, and at which byte (from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct ScanError {
    pub at: usize,
    pub what: &'static str,
}

/// The members of a JSON-RPC message, as byte ranges of the line. Values include their quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    pub version: Option<Range<usize>>,
    pub id: Option<Range<usize>>,
    pub method: Option<Range<usize>>,
    pub params: Option<Range<usize>>,
    pub result: Option<Range<usize>>,
    pub error: Option<Range<usize>>,
}

/// Scans a whole line (without its newline).
pub fn envelope(line: &[u8]) -> Result<Envelope, ScanError> {
    let [version, id, method, params, result, error] =
        members(line, ["jsonrpc", "id", "method", "params", "result", "error"])?;
    Ok(Envelope { version, id, method, params, result, error })
}

/// Finds members of the object that `text` is, as ranges of `text`. The whole text is checked to be JSON.
pub fn members<const N: usize>(text: &[u8], keys: [&str; N]) -> Result<[Option<Range<usize>>; N], ScanError> {
    let mut scanner = Scanner { text, at: 0 };
    let mut found = [const { None }; N];
    scanner.space();
    scanner.expect(b'{', "not an object")?;
    scanner.space();
    if scanner.peek() == Some(b'}') {
        scanner.at += 1;
    } else {
        loop {
            scanner.member(&keys, &mut found)?;
            match scanner.next_after_space()? {
                b',' => scanner.space(),
                b'}' => break,
                _ => return Err(scanner.wrong("expected , or }")),
            }
        }
    }
    scanner.end()?;
    Ok(found)
}

/// Checks that a text is one JSON value.
pub fn valid(text: &[u8]) -> Result<(), ScanError> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    scanner.value()?;
    scanner.end()
}

/// The characters of a JSON string, given with its quotes.
pub fn unquote(quoted: &str) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(quoted).ok().map(Cow::Owned)
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn wrong(&self, what: &'static str) -> ScanError {
        ScanError { at: self.at.min(self.text.len()), what }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), ScanError> {
        if self.peek() != Some(byte) {
            return Err(self.wrong(what));
        }
        self.at += 1;
        Ok(())
    }

    fn next_after_space(&mut self) -> Result<u8, ScanError> {
        self.space();
        let byte = self.peek().ok_or_else(|| self.wrong("cut off"))?;
        self.at += 1;
        Ok(byte)
    }

    fn end(&mut self) -> Result<(), ScanError> {
        self.space();
        if self.at < self.text.len() {
            return Err(self.wrong("text after the value"));
        }
        Ok(())
    }

    /// One `"key": value`, kept when the key is asked for.
    fn member<const N: usize>(
        &mut self,
        keys: &[&str; N],
        found: &mut [Option<Range<usize>>; N],
    ) -> Result<(), ScanError> {
        let key_at = self.at;
        let escaped = self.string()?;
        let slot = self.slot(key_at, escaped, keys)?;
        self.space();
        self.expect(b':', "expected :")?;
        self.space();
        let start = self.at;
        self.value()?;
        if let Some(slot) = slot
            && found[slot].replace(start..self.at).is_some()
        {
            return Err(ScanError { at: key_at, what: "a member twice" });
        }
        Ok(())
    }

    /// Which of `keys` the string at `key_at` (just scanned) is. An escaped spelling counts too.
    fn slot<const N: usize>(
        &self,
        key_at: usize,
        escaped: bool,
        keys: &[&str; N],
    ) -> Result<Option<usize>, ScanError> {
        if !escaped {
            let inner = &self.text[key_at + 1..self.at - 1];
            return Ok(keys.iter().position(|key| key.as_bytes() == inner));
        }
        let key: String = serde_json::from_slice(&self.text[key_at..self.at])
            .map_err(|_| ScanError { at: key_at, what: "a key that is no text" })?;
        Ok(keys.iter().position(|wanted| **wanted == key))
    }

    /// Any value. Iterative: the depth is a counter and a bit for each level, not the call stack.
    fn value(&mut self) -> Result<(), ScanError> {
        let mut nest = Nest::default();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'{') => {
                    self.at += 1;
                    self.space();
                    if self.peek() != Some(b'}') {
                        nest.open(true).ok_or_else(|| self.wrong("nested too deep"))?;
                        self.key()?;
                        continue;
                    }
                    self.at += 1;
                }
                Some(b'[') => {
                    self.at += 1;
                    self.space();
                    if self.peek() != Some(b']') {
                        nest.open(false).ok_or_else(|| self.wrong("nested too deep"))?;
                        continue;
                    }
                    self.at += 1;
                }
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(_) => return Err(self.wrong("no value")),
                None => return Err(self.wrong("cut off")),
            }
            if self.close(&mut nest)? {
                return Ok(());
            }
        }
    }

    /// After a value: closes what ends here. True when the outermost value has ended.
    fn close(&mut self, nest: &mut Nest) -> Result<bool, ScanError> {
        loop {
            let Some(object) = nest.inner() else { return Ok(true) };
            match (self.next_after_space()?, object) {
                (b',', true) => {
                    self.space();
                    self.key()?;
                    return Ok(false);
                }
                (b',', false) => {
                    self.space();
                    return Ok(false);
                }
                (b'}', true) | (b']', false) => nest.close(),
                _ => {
                    self.at -= 1;
                    return Err(self.wrong("expected , or the closing bracket"));
                }
            }
        }
    }

    /// `"key":` and the space after it.
    fn key(&mut self) -> Result<(), ScanError> {
        self.string()?;
        self.space();
        self.expect(b':', "expected :")?;
        self.space();
        Ok(())
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), ScanError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.wrong("no value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ScanError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.wrong("expected a digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), ScanError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// A text with its quotes. True when it holds an escape.
    fn string(&mut self) -> Result<bool, ScanError> {
        self.expect(b'"', "expected a text")?;
        let mut escaped = false;
        loop {
            self.at += plain_prefix(&self.text[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.wrong("a control character in a text")),
                None => return Err(self.wrong("cut off")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ScanError> {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => match self.text.get(self.at + 2..self.at + 6) {
                Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => self.at += 6,
                _ => return Err(self.wrong("a wrong \\u escape")),
            },
            _ => return Err(self.wrong("a wrong escape")),
        }
        Ok(())
    }
}

/// How many leading bytes are neither a quote, a backslash nor a control character.
///
/// Most texts are short names: they are read a word at a time. What is longer goes on in blocks, which the
/// compiler turns into vector code.
fn plain_prefix(text: &[u8]) -> usize {
    const WORD: usize = 8;
    const SHORT: usize = 4 * WORD;
    const BLOCK: usize = 64;
    let mut at = 0;
    while at < SHORT
        && let Some(word) = text.get(at..at + WORD)
    {
        match special_in_word(word) {
            Some(n) => return at + n,
            None => at += WORD,
        }
    }
    let special = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    if at == SHORT {
        for block in text[at..].chunks_exact(BLOCK) {
            if block.iter().fold(false, |any, byte| any | special(*byte)) {
                break;
            }
            at += BLOCK;
        }
        while let Some(word) = text.get(at..at + WORD) {
            match special_in_word(word) {
                Some(n) => return at + n,
                None => at += WORD,
            }
        }
    }
    at + text[at..].iter().position(|byte| special(*byte)).unwrap_or(text.len() - at)
}

/// Where in eight bytes the first quote, backslash or control character is. The usual trick: subtracting one
/// from each byte borrows into its top bit only where the byte was zero, and the lowest such bit is exact.
fn special_in_word(word: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(word.try_into().ok()?);
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let control = word.wrapping_sub(ONES * 0x20) & !word & TOPS;
    let found = control | zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')));
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// The open brackets around the place being read: a bit for each level, set for an object.
struct Nest {
    depth: usize,
    objects: [u64; DEPTH_MAX / 64],
}

impl Default for Nest {
    fn default() -> Self {
        Nest { depth: 0, objects: [0; DEPTH_MAX / 64] }
    }
}

impl Nest {
    fn open(&mut self, object: bool) -> Option<()> {
        if self.depth == DEPTH_MAX {
            return None;
        }
        let (word, bit) = (self.depth / 64, self.depth % 64);
        self.objects[word] = self.objects[word] & !(1 << bit) | u64::from(object) << bit;
        self.depth += 1;
        Some(())
    }

    fn inner(&self) -> Option<bool> {
        let level = self.depth.checked_sub(1)?;
        Some(self.objects[level / 64] >> (level % 64) & 1 == 1)
    }

    fn close(&mut self) {
        self.depth -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(line: &[u8], range: Option<Range<usize>>) -> Option<&str> {
        range.map(|range| std::str::from_utf8(&line[range]).unwrap())
    }

    #[test]
    fn finds_the_members_wherever_they_stand() {
        let line = br#" {"result":{"id":9,"a":[1,{"id":2}]},"x":"\"id\":","jsonrpc":"2.0" , "id" : "q,1" } "#;
        let found = envelope(line).unwrap();
        assert_eq!(text(line, found.id), Some(r#""q,1""#));
        assert_eq!(text(line, found.result), Some(r#"{"id":9,"a":[1,{"id":2}]}"#));
        assert_eq!((found.method, found.error), (None, None));
    }

    #[test]
    fn refuses_what_a_router_must_not_pass() {
        for (line, what) in [
            (r#"{"id":1,"id":2}"#, "a member twice"),
            (r#"{"id":1,"\u0069d":2}"#, "a member twice"),
            (r#"[{"id":1}]"#, "not an object"),
            (r#"{"id":1} x"#, "text after the value"),
            (r#"{"id":01}"#, "expected , or }"),
            (r#"{"id":1,}"#, "expected a text"),
            (r#"{"id":tru}"#, "no value"),
            (r#"{"id":"a"#, "cut off"),
            ("{\"id\":\"a\tb\"}", "a control character in a text"),
            (r#"{"id":"\x"}"#, "a wrong escape"),
            (r#"{"a":[1,2}"#, "expected , or the closing bracket"),
            ("", "not an object"),
        ] {
            assert_eq!(envelope(line.as_bytes()).unwrap_err().what, what, "{line}");
        }
    }

    #[test]
    fn special_characters_are_found_wherever_they_stand() {
        for len in 0..200 {
            for special in [b'"', b'\\', 0x1f, 0] {
                let mut text = vec![b'x'; 200];
                text[len] = special;
                assert_eq!(plain_prefix(&text), len);
            }
            assert_eq!(plain_prefix("é".repeat(100)[..len & !1].as_bytes()), len & !1);
        }
    }

    #[test]
    fn nesting_is_bounded_not_recursive() {
        let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(valid(deep(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(valid(deep(DEPTH_MAX + 1).as_bytes()).unwrap_err().what, "nested too deep");
        assert!(valid(deep(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn unquote_knows_escapes() {
        assert_eq!(unquote(r#""a\u0062""#).unwrap(), "ab");
        assert_eq!(unquote(r#""ab""#).unwrap(), "ab");
        assert!(unquote("12").is_none());
    }

    /// Texts near JSON: valid ones, and valid ones with one byte changed.
    fn near_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_string()),
            Just("-0.5e+3".to_string()),
            "-?(0|[1-9][0-9]{0,2})(\\.[0-9]{1,2})?([eE][-+]?[0-9]{1,2})?",
            "\"([a-z ü]|\\\\n|\\\\u00e9|\\\\\"){0,40}\"",
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(" , "))),
                prop::collection::vec(("[a-d]", inner), 0..4).prop_map(|v| {
                    let body: Vec<_> = v.iter().map(|(k, v)| format!("\"{k}\": {v}")).collect();
                    format!("{{{}}}", body.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in near_json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            prop_assert!(valid(text.as_bytes()).is_ok());
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(text) = std::str::from_utf8(&bytes) {
                let theirs = serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
                prop_assert_eq!(valid(&bytes).is_ok(), theirs, "{}", text);
            }
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = envelope(&bytes);
        }
    }
}
