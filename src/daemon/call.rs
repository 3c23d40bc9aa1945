//! The way of a request from a client to its server, and how it ends without an answer.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::ending::CallEnd;
use super::request::{Refusal, Request, bad_params};
use super::scopes::Roots;
use super::session::{Session, SessionId};
use super::switch::Switch;
use super::tap::short_name;
use super::views::{ClientView, Member};
use crate::mcp::catalog::Kind;
use crate::mcp::quote::quote;
use crate::mcp::tasks;
use crate::mcp::toolname::is_short;
use crate::mcp::view::{Refusal as Refused, Route};
use crate::upstream::calls::{Asker, Open};
use crate::upstream::instance::{Demand, Instance, InstanceId, Order};
use crate::upstream::life::{ServerState, Trouble};
use crate::upstream::purpose::Purpose;
use crate::wire::code::{self, Code};
use crate::wire::id::Id;
use crate::wire::reply;
use crate::wire::scan;

/// A failed server that may start again within this time is waited for; a later one is an error at once.
const WORTH_WAITING: Duration = Duration::from_secs(2);

impl Switch {
    /// `tools/call`: routes by name, takes the client's id and progress token out, passes the rest untouched.
    pub fn call_tool(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let at =
            request.places.name.clone().ok_or_else(|| bad_params(request, "`params.name` is missing"))?;
        let name = scan::unquote(&request.line[at.clone()])
            .ok_or_else(|| bad_params(request, "`name` must be a text"))?;
        let view = self.view_of(request.session)?;
        let (number, tool, own) = match view.view.route(&name) {
            Route::Tool { server, own, own_json } => (server, own.clone(), Cow::Borrowed(own_json)),
            Route::Unlisted { own, .. } if is_short(own) && self.waits_for_way(request, Kind::Tools) => {
                return Ok(());
            }
            Route::Unlisted { server, own } => (server, short_name(own), quote(own).into()),
            Route::Refused { server, reason } => {
                return Err(refused(&name, &view, server, reason));
            }
            Route::Unknown { nearest } => return Err(unknown_tool(&name, &nearest)),
        };
        let member = view.member(number).ok_or_else(gone)?;
        let purpose = if request.places.task.is_some() { Purpose::Task } else { Purpose::Tool };
        self.hand_over(request, member, Outgoing { subject: Some((at, &own)), purpose, tool: Some(tool) })
    }

    /// Writes a request into the server's stream, or into its queue.
    pub fn hand_over(
        &mut self,
        request: &Request<'_>,
        member: &Member,
        outgoing: Outgoing<'_>,
    ) -> Result<(), Refusal> {
        let id = member.instance;
        // Its answer comes when the task has ended, however long that takes.
        let limit = if request.method == "tasks/result" { TASK_WAIT } else { member.tool_timeout };
        let Outgoing { subject, purpose, tool } = outgoing;
        let topic = self.topic(request, &member.name, tool);
        let instance = self.instances.get(&id).ok_or_else(gone)?;
        // One that goes still answers for the tasks that it works on.
        if instance.retiring.is_some() && !purpose.is_of_task() {
            return Err(gone());
        }
        check_state(instance, request.now)?;
        self.check_room(request.session, instance, request.line.len())?;
        let session = self.sessions.get_mut(&request.session).ok_or_else(gone)?;
        let instance = self.instances.get_mut(&id).ok_or_else(gone)?;
        let Entry::Vacant(place) = session.calls.entry(Id::from(request.id.as_bytes())) else {
            return Err(Refusal::new(code::INVALID_REQUEST, format!("id {} is already in use", request.id)));
        };
        let call = instance.calls.mint();
        place.insert((id, call));
        session.called += u64::from(request.method == "tools/call");
        session.used.insert(id);
        let places = request.places;
        let asker = Asker::Client {
            session: request.session,
            id: Id::from(request.id.as_bytes()),
            token: places.token.clone().map(|token| Id::from(&request.line.as_bytes()[token])),
            purpose,
            topic,
        };
        let deadline = asker.since(request.now) + limit;
        instance.counts.calls += u64::from(request.method == "tools/call");
        instance.used = request.now;
        let given = || match purpose_of(&asker) {
            Some(Purpose::Task) => tasks::token(self.context.epoch, id, call),
            _ => call.to_string(),
        };
        let token = places.token.clone().map(|at| (at, given()));
        let edits = Edits { id: request.id_at.clone(), subject, token };
        let at_once = matches!(purpose_of(&asker), Some(Purpose::TaskWord(_) | Purpose::TaskPage))
            && instance.is_ready();
        if at_once || instance.open_for_calls(request.session) {
            let start = instance.out.end();
            edits.write(instance.out.tail(), request.line.as_bytes(), call);
            let sent = start..instance.out.end();
            instance.calls.sent(call, asker, request.now, limit, sent);
            self.dirty_instances.insert(id);
        } else {
            let mut line = Vec::new();
            edits.write(&mut line, request.line.as_bytes(), call);
            instance.calls.wait(call, asker, request.now, limit, line);
            instance.want(Demand::Call);
        }
        if request.method != "tools/call" {
            instance.calls.keep(call, request.line.as_bytes());
        }
        self.clock.note(deadline);
        Ok(())
    }

