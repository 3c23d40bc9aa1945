//! What a server says: answers go to whoever asked, progress to whose call it is, all else is handled here.

use std::borrow::Cow;
use std::time::Instant;

use super::ending::CallEnd;
use super::session::{NOTIFY_BACKLOG, SessionId, UNREAD_MAX};
use super::switch::Switch;
use super::tap::Ended;
use crate::mcp::catalog::Kind;
use crate::mcp::{clip, tasks};
use crate::upstream::calls::{Asker, Open};
use crate::upstream::instance::{InstanceId, Order};
use crate::upstream::life::Trouble;
use crate::upstream::purpose::Purpose;
use crate::wire::LINE_MAX;
use crate::wire::code::{self, Code};
use crate::wire::id::{Id, number};
use crate::wire::lines::Item;
use crate::wire::oversize::{Oversized, Tracker};
use crate::wire::reply::{self, Detail};
use crate::wire::scan::{self, Envelope};

const NO_ROOM: &str = "the answer is more than loom can hold back now";

/// The part of an answer that counts.
pub enum Outcome<'a> {
    Result(&'a str),
    Error(&'a str),
}

/// What a client is told of an answer.
enum Retold {
    AsItIs,
    Other(String),
    /// Nothing: another server is asked.
    Elsewhere,
}

impl Switch {
    /// One line from a server.
    pub fn server_item(&mut self, id: InstanceId, item: &Item<'_>, now: Instant) {
        match item {
            Item::Line(line) => self.server_line(id, line, now),
            Item::Oversized(lost) => {
                self.counters.oversized_lines += 1;
                let (code, text) = match lost.len > LINE_MAX {
                    true => {
                        let text = format!("an answer of {} bytes is more than loom passes on", lost.len);
                        (code::TOO_LARGE, text)
                    }
                    false => (code::BUSY, NO_ROOM.to_owned()),
                };
                self.answer_lost(id, lost, code, text);
            }
        }
    }

    /// An answer that cannot be passed on: its call, if it is known, ends with an error.
    fn answer_lost(&mut self, id: InstanceId, lost: &Oversized, code: Code, text: String) {
        if let Some(call) = lost.id.as_deref().filter(|_| !lost.has_method).and_then(number) {
            self.answer_spoilt(id, call, code, text);
        }
    }

    /// The answer to a call of ours has come, and is of no use.
    fn answer_spoilt(&mut self, id: InstanceId, call: u64, code: Code, text: String) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        match instance.calls.get(call).map(|open| &open.asker) {
            Some(Asker::Client { .. }) => {
                self.fail_calls(id, &[call], code, &Trouble::new(text));
            }
            Some(Asker::Initialize) => instance.give_order(Order::Fail(Trouble::new(text))),
            Some(Asker::List(kind)) => {
                let kind = *kind;
                instance.calls.remove(call);
                self.listing_failed(id, kind, text);
            }
            Some(Asker::Errand) => {
                instance.calls.remove(call);
            }
            None => self.counters.late_answers += 1,
        }
    }

    fn server_line(&mut self, id: InstanceId, line: &[u8], now: Instant) {
        let text = match std::str::from_utf8(line) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => {
                self.counters.invalid_utf8 += 1;
                String::from_utf8_lossy(line)
            }
        };
        if let Some(messages) = scan::batch(text.as_bytes()) {
            for message in messages {
                match message.starts_with('{') {
                    true => self.server_line(id, message.as_bytes(), now),
                    false => self.counters.garbage_lines += 1,
                }
            }
            return;
        }
        let Ok(envelope) = scan::envelope(text.as_bytes()) else {
            self.counters.garbage_lines += 1;
            let mut tracker = Tracker::default();
            tracker.feed(line);
            let text = "the server's answer is not JSON-RPC".to_string();
            return self.answer_lost(id, &tracker.finish(), code::BAD_ANSWER, text);
        };
        if let Some(plain) = scan::plain(text.as_bytes(), &envelope) {
            return self.server_line(id, &plain, now);
        }
        match (&envelope.method, &envelope.id) {
            (None, _) => self.server_answers(id, &text, &envelope, now),
            (Some(method), None) => self.server_notifies(id, &text[method.clone()], &text, &envelope),
            (Some(method), Some(_)) => self.server_asks(id, &text, &text[method.clone()], &envelope),
        }
    }

    fn server_answers(&mut self, id: InstanceId, text: &str, envelope: &Envelope, now: Instant) {
        let call = envelope.id.clone().and_then(|range| number(text[range].as_bytes()));
        let outcome = match outcome(text, envelope) {
            Ok(outcome) => outcome,
            Err(wrong) => {
                self.counters.garbage_lines += 1;
                let (Some(call), Some(instance)) = (call, self.instances.get(&id)) else { return };
                let text = format!("{} gave a malformed answer: {wrong}", instance.name());
                return self.answer_spoilt(id, call, code::BAD_ANSWER, text);
            }
        };
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let Some(open) = call.and_then(|call| instance.calls.remove(call)) else {
            // Late (given up or cancelled), or an id that was never given out.
            let whose = instance.calls.answered_late(call.unwrap_or_default());
            self.counters.late_answers += 1;
            if let (Some(session), Outcome::Result(result)) = (whose, outcome) {
                self.note_lost_task(id, session, result);
            }
            return;
        };
        match &open.asker {
            Asker::Client { .. } => return self.pass_on(id, call.unwrap_or_default(), open, outcome, now),
            Asker::Initialize => self.handshake_answered(id, outcome),
            Asker::List(kind) => self.list_answered(id, *kind, outcome),
            Asker::Errand => {}
        }
        self.tell_if_free(id);
    }

    /// An answer to a client's call.
    fn pass_on(&mut self, id: InstanceId, call: u64, open: Open, outcome: Outcome<'_>, now: Instant) {
        let (queued, served) = open.stages(now);
        let Asker::Client { session, id: client_id, token, purpose, topic } = open.asker else { return };
        let told = match self.retell(
            id,
            session,
            &client_id,
            token.map(|token| (call, token)),
            &purpose,
            &outcome,
        ) {
            Retold::AsItIs => None,
            Retold::Other(told) => Some(told),
            Retold::Elsewhere => {
                let (bytes_out, end) = match &outcome {
                    Outcome::Error(error) => (error.len(), CallEnd::of_error(error)),
                    Outcome::Result(result) => (result.len(), CallEnd::of_result(result, &topic.asked)),
                };
                self.tapped(Ended { session, topic, queued, served, bytes_out, end }, now);
                return self.after_call(id, now);
            }
        };
        let outcome = match (told.as_deref(), outcome) {
            (Some(told), Outcome::Error(_)) if matches!(purpose, Purpose::Search(_)) => Outcome::Error(told),
            (Some(told), _) => Outcome::Result(told),
            (None, outcome) => outcome,
        };
        if let Outcome::Error(error) = &outcome {
            self.note_elicitations(id, session, error);
        }
        let Some(instance) = self.instances.get_mut(&id) else { return };
        instance.counts.answered += 1;
        instance.forgotten = 0;
        let failed = matches!(outcome, Outcome::Error(_));
        instance.counts.errors += u64::from(failed);
        let meter = instance.meter.get_or_insert_with(|| self.metrics.meter(instance.server.name.as_str()));
        meter.count(failed);
        let bytes = match &outcome {
            Outcome::Result(text) | Outcome::Error(text) => text.len(),
        };
        let unread = self.sessions.get(&session).map_or(0, |state| state.out.pending().len());
        let full = unread > UNREAD_MAX || (bytes > NOTIFY_BACKLOG && bytes > self.room_of(session));
        let end = match &outcome {
            _ if full => CallEnd::Failed(code::BUSY),
            Outcome::Error(error) => CallEnd::of_error(error),
            Outcome::Result(result) => CallEnd::of_result(result, &topic.asked),
        };
        self.tapped(Ended { session, topic, queued, served, bytes_out: bytes, end }, now);
        self.deliver(session, &client_id, &purpose, &outcome, full);
        if let (Purpose::Task, Outcome::Result(result)) = (&purpose, &outcome) {
            self.tell_progress(session, result);
        }
        self.after_call(id, now);
    }

    /// Writes an answer to its client, or, when there is no room, that it is lost.
    fn deliver(&mut self, session: SessionId, id: &Id, purpose: &Purpose, outcome: &Outcome<'_>, full: bool) {
        let Some(state) = self.sessions.get_mut(&session) else { return };
        state.calls.remove(id.as_bytes());
        let out = state.out.tail();
        match outcome {
            _ if full => {
                reply::error(out, id.as_bytes(), code::BUSY, NO_ROOM, &Detail::default());
            }
            Outcome::Error(error) => reply::raw_error(out, id.as_bytes(), error.as_bytes()),
            Outcome::Result(result) => {
                let of_tool = matches!(purpose, Purpose::Tool | Purpose::Task | Purpose::TaskWord(_));
                let cap = state.hello.max_result_bytes.filter(|_| of_tool);
                let cut = cap.and_then(|cap| clip::clip(result, cap));
                reply::result(out, id.as_bytes(), cut.as_deref().unwrap_or(result).as_bytes());
            }
        }
        self.dirty_sessions.insert(session);
    }

    /// What an answer leads to beside itself, and what the client is told of it.
    fn retell(
        &mut self,
        id: InstanceId,
        session: SessionId,
        client_id: &Id,
        token: Option<(u64, Id)>,
        purpose: &Purpose,
        outcome: &Outcome<'_>,
    ) -> Retold {
        match (purpose, outcome) {
            (Purpose::Task | Purpose::TaskWord(_), Outcome::Result(result)) => {
                Retold::Other(self.tell_task(id, session, token, result))
            }
            (Purpose::TaskWord(own), Outcome::Error(error)) => {
                self.task_failed(id, own, error);
                Retold::AsItIs
            }
            (Purpose::TaskPage, Outcome::Result(page)) => Retold::Other(self.own_page(id, session, page)),
            // The other servers' tasks can be had all the same.
            (Purpose::TaskPage, Outcome::Error(_)) => {
                Retold::Other(self.own_page(id, session, "{\"tasks\":[]}"))
            }
            (Purpose::Subscribe(uri), Outcome::Result(_)) => {
                self.subscribed(id, session, uri);
                Retold::AsItIs
            }
            (Purpose::Search(search), Outcome::Error(error)) => {
                let mut search = (**search).clone();
                if !search.goes_on_after(error) {
                    return Retold::AsItIs;
                }
                if self.search_on(session, client_id, &search) {
                    return Retold::Elsewhere;
                }
                search.error.map_or(Retold::AsItIs, |error| Retold::Other(error.into()))
            }
            _ => Retold::AsItIs,
        }
    }

    fn list_answered(&mut self, id: InstanceId, kind: Kind, outcome: Outcome<'_>) {
        match outcome {
            Outcome::Result(result) => self.listed(id, kind, result),
            // It declares the kind, and knows no such list.
            Outcome::Error(error) if scan::find(error, &["code"]) == Some("-32601") => self.no_list(id, kind),
            Outcome::Error(error) => self.listing_failed(id, kind, message_of(error)),
        }
    }

    fn server_notifies(&mut self, id: InstanceId, method: &str, text: &str, envelope: &Envelope) {
        let params = envelope.params.clone().map_or("{}", |range| &text[range]);
        match method {
            r#""notifications/progress""# => self.server_progress(id, params),
            r#""notifications/message""# => self.server_logs(id, params),
            r#""notifications/resources/updated""# => self.resource_updated(id, params),
            r#""notifications/cancelled""# => self.server_cancels(id, params),
            r#""notifications/tasks/status""# => self.task_status(id, params),
            r#""notifications/elicitation/complete""# => self.elicitation_complete(id, params),
            method => match scan::unquote(method) {
                // A word between loom's own processes is no server's to say.
                Some(Cow::Borrowed(method)) if !method.starts_with("loom/") => {
                    if !self.server_list_changed(id, method) {
                        self.pass_notice(id, method, params);
                    }
                }
                // Nor has any method a name that needs escapes.
                Some(_) | None => self.counters.dropped_notifications += 1,
            },
        }
    }

    /// Progress belongs to one call: it goes to its client, under the client's own token.
    fn server_progress(&mut self, id: InstanceId, params: &str) {
        let Ok([Some(token)]) = scan::members(params.as_bytes(), ["progressToken"]) else { return };
        let given = &params[token.clone()];
        let call = number(given.as_bytes()).or_else(|| tasks::call_of(given, self.context.epoch, id));
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let open = call.and_then(|call| Some((call, &instance.calls.get(call)?.asker)));
        let owner = match open {
            Some((call, Asker::Client { session, token: Some(own), .. })) => {
                let owner = (*session, own.clone());
                instance.calls.progress(call, Instant::now());
                Some(owner)
            }
            // Nobody asked for it: it moves no deadline either.
            Some(_) => None,
            None => self.task_progress(id, given),
        };
        let Some((session, own)) = owner else {
            // Its call has ended: clients drop the connection over progress for nothing they know.
            self.counters.dropped_notifications += 1;
            return;
        };
        let params = reply::spliced(params, &[(token, own.as_bytes())]);
        let params = self.told(id, &params).into_owned();
        self.notify(session, "notifications/progress", &params);
    }
}

