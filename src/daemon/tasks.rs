//! Tasks (2025-11-25): work that goes on after its request was answered. What clients ask about one finds its server
//! by the id, and what servers say of one finds its client.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::call::Outgoing;
use super::claims::Progress;
use super::request::{Refusal, Request, bad_params};
use super::session::SessionId;
use super::switch::Switch;
use super::views::{ClientView, Member};
use crate::mcp::quote::quote;
use crate::mcp::tasks;
use crate::upstream::instance::{InstanceId, Scope};
use crate::upstream::purpose::Purpose;
use crate::upstream::task::Task;
use crate::wire::code;
use crate::wire::id::Id;
use crate::wire::scan;

/// More open tasks than this are not remembered for one server.
const TASKS_MAX: usize = 10_000;
/// So much may be said of tasks before it is known whose they are.
const EARLY_MAX: usize = 100;
/// A task of which nothing is heard is not worked on for longer.
const TASK_LIFE: Duration = Duration::from_secs(3600);

impl Switch {
    /// `tasks/get`, `tasks/result`, `tasks/cancel`.
    pub fn ask_task(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let at = request.param("taskId").ok_or_else(|| bad_params(request, "`taskId` is missing"))?;
        let id = scan::unquote(&request.line[at.clone()])
            .ok_or_else(|| bad_params(request, "`taskId` must be a text"))?;
        let view = self.view_of(request.session)?;
        let unknown = || Refusal::new(code::INVALID_PARAMS, format!("there is no task {id}"));
        let (server, own) = tasks::parse(&id).ok_or_else(unknown)?;
        let member = view.members.iter().find(|member| &*member.name == server).ok_or_else(unknown)?;
        // Roots or the registry may have led the client to another instance since.
        let instance = self.instance_of_task(server, own, request.session).unwrap_or(member.instance);
        let member = &Member { instance, ..member.clone() };
        if !self.is_own_task(instance, own, request.session) {
            return Err(unknown());
        }
        let (own, purpose) = (quote(own), Purpose::TaskWord(own.into()));
        self.hand_over(request, member, Outgoing { subject: Some((at, &own)), purpose, tool: None })
    }

    /// `tasks/list`: page by page, server after server. The cursor says which server, and what of its pages.
    pub fn list_tasks(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let view = self.view_of(request.session)?;
        let cursor = match request.param("cursor") {
            None => None,
            Some(at) => scan::unquote(&request.line[at]),
        };
        let (from, own) = match &cursor {
            None => (0, ""),
            Some(cursor) => place_of(&view, cursor)
                .ok_or_else(|| bad_params(request, "this `cursor` is not one of ours"))?,
        };
        let number = self.server_with_tasks(request.session, from);
        let Some(member) = number.and_then(|number| view.member(number)) else {
            return self.answer(request, "{\"tasks\":[]}");
        };
        // The cursor of one that has ended meanwhile is no other's.
        let begins = own.is_empty() || number != Some(from);
        let params = if begins { serde_json::json!({}) } else { serde_json::json!({ "cursor": own }) };
        let line =
            format!(r#"{{"jsonrpc":"2.0","id":{},"method":"tasks/list","params":{params}}}"#, request.id);
        let places = scan::envelope(line.as_bytes()).map_err(|_| bad_params(request, "no JSON"))?;
        let id_at = places.id.clone().unwrap_or_default();
        let page = Request { line: &line, id_at, places: &places, ..*request };
        self.hand_over(&page, member, Outgoing { subject: None, purpose: Purpose::TaskPage, tool: None })
    }

    /// The number of the first server from `from` on that has tasks. One that is just being started for a client that
    /// has a task there is waited for.
    fn server_with_tasks(&mut self, session: SessionId, from: u32) -> Option<u32> {
        let view = self.view_of(session).ok()?;
        let mut members = (0..).zip(&view.members).filter(|(number, _)| *number >= from);
        let state = self.sessions.get(&session)?;
        let is_awaited = |member: &Member| {
            let asked = state.calls.values().any(|(instance, _)| *instance == member.instance);
            asked && state.claims.has_of(&member.name)
        };
        let has_tasks = |member: &Member| match self.instances.get(&member.instance) {
            Some(instance) if instance.is_ready() => instance.lists_tasks(),
            Some(_) => is_awaited(member),
            None => false,
        };
        members.find(|(_, member)| has_tasks(member)).map(|(number, _)| number)
    }

    fn instance_of_task(&self, server: &str, own: &str, session: SessionId) -> Option<InstanceId> {
        let is_own = |task: &Task| task.session == session;
        let mut of_server = self.instances.iter().filter(|(_, instance)| instance.name() == server);
        of_server.find(|(_, instance)| instance.tasks.get(own).is_some_and(is_own)).map(|(id, _)| *id)
    }

    /// What is remembered of a server's tasks is bounded: those that have ended go first.
    fn note_task(&mut self, id: InstanceId, own: &str, task: Task) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if instance.tasks.len() >= TASKS_MAX {
            let now = Instant::now();
            instance.tasks.retain(|_, task| task.is_open(now));
        }
        if instance.tasks.len() < TASKS_MAX {
            instance.tasks.insert(own.to_owned(), task);
        }
    }

