//! What a line from the endpoint is, looking at as little of it as can be.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One received line.
#[derive(Debug, PartialEq)]
pub enum Received {
    /// The answer to our request of that id; a failure carries what the server said.
    Answer(u64, Result<(), String>),
    /// A request to us: raw id and method.
    Request(String, String),
    /// A notification, or nothing we understand.
    Other,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a str>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

pub fn classify(line: &[u8]) -> Received {
    let Ok(envelope) = serde_json::from_slice::<Envelope>(line) else { return Received::Other };
    match (envelope.id, envelope.method) {
        (Some(id), Some(method)) => Received::Request(id.get().into(), method.into()),
        (Some(id), None) => match id.get().parse() {
            Ok(id) => Received::Answer(id, outcome(envelope.result, envelope.error)),
            Err(_) => Received::Other,
        },
        (None, _) => Received::Other,
    }
}

fn outcome(result: Option<&RawValue>, error: Option<&RawValue>) -> Result<(), String> {
    if let Some(error) = error {
        return Err(clip(error.get()));
    }
    let result = result.map_or("", RawValue::get).as_bytes();
    // `isError` stands first or last in every server's answer; a whole look would cost more than the call.
    let ends = [&result[..result.len().min(300)], &result[result.len().saturating_sub(300)..]];
    match ends.iter().any(|end| String::from_utf8_lossy(end).contains(r#""isError":true"#)) {
        true => Err(clip(&String::from_utf8_lossy(result))),
        false => Ok(()),
    }
}

fn clip(text: &str) -> String {
    text.chars().take(300).collect()
}

/// Our answer to a request of the server: a pong, or that we do nothing else.
pub fn reply(id: &str, method: &str) -> String {
    match method {
        "ping" => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#),
        _ => {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"Method not found"}}}}"#)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        for (line, want) in [
            (r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, Received::Answer(7, Ok(()))),
            (r#"{"id":7,"error":{"code":1}}"#, Received::Answer(7, Err(r#"{"code":1}"#.into()))),
            (r#"{"id":1,"result":{"isError":true}}"#, Received::Answer(1, Err(r#"{"isError":true}"#.into()))),
            (r#"{"id":"a","method":"ping"}"#, Received::Request(r#""a""#.into(), "ping".into())),
            (r#"{"method":"notifications/message"}"#, Received::Other),
            ("garbage", Received::Other),
        ] {
            assert_eq!(classify(line.as_bytes()), want, "{line}");
        }
    }
}
