//! The envelope scanner: one pass that proves a line to be JSON and finds the members that loom acts on.
//!
//! It refuses an object that names a member asked for twice: a router that reads the first and a server that
//! reads the last would disagree about what was allowed.

use std::borrow::Cow;
use std::ops::Range;

use super::id;
use super::json::Scanner;

/// Why a text is not taken, and at which byte (from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct ScanError {
    pub at: usize,
    pub what: &'static str,
}

/// A member's value, as a byte range of the text. A text includes its quotes.
pub type Place = Option<Range<usize>>;

/// The members of a JSON-RPC message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    pub version: Place,
    pub id: Place,
    pub method: Place,
    pub params: Place,
    pub result: Place,
    pub error: Place,
    /// `params.name`: the tool of a `tools/call`, the prompt of a `prompts/get`.
    pub name: Place,
    /// `params.task`: the call is to become a task.
    pub task: Place,
    /// `params._meta.progressToken`.
    pub token: Place,
}

const KEYS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
const PARAMS: usize = 3;
const PARAM_KEYS: [&str; 3] = ["name", "_meta", "task"];
const META: usize = 1;

/// Scans a whole line (without its newline).
pub fn envelope(line: &[u8]) -> Result<Envelope, ScanError> {
    let mut scanner = Scanner::new(line);
    let mut top = [const { None }; KEYS.len()];
    let mut inner = [const { None }; PARAM_KEYS.len()];
    let mut token = [const { None }];
    scanner.whole_object(&KEYS, &mut top, |scanner, slot| match slot {
        Some(PARAMS) if scanner.at_object() => {
            scanner.object(&PARAM_KEYS, &mut inner, |scanner, slot| match slot {
                Some(META) if scanner.at_object() => {
                    scanner.object(&["progressToken"], &mut token, |scanner, _| scanner.value())
                }
                _ => scanner.value(),
            })
        }
        _ => scanner.value(),
    })?;
    let [version, id, method, params, result, error] = top;
    let ([name, _, task], [token]) = (inner, token);
    Ok(Envelope { version, id, method, params, result, error, name, task, token })
}

/// Finds members of the object that `text` is, as ranges of `text`. The whole text is checked to be JSON.
pub fn members<const N: usize>(text: &[u8], keys: [&str; N]) -> Result<[Place; N], ScanError> {
    let mut found = [const { None }; N];
    Scanner::new(text).whole_object(&keys, &mut found, |scanner, _| scanner.value())?;
    Ok(found)
}

/// The value that a path of members leads to in the object that `text` is, as it stands there.
pub fn find<'t>(text: &'t str, path: &[&str]) -> Option<&'t str> {
    path.iter().try_fold(text, |text, key| {
        let [at] = members(text.as_bytes(), [key]).ok()?;
        at.map(|at| &text[at])
    })
}

/// A text that a path of members leads to, without its quotes.
pub fn find_text<'t>(text: &'t str, path: &[&str]) -> Option<Cow<'t, str>> {
    find(text, path).and_then(unquote)
}

/// The parts of a batch, of which some may be no messages, such as arrays: those are not to be taken apart again;
/// `None` when the line is no batch.
pub fn batch(line: &[u8]) -> Option<Vec<&str>> {
    let first = line.iter().find(|byte| !byte.is_ascii_whitespace());
    let line = first.filter(|byte| **byte == b'[').and_then(|_| std::str::from_utf8(line).ok())?;
    let messages: Vec<&serde_json::value::RawValue> = serde_json::from_str(line).ok()?;
    Some(messages.into_iter().map(serde_json::value::RawValue::get).collect())
}

