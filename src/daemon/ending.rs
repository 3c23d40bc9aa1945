//! How a call ended, in words for people and scripts. Pure.

use crate::upstream::topic::Asked;
use crate::wire::code::{self, Code};
use crate::wire::scan;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    Ok,
    /// A result that says `isError`.
    ToolError,
    /// An error of the server's, by its number.
    Error(i64),
    /// loom ended it.
    Failed(Code),
    /// loom did not begin it.
    Refused(Code),
    Cancelled,
    /// The client went.
    ClientGone,
}

impl CallEnd {
    /// Of a server's error object.
    pub fn of_error(error: &str) -> Self {
        let code =
            scan::members(error.as_bytes(), ["code"]).ok().and_then(|[code]| error[code?].parse().ok());
        CallEnd::Error(code.unwrap_or_default())
    }

    /// Of a server's result.
    pub fn of_result(result: &str, asked: &Asked) -> Self {
        match asked {
            Asked::Tool(_) if says_error(result) => CallEnd::ToolError,
            Asked::Tool(_) | Asked::Method(_) => CallEnd::Ok,
        }
    }

    pub fn is_error(self) -> bool {
        match self {
            CallEnd::Ok | CallEnd::Cancelled | CallEnd::ClientGone => false,
            CallEnd::ToolError | CallEnd::Error(_) | CallEnd::Failed(_) | CallEnd::Refused(_) => true,
        }
    }

    /// Whether the server answered.
    pub fn is_answer(self) -> bool {
        matches!(self, CallEnd::Ok | CallEnd::ToolError | CallEnd::Error(_))
    }

    pub fn word(self) -> &'static str {
        match self {
            CallEnd::Ok => "ok",
            CallEnd::ToolError => "tool_error",
            CallEnd::Error(_) => "error",
            CallEnd::Failed(code) if code == code::TIMEOUT => "timeout",
            CallEnd::Failed(code) if code == code::SERVER_GONE => "server_gone",
            CallEnd::Failed(_) => "failed",
            CallEnd::Refused(_) => "refused",
            CallEnd::Cancelled => "cancelled",
            CallEnd::ClientGone => "client_gone",
        }
    }

    /// The number and the name of the error.
    pub fn code(self) -> (Option<i64>, Option<&'static str>) {
        match self {
            CallEnd::Error(number) => (Some(number), code::name_of(number)),
            CallEnd::Failed(code) | CallEnd::Refused(code) => (Some(code.number.into()), Some(code.name)),
            CallEnd::Ok | CallEnd::ToolError | CallEnd::Cancelled | CallEnd::ClientGone => (None, None),
        }
    }
}

/// Results up to this size are searched, in bytes.
const SEARCHED: usize = 1024;

/// Whether a tool's result says `isError`. At its ends, where servers write it, that is seen at once; in the middle
/// of a long one nobody looks for it.
fn says_error(result: &str) -> bool {
    const MEMBER: &str = r#""isError""#;
    let last = result.strip_suffix('}').unwrap_or_default();
    if last.ends_with(r#""isError":true"#) || result.starts_with(r#"{"isError":true"#) {
        return true;
    }
    if last.ends_with(r#""isError":false"#) || result.len() > SEARCHED {
        return false;
    }
    memchr::memmem::find(result.as_bytes(), MEMBER.as_bytes()).is_some()
        && matches!(scan::members(result.as_bytes(), ["isError"]), Ok([Some(at)]) if result[at.clone()] == *"true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_that_says_error_is_known_wherever_it_says_so() {
        let long = "x".repeat(2 * SEARCHED);
        for (result, want) in [
            (r#"{"content":[],"isError":true}"#.to_owned(), true),
            (r#"{"isError":true,"content":[]}"#.to_owned(), true),
            (r#"{"content":[], "isError" : true, "_meta":{}}"#.to_owned(), true),
            (format!(r#"{{"content":["{long}"],"isError":true}}"#), true),
            (r#"{"content":[],"isError":false}"#.to_owned(), false),
            (r#"{"content":[],"structuredContent":{"isError":true}}"#.to_owned(), false),
            (r#"{"content":["\"isError\":true"]}"#.to_owned(), false),
            ("{}".to_owned(), false),
            ("null".to_owned(), false),
        ] {
            assert_eq!(says_error(&result), want, "{result:.80}");
        }
    }

    #[test]
    fn errors_have_a_number_and_a_name() {
        let end = CallEnd::of_error(r#"{"message":"no","code":-32601}"#);
        assert_eq!((end, end.code()), (CallEnd::Error(-32601), (Some(-32601), Some("METHOD_NOT_FOUND"))));
        assert_eq!(CallEnd::of_error(r#"{"code":"x"}"#).code(), (Some(0), None));
        let end = CallEnd::Failed(code::TIMEOUT);
        assert_eq!((end.word(), end.code()), ("timeout", (Some(-32054), Some("TIMEOUT"))));
    }
}
