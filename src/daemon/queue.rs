//! Calls that have not left for their server, taken out of its queue: at the end of a daemon their clients get
//! them back, and after a change of the registry they are dealt with as if they had just come.

use std::time::Instant;

use super::hello::Role;
use super::request::Refusal;
use super::session::SessionId;
use super::switch::Switch;
use crate::mcp::quote::quote;
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

/// What a client wrote: kept, or, of a tool call, told from what went to `server`.
fn as_written(open: Open, line: &[u8], server: &str) -> Option<Taken> {
    let Asker::Client { session, id, token, .. } = open.asker else { return None };
    if let Some(line) = open.written {
        return Some(Taken { session, line: line.into(), id });
    }
    let line = std::str::from_utf8(line.strip_suffix(b"\n").unwrap_or(line)).ok()?;
    let places = scan::envelope(line.as_bytes()).ok()?;
    let name_at = places.name?;
    let name = quote(&expose(server, &scan::unquote(&line[name_at.clone()])?));
    let mut edits = vec![(places.id?, id.as_bytes()), (name_at, name.as_bytes())];
    edits.extend(places.token.zip(token.as_ref()).map(|(at, token)| (at, token.as_bytes())));
    edits.sort_unstable_by_key(|(range, _)| range.start);
    let line = reply::spliced(line, &edits).into_bytes();
    Some(Taken { session, line, id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::purpose::Purpose;
    use crate::upstream::topic::Topic;
    use std::time::Duration;

    #[test]
    fn requests_get_their_own_words_back() {
        let now = Instant::now();
        let written = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo__say","_meta":{"progressToken":"t"}}}"#;
        let sent = r#"{"jsonrpc":"2.0","id":91,"method":"tools/call","params":{"name":"say","_meta":{"progressToken":91}}}"#;
        for kept in [None, Some("as it came")] {
            let asker = Asker::Client {
                session: 4,
                id: Id::from(&b"7"[..]),
                token: Some(Id::from(&br#""t""#[..])),
                purpose: Purpose::Plain,
                topic: Topic::untold(),
            };
            let mut open = Open::new(asker, now, Duration::ZERO, None);
            open.written = kept.map(|line| line.as_bytes().into());
            let taken = as_written(open, &[sent.as_bytes(), b"\n"].concat(), "echo").unwrap();
            assert_eq!(taken.session, 4);
            assert_eq!(std::str::from_utf8(&taken.line).unwrap(), kept.unwrap_or(written));
        }
    }
}
