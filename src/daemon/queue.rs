//! Calls that have not left for their server, taken out of its queue: at the end of a daemon their clients get
//! them back, and after a change of the registry they are dealt with as if they had just come.

use std::ops::Range;
use std::time::Instant;

use super::hello::Role;
use super::request::Refusal;
use super::session::SessionId;
use super::switch::Switch;
use crate::mcp::quote::quote;
use crate::mcp::tasks;
use crate::mcp::toolname::expose;
use crate::upstream::calls::{Asker, Open};
use crate::upstream::instance::InstanceId;
use crate::wire::code;
use crate::wire::id::Id;
use crate::wire::reply;
use crate::wire::scan;

/// A call as its client wrote it.
struct Taken {
    session: SessionId,
    id: Id,
    line: Vec<u8>,
}

impl Switch {
    /// Nothing waits for this instance any more.
    pub fn release_waiting(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let server = instance.name().to_string();
        let waiting = instance.calls.take_waiting();
        let taken: Vec<Taken> =
            waiting.into_iter().filter_map(|(open, line)| as_written(open, &line, &server)).collect();
        for Taken { session, id, line } in taken {
            if let Some(state) = self.sessions.get_mut(&session) {
                state.calls.remove(id.as_bytes());
                state.called = state.called.saturating_sub(1);
            }
            if self.draining {
                self.give_back(session, &id, &line);
            } else {
                self.client_line(session, &line, Instant::now());
            }
        }
    }

    /// While draining: the proxy gets its line back and sends it to the next daemon.
    pub fn give_back(&mut self, session: SessionId, id: &Id, line: &[u8]) {
        let Some(state) = self.sessions.get_mut(&session) else { return };
        if state.hello.role == Role::Proxy {
            reply::notification(state.out.tail(), "loom/returned", &String::from_utf8_lossy(line));
            self.dirty_sessions.insert(session);
        } else {
            let refusal = Refusal::new(code::DRAINING, "the daemon is about to stop and takes no new calls");
            let id = String::from_utf8_lossy(id.as_bytes());
            self.refuse(session, &id, &refusal.hint("loom status"));
        }
        self.calmer.notify_one();
    }
}

/// Undoes what was replaced in a request on its way to `server`. A URI stays the server's own.
fn as_written(open: Open, line: &[u8], server: &str) -> Option<Taken> {
    let Asker::Client { session, id, token, .. } = open.asker else { return None };
    let line = std::str::from_utf8(line.strip_suffix(b"\n").unwrap_or(line)).ok()?;
    let places = scan::envelope(line.as_bytes()).ok()?;
    let method = &line[places.method.clone()?];
    let subject = match method.trim_matches('"') {
        "tools/call" | "prompts/get" => places.name.clone(),
        "tasks/get" | "tasks/result" | "tasks/cancel" => within(line, places.params.clone()?, "taskId"),
        "completion/complete" => within(line, within(line, places.params.clone()?, "ref")?, "name"),
        _ => None,
    };
    let own = subject.clone().and_then(|at| scan::unquote(&line[at]));
    let told = own.map(|own| match method.starts_with("\"tasks/") {
        true => tasks::exposed(server, &own),
        false => expose(server, &own),
    });
    let told = told.map(|told| quote(&told));
    let mut edits = vec![(places.id?, id.as_bytes())];
    edits.extend(subject.zip(told.as_ref()).map(|(at, told)| (at, told.as_bytes())));
    edits.extend(places.token.zip(token.as_ref()).map(|(at, token)| (at, token.as_bytes())));
    edits.sort_unstable_by_key(|(range, _)| range.start);
    let mut written = Vec::new();
    reply::splice(&mut written, line.as_bytes(), &edits);
    written.pop();
    Some(Taken { session, line: written, id })
}

/// Where a member of the object at a place is.
fn within(line: &str, object: Range<usize>, key: &str) -> Option<Range<usize>> {
    let [at] = scan::members(&line.as_bytes()[object.clone()], [key]).ok()?;
    at.map(|at| object.start + at.start..object.start + at.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::calls::Purpose;
    use crate::upstream::topic::Topic;
    use std::time::Duration;

    #[test]
    fn requests_get_their_own_words_back() {
        let now = Instant::now();
        for (written, sent) in [
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo__say","_meta":{"progressToken":"t"}}}"#,
                r#"{"jsonrpc":"2.0","id":91,"method":"tools/call","params":{"name":"say","_meta":{"progressToken":91}}}"#,
            ),
            (
                r#"{"method":"tasks/get","params":{"taskId":"echo:1"},"id":7}"#,
                r#"{"method":"tasks/get","params":{"taskId":"1"},"id":91}"#,
            ),
            (
                r#"{"id":7,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"echo__p"}}}"#,
                r#"{"id":91,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"}}}"#,
            ),
            (
                r#"{"id":7,"method":"resources/read","params":{"uri":"a://b"}}"#,
                r#"{"id":91,"method":"resources/read","params":{"uri":"a://b"}}"#,
            ),
        ] {
            let token = Some(Id::from(&br#""t""#[..]));
            let (id, topic) = (Id::from(&b"7"[..]), Topic::untold());
            let asker = Asker::Client { session: 4, id, token, purpose: Purpose::Plain, topic };
            let open =
                Open { asker, began: now, limit: Duration::ZERO, deadline: now, sent: None, sent_at: now };
            let taken = as_written(open, &[sent.as_bytes(), b"\n"].concat(), "echo").unwrap();
            assert_eq!((taken.session, std::str::from_utf8(&taken.line).unwrap()), (4, written));
        }
    }
}
