//! Tasks (2025-11-25): work that goes on after its request was answered. What clients ask about one finds its server
//! by the id, and what servers say of one finds its client.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::call::Outgoing;
use super::request::{Refusal, Request, bad_params};
use super::session::SessionId;
use super::switch::Switch;
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
        let tasks = self.instances.get(&member.instance).map(|instance| &instance.tasks);
        let owner = tasks.and_then(|tasks| tasks.get(own)).map(|task| task.session);
        if owner.is_some_and(|owner| owner != request.session) {
            return Err(unknown());
        }
        let own = quote(own);
        self.hand_over(
            request,
            member,
            Outgoing { subject: Some((at, &own)), purpose: Purpose::TaskWord, tool: None },
        )
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
            Some(cursor) => {
                let parsed = cursor.split_once(':').and_then(|(n, own)| Some((n.parse().ok()?, own)));
                parsed.ok_or_else(|| bad_params(request, "this `cursor` is not one of ours"))?
            }
        };
        let Some(member) = self.server_with_tasks(request.session, from).and_then(|n| view.member(n)) else {
            return self.answer(request, "{\"tasks\":[]}");
        };
        let params =
            if own.is_empty() { serde_json::json!({}) } else { serde_json::json!({ "cursor": own }) };
        let line =
            format!(r#"{{"jsonrpc":"2.0","id":{},"method":"tasks/list","params":{params}}}"#, request.id);
        let places = scan::envelope(line.as_bytes()).map_err(|_| bad_params(request, "no JSON"))?;
        let id_at = places.id.clone().unwrap_or_default();
        let page = Request { line: &line, id_at, places: &places, ..*request };
        self.hand_over(&page, member, Outgoing { subject: None, purpose: Purpose::TaskPage, tool: None })
    }

    /// The number of the first server from `from` on that has tasks.
    fn server_with_tasks(&mut self, session: SessionId, from: u32) -> Option<u32> {
        let view = self.view_of(session).ok()?;
        let mut members = (0..).zip(&view.members).filter(|(number, _)| *number >= from);
        let lists = |id| self.instances.get(&id).is_some_and(|one| one.is_ready() && one.lists_tasks());
        members.find(|(_, member)| lists(member.instance)).map(|(number, _)| number)
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
        let value: Value = serde_json::from_str(result).unwrap_or_default();
        if let Some(own) = value["task"]["taskId"].as_str() {
            self.note_task(id, own, Task { session, token, until: until(&value["task"]) });
            self.tell_early(id, own, session);
        }
        // One that an earlier daemon knew, of a server that lives on: the server has just confirmed it.
        if let Some(own) = value["taskId"].as_str() {
            let known = self.instances.get(&id).is_some_and(|instance| instance.tasks.contains_key(own));
            if !known {
                self.note_task(id, own, Task { session, token: None, until: until(&value) });
            }
        }
        self.end_task(id, &value);
        let Some(instance) = self.instances.get_mut(&id) else { return result.into() };
        // Its result is out: nothing is worked on any more.
        if let Some(task) = tasks::related(result).and_then(|own| instance.tasks.get_mut(&own)) {
            task.until = Instant::now();
        }
        let exposed = |own: &str| Some(tasks::exposed(instance.name(), own));
        tasks::rename(result, exposed).unwrap_or_else(|| result.into())
    }

    /// Of a page of all clients' tasks those of one, and where to go on.
    pub fn own_page(&mut self, id: InstanceId, session: SessionId, page: &str) -> String {
        let mut page: Value = serde_json::from_str(page).unwrap_or_default();
        let number = self.view_of(session).ok().and_then(|view| view.number(id));
        let next = match (page["nextCursor"].as_str().filter(|own| !own.is_empty()), number) {
            (_, None) => None,
            (Some(own), Some(number)) => Some(format!("{number}:{own}")),
            (None, Some(number)) => {
                self.server_with_tasks(session, number + 1).map(|next| format!("{next}:"))
            }
        };
        let Some(instance) = self.instances.get(&id) else { return "{\"tasks\":[]}".into() };
        if let Some(rows) = page["tasks"].as_array_mut() {
            let owner = |row: &Value| row["taskId"].as_str().and_then(|own| instance.tasks.get(own));
            rows.retain(|row| owner(row).is_some_and(|task| task.session == session));
        }
        page["nextCursor"] = next.map_or(Value::Null, Value::from);
        if page["nextCursor"].is_null()
            && let Some(page) = page.as_object_mut()
        {
            page.remove("nextCursor");
        }
        let text = page.to_string();
        tasks::rename(&text, |own| Some(tasks::exposed(instance.name(), own))).unwrap_or(text)
    }

    /// `notifications/tasks/status` goes to the task's own client; when nobody is known yet, it waits for the answer
    /// that begins the task.
    pub fn task_status(&mut self, id: InstanceId, params: &str) {
        let value: Value = serde_json::from_str(params).unwrap_or_default();
        let Some(own) = value["taskId"].as_str() else { return };
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let owner = match (instance.tasks.get(own), &instance.scope) {
            (Some(task), _) => Some(task.session),
            (None, Scope::Client(session)) => Some(*session),
            (None, Scope::Everybody | Scope::Workspace(_)) => None,
        };
        match owner {
            Some(owner) => self.tell_status(id, owner, params),
            None if instance.early.len() < EARLY_MAX => {
                instance.early.push((own.to_owned(), params.to_owned()))
            }
            None => self.counters.dropped_notifications += 1,
        }
        self.end_task(id, &value);
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

    /// A task that has ended makes no progress any more.
    fn end_task(&mut self, id: InstanceId, value: &Value) {
        let over = matches!(value["status"].as_str(), Some("completed" | "failed" | "cancelled"));
        let Some(instance) = self.instances.get_mut(&id).filter(|_| over) else { return };
        if let Some(task) = value["taskId"].as_str().and_then(|own| instance.tasks.get_mut(own)) {
            task.token = None;
            task.until = Instant::now();
        }
    }

    /// Whom progress belongs to whose request has been answered with a task: the client and its own token.
    pub fn task_progress(&self, id: InstanceId, token: u64) -> Option<(SessionId, Id)> {
        let tasks = self.instances.get(&id)?.tasks.values();
        let mut owners = tasks.filter_map(|task| Some((task.session, task.token.as_ref()?)));
        let (session, (_, own)) = owners.find(|(_, (given, _))| *given == token)?;
        Some((session, own.clone()))
    }

    /// The client behind a server's question about, or within, a task.
    pub fn task_owner(&self, id: InstanceId, method: &str, params: &Value) -> Option<SessionId> {
        let related = tasks::related(&params.to_string());
        let asked = params["taskId"].as_str().filter(|_| method.starts_with("tasks/")).map(str::to_owned);
        let own = related.or(asked)?;
        self.instances.get(&id)?.tasks.get(&own).map(|task| task.session)
    }

    /// Tasks of clients that have gone are nobody's.
    pub fn forget_tasks_of(&mut self, session: SessionId) {
        for instance in self.instances.values_mut() {
            instance.tasks.retain(|_, task| task.session != session);
        }
    }
}

/// How long a task may be worked on, as its server says.
fn until(task: &Value) -> Instant {
    let ttl = task["ttl"].as_u64().map_or(TASK_LIFE, Duration::from_millis);
    Instant::now() + ttl.min(TASK_LIFE)
}
