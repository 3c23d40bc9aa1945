//! What every side says: pure functions of names and nonces, used by whoever says it and by whoever checks it.

use super::chance::hash;
use super::play::{LEVELS, Topic};

/// Members that are hard to pass on unchanged. All are legal JSON.
const ODD: [&str; 8] = [
    r#""big":123456789012345678901234567890,"real":0.1000000000000000055511151231257827"#,
    r#""huge":1e400,"small":-0.0E-999"#,
    "\"text\":\"\\ud83d\\ude00 \\u00fc \u{fc} \u{1f600} \\/ \\\" \\\\ \\u0000 \u{2028}\"",
    "\"space\" :\t[ 1 ,\r2.50 , { } ,\r\r[ ] , null ]",
    r#""id":{"id":7,"method":"tools/call","result":null,"jsonrpc":"1.0"}"#,
    r#""params":{"name":"x","_meta":{"progressToken":1},"uri":"soak://none"}"#,
    r#""\u0069d":"escaped","\u00e4":-0"#,
    r#""deep":[[[[[[[[[[[[[[[[{"a":[{}]}]]]]]]]]]]]]]]]]"#,
];

/// The `_meta` key of what belongs to a task.
pub const RELATED: &str = "io.modelcontextprotocol/related-task";

/// An odd member that depends on `of` only.
pub fn odd(of: &str) -> &'static str {
    ODD[usize::try_from(hash(of.as_bytes()) % ODD.len() as u64).expect("it is small")]
}

