//! JSON's grammar, without making anything of it: a scanner that moves over one value after the other.
//!
//! It accepts exactly the texts that RFC 8259 calls JSON (compared with serde_json by a property test), except
//! that nesting is bounded.

use super::scan::{Place, ScanError};

/// Deepest nesting of arrays and objects in one value.
pub const DEPTH_MAX: usize = 512;

/// A place in a text that is being read.
pub struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Scanner { text, at: 0 }
    }

    fn wrong(&self, what: &'static str) -> ScanError {
        ScanError { at: self.at.min(self.text.len()), what }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        // One comparison tells that there is none, as is usual.
        while let Some(byte) = self.peek().filter(|byte| *byte <= b' ') {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return;
            }
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

    /// Whether the next value is an object.
    pub fn at_object(&self) -> bool {
        self.peek() == Some(b'{')
    }

    /// A text that is one object: see [`Scanner::object`].
    pub fn whole_object<const N: usize>(
        &mut self,
        keys: &[&str; N],
        found: &mut [Place; N],
        value: impl FnMut(&mut Self, Option<usize>) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        self.space();
        self.object(keys, found, value)?;
        self.end()
    }

    /// An object. `value` scans the value of each member and is told which of `keys` it belongs to; the places
    /// of those are noted in `found`.
    pub fn object<const N: usize>(
        &mut self,
        keys: &[&str; N],
        found: &mut [Place; N],
        mut value: impl FnMut(&mut Self, Option<usize>) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        self.expect(b'{', "not an object")?;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let key_at = self.at;
            let escaped = self.string()?;
            let slot = self.slot(key_at, escaped, keys)?;
            self.space();
            self.expect(b':', "expected :")?;
            self.space();
            let start = self.at;
            value(self, slot)?;
            if let Some(slot) = slot
                && found[slot].replace(start..self.at).is_some()
            {
                return Err(ScanError { at: key_at, what: "a member twice" });
            }
            match self.next_after_space()? {
                b',' => self.space(),
                b'}' => return Ok(()),
                _ => return Err(self.wrong("expected , or }")),
            }
        }
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
            // Most keys differ in length or in their first letter: no call is made to compare those.
            let same = |key: &[u8]| key.len() == inner.len() && key.first() == inner.first() && key == inner;
            return Ok(keys.iter().position(|key| same(key.as_bytes())));
        }
        let key: String = serde_json::from_slice(&self.text[key_at..self.at])
            .map_err(|_| ScanError { at: key_at, what: "a key that is no text" })?;
        Ok(keys.iter().position(|wanted| **wanted == key))
    }

    /// Any value.
    pub fn value(&mut self) -> Result<(), ScanError> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.any_value(),
        }
    }

    /// Any value. Iterative: the depth is a counter and a bit for each level, not the call stack.
    fn any_value(&mut self) -> Result<(), ScanError> {
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
#[inline]
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
#[inline]
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
mod tests;