    /// A result that speaks of a task of this server, as its client may know it.
    pub fn tell_task(
        &mut self,
        id: InstanceId,
        session: SessionId,
        token: Option<(u64, Id)>,
        result: &str,
    ) -> String {
        if let Some(own) = scan::find_text(result, &["task", "taskId"]) {
            let until = until(scan::find(result, &["task"]).unwrap_or_default());
            let given = |(call, own)| Progress { given: tasks::token(self.context.epoch, id, call), own };
            self.note_claim(id, &own, session, token.map(given));
            self.note_task(id, &own, Task { session, until, gone: false });
            self.tell_early(id, &own, session);
        }
        // One that an earlier daemon knew, of a server that lives on: the server has just confirmed it.
        if let Some(own) = scan::find_text(result, &["taskId"]) {
            let task = self.instances.get(&id).and_then(|instance| instance.tasks.get(&*own));
            let known = task.is_some_and(|task| !task.gone);
            if !known {
                self.note_task(id, &own, Task { session, until: until(result), gone: false });
                self.tell_early(id, &own, session);
            }
        }
        self.end_task(id, result);
        let Some(instance) = self.instances.get_mut(&id) else { return result.into() };
        // Its result is out: nothing is worked on any more.
        if let Some(task) = tasks::related(result).and_then(|own| instance.tasks.get_mut(&own)) {
            task.until = Instant::now();
        }
        let exposed = |own: &str| Some(tasks::exposed(instance.name(), own));
        tasks::rename(result, exposed).unwrap_or_else(|| result.into())
    }

    /// The answer to a call that was taken back may begin a task: its client will never ask about it, and what its server
    /// says of it is nobody else's.
    pub fn note_lost_task(&mut self, id: InstanceId, session: SessionId, result: &str) {
        if let Some(own) = scan::find_text(result, &["task", "taskId"]) {
            let until = until(scan::find(result, &["task"]).unwrap_or_default());
            self.note_task(id, &own, Task { session, until, gone: true });
        }
    }

    /// Of a page of all clients' tasks those of one, and where to go on.
    pub fn own_page(&mut self, id: InstanceId, session: SessionId, page: &str) -> String {
        let view = self.view_of(session).ok();
        let place = view.and_then(|view| Some((view.number(id)?, view)));
        let cursor = scan::find_text(page, &["nextCursor"]).filter(|own| !own.is_empty());
        let next = match (cursor, place) {
            (_, None) => None,
            (Some(own), Some((number, view))) => Some(cursor_at(&view, number, &own)),
            (None, Some((number, view))) => {
                self.server_with_tasks(session, number + 1).map(|next| cursor_at(&view, next, ""))
            }
        };
        let Some(instance) = self.instances.get(&id) else { return "{\"tasks\":[]}".into() };
        let rows = scan::find(page, &["tasks"]).unwrap_or("[]");
        let rows: Vec<&RawValue> = serde_json::from_str(rows).unwrap_or_default();
        let is_own = |row: &&str| {
            scan::find_text(row, &["taskId"]).is_some_and(|own| self.is_own_task(id, &own, session))
        };
        let rows: Vec<&str> = rows.into_iter().map(RawValue::get).filter(is_own).collect();
        let meta = scan::find(page, &["_meta"]).map(|meta| format!(",\"_meta\":{meta}")).unwrap_or_default();
        let next = next.map(|next| format!(",\"nextCursor\":{}", quote(&next))).unwrap_or_default();
        let text = format!("{{\"tasks\":[{}]{next}{meta}}}", rows.join(","));
        tasks::rename(&text, |own| Some(tasks::exposed(instance.name(), own))).unwrap_or(text)
    }

