//! The texts of the messages that the echo server writes.

/// A tool result with one text item; `text` is a JSON string.
pub fn text_result(text: &str, failed: bool) -> String {
    let flag = if failed { ",\"isError\":true" } else { "" };
    format!("{{\"content\":[{{\"type\":\"text\",\"text\":{text}}}]{flag}}}")
}

/// An answer; `id` and `result` are JSON.
pub fn response(id: &str, result: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}")
}

/// A notification; `params` is JSON.
pub fn notification(method: &str, params: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{params}}}")
}
