//! What a client says: each line is checked, and goes to the one function that handles it.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Instant;

use super::hello::Role;
use super::room::no_room;
use super::session::SessionId;
use super::switch::Switch;
use crate::mcp::catalog::Kind;
use crate::wire::code::{self, Code};
use crate::wire::id::Id;
use crate::wire::oversize::Oversized;
use crate::wire::reply::{self, Detail};
use crate::wire::scan::{self, Envelope};

/// A request that gets an error for an answer.
#[derive(Debug)]
pub struct Refusal {
    pub code: Code,
    pub text: String,
    pub detail: Box<Detail>,
}

impl Refusal {
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Refusal { code, text: text.into(), detail: Box::default() }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.detail.hint = Some(hint.into());
        self
    }

    pub fn server(mut self, server: &str) -> Self {
        self.detail.server = Some(server.into());
        self
    }
}

/// A well-formed request.
pub struct Request<'a> {
    pub session: SessionId,
    pub line: &'a str,
    /// Raw JSON: a number or a text.
    pub id: &'a str,
    /// Where in `line` the id is.
    pub id_at: Range<usize>,
    pub method: &'a str,
    /// Where in `line` everything is.
    pub places: &'a Envelope,
    pub now: Instant,
}

impl Request<'_> {
    /// The raw parameters; `{}` when there are none.
    pub fn params(&self) -> &str {
        self.places.params.clone().map_or("{}", |range| &self.line[range])
    }

    /// Where in `line` a parameter is.
    pub fn param(&self, key: &str) -> Option<Range<usize>> {
        let params = self.places.params.clone()?;
        let [at] = scan::members(&self.line.as_bytes()[params.clone()], [key]).ok()?;
        at.map(|at| params.start + at.start..params.start + at.end)
    }

    /// The parameter `uri`, and where it is.
    pub fn uri(&self) -> Result<(Range<usize>, Cow<'_, str>), Refusal> {
        let at = self.param("uri").ok_or_else(|| bad_params(self, "`uri` is missing"))?;
        let uri =
            scan::unquote(&self.line[at.clone()]).ok_or_else(|| bad_params(self, "`uri` must be a text"))?;
        Ok((at, uri))
    }
}

impl Switch {
    /// One line from a client.
    pub fn client_line(&mut self, session: SessionId, line: &[u8], now: Instant) {
        let Ok(text) = std::str::from_utf8(line) else {
            self.counters.invalid_utf8 += 1;
            let id = id_of_broken(line);
            return self.refuse(session, &id, &Refusal::new(code::PARSE, "the line is not UTF-8"));
        };
        let envelope = match scan::envelope(line) {
            Ok(envelope) => envelope,
            Err(error) => {
                self.counters.garbage_lines += 1;
                let refusal = Refusal::new(code::PARSE, format!("not JSON-RPC: {error}"));
                return self.refuse(session, &id_of_broken(line), &refusal);
            }
        };
        match sort(text, &envelope) {
            Ok(Line::Request { .. }) if self.waits_for_roots(session) => {
                self.hold_back(session, line);
            }
            Ok(Line::Request { id, method }) => {
                let id_at = envelope.id.clone().unwrap_or_default();
                let request = Request { session, line: text, id, id_at, method, places: &envelope, now };
                self.request(&request);
            }
            Ok(Line::Notification { method }) => {
                let params = envelope.params.clone().map_or("{}", |range| &text[range]);
                self.client_notification(session, method, params);
            }
            Ok(Line::Answer) => self.client_answers(session, text, &envelope),
            Err((id, refusal)) => self.refuse(session, id, &refusal),
        }
    }

    /// A line that was too long to keep.
    pub fn client_oversized(&mut self, session: SessionId, lost: &Oversized) {
        self.counters.oversized_lines += 1;
        if let (Some(id), true) = (&lost.id, lost.has_method) {
            let id = String::from_utf8_lossy(id).into_owned();
            let (len, most) = (lost.len, crate::wire::LINE_MAX);
            let refusal = match len > most {
                true => {
                    let text = format!("a message of {len} bytes is more than loom passes on ({most})");
                    Refusal::new(code::TOO_LARGE, text)
                }
                false => no_room(),
            };
            self.refuse(session, &id, &refusal);
        }
    }

    fn request(&mut self, request: &Request<'_>) {
        if self.draining && is_work(request.method) {
            let id = Id::from(request.id.as_bytes());
            return self.give_back(request.session, &id, request.line.as_bytes());
        }
        let outcome = match request.method {
            "tools/call" => self.call_tool(request),
            "tools/list" => self.list(request, Kind::Tools),
            "ping" => self.answer(request, "{}"),
            "initialize" => self.initialize(request),
            "prompts/list" => self.list(request, Kind::Prompts),
            "prompts/get" => self.get_prompt(request),
            "resources/list" => self.list(request, Kind::Resources),
            "resources/templates/list" => self.list(request, Kind::Templates),
            "resources/read" => self.read_resource(request),
            "resources/subscribe" => self.subscribe(request),
            "resources/unsubscribe" => self.unsubscribe(request),
            "completion/complete" => self.complete(request),
            "logging/setLevel" => self.set_level(request),
            "tasks/list" => self.list_tasks(request),
            "tasks/get" | "tasks/result" | "tasks/cancel" => self.ask_task(request),
            _ if self.role(request.session) == Some(Role::Cli) => self.control(request),
            _ => Err(unknown_method(request.method)),
        };
        if let Err(refusal) = outcome {
            self.tapped_refusal(request, &refusal);
            self.refuse(request.session, request.id, &refusal);
        }
    }