    /// `notifications/tasks/status` goes to the task's own client; when nobody is known yet, it waits for the answer
    /// that begins the task.
    pub fn task_status(&mut self, id: InstanceId, params: &str) {
        let Some(own) = scan::find_text(params, &["taskId"]) else { return };
        if self.is_lost_task(id, &own) {
            self.counters.dropped_notifications += 1;
            return self.end_task(id, params);
        }
        let owner = self.owner_of_task(id, &own);
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let owner = match (owner, &instance.scope) {
            (Some(owner), _) => Some(owner),
            (None, Scope::Client(session)) => Some(*session),
            (None, Scope::Everybody | Scope::Workspace(_)) => None,
        };
        match owner {
            Some(owner) => {
                self.tell_early(id, &own, owner);
                self.tell_status(id, owner, params);
            }
            None if instance.early.len() < EARLY_MAX => {
                instance.early.push((own.into_owned(), params.to_owned()))
            }
            None => self.counters.dropped_notifications += 1,
        }
        self.end_task(id, params);
    }

    fn tell_status(&mut self, id: InstanceId, owner: SessionId, params: &str) {
        let Some(instance) = self.instances.get(&id) else { return };
        let exposed = |own: &str| Some(tasks::exposed(instance.name(), own));
        if let Some(params) = tasks::rename(params, exposed) {
            self.notify(owner, "notifications/tasks/status", &params);
        }
    }

    /// It is known whose a task is: what was said of it before is told.
    fn tell_early(&mut self, id: InstanceId, own: &str, owner: SessionId) {
        let Some(instance) = self.instances.get_mut(&id).filter(|instance| !instance.early.is_empty()) else {
            return;
        };
        let (told, rest) =
            std::mem::take(&mut instance.early).into_iter().partition(|(early, _)| early == own);
        instance.early = rest;
        let told: Vec<(String, String)> = told;
        for (_, params) in told {
            self.tell_status(id, owner, &params);
        }
    }

    /// A question about a task was answered with an error: one that is not there, or can no longer be cancelled, is not
    /// worked on.
    pub fn task_failed(&mut self, id: InstanceId, own: &str, error: &str) {
        if scan::find(error, &["code"]) == Some("-32602") {
            self.end_one(id, own);
        }
    }

    /// A task that has ended makes no progress any more.
    fn end_task(&mut self, id: InstanceId, task: &str) {
        let status = scan::find_text(task, &["status"]);
        let over = matches!(status.as_deref(), Some("completed" | "failed" | "cancelled"));
        if let Some(own) = scan::find_text(task, &["taskId"]).filter(|_| over) {
            self.end_one(id, &own);
        }
    }

    fn end_one(&mut self, id: InstanceId, own: &str) {
        self.end_progress(id, own);
        let tasks = self.instances.get_mut(&id).map(|instance| &mut instance.tasks);
        if let Some(task) = tasks.and_then(|tasks| tasks.get_mut(own)) {
            task.until = Instant::now();
        }
    }

    /// Tasks of clients that have gone are nobody's. As long as their servers may be at them they are known as such.
    pub fn forget_tasks_of(&mut self, session: SessionId) {
        let now = Instant::now();
        for tasks in self.instances.values_mut().map(|instance| &mut instance.tasks) {
            for task in tasks.values_mut().filter(|task| task.session == session) {
                task.gone = true;
            }
            tasks.retain(|_, task| !task.gone || task.until > now);
        }
    }
}

/// Where a list of tasks goes on: at a server, by its number and its name, since the registry may change meanwhile; and
/// what of its own pages.
fn cursor_at(view: &ClientView, number: u32, own: &str) -> String {
    format!("{number}.{}:{own}", view.server_name(number))
}

/// The number of the server of a cursor, and its own cursor. When it is gone, its place is that of the next.
fn place_of<'c>(view: &ClientView, cursor: &'c str) -> Option<(u32, &'c str)> {
    let (place, own) = cursor.split_once(':')?;
    let (number, name) = place.split_once('.')?;
    let number = number.parse().ok()?;
    let now = view.members.iter().position(|member| &*member.name == name);
    Some(now.map_or((number, ""), |now| (u32::try_from(now).unwrap_or(number), own)))
}

/// How long a task may be worked on, as its server says.
fn until(task: &str) -> Instant {
    let ttl = scan::find(task, &["ttl"]).and_then(|ttl| ttl.parse().ok());
    let ttl = ttl.map_or(TASK_LIFE, Duration::from_millis);
    Instant::now() + ttl.min(TASK_LIFE)
}