/// As loom passes a text on: line breaks between tokens become spaces.
pub fn flat(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// The result of any request: what the server heard (its progress token as `null`), and what it was answered.
pub fn result(server: &str, method: &str, heard: &str, nonce: &str, asked: &[String]) -> String {
    let (odd, asked) = (odd(nonce), asked.join(","));
    let content = format!(r#""content":[{{"type":"text","text":"{server} {method} {nonce}"}}]"#);
    match hash(nonce.as_bytes()) >> 8 & 3 {
        0 => format!("{{{content},{odd},\"heard\":{heard},\"asked\":[{asked}]}}"),
        1 => format!("{{ \"heard\" :\r{heard} , {content} ,\t\"asked\" : [ {asked} ] , {odd}\r}}"),
        2 => format!("{{{odd},\"isError\":true,{content},\"asked\":[{asked}],\"heard\":{heard}}}"),
        _ => format!(
            "{{\"structuredContent\":[1e400,{{\"heard\":{heard}}}],{content},\"asked\":[{asked}],{odd}}}"
        ),
    }
}

/// A server's own error.
pub fn error(server: &str, nonce: &str) -> String {
    let odd = odd(nonce);
    format!("{{\"code\":-31999,\"message\":\"{server} \u{fc} {nonce}\",\"data\":{{{odd}}},\"more\":[1e400]}}")
}

/// What a server says of a resource that it does not have.
pub fn no_resource(server: &str, nonce: &str) -> String {
    format!("{{\"code\":-32002,\"message\":\"{server} has no such thing: {nonce}\",\"more\":[1e400]}}")
}

/// The params of the `step`th progress of a request, from 1.
pub fn progress(token: &str, step: usize, nonce: &str) -> String {
    let odd = odd(nonce);
    match hash(nonce.as_bytes()) >> 10 & 1 {
        0 => format!(r#"{{"progressToken":{token},"progress":{step},"message":"{nonce}",{odd}}}"#),
        _ => format!(r#"{{{odd} , "message":"{nonce}","progress":{step}e0 ,"progressToken" : {token} }}"#),
    }
}

/// The params of a log message, the `step`th of a request.
pub fn log(server: &str, nonce: &str, step: usize, level: usize) -> String {
    let (level, odd) = (LEVELS[level], odd(nonce));
    match hash(nonce.as_bytes()) >> 11 & 1 {
        0 => format!(
            r#"{{"level":"{level}","logger":"{server}","data":{{"nonce":"{nonce}","step":{step},{odd}}}}}"#
        ),
        _ => format!(
            r#"{{ {odd} ,"data":{{"step":{step},"nonce":"{nonce}"}},"level" : "{level}","logger":"{server}"}}"#
        ),
    }
}

/// The params of `resources/updated`, the `step`th of a request. `uri` is JSON.
pub fn updated(uri: &str, nonce: &str, step: usize) -> String {
    let odd = odd(nonce);
    format!(r#"{{{odd},"by":{{"nonce":"{nonce}","step":{step}}},"uri" : {uri}}}"#)
}

/// A question: its method and params. `token` is JSON, `task` an id.
pub fn question(
    topic: Topic,
    nonce: &str,
    step: usize,
    token: Option<&str>,
    task: Option<&str>,
) -> (&'static str, String) {
    let odd = odd(&format!("{nonce}?{step}"));
    let mut meta = format!(r#""nonce":"{nonce}","step":{step}"#);
    if let Some(token) = token {
        meta = format!(r#"{meta},"progressToken" : {token}"#);
    }
    if let Some(task) = task {
        meta = format!(r#""{RELATED}":{{"x":1e400,"taskId":"{task}"}},{meta}"#);
    }
    let (method, own) = match topic {
        Topic::Sampling => ("sampling/createMessage", r#""messages":[],"maxTokens":1,"#),
        Topic::Form => {
            ("elicitation/create", r#""message":"who?","requestedSchema":{"type":"object","properties":{}},"#)
        }
        Topic::Url => {
            ("elicitation/create", r#""mode":"url","url":"https://example.com/","elicitationId":"1","#)
        }
        Topic::Roots => ("roots/list", ""),
        Topic::Odd => ("soak/odd", ""),
    };
    (method, format!(r#"{{{own}{odd},"_meta":{{{meta}}}}}"#))
}

/// Whether the server gives its question a progress token.
pub fn question_has_token(nonce: &str, step: usize) -> bool {
    hash(format!("{nonce}#{step}").as_bytes()) & 1 == 0
}

/// How a client answers a question.
pub struct Reply {
    /// The result, or the error.
    pub text: Result<String, String>,
    pub delay_ms: u64,
    /// So many progress notifications go before it.
    pub progress: usize,
}

pub fn reply(nonce: &str, step: usize) -> Reply {
    let about = format!("{nonce}={step}");
    let (bits, odd) = (hash(about.as_bytes()), odd(&about));
    let text = match bits % 5 {
        0 => Err(format!("{{\"code\":-7,\"message\":\"no \u{fc} {about}\",\"data\":{{{odd}}}}}")),
        _ => Ok(format!(r#"{{"action":"accept","model":"{about}",{odd}}}"#)),
    };
    let delay_ms = if bits >> 8 & 1 == 0 { 0 } else { bits >> 9 & 127 };
    Reply { text, delay_ms, progress: if bits >> 20 & 3 == 0 { 2 } else { 0 } }
}

/// What a server writes of an answer that it got, after so much progress under the question's token.
pub fn heard_result(text: &str, progress: usize) -> String {
    format!(r#"{{"result":{text},"progress":{progress}}}"#)
}

pub fn heard_error(text: &str, progress: usize) -> String {
    format!(r#"{{"error":{text},"progress":{progress}}}"#)
}

/// The params with which a client takes a request back.
pub fn cancellation(id: &str, nonce: &str) -> String {
    let odd = odd(nonce);
    match hash(nonce.as_bytes()) >> 15 & 1 {
        0 => format!(r#"{{{odd},"requestId":{id}}}"#),
        _ => format!("{{ \"requestId\" :\r{id} ,\"reason\":\"\\u00fc {nonce}\",\"_meta\":{{{odd}}}}}"),
    }
}

/// Whether a server was told so that a request is taken back: in the client's words, or in loom's for what it took back
/// itself.
pub fn is_cancellation(params: &str, id: &str, nonce: &str) -> bool {
    let own = ["the client is gone", "it took too long", "the client unsubscribed"];
    params == flat(&cancellation(id, nonce))
        || own.iter().any(|why| params == format!(r#"{{"requestId":{id},"reason":"{why}"}}"#))
}

/// Instead, when loom refused the question: its name for why.
pub fn heard_refusal(name: &str) -> String {
    format!(r#"{{"refused":"{name}"}}"#)
}

/// Instead, when the server took its question back.
pub const WITHDRAWN: &str = r#"{"withdrawn":true}"#;

/// Instead, when the server's session was over before the answer came.
pub const LOST: &str = r#"{"lost":true}"#;

/// The state of a task, under whatever id.
pub fn task(id: &str, nonce: &str, status: &str) -> String {
    let odd = odd(nonce);
    let about = r#""createdAt":"2026-01-01T00:00:00Z","lastUpdatedAt":"2026-01-01T00:00:00Z","ttl":60000"#;
    format!(r#"{{{odd},"taskId":"{id}","status":"{status}",{about}}}"#)
}

/// A whole answer in one of several spellings.
pub fn answer(id: &str, member: &str, text: &str, nonce: &str) -> String {
    match hash(nonce.as_bytes()) >> 12 & 3 {
        0 | 1 => format!(r#"{{"jsonrpc":"2.0","id":{id},"{member}":{text}}}"#),
        2 => format!(r#"{{"{member}":{text},"id":{id},"jsonrpc":"2.0"}}"#),
        _ => format!(
            "{{ \"jsonrpc\" : \"2.0\" ,\t\"more\":{{\"id\":7,\"result\":1e400}},\r\"{member}\" : {text}\r, \"id\" : {id} }}"
        ),
    }
}

/// A whole notification in one of several spellings.
pub fn notification(method: &str, params: &str, nonce: &str) -> String {
    match hash(nonce.as_bytes()) >> 14 & 1 {
        0 => format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#),
        _ => format!(
            "{{\"params\" : {params} ,\r\"more\":[1e400], \"method\":\"{method}\",\"jsonrpc\":\"2.0\" }}"
        ),
    }
}