    fn role(&self, session: SessionId) -> Option<Role> {
        self.sessions.get(&session).map(|session| session.hello.role)
    }

    fn client_notification(&mut self, session: SessionId, method: &str, params: &str) {
        match method {
            "notifications/cancelled" => self.client_cancels(session, params),
            "notifications/initialized" => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.initialized = true;
                }
                self.ask_for_roots(session);
            }
            "notifications/roots/list_changed" => {
                self.ask_for_roots(session);
                self.tell_own_servers(session, method, params);
            }
            "notifications/progress" => self.client_progress(session, params),
            "loom/tasks" => self.client_claims(session, params),
            // What loom does not know can only be for servers that know this client.
            _ => self.tell_own_servers(session, method, params),
        }
    }

    /// Answers a request with a result that is at hand.
    pub fn answer(&mut self, request: &Request<'_>, result: &str) -> Result<(), Refusal> {
        self.answer_to(request.session, request.id, result);
        Ok(())
    }

    pub fn answer_to(&mut self, session: SessionId, id: &str, result: &str) {
        if let Some(state) = self.sessions.get_mut(&session) {
            reply::result(state.out.tail(), id.as_bytes(), result.as_bytes());
            self.dirty_sessions.insert(session);
        }
    }

    pub fn refuse(&mut self, session: SessionId, id: &str, refusal: &Refusal) {
        if let Some(state) = self.sessions.get_mut(&session) {
            reply::error(state.out.tail(), id.as_bytes(), refusal.code, &refusal.text, &refusal.detail);
            self.dirty_sessions.insert(session);
        }
    }
}

/// Whether a draining daemon no longer begins this; the rest it can still answer.
fn is_work(method: &str) -> bool {
    method != "ping" && !method.starts_with("loom/")
}

/// Wrong parameters, named with the method.
pub fn bad_params(request: &Request<'_>, text: &str) -> Refusal {
    Refusal::new(code::INVALID_PARAMS, format!("{}: {text}", request.method))
}

fn unknown_method(method: &str) -> Refusal {
    Refusal::new(code::METHOD_NOT_FOUND, format!("loom does not know the method {method}"))
}

/// The id to answer for a line that cannot be read: the one that a proxy has noted for it, if any.
fn id_of_broken(line: &[u8]) -> String {
    scan::call_id(line).and_then(|id| std::str::from_utf8(id).ok()).unwrap_or("null").to_string()
}

enum Line<'a> {
    Request { id: &'a str, method: &'a str },
    Notification { method: &'a str },
    Answer,
}

/// Tells request, notification and answer apart, or says what is wrong and which id to answer.
fn sort<'a>(text: &'a str, envelope: &Envelope) -> Result<Line<'a>, (&'a str, Refusal)> {
    let get = |range: &Option<Range<usize>>| range.clone().map(|range| &text[range]);
    let raw_id = get(&envelope.id);
    let id = raw_id.filter(|id| id.starts_with(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']));
    let wrong = |text: &str| Err((id.unwrap_or("null"), Refusal::new(code::INVALID_REQUEST, text)));
    if get(&envelope.version) != Some("\"2.0\"") {
        return wrong("`jsonrpc` must be \"2.0\"");
    }
    if raw_id.is_some() && id.is_none() {
        return wrong("an id must be a number or a text");
    }
    let Some(method) = get(&envelope.method) else {
        return match (id, envelope.result.is_some() || envelope.error.is_some()) {
            (Some(_), true) => Ok(Line::Answer),
            _ => wrong("neither a request nor an answer: no `method`"),
        };
    };
    // Method names hold no escapes; one that does is simply not known.
    let Some(method) = method.strip_prefix('"').and_then(|method| method.strip_suffix('"')) else {
        return wrong("`method` must be a text");
    };
    if get(&envelope.params).is_some_and(|params| !params.starts_with('{')) {
        return wrong("`params` must be an object");
    }
    Ok(match id {
        Some(id) => Line::Request { id, method },
        None => Line::Notification { method },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(line: &str) -> String {
        match sort(line, &scan::envelope(line.as_bytes()).unwrap()) {
            Ok(Line::Request { id, method }) => format!("request {id} {method}"),
            Ok(Line::Notification { method }) => format!("notification {method}"),
            Ok(Line::Answer) => "answer".into(),
            Err((id, refusal)) => format!("{id}: {}", refusal.text),
        }
    }

    #[test]
    fn lines_are_told_apart() {
        for (line, want) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#, "request 1 a"),
            (r#"{"jsonrpc":"2.0","id":"x","method":"a","params":{}}"#, "request \"x\" a"),
            (r#"{"jsonrpc":"2.0","method":"a"}"#, "notification a"),
            (r#"{"jsonrpc":"2.0","id":1,"result":null}"#, "answer"),
            (r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#, "null: an id must be a number or a text"),
            (r#"{"jsonrpc":"2.0","id":[1],"method":"a"}"#, "null: an id must be a number or a text"),
            (r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, "1: `jsonrpc` must be \"2.0\""),
            (r#"{"id":1,"method":"a"}"#, "1: `jsonrpc` must be \"2.0\""),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, "1: `method` must be a text"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[]}"#, "1: `params` must be an object"),
            (r#"{"jsonrpc":"2.0","id":1}"#, "1: neither a request nor an answer: no `method`"),
            (r#"{"jsonrpc":"2.0"}"#, "null: neither a request nor an answer: no `method`"),
        ] {
            assert_eq!(sorted(line), want, "{line}");
        }
    }
}