    /// The client no longer wants an answer; its server hears that in the client's own words.
    pub fn client_cancels(&mut self, session: SessionId, params: &str) {
        let Ok([Some(id)]) = scan::members(params.as_bytes(), ["requestId"]) else { return };
        let Some(state) = self.sessions.get_mut(&session) else { return };
        state.lists.retain(|list| list.id.as_bytes() != &params.as_bytes()[id.clone()]);
        state.held_back.retain(|line| !has_id(line, &params.as_bytes()[id.clone()]));
        let Some((instance, call)) = state.calls.remove(&params.as_bytes()[id.clone()]) else { return };
        let open = match self.instances.get(&instance) {
            Some(server) if self.has_spare_room(server, params.len()) => {
                let params = reply::spliced(params, &[(id, call.to_string().as_bytes())]);
                self.withdraw_with(instance, call, &params)
            }
            _ => self.withdraw(instance, call, "the client cancelled the call"),
        };
        self.tapped_open(open, CallEnd::Cancelled);
    }

    /// Takes a call back from its server for a reason of loom's own.
    pub fn withdraw(&mut self, id: InstanceId, call: u64, why: &str) -> Option<Open> {
        let params = serde_json::json!({ "requestId": call, "reason": why }).to_string();
        self.withdraw_with(id, call, &params)
    }

    /// Takes a call back from its server. A call that never left is simply forgotten.
    fn withdraw_with(&mut self, id: InstanceId, call: u64, params: &str) -> Option<Open> {
        let instance = self.instances.get_mut(&id)?;
        let open = instance.calls.remove(call)?;
        if let Asker::Client { session, .. } = &open.asker
            && open.sent.is_some()
        {
            instance.calls.leave(call, *session, Instant::now());
        }
        // The handshake must not be cancelled.
        if open.sent.is_some() && instance.channel.is_some() && open.asker != Asker::Initialize {
            reply::notification(instance.out.tail(), "notifications/cancelled", params);
            self.dirty_instances.insert(id);
        }
        self.after_call(id, Instant::now());
        Some(open)
    }

