//! The first line of a connection: who is there, and how it wants things.

use serde::Deserialize;

use crate::wire::code::{self, Code};
pub use crate::wire::hello::{Hello, PROTOCOL, Role};

#[derive(Deserialize)]
struct Line {
    id: u64,
    method: String,
    params: serde_json::Value,
}

/// Reads the hello line. An error comes with the id to answer.
pub fn parse(line: &[u8]) -> Result<(u64, Hello), (u64, Code, String)> {
    let wrong = |id, text: String| (id, code::INVALID_REQUEST, text);
    let line: Line = serde_json::from_slice(line)
        .map_err(|error| wrong(0, format!("the first line must be loom/hello: {error}")))?;
    if line.method != "loom/hello" {
        return Err(wrong(line.id, format!("the first line must be loom/hello, not {}", line.method)));
    }
    let asked = line.params["protocol"].as_u64().unwrap_or_default();
    if asked != u64::from(PROTOCOL) {
        let text = format!("this daemon speaks loom protocol {PROTOCOL}, the other end speaks {asked}");
        return Err((line.id, code::VERSION_MISMATCH, text));
    }
    let hello = serde_json::from_value(line.params).map_err(|error| wrong(line.id, error.to_string()))?;
    Ok((line.id, hello))
}

impl Hello {
    /// The registry target whose overrides this client gets.
    pub fn target(&self) -> Option<&str> {
        match self.agent_hint.as_deref() {
            Some("claude-code") => Some("claude"),
            Some("claude-desktop") => Some("claude_desktop"),
            Some("kilo" | "kilo-code") => Some("kilocode"),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(params: &str) -> Vec<u8> {
        format!(r#"{{"jsonrpc":"2.0","id":3,"method":"loom/hello","params":{params}}}"#).into_bytes()
    }

    #[test]
    fn reads_what_is_given_and_fills_the_rest() {
        let (id, hello) =
            parse(&line(r#"{"protocol":1,"role":"proxy","agent_hint":"claude-code","extra":1}"#)).unwrap();
        assert_eq!((id, hello.target(), hello.page_size, hello.role), (3, Some("claude"), 100, Role::Proxy));
    }

    #[test]
    fn another_protocol_is_named() {
        let (id, code, text) = parse(&line(r#"{"protocol":2,"role":"cli"}"#)).unwrap_err();
        assert_eq!((id, code), (3, code::VERSION_MISMATCH));
        assert!(text.contains("speaks 2"), "{text}");
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["{}", "x", r#"{"id":1,"method":"initialize","params":{}}"#] {
            assert_eq!(parse(bad.as_bytes()).unwrap_err().1, code::INVALID_REQUEST, "{bad}");
        }
        assert!(parse(&line(r#"{"protocol":1,"role":"king"}"#)).is_err());
    }
}
