//! Writes JSON-RPC answers and notifications. `id` always stands right after `jsonrpc`, so that a reader of
//! loom's own lines finds it without scanning the payload.

use std::ops::Range;

use serde_json::{Value, json};

use super::code::Code;

/// How every line that loom builds begins when it has an id.
pub const ID_PREFIX: &[u8] = br#"{"jsonrpc":"2.0","id":"#;

/// What goes into `error.data` beside the code's name and kind.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    pub server: Option<String>,
    pub hint: Option<String>,
    pub findings: Vec<String>,
}

/// Appends the answer `result` to request `id` (both raw JSON), with its newline.
pub fn result(out: &mut Vec<u8>, id: &[u8], result: &[u8]) {
    out.reserve(id.len() + result.len() + 48);
    out.extend_from_slice(ID_PREFIX);
    out.extend_from_slice(id);
    out.extend_from_slice(br#","result":"#);
    one_line(out, result);
    out.extend_from_slice(b"}\n");
}

/// Appends an error object that came from a server, unchanged.
pub fn raw_error(out: &mut Vec<u8>, id: &[u8], error: &[u8]) {
    out.extend_from_slice(ID_PREFIX);
    out.extend_from_slice(id);
    out.extend_from_slice(br#","error":"#);
    one_line(out, error);
    out.extend_from_slice(b"}\n");
}

/// Appends one of loom's own errors. `id` is `null` when the request's id is not known.
pub fn error(out: &mut Vec<u8>, id: &[u8], code: Code, message: &str, detail: &Detail) {
    let mut data = json!({ "code": code.name, "kind": code.kind });
    let mut put = |key: &str, value: Value| {
        data[key] = value;
    };
    if let Some(server) = &detail.server {
        put("server", json!(server));
    }
    if let Some(hint) = &detail.hint {
        put("hint", json!(hint));
    }
    if !detail.findings.is_empty() {
        put("findings", json!(detail.findings));
    }
    let error = json!({ "code": code.number, "message": message, "data": data });
    raw_error(out, id, error.to_string().as_bytes());
}

/// Appends a request with a numeric id. `params` is raw JSON.
pub fn request(out: &mut Vec<u8>, id: u64, method: &str, params: &str) {
    out.extend_from_slice(ID_PREFIX);
    out.extend_from_slice(id.to_string().as_bytes());
    out.extend_from_slice(format!(r#","method":"{method}","params":{params}}}"#).as_bytes());
    out.push(b'\n');
}

/// Appends a notification. `params` is raw JSON.
pub fn notification(out: &mut Vec<u8>, method: &str, params: &str) {
    out.extend_from_slice(format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#).as_bytes());
    out.push(b'\n');
}

/// Appends `line` with some ranges replaced, and a newline. Edits must be in order and not overlap.
pub fn splice(out: &mut Vec<u8>, line: &[u8], edits: &[(Range<usize>, &[u8])]) {
    out.reserve(line.len() + edits.iter().map(|(_, text)| text.len()).sum::<usize>() + 1);
    let start = out.len();
    let mut at = 0;
    for (range, text) in edits {
        out.extend_from_slice(&line[at..range.start]);
        out.extend_from_slice(text);
        at = range.end;
    }
    out.extend_from_slice(&line[at..]);
    flatten(out, start);
    out.push(b'\n');
}

/// JSON with some ranges replaced; see `splice`. What is put in must be UTF-8.
pub fn spliced(json: &str, edits: &[(Range<usize>, &[u8])]) -> String {
    let mut out = Vec::new();
    splice(&mut out, json.as_bytes(), edits);
    out.pop();
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends JSON, with raw newlines (legal between its tokens) turned into spaces: they would break the framing.
fn one_line(out: &mut Vec<u8>, json: &[u8]) {
    let start = out.len();
    out.extend_from_slice(json);
    flatten(out, start);
}

fn flatten(out: &mut [u8], mut start: usize) {
    while let Some(at) = memchr::memchr2(b'\n', b'\r', &out[start..]) {
        out[start + at] = b' ';
        start += at + 1;
    }
}

/// The raw id of a line that loom built (`None` for a notification), and whether it is a request.
pub fn leading_id(line: &[u8]) -> Option<(&[u8], bool)> {
    let rest = line.strip_prefix(ID_PREFIX)?;
    let end = match rest.first()? {
        b'"' => {
            let mut at = 1;
            loop {
                at += memchr::memchr2(b'"', b'\\', rest.get(at..)?)?;
                if rest[at] == b'"' {
                    break at + 1;
                }
                at += 2;
            }
        }
        _ => memchr::memchr(b',', rest)?,
    };
    Some((&rest[..end], rest[end..].starts_with(br#","method":"#)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::code;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn answers_keep_the_payload_and_stay_on_one_line() {
        assert_eq!(
            text(|out| result(out, b"\"a\"", b"{\n\"n\":1e400}")),
            "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{ \"n\":1e400}}\n"
        );
    }

    #[test]
    fn errors_carry_a_name_a_kind_and_a_hint() {
        let detail =
            Detail { server: Some("git".into()), hint: Some("loom status".into()), findings: vec![] };
        assert_eq!(
            text(|out| error(out, b"4", code::SERVER_GONE, "git ended", &detail)),
            concat!(
                r#"{"jsonrpc":"2.0","id":4,"error":{"code":-32050,"message":"git ended","#,
                r#""data":{"code":"SERVER_GONE","kind":"unavailable","server":"git","hint":"loom status"}}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn splice_replaces_ranges_only() {
        let line = br#"{"id":1,"x":2}"#;
        assert_eq!(text(|out| splice(out, line, &[(6..7, b"42"), (12..13, b"3")])), "{\"id\":42,\"x\":3}\n");
    }

    #[test]
    fn leading_id_reads_our_own_lines() {
        for (line, want) in [
            (r#"{"jsonrpc":"2.0","id":12,"result":{}}"#, Some(("12", false))),
            (r#"{"jsonrpc":"2.0","id":"a\",b","error":{}}"#, Some((r#""a\",b""#, false))),
            (r#"{"jsonrpc":"2.0","id":3,"method":"ping","params":{}}"#, Some(("3", true))),
            (r#"{"jsonrpc":"2.0","method":"x","params":{}}"#, None),
            (r#"{"jsonrpc":"2.0","id":"a"#, None),
        ] {
            let got =
                leading_id(line.as_bytes()).map(|(id, request)| (std::str::from_utf8(id).unwrap(), request));
            assert_eq!(got, want, "{line}");
        }
    }
}
