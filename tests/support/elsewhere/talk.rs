//! One connection to the server: what it answers, rightly or wrongly.

use std::io::{self, BufReader};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::http::{self, Request};
use super::{Fault, Shared, event};

/// Answers one request after the other, until the client goes or a fault ends it.
pub fn while_open(stream: &TcpStream, shared: &Shared) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut talk = Talk { stream, shared };
    loop {
        let request = Request::read(&mut reader).ok()?;
        let message: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let mut known = shared.lock();
        known.requests.push(request.clone());
        known.messages.extend(Some(message.clone()).filter(|message| !message.is_null()));
        let method = message["method"].as_str().unwrap_or(&request.method);
        let at = known.faults.iter().position(|(wanted, _)| *wanted == method);
        let fault = at.and_then(|at| known.faults.remove(at)).map(|(_, fault)| fault);
        drop(known);
        shared.changed.notify_all();
        match (request.method.as_str(), fault) {
            ("GET", None) => talk.stream_opened(&request),
            ("POST", None | Some(Fault::Cut | Fault::CutWithId | Fault::Reset | Fault::Hold)) => {
                talk.told(&request, &message, fault)
            }
            ("DELETE", _) => talk.session_ended(&request),
            (_, Some(Fault::Say(status, headers, body))) => http::answer(stream, status, headers, body),
            // The connection is kept, and the next request on it never read.
            (_, _) => return keep_silent(stream),
        }
        .ok()?;
    }
}

/// One connection.
struct Talk<'a> {
    stream: &'a TcpStream,
    shared: &'a Shared,
}

impl Talk<'_> {
    fn stream_opened(&mut self, request: &Request) -> io::Result<()> {
        let mut known = self.shared.lock();
        if request.path == "/sse" {
            http::begin_events(self.stream, "")?;
            http::say(self.stream, "event: endpoint\ndata: /messages\n\n")?;
        } else if let Some(refusal) = known.refusal(request) {
            return self.refuse(refusal);
        } else if known.no_stream {
            return http::answer(self.stream, 404, "Content-Type: text/html\r\n", "Cannot GET /mcp");
        } else {
            http::begin_events(self.stream, "")?;
            http::say(self.stream, "retry: 20\n\n")?;
            if let Some(answer) = known.kept.remove(request.header("last-event-id")) {
                http::say(self.stream, &answer)?;
                return http::end_events(self.stream);
            }
        }
        known.streams.push(self.stream.try_clone()?);
        self.shared.changed.notify_all();
        Ok(())
    }

    fn session_ended(&mut self, request: &Request) -> io::Result<()> {
        let mut known = self.shared.lock();
        let session = request.header("mcp-session-id").to_owned();
        known.sessions.remove(&session);
        known.ended.push(session);
        self.shared.changed.notify_all();
        http::answer(self.stream, 200, "", "")
    }

    fn refuse(&self, (status, text): (u16, &str)) -> io::Result<()> {
        let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": text}});
        http::answer(self.stream, status, "Content-Type: application/json\r\n", &error.to_string())
    }

    /// A message of the client's.
    fn told(&mut self, request: &Request, message: &Value, fault: Option<Fault>) -> io::Result<()> {
        let (mut known, old) = (self.shared.lock(), request.path == "/messages");
        if request.path == "/sse" {
            return http::answer(self.stream, 405, "", "");
        }
        let begins = message["method"] == "initialize";
        let refusal = if begins || old { None } else { known.refusal(request) };
        if let Some(refusal) = refusal {
            return self.refuse(refusal);
        }
        if message.get("method").is_none() || message.get("id").is_none() {
            return http::answer(self.stream, 202, "", "");
        }
        let mut answer = known.answer(message);
        answer["id"] = message["id"].clone();
        self.shared.changed.notify_all();
        let mut headers = String::new();
        if begins && !old {
            let session = format!("s{}", known.begun);
            headers = format!("Mcp-Session-Id: {session}\r\n");
            known.sessions.insert(session);
        }
        if fault == Some(Fault::Hold) {
            let held = |known: &mut super::Known| !known.released && !known.stopped;
            let waited = self.shared.changed.wait_while(known, held);
            known = waited.expect("nobody panics with this lock");
            if known.stopped {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        match fault {
            Some(Fault::Reset) => {
                http::reset(self.stream);
                known.connections.retain(|kept| kept.peer_addr().ok() != self.stream.peer_addr().ok());
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Some(Fault::Cut | Fault::CutWithId) => {
                http::begin_events(self.stream, "")?;
                if fault == Some(Fault::CutWithId) {
                    let id = format!("e{}", known.kept.len());
                    http::say(self.stream, &format!("id: {id}\nretry: 20\ndata: \n\n"))?;
                    known.kept.insert(id, event(&answer));
                }
                http::say(self.stream, "event: message\ndata: {\"jsonrpc\":")?;
                http::cut(self.stream);
                Err(io::ErrorKind::ConnectionReset.into())
            }
            _ if old => {
                http::answer(self.stream, 202, "", "Accepted")?;
                let Some(stream) = known.streams.last() else { return Ok(()) };
                http::say(stream, &event(&answer))
            }
            _ => {
                headers.push_str("Content-Type: application/json\r\n");
                http::answer(self.stream, 200, &headers, &answer.to_string())
            }
        }
    }
}

/// Until the client goes or the server is stopped.
fn keep_silent(mut stream: &TcpStream) -> Option<()> {
    io::copy(&mut stream, &mut io::sink()).ok().map(|_| ())
}
