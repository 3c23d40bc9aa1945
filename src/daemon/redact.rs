//! Arguments of calls as people may see them: short, and without what looks secret. Pure.
//!
//! Reading stops where the shown text ends, so that a call with megabytes of arguments costs no more than a small one.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::mcp::quote::quote;
use crate::registry::mask::{is_secret, masked};
use crate::secret::mask::{HIDDEN, Mask};

/// Longer texts are cut, in bytes.
const SHOWN_MAX: usize = 2048;

/// A JSON text, redacted and cut; what `known` knows is hidden wherever it stands.
pub fn redacted(json: &str, known: &Mask) -> Box<str> {
    let mut text = String::new();
    let part = Part { text: &mut text, known, hide: false };
    if part.deserialize(&mut serde_json::Deserializer::from_str(json)).is_err() {
        text.truncate(text.floor_char_boundary(SHOWN_MAX));
        text.push('…');
    }
    text.into()
}

/// Writes one value to the end of `text`. Fails when that is long enough.
struct Part<'t> {
    text: &'t mut String,
    known: &'t Mask,
    hide: bool,
}

impl Part<'_> {
    fn push<E: Error>(self, more: &str) -> Result<(), E> {
        self.text.push_str(more);
        room(self.text)
    }
}

fn room<E: Error>(text: &str) -> Result<(), E> {
    if text.len() > SHOWN_MAX { Err(E::custom("enough")) } else { Ok(()) }
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        match self.hide {
            false => value.deserialize_any(self),
            true => {
                value.deserialize_ignored_any(IgnoredAny)?;
                self.push(&quote(HIDDEN))
            }
        }
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.push("null")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.push(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.push(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.push(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.push(&serde_json::Value::from(value).to_string())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        // A little more than is shown: a value that is cut would not be known.
        let shown = &value[..value.floor_char_boundary(SHOWN_MAX + self.known.longest())];
        let shown = self.known.text(shown);
        self.push(&quote(&masked(&shown[..shown.floor_char_boundary(SHOWN_MAX)])))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Part { text, known, .. } = self;
        text.push('[');
        let first = text.len();
        // The values of `["--token", "…"]` follow one another.
        let mut hide = false;
        loop {
            let start = text.len();
            if start > first {
                text.push(',');
            }
            let item = text.len();
            if items.next_element_seed(Part { text, known, hide })?.is_none() {
                text.truncate(start);
                break;
            }
            let word = text[item..].trim_matches('"');
            hide = word.starts_with('-') && !word.contains('=') && is_secret(word);
        }
        text.push(']');
        room(text)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Part { text, known, .. } = self;
        text.push('{');
        let first = text.len();
        let mut pair = Pair::default();
        while let Some(key) = members.next_key::<String>()? {
            if text.len() > first {
                text.push(',');
            }
            text.push_str(&quote(&known.text(&key)));
            text.push(':');
            room(text)?;
            let start = text.len();
            let hide = is_secret(&key) || (pair.secret && key == "value");
            members.next_value_seed(Part { text, known, hide })?;
            pair.saw(&key, start, text);
        }
        text.push('}');
        room(text)
    }
}

/// `{"name": "Authorization", "value": "…"}`, in any order.
#[derive(Default)]
struct Pair {
    secret: bool,
    value: Option<Range<usize>>,
}

impl Pair {
    fn saw(&mut self, key: &str, start: usize, text: &mut String) {
        match key {
            "value" => self.value = Some(start..text.len()),
            // Of a `key` it is not known what it was: it has been hidden.
            "name" | "key" => self.secret |= key == "key" || is_secret(text[start..].trim_matches('"')),
            _ => {}
        }
        if let Some(value) = self.value.take_if(|_| self.secret) {
            text.replace_range(value, &quote(HIDDEN));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> Box<str> {
        redacted(json, &Mask::default())
    }
    use proptest::prelude::*;

    #[test]
    fn secrets_are_hidden_by_the_name_of_their_member() {
        for (given, want) in [
            (r#"{"path":"/a","n":[1,-2,0.5,true,null]}"#, r#"{"path":"/a","n":[1,-2,0.5,true,null]}"#),
            (r#"{"token":"x","apiKey":{"a":1}}"#, r#"{"token":"***","apiKey":"***"}"#),
            (r#"{"X-Api-Key":1,"max_tokens":5}"#, r#"{"X-Api-Key":"***","max_tokens":5}"#),
            (
                r#"{"a":{"dbPassword":"x","accesstoken":"y"}}"#,
                r#"{"a":{"dbPassword":"***","accesstoken":"***"}}"#,
            ),
            (r#"{"name":"Authorization","value":"x"}"#, r#"{"name":"Authorization","value":"***"}"#),
            (r#"{"value":"x","name":"my-token","z":1}"#, r#"{"value":"***","name":"my-token","z":1}"#),
            (r#"{"key":"Authorization","value":"x"}"#, r#"{"key":"***","value":"***"}"#),
            (r#"{"name":"size","value":"x"}"#, r#"{"name":"size","value":"x"}"#),
            (r#"{"args":["--token","x","y","--n","z"]}"#, r#"{"args":["--token","***","y","--n","z"]}"#),
            ("{}", "{}"),
            ("[]", "[]"),
        ] {
            assert_eq!(&*shown(given), want, "{given}");
        }
    }

    #[test]
    fn long_ones_are_cut_and_not_read_to_their_end() {
        let long = format!(r#"{{"a":"{}","b":tru"#, "ü".repeat(5000));
        let cut = shown(&long);
        assert!(cut.len() <= SHOWN_MAX + '…'.len_utf8() && cut.ends_with('…'), "{cut}");
        let hidden = format!(r#"{{"token":"{}","b":1}}"#, "x".repeat(5000));
        assert_eq!(&*shown(&hidden), r#"{"token":"***","b":1}"#);
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,80}") {
            masked(&text);
            shown(&text);
        }
    }

    #[test]
    fn known_values_are_hidden_also_where_the_text_is_cut() {
        let known = Mask::new(&["hunter2-hunter2".into()]);
        let text =
            redacted(r#"{"q":"select 'hunter2-hunter2'","hunter2-hunter2":["hunter2-hunter2"]}"#, &known);
        assert_eq!(&*text, r#"{"q":"select '***'","***":["***"]}"#);
        for before in SHOWN_MAX - 40..SHOWN_MAX {
            let text = redacted(&format!("\"{}hunter2-hunter2\"", "x".repeat(before)), &known);
            assert!(!text.contains("hunt"), "{before}");
        }
    }
}