    /// A call has ended, in whatever way: the next one may go, and whoever waits for calm looks again.
    pub fn after_call(&mut self, id: InstanceId, now: Instant) {
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.used = now;
            if instance.calls.waiting() > 0 {
                instance.send_waiting(now);
                self.dirty_instances.insert(id);
            }
        }
        self.tell_if_free(id);
        if self.draining {
            self.calmer.notify_one();
        }
    }

    /// Answers calls of an instance with an error. Ids that are not open are passed over.
    pub fn fail_calls(&mut self, id: InstanceId, calls: &[u64], code: Code, trouble: &Trouble) {
        for call in calls {
            let Some(instance) = self.instances.get_mut(&id) else { return };
            let Some(open) = instance.calls.remove(*call) else { continue };
            if !matches!(open.asker, Asker::Client { .. }) {
                continue;
            }
            instance.counts.errors += 1;
            let server = instance.name().to_string();
            self.metrics.failed(&server, code.name);
            self.fail_open(open, code, &server, trouble);
        }
        self.after_call(id, Instant::now());
    }

    fn fail_open(&mut self, open: Open, code: Code, server: &str, trouble: &Trouble) {
        let Asker::Client { session, id, purpose, .. } = &open.asker else { return };
        let (session, id) = (*session, id.clone());
        let search = match purpose {
            Purpose::Search(search) => {
                let mut search = (**search).clone();
                search.keep_to_likes();
                Some(search)
            }
            _ => None,
        };
        self.tapped_open(Some(open), CallEnd::Failed(code));
        // This server cannot say; another may know.
        if search.is_some_and(|search| self.search_on(session, &id, &search)) {
            return;
        }
        if let Some(state) = self.sessions.get_mut(&session) {
            state.calls.remove(id.as_bytes());
        }
        let mut refusal = Refusal::new(code, trouble.full()).server(server);
        refusal.detail.hint = trouble.hint.clone();
        self.refuse(session, &String::from_utf8_lossy(id.as_bytes()), &refusal);
    }

    /// Ends every call whose time is up, and tells its server.
    pub fn expire_calls(&mut self, now: Instant) {
        let late: Vec<(InstanceId, Vec<u64>)> = self
            .instances
            .iter()
            .map(|(id, instance)| (*id, instance.calls.ids(|open| open.deadline <= now)))
            .filter(|(_, ids)| !ids.is_empty())
            .collect();
        for (id, calls) in late {
            for call in calls {
                self.expire(id, call);
            }
        }
    }

    fn expire(&mut self, id: InstanceId, call: u64) {
        let Some(open) = self.withdraw(id, call, "it took too long") else { return };
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let seconds = open.limit.as_secs_f64();
        match open.asker {
            Asker::Client { .. } => {
                instance.counts.errors += 1;
                let server = instance.name().to_string();
                self.metrics.failed(&server, code::TIMEOUT.name);
                let text = format!("{server} did not answer within {seconds} s");
                let trouble = Trouble::new(text).hint("loom servers");
                self.fail_open(open, code::TIMEOUT, &server, &trouble);
            }
            Asker::Initialize => {
                let text = format!("no answer to initialize within {seconds} s");
                instance.give_order(Order::Fail(Trouble::new(text)));
            }
            Asker::List(kind) => {
                self.listing_failed(id, kind, format!("no answer to {} within {seconds} s", kind.method()));
            }
            Asker::Errand => {}
        }
    }

    /// The earliest deadline of all calls and lists.
    pub fn first_deadline(&self) -> Option<Instant> {
        let calls = self.instances.values().filter_map(|instance| instance.calls.first_deadline());
        let lists = self.sessions.values().flat_map(|session| &session.lists).map(|list| list.deadline);
        let roots = self.sessions.values().filter_map(|session| match session.roots {
            Roots::Asked { until, .. } => Some(until),
            Roots::Folder | Roots::Known { .. } => None,
        });
        calls.chain(lists).chain(roots).min()
    }
}

/// How long `tasks/result` may wait: its client gives it up sooner.
const TASK_WAIT: Duration = Duration::from_secs(24 * 3600);

/// A request on its way to a server.
pub struct Outgoing<'a> {
    /// What it is about (a tool, a prompt, a URI, a task): where that is in the line, and the server's own JSON for it.
    pub subject: Option<(Range<usize>, &'a str)>,
    pub purpose: Purpose,
    /// The server's own name of the tool, of a `tools/call`.
    pub tool: Option<Rc<str>>,
}

/// What loom replaces in the line of a request.
struct Edits<'a> {
    id: Range<usize>,
    subject: Option<(Range<usize>, &'a str)>,
    /// The progress token, and what the server gets for it.
    token: Option<(Range<usize>, String)>,
}

fn purpose_of(asker: &Asker) -> Option<&Purpose> {
    match asker {
        Asker::Client { purpose, .. } => Some(purpose),
        Asker::Initialize | Asker::List(_) | Asker::Errand => None,
    }
}