/// What an answer says, or what is wrong with it: clients that get it so wait for ever.
fn outcome<'t>(text: &'t str, envelope: &Envelope) -> Result<Outcome<'t>, &'static str> {
    let get = |at: &Option<std::ops::Range<usize>>| at.clone().map(|at| &text[at]);
    match (get(&envelope.result), get(&envelope.error)) {
        (Some(result), _) if result.starts_with('{') => Ok(Outcome::Result(result)),
        // Some write both, as JSON-RPC 1.0 had it.
        (None | Some("null"), Some(error)) if is_error(error) => Ok(Outcome::Error(error)),
        (Some(_), _) => Err("its `result` is not an object"),
        (None, Some(_)) => {
            Err("its `error` is not an object with a whole number `code` and a text `message`")
        }
        (None, None) => Err("it has neither `result` nor `error`"),
    }
}

fn is_error(text: &str) -> bool {
    let code = scan::find(text, &["code"]).and_then(|code| code.parse::<f64>().ok());
    let message = scan::find(text, &["message"]);
    code.is_some_and(|code| code.fract() == 0.0) && message.is_some_and(|message| message.starts_with('"'))
}

/// The message of a JSON-RPC error object.
pub fn message_of(error: &str) -> String {
    scan::find_text(error, &["message"]).map_or_else(|| "no reason given".into(), Cow::into_owned)
}
