//! Known secrets in text that others wrote are shown as `***`: in servers' logs, in what they said last, in previews of
//! calls. Pure.

use std::borrow::Cow;

use crate::secret::Secret;

/// What stands for a secret.
pub const HIDDEN: &str = "***";

/// Shorter values are not hidden: they would take harmless text with them. In bytes.
const SHORTEST: usize = 4;

/// A line of a value that has several is hidden by itself from this length, in bytes.
const SHORTEST_LINE: usize = 8;

/// The values to hide, each in the forms that it may be written in.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// The longest first: one may be a part of another.
    needles: Vec<Secret<Vec<u8>>>,
}

impl Mask {
    pub fn new<'s>(values: impl IntoIterator<Item = &'s Secret<String>>) -> Self {
        let mut needles: Vec<Secret<Vec<u8>>> =
            values.into_iter().flat_map(|value| forms(value.expose())).collect();
        needles.sort_by(|a, b| (b.expose().len(), b.expose()).cmp(&(a.expose().len(), a.expose())));
        needles.dedup();
        Mask { needles }
    }

    /// Length of the longest value, in bytes.
    pub fn longest(&self) -> usize {
        self.needles.first().map_or(0, |needle| needle.expose().len())
    }

    /// `text` without the known values.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            // A value is whole characters, and so is what is left around it.
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// `bytes` without the known values.
    pub fn bytes<'t>(&self, bytes: &'t [u8]) -> Cow<'t, [u8]> {
        let Some(mut hit) = self.first_in(bytes) else { return Cow::Borrowed(bytes) };
        let mut shown = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        loop {
            shown.extend_from_slice(&rest[..hit.0]);
            shown.extend_from_slice(HIDDEN.as_bytes());
            rest = &rest[hit.1..];
            match self.first_in(rest) {
                Some(next) => hit = next,
                None => break,
            }
        }
        shown.extend_from_slice(rest);
        Cow::Owned(shown)
    }

    /// Where the first value begins and ends; of several that begin there the longest.
    fn first_in(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let mut first: Option<(usize, usize)> = None;
        for needle in &self.needles {
            let needle = needle.expose();
            // Only what begins before the best hit so far is better.
            let within = first.map_or(bytes.len(), |(at, _)| (at + needle.len() - 1).min(bytes.len()));
            if let Some(at) = memchr::memmem::find(&bytes[..within], needle) {
                first = Some((at, at + needle.len()));
            }
        }
        first
    }

    /// How many bytes at the end of `bytes` may be the beginning of a value.
    fn half_at_end(&self, bytes: &[u8]) -> usize {
        let half = |needle: &Secret<Vec<u8>>| {
            let needle = needle.expose();
            let most = bytes.len().min(needle.len() - 1);
            (1..=most).rev().find(|len| bytes.ends_with(&needle[..*len])).unwrap_or(0)
        };
        self.needles.iter().map(half).max().unwrap_or(0)
    }
}

/// Hides values in text that comes in pieces, wherever the pieces are cut.
#[derive(Debug)]
pub struct Stream {
    mask: Mask,
    /// The end of what has come: perhaps the beginning of a value.
    held: Vec<u8>,
}

impl Stream {
    pub fn new(mask: Mask) -> Self {
        Stream { mask, held: Vec::new() }
    }

    /// What of `chunk`, and of what was held back, can be shown.
    pub fn feed<'c>(&mut self, chunk: &'c [u8]) -> Cow<'c, [u8]> {
        if self.mask.needles.is_empty() {
            return Cow::Borrowed(chunk);
        }
        self.held.extend_from_slice(chunk);
        let shown = match self.mask.bytes(&self.held) {
            Cow::Borrowed(bytes) => bytes.to_vec(),
            Cow::Owned(bytes) => bytes,
        };
        let keep = self.mask.half_at_end(&shown);
        let (now, later) = shown.split_at(shown.len() - keep);
        self.held = later.to_vec();
        Cow::Owned(now.to_vec())
    }

    /// The rest. A beginning of a value that is long enough to tell is hidden, too.
    pub fn finish(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        if held.len() < SHORTEST { held } else { HIDDEN.as_bytes().to_vec() }
    }
}

/// A value as it is, as it stands in JSON and in a URL, and its longer lines.
fn forms(value: &str) -> Vec<Secret<Vec<u8>>> {
    let mut forms = Vec::new();
    let mut add = |text: &str, shortest: usize| {
        if text.len() >= shortest {
            forms.push(Secret::new(text.as_bytes().to_vec()));
        }
    };
    add(value, SHORTEST);
    let lines = value.lines().map(str::trim).filter(|line| line.len() < value.len());
    lines.for_each(|line| add(line, SHORTEST_LINE));
    let quoted = serde_json::Value::from(value).to_string();
    add(&quoted[1..quoted.len() - 1], SHORTEST);
    let encoded =
        percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string();
    add(&encoded, SHORTEST);
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(values: &[&str]) -> Mask {
        let values: Vec<Secret<String>> = values.iter().map(|value| (*value).into()).collect();
        Mask::new(&values)
    }

    #[test]
    fn known_values_are_hidden_in_every_form() {
        let mask = mask(&["tok-12345", "tok-12345-long", "a\"b\nsecond line", "p@ss word", "abc"]);
        for (text, want) in [
            ("", ""),
            ("nothing here", "nothing here"),
            ("tok-12345", "***"),
            ("x tok-12345-long y tok-12345 z", "x *** y *** z"),
            ("tok-12345tok-12345", "******"),
            (r#"{"k":"a\"b\nsecond line"}"#, r#"{"k":"***"}"#),
            ("said: second line!", "said: ***!"),
            ("https://x/?p=p%40ss%20word", "https://x/?p=***"),
            ("ü tok-12345 ü", "ü *** ü"),
            ("abc is too short to hide", "abc is too short to hide"),
        ] {
            assert_eq!(mask.text(text), want, "{text}");
        }
        assert_eq!(Mask::default().text("tok-12345"), "tok-12345");
    }

    #[test]
    fn a_value_is_hidden_wherever_it_is_cut() {
        let text = b"one tok-12345 two tok-123 three to tok-12345";
        let want = "one *** two tok-123 three to ***";
        for cut in 0..text.len() {
            for second in cut..text.len() {
                let mut stream = Stream::new(mask(&["tok-12345"]));
                let mut shown = stream.feed(&text[..cut]).into_owned();
                shown.extend_from_slice(&stream.feed(&text[cut..second]));
                shown.extend_from_slice(&stream.feed(&text[second..]));
                shown.extend(stream.finish());
                assert_eq!(String::from_utf8_lossy(&shown), want, "{cut} {second}");
            }
        }
    }

    #[test]
    fn a_long_beginning_is_hidden_at_the_end() {
        let mut stream = Stream::new(mask(&["tok-12345"]));
        assert_eq!(stream.feed(b"x tok-123").into_owned(), b"x ");
        assert_eq!(stream.finish(), b"***");
        assert_eq!(stream.feed(b"x to").into_owned(), b"x ");
        assert_eq!(stream.finish(), b"to");
    }
}