fn has_id(line: &[u8], id: &[u8]) -> bool {
    scan::members(line, ["id"]).is_ok_and(|[found]| found.is_some_and(|found| &line[found] == id))
}

impl Edits<'_> {
    /// Appends the line as the server gets it: loom's id for the request, its progress token, and the server's own
    /// word for what it is about.
    fn write(self, out: &mut Vec<u8>, line: &[u8], call: u64) {
        let mut number = itoa::Buffer::new();
        let number = number.format(call);
        let end = line.len()..line.len();
        let (subject, own) = self.subject.unwrap_or((end.clone(), ""));
        let (token, given) = self.token.unwrap_or((end, String::new()));
        let mut edits = [(self.id, number.as_bytes()), (subject, own.as_bytes()), (token, given.as_bytes())];
        edits.sort_unstable_by_key(|(range, _)| range.start);
        reply::splice(out, line, &edits);
    }
}

pub fn gone() -> Refusal {
    Refusal::new(code::SERVER_UNAVAILABLE, "the server was just removed from the registry")
        .hint("loom servers")
}

fn refused(name: &str, view: &ClientView, server: u32, reason: Refused) -> Refusal {
    let why = match reason {
        Refused::Disabled => "the registry does not enable it".to_string(),
        Refused::NotInProfile => {
            format!("it is not in the tool profile {}", view.view.profile.as_deref().unwrap_or_default())
        }
    };
    Refusal::new(code::TOOL_REFUSED, format!("the tool {name} may not be called: {why}"))
        .server(view.server_name(server))
}

fn unknown_tool(name: &str, nearest: &[String]) -> Refusal {
    let refusal = Refusal::new(code::TOOL_NOT_FOUND, format!("unknown tool: {name}"));
    match nearest {
        [] => refusal.hint("loom tools list"),
        names => refusal.hint(names.join(", ")),
    }
}

/// A server that cannot answer soon is an error at once, by name.
fn check_state(instance: &Instance, now: Instant) -> Result<(), Refusal> {
    let name = instance.name();
    match &instance.state {
        ServerState::CrashLoop { trouble } => {
            let text = format!("{name} is in a crash loop: {}", trouble.full());
            let hint = format!("loom servers restart {name}");
            Err(Refusal::new(code::SERVER_UNAVAILABLE, text).server(name).hint(hint))
        }
        ServerState::Failed { trouble, retry_at } if *retry_at > now + WORTH_WAITING => {
            let wait = retry_at.duration_since(now).as_secs();
            let text = format!("{name} does not start: {} (next try in {wait} s)", trouble.full());
            let mut refusal = Refusal::new(code::SERVER_UNAVAILABLE, text).server(name);
            refusal.detail.hint = trouble.hint.clone();
            Err(refusal)
        }
        ServerState::Failed { .. }
        | ServerState::Idle
        | ServerState::Starting
        | ServerState::Ready { .. } => Ok(()),
    }
}

impl Switch {
    /// The connection is gone: its calls are taken back from their servers.
    pub fn close_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        session.backlog.notify_one();
        self.tap.forget(id);
        let Session { calls, hello, used, view, asks, subscriptions, level, .. } = session;
        tracing::info!(session = id, client = hello.agent_hint, pid = hello.pid, "client left");
        for (instance, call) in calls.into_values() {
            let open = self.withdraw(instance, call, "the client is gone");
            self.tapped_open(open, CallEnd::ClientGone);
        }
        for instance in used {
            if let Some(instance) = self.instances.get_mut(&instance) {
                instance.used = Instant::now();
                instance.wake.notify_one();
            }
        }
        self.answer_for_gone(asks.into_values());
        self.drop_subscriptions(subscriptions.into_values());
        self.forget_tasks_of(id);
        self.forget_elicitations_of(id);
        if level.is_some() {
            self.tell_levels();
        }
        self.retire_unused_scopes();
        drop(view);
        self.forget_unused_views();
        self.calmer.notify_one();
    }
}
