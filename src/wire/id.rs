//! A request's id as its owner wrote it: raw JSON, a number or a text with its quotes.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

/// Ids up to this many bytes cost no memory of their own; a UUID with quotes does not fit, a counter does.
const SHORT: usize = 22;

/// Two ids are the same when their bytes are.
#[derive(Clone, Debug)]
pub enum Id {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

/// Whether a member `id` holds what may be one: a number or a text.
pub fn is_id(raw: &[u8]) -> bool {
    matches!(raw.first(), Some(b'"' | b'-' | b'0'..=b'9'))
}

/// The whole number that a peer means with an id, or a token, that loom gave it: encoders write 7 as `7.0` (Gson) and
/// `"7"`, and the SDKs of MCP take these for it.
pub fn number(raw: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(raw).ok()?;
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let is_whole = rest.bytes().all(|byte| byte == b'0') && whole.bytes().all(|byte| byte.is_ascii_digit());
    whole.parse().ok().filter(|_| is_whole)
}

/// An id that loom gave, as loom writes it; `None` where it stands there like this, or is no number.
pub fn plain(raw: &[u8]) -> Option<String> {
    let is_plain = raw.iter().all(u8::is_ascii_digit);
    if is_plain { None } else { Some(number(raw)?.to_string()) }
}

impl Id {
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Id::Short { len, bytes } => &bytes[..usize::from(*len)],
            Id::Long(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Id {
    fn from(raw: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..raw.len()), u8::try_from(raw.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(raw);
                Id::Short { len, bytes }
            }
            _ => Id::Long(raw.into()),
        }
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl Borrow<[u8]> for Id {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_known_in_other_words() {
        for (raw, want) in
            [("7", Some(7)), ("7.0", Some(7)), ("7.00", Some(7)), (r#""7""#, Some(7)), (r#""7.0""#, Some(7))]
        {
            assert_eq!(number(raw.as_bytes()), want, "{raw}");
            assert_eq!(plain(raw.as_bytes()), want.filter(|_| raw != "7").map(|n| n.to_string()), "{raw}");
        }
        for raw in
            ["", "\"\"", "\"", "-7", "+7", "7.5", "7e0", "x", "\"7x\"", "null", "99999999999999999999.0"]
        {
            assert_eq!((number(raw.as_bytes()), plain(raw.as_bytes())), (None, None), "{raw}");
        }
    }

    #[test]
    fn short_and_long_ids_are_their_bytes() {
        let mut seen = foldhash::HashMap::default();
        for raw in ["1", "\"a\"", "", &"9".repeat(SHORT), &"9".repeat(SHORT + 1), &"9".repeat(400)] {
            seen.insert(Id::from(raw.as_bytes()), raw.len());
        }
        assert_eq!(seen.len(), 6);
        assert_eq!(seen.get("9".repeat(400).as_bytes()), Some(&400));
        assert_eq!(seen.get("9".repeat(SHORT).as_bytes()), Some(&SHORT));
        assert_eq!(std::mem::size_of::<Id>(), 24);
    }
}
