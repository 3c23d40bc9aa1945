//! Arguments of calls as people may see them: short, and without what looks secret. Pure.
//!
//! Reading stops where the shown text ends, so that a call with megabytes of arguments costs no more than a small one.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::mcp::quote::quote;
use crate::registry::environ::looks_secret;
use crate::secret::mask::Mask;

/// Longer texts are cut, in bytes.
const SHOWN_MAX: usize = 2048;

/// What stands for a secret.
const HIDDEN: &str = "***";

/// Parts of a name, beside those of environment variables, that say that the value is a secret.
const SECRET_PARTS: [&str; 6] = ["AUTHORIZATION", "AUTH", "BEARER", "JWT", "OTP", "PWD"];
const SECRET_ENDS: [&str; 4] = ["TOKEN", "SECRET", "APIKEY", "PRIVATEKEY"];

/// What may stand before the secret of an `Authorization`.
const SCHEMES: [&str; 4] = ["bearer ", "basic ", "token ", "digest "];

/// How well-known secrets begin.
const SECRET_STARTS: [&str; 10] =
    ["ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "sk-", "xoxb-", "xoxp-", "AKIA", "eyJ"];
/// A shorter word is none of those.
const SECRET_LEAST: usize = 16;

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

/// Whether a name says that its value is a secret, however it is spelled: `apiKey`, `X-Api-Key`, `--password`.
fn is_secret(name: &str) -> bool {
    let mut spelled = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    for char in name.chars().take(100) {
        if char.is_ascii_alphanumeric() {
            if char.is_ascii_uppercase() && before.is_ascii_lowercase() {
                spelled.push('_');
            }
            spelled.push(char.to_ascii_uppercase());
        } else {
            spelled.push('_');
        }
        before = char;
    }
    looks_secret(&spelled)
        || spelled.split('_').any(|part| SECRET_PARTS.contains(&part))
        || SECRET_ENDS.iter().any(|end| spelled.ends_with(end))
}

/// A text with what looks secret in it hidden: `token=…`, `Authorization: Bearer …`, `--password …`,
/// `scheme://user:…@host`, `ghp_…`.
fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(hidden) = next_secret(text, at) {
        shown.push_str(&text[at..hidden.start]);
        shown.push_str(HIDDEN);
        at = hidden.end;
    }
    shown.push_str(&text[at..]);
    shown
}

/// Where the first secret from `from` on is. Never empty.
fn next_secret(text: &str, from: usize) -> Option<Range<usize>> {
    text[from..].char_indices().find_map(|(at, char)| {
        let at = from + at;
        let hidden = match char {
            ':' if text[at..].starts_with("://") => password_of(text, at + 3),
            ':' | '=' if is_secret(name_before(&text[..at])) => value_at(text, at + 1),
            ' ' if name_before(&text[..at]).starts_with('-') && is_secret(name_before(&text[..at])) => {
                value_at(text, at + 1)
            }
            ' ' if name_before(&text[..at]).eq_ignore_ascii_case("bearer") => value_at(text, at + 1),
            _ if at == 0 || !is_of_word(text[..at].chars().next_back()?) => known_secret(text, at),
            _ => None,
        };
        hidden.filter(|hidden| !hidden.is_empty())
    })
}

fn is_of_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.')
}

/// The name that a text ends with, a closing quote not counted.
fn name_before(text: &str) -> &str {
    let text = text.trim_end_matches(['"', '\'', '\\']);
    let start = text.rfind(|char| !is_of_word(char)).map_or(0, |at| at + 1);
    // A character that is not ASCII may be longer than one byte.
    text.get(start..).unwrap_or_default()
}

/// The value that begins at a place, without spaces, quotes and the name of a scheme before it.
fn value_at(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text[at..].trim_start_matches([' ', '"', '\'', '\\']);
    let before = &text[at..text.len() - rest.len()];
    let scheme = SCHEMES
        .iter()
        .find(|scheme| rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let start = text.len() - rest.len() + scheme.map_or(0, |scheme| scheme.len());
    let end = match before.chars().next_back().filter(|last| matches!(last, '"' | '\'')) {
        Some(quote) => text[start..].find(quote).map(|end| start + end),
        None => None,
    };
    Some(start..end.unwrap_or_else(|| word_end(text, start)))
}

fn word_end(text: &str, start: usize) -> usize {
    let ends =
        |char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '\\' | ',' | '&' | ';' | '}' | ')');
    text[start..].find(ends).map_or(text.len(), |end| start + end)
}

/// The password in a URL whose authority begins at a place.
fn password_of(text: &str, at: usize) -> Option<Range<usize>> {
    let authority = text[at..]
        .split(|char: char| matches!(char, '/' | '?' | '#' | '"') || char.is_whitespace())
        .next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let (name, password) = user.split_once(':')?;
    let start = at + name.len() + 1;
    Some(start..start + password.len())
}

fn known_secret(text: &str, at: usize) -> Option<Range<usize>> {
    let known = SECRET_STARTS.iter().any(|start| text[at..].starts_with(start));
    let word = at..word_end(text, at);
    (known && word.len() >= SECRET_LEAST).then_some(word)
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
    fn secrets_are_hidden_within_texts() {
        for (given, want) in [
            ("curl -H 'Authorization: Bearer abc.def' x", "curl -H 'Authorization: Bearer ***' x"),
            ("https://h/?a=1&access_token=abc&b=2", "https://h/?a=1&access_token=***&b=2"),
            ("postgres://me:pw@db/x and http://h:80/a@b", "postgres://me:***@db/x and http://h:80/a@b"),
            ("GITHUB_TOKEN=abc make", "GITHUB_TOKEN=*** make"),
            (r#"{"password": "a b", "x": "y"}"#, r#"{"password": "***", "x": "y"}"#),
            (r#"say "token='a b' c" and 'd'"#, r#"say "token='***' c" and 'd'"#),
            ("run --password abc --size 3", "run --password *** --size 3"),
            ("see ghp_0123456789abcdef01 there", "see *** there"),
            ("bearer abc", "bearer ***"),
            ("ünïcode=1 key: ü", "ünïcode=1 key: ***"),
            ("a: b = c", "a: b = c"),
            ("token=", "token="),
        ] {
            assert_eq!(masked(given), want);
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