/// The id of a line that begins as the tool calls of the usual SDKs do, without reading the rest of it.
///
/// For book-keeping only: the line is not checked. For a line that is JSON the id is the right one: it stands
/// first, or it stands last, where the brace after it can only be the outermost.
pub fn call_id(line: &[u8]) -> Option<&[u8]> {
    const FIRST: &[u8] = br#"{"jsonrpc":"2.0","id":"#;
    const LAST: &[u8] = br#""id":"#;
    let id_of = |text: &[u8]| match text.first()? {
        b'"' => {
            let end = memchr::memchr2(b'"', b'\\', &text[1..])? + 1;
            (text[end] == b'"').then_some(end + 1)
        }
        _ => Some(text.iter().take_while(|byte| byte.is_ascii_digit()).count()).filter(|digits| *digits > 0),
    };
    if let Some(rest) = line.strip_prefix(FIRST) {
        let end = id_of(rest)?;
        return rest[end..].starts_with(br#","method":"tools/call","#).then_some(&rest[..end]);
    }
    line.strip_prefix(br#"{"method":"tools/call","#)?;
    let number = line.strip_suffix(b"}")?;
    let at = number.len() - number.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    (at < number.len() && number[..at].ends_with(LAST)).then_some(&number[at..])
}

/// The same message as loom compares it, where a peer's encoder writes it in other words: the method with the fewest
/// escapes (PHP writes `tools\/list`), the id that an answer is to as [`id::plain`] has it.
pub fn plain(line: &[u8], envelope: &Envelope) -> Option<Vec<u8>> {
    let replaced = |at: &Range<usize>, new: &[u8]| [&line[..at.start], new, &line[at.end..]].concat();
    match (&envelope.method, &envelope.id) {
        (Some(at), _) => {
            let written = std::str::from_utf8(&line[at.clone()]).ok()?;
            let Some(Cow::Owned(name)) = unquote(written) else { return None };
            let plain = serde_json::to_string(&name).ok().filter(|plain| plain != written)?;
            Some(replaced(at, plain.as_bytes()))
        }
        (None, Some(at)) => Some(replaced(at, id::plain(&line[at.clone()])?.as_bytes())),
        (None, None) => None,
    }
}

/// The characters of a JSON string, given with its quotes.
pub fn unquote(quoted: &str) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(quoted).ok().map(Cow::Owned)
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
    fn the_id_of_a_usual_call_is_found_without_a_scan() {
        for (line, want) in [
            (r#"{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{}}"#, Some("12")),
            (r#"{"jsonrpc":"2.0","id":"a,b","method":"tools/call","params":{}}"#, Some(r#""a,b""#)),
            (r#"{"method":"tools/call","params":{"x":{"id":3}},"jsonrpc":"2.0","id":7}"#, Some("7")),
            (r#"{"method":"tools/call","params":{"id":3}}"#, None),
            (r#"{"method":"tools/call","id":3 }"#, None),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"tools/call","params":{}}"#, None),
            (r#"{"jsonrpc":"2.0","id":"a\"b","method":"tools/call","params":{}}"#, None),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, None),
            (r#"{"jsonrpc":"2.0","id":"#, None),
            (r#"{"jsonrpc":"2.0","id":"x"#, None),
            ("", None),
        ] {
            let got = call_id(line.as_bytes()).map(|id| std::str::from_utf8(id).unwrap());
            assert_eq!(got, want, "{line}");
        }
    }

    #[test]
    fn a_path_leads_through_objects_whatever_else_they_hold() {
        let text = r#"{"huge":1e400,"a" : {"lone":"\ud800","b":{"c" : "x\u00e4"} },"n":null}"#;
        assert_eq!(find(text, &["a", "b"]), Some(r#"{"c" : "x\u00e4"}"#));
        assert_eq!(find_text(text, &["a", "b", "c"]).as_deref(), Some("x\u{e4}"));
        for path in [&["a", "lone", "x"][..], &["b"], &["n", "x"]] {
            assert_eq!(find(text, path), None, "{path:?}");
        }
    }

    #[test]
    fn a_message_in_other_words_is_the_same() {
        for (written, plain_text) in [
            (
                r#"{"method":"tools\/list","id":"7","x":"\/"}"#,
                Some(r#"{"method":"tools/list","id":"7","x":"\/"}"#),
            ),
            (r#"{"method":"\u0070ing"}"#, Some(r#"{"method":"ping"}"#)),
            (r#"{"method":"ping","id":7.0,"x":"\/"}"#, None),
            (r#"{"method":"a\nb\"c"}"#, None),
            (r#"{"method":["\/"]}"#, None),
            (r#"{"x":"\/"}"#, None),
            (r#"{"id":7.0,"result":{"id":8.0}}"#, Some(r#"{"id":7,"result":{"id":8.0}}"#)),
            (r#"{"result":{},"id":"7"}"#, Some(r#"{"result":{},"id":7}"#)),
            (r#"{"id":7,"result":{}}"#, None),
        ] {
            let found = plain(written.as_bytes(), &envelope(written.as_bytes()).unwrap());
            assert_eq!(found.as_deref(), plain_text.map(str::as_bytes), "{written}");
        }
    }

    #[test]
    fn unquote_knows_escapes() {
        assert_eq!(unquote(r#""a\u0062""#).unwrap(), "ab");
        assert_eq!(unquote(r#""ab""#).unwrap(), "ab");
        assert!(unquote("12").is_none());
    }

    #[test]
    fn a_call_is_taken_apart_in_one_pass() {
        let line = br#"{"params":{"_meta":{"x":{"progressToken":1},"progressToken":"t"},"arguments":{"name":"n"},"name":"a__b"}}"#;
        let found = envelope(line).unwrap();
        assert_eq!(text(line, found.name), Some(r#""a__b""#));
        assert_eq!(text(line, found.token), Some(r#""t""#));
        let twice = br#"{"params":{"name":"a","n\u0061me":"b"}}"#;
        assert_eq!(envelope(twice).unwrap_err().what, "a member twice");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = envelope(&bytes);
        }
    }
}
