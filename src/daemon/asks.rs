//! What servers ask of clients: sampling, elicitation, roots. A question goes to the client whose call is in flight;
//! where that is not clear it is refused by name, and nothing is guessed.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Instant;

use super::session::SessionId;
use super::switch::Switch;
use crate::mcp::tasks;
use crate::upstream::instance::{InstanceId, Order, Scope};
use crate::upstream::life::{ServerState, Trouble};
use crate::wire::code;
use crate::wire::id::{Id, number};
use crate::wire::reply::{self, Detail};
use crate::wire::scan::{self, Envelope};

/// A request that a client has and has not answered.
#[derive(Debug)]
pub enum Ask {
    /// A server's: its own id and progress token (raw JSON).
    Server { instance: InstanceId, id: Id, token: Option<Id> },
    /// loom's own `roots/list`.
    Roots,
}

/// So many questions of one server may be open.
const ASKS_MAX: usize = 100;

const NO_ROOM: &str = "the client's answer is more than loom can hold back for this server now";

const NO_NAME: &str = "`method` must be a text without escapes";

/// Why a question reaches nobody.
struct Unasked(String);

impl Switch {
    /// A request of a server's own. `ping` and the roots of a workspace are loom's to answer. `method` as it stands there.
    pub fn server_asks(&mut self, id: InstanceId, text: &str, method: &str, envelope: &Envelope) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let Some(ask) = envelope.id.clone().map(|at| &text[at]) else { return };
        // No method has a name that needs escapes.
        let Some(Cow::Borrowed(method)) = scan::unquote(method) else {
            let out = instance.out.tail();
            reply::error(out, ask.as_bytes(), code::INVALID_REQUEST, NO_NAME, &Detail::default());
            self.dirty_instances.insert(id);
            return;
        };
        if method == "initialize" && instance.state == ServerState::Starting {
            let text = "it sends loom's own `initialize` back: it is no MCP server";
            return instance.give_order(Order::Fail(Trouble::new(text).hint("loom registry which")));
        }
        let known: Option<Rc<str>> = match (method, &instance.scope) {
            ("ping", _) => Some("{}".into()),
            ("roots/list", Scope::Workspace(_)) => Some(instance.roots.clone()),
            _ => None,
        };
        self.dirty_instances.insert(id);
        if let Some(result) = known {
            return reply::result(instance.out.tail(), ask.as_bytes(), result.as_bytes());
        }
        let params = envelope.params.clone().map_or("{}", |at| &text[at]);
        let open = self.sessions.values().flat_map(|session| session.asks.values());
        let open = open.filter(|ask| matches!(ask, Ask::Server { instance, .. } if *instance == id)).count();
        let whom = match open < ASKS_MAX {
            true => self.whom(id, method, params),
            false => Err(Unasked(format!("{ASKS_MAX} questions of this server have no answer yet"))),
        };
        match whom {
            Ok(session) => self.pass_question(id, session, text, method, envelope),
            Err(Unasked(why)) => {
                if let Some(instance) = self.instances.get_mut(&id) {
                    if let Some(unsaid) = instance.refusals.told(method, Instant::now()) {
                        let server = instance.server.name.as_str();
                        tracing::warn!(server, method, why, unsaid, "a question was refused");
                    }
                    let out = instance.out.tail();
                    reply::error(out, ask.as_bytes(), code::NOT_ASKED, &why, &Detail::default());
                }
            }
        }
    }

    /// The client that a question is for.
    fn whom(&self, id: InstanceId, method: &str, params: &str) -> Result<SessionId, Unasked> {
        let instance = self.instances.get(&id).ok_or_else(|| Unasked("the server is gone".into()))?;
        let name = instance.name();
        let owner = self.task_owner(id, method, params)?;
        let session = match (&instance.scope, owner) {
            (Scope::Everybody, _) if method == "roots/list" => {
                return Err(Unasked(format!(
                    "{name} is shared, and one client's roots are not everybody's; \
                     set `instance: per-client` or `per-workspace` for it in the registry"
                )));
            }
            (_, Some(owner)) => owner,
            (Scope::Client(session), None) => *session,
            // Of a task that nobody is known to have begun: a call of somebody else's says nothing.
            (Scope::Everybody | Scope::Workspace(_), None) if tasks::related(params).is_some() => {
                let beginner =
                    instance.only_caller().filter(|session| instance.calls.may_begin_task(*session));
                beginner
                    .ok_or_else(|| Unasked(format!("{name} asks about a task that no client has begun")))?
            }
            (Scope::Everybody | Scope::Workspace(_), None) => {
                match (instance.only_caller(), instance.callers().len()) {
                    (Some(session), _) => session,
                    (None, 0) => {
                        return Err(Unasked(format!(
                            "no client has a call on {name}, so {method} has nobody to go to; \
                         with `instance: per-client` in the registry it would have"
                        )));
                    }
                    (None, _) => {
                        return Err(Unasked(format!(
                            "several clients have calls on {name}, so it is not clear whom {method} is for; \
                         set `instance: per-client` for {name} in the registry"
                        )));
                    }
                }
            }
        };
        let state = self.sessions.get(&session).ok_or_else(|| Unasked("the client is gone".into()))?;
        match state.capabilities.lacks(method, params) {
            None => Ok(session),
            Some(what) => {
                let client = state.hello.agent_hint.as_deref().unwrap_or("the client");
                Err(Unasked(format!("{client} does not support {what}, which {name} asked for")))
            }
        }
    }

    /// The client behind a server's question about, or within, a task.
    fn task_owner(&self, id: InstanceId, method: &str, params: &str) -> Result<Option<SessionId>, Unasked> {
        let asked = || scan::find_text(params, &["taskId"]).filter(|_| method.starts_with("tasks/"));
        let own = tasks::related(params).or_else(|| asked().map(Cow::into_owned));
        match own {
            Some(own) if self.is_lost_task(id, &own) => {
                Err(Unasked("the client of this task waits for it no more".into()))
            }
            Some(own) => Ok(self.owner_of_task(id, &own)),
            None => Ok(None),
        }
    }

    /// Writes the server's request to the client, under an id of ours, also as progress token.
    fn pass_question(
        &mut self,
        id: InstanceId,
        session: SessionId,
        text: &str,
        method: &str,
        envelope: &Envelope,
    ) {
        let Some(id_at) = envelope.id.clone() else { return };
        let token = envelope.token.clone().map(|at| Id::from(&text.as_bytes()[at]));
        let own = Id::from(&text.as_bytes()[id_at.clone()]);
        let number = self.next_ask();
        let name = self.instances.get(&id).map_or("", |instance| instance.name());
        let ours = number.to_string();
        let params = envelope.params.clone().map(|params_at| {
            let edit = envelope.token.clone().map(|at| at.start - params_at.start..at.end - params_at.start);
            let edits: Vec<_> = edit.map(|at| (at, ours.as_bytes())).into_iter().collect();
            let params = reply::spliced(&text[params_at], &edits);
            tasks::rename_related(&params, |own| Some(tasks::exposed(name, own))).unwrap_or(params)
        });
        let Some(state) = self.sessions.get_mut(&session) else { return };
        state.asks.insert(number, Ask::Server { instance: id, id: own, token });
        if method == "elicitation/create" {
            self.note_elicitation(id, session, params.as_deref().unwrap_or("{}"));
        }
        let Some(state) = self.sessions.get_mut(&session) else { return };
        match params {
            Some(params) => reply::request(state.out.tail(), number, method, &params),
            None => reply::request(state.out.tail(), number, method, "{}"),
        }
        self.dirty_sessions.insert(session);
    }

    /// A request of loom's own to a client.
    pub fn ask_client(&mut self, session: SessionId, ask: Ask, method: &str, params: &str) {
        let number = self.next_ask();
        if let Some(state) = self.sessions.get_mut(&session) {
            state.asks.insert(number, ask);
            reply::request(state.out.tail(), number, method, params);
            self.dirty_sessions.insert(session);
        }
    }

    /// A client's answer goes to the server that asked, under its own id.
    pub fn client_answers(&mut self, session: SessionId, text: &str, envelope: &Envelope) {
        let number = envelope.id.clone().and_then(|at| text[at].parse::<u64>().ok());
        let ask = number.and_then(|number| self.sessions.get_mut(&session)?.asks.remove(&number));
        match ask {
            // Nobody asked, or whoever did has given it up.
            None => self.counters.late_answers += 1,
            Some(Ask::Roots) => {
                let result = envelope.result.clone().map(|at| text[at].to_owned());
                self.roots_answered(session, result.as_deref());
            }
            Some(Ask::Server { instance, id, .. }) => {
                let server = self.instances.get(&instance);
                // A server waits for it, which has asked for so many at most: it is the client's as its calls are.
                let fits = server.is_some_and(|server| self.check_share(session, server, text.len()).is_ok());
                let Some(state) = self.instances.get_mut(&instance).filter(|state| state.is_linked()) else {
                    return;
                };
                let told = envelope.result.clone().map(|at| as_own(&text[at], state.name()));
                let out = state.out.tail();
                match (&told, &envelope.error) {
                    _ if !fits => reply::error(out, id.as_bytes(), code::BUSY, NO_ROOM, &Detail::default()),
                    (Some(told), _) => {
                        reply::result(out, id.as_bytes(), told.as_bytes());
                    }
                    (None, Some(error)) => {
                        reply::raw_error(out, id.as_bytes(), text[error.clone()].as_bytes())
                    }
                    (None, None) => {}
                }
                self.dirty_instances.insert(instance);
            }
        }
    }

    /// Progress of a client on a server's request: under the server's own token.
    pub fn client_progress(&mut self, session: SessionId, params: &str) {
        let Ok([Some(at)]) = scan::members(params.as_bytes(), ["progressToken"]) else { return };
        let ask = number(params[at.clone()].as_bytes())
            .and_then(|number| self.sessions.get(&session)?.asks.get(&number));
        let Some(Ask::Server { instance, token: Some(token), .. }) = ask else { return };
        let (instance, token) = (*instance, token.clone());
        let Some(state) = self.instances.get(&instance).filter(|state| state.is_linked()) else { return };
        let own = reply::spliced(params, &[(at, token.as_bytes())]);
        let own = as_own(&own, state.name()).into_owned();
        self.tell_server(instance, "notifications/progress", &own);
    }

    /// A server no longer wants an answer.
    pub fn server_cancels(&mut self, id: InstanceId, params: &str) {
        let Ok([Some(at)]) = scan::members(params.as_bytes(), ["requestId"]) else { return };
        let given_up = &params.as_bytes()[at.clone()];
        let found = self.sessions.iter().find_map(|(session, state)| {
            let mut asks = state.asks.iter();
            let is_it = |ask: &Ask| matches!(ask, Ask::Server { instance, id: own, .. } if *instance == id && own.as_bytes() == given_up);
            asks.find(|(_, ask)| is_it(ask)).map(|(number, _)| (*session, *number))
        });
        let Some((session, number)) = found else { return };
        if let Some(state) = self.sessions.get_mut(&session) {
            state.asks.remove(&number);
        }
        let params = reply::spliced(params, &[(at, number.to_string().as_bytes())]);
        self.notify(session, "notifications/cancelled", &params);
    }

    /// A server's life has ended: its questions need no answer.
    pub fn drop_questions_of(&mut self, id: InstanceId) {
        for (session, state) in &mut self.sessions {
            let asked = |ask: &Ask| matches!(ask, Ask::Server { instance, .. } if *instance == id);
            let gone: Vec<u64> =
                state.asks.iter().filter(|(_, ask)| asked(ask)).map(|(number, _)| *number).collect();
            for number in gone {
                state.asks.remove(&number);
                let params = serde_json::json!({ "requestId": number, "reason": "the server is gone" });
                reply::notification(state.out.tail(), "notifications/cancelled", &params.to_string());
                self.dirty_sessions.insert(*session);
            }
        }
    }

    /// A client is gone: whoever asked it is told.
    pub fn answer_for_gone(&mut self, asks: impl Iterator<Item = Ask>) {
        for ask in asks {
            let Ask::Server { instance, id, .. } = ask else { continue };
            if let Some(state) = self.instances.get_mut(&instance).filter(|state| state.is_linked()) {
                let text = "the client that was asked is gone";
                reply::error(state.out.tail(), id.as_bytes(), code::NOT_ASKED, text, &Detail::default());
                self.dirty_instances.insert(instance);
            }
        }
    }
}

/// What a client says to a server, with the server's own id of the task that it is about.
fn as_own<'t>(text: &'t str, server: &str) -> Cow<'t, str> {
    let own = |id: &str| tasks::parse(id).filter(|(name, _)| *name == server).map(|(_, own)| own.to_owned());
    tasks::rename_related(text, own).map_or(Cow::Borrowed(text), Cow::Owned)
}
