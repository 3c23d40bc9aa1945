//! Tasks (2025-11-25): work that goes on after its request was answered. What clients ask about one finds its server
//! by the id, and what servers say of one finds its client.

use serde_json::Value;

use super::call::Outgoing;
use super::request::{Refusal, Request, bad_params};
use super::session::SessionId;
use super::switch::Switch;
use crate::mcp::tasks;
use crate::upstream::calls::Purpose;
use crate::upstream::instance::InstanceId;
use crate::upstream::task::Task;
use crate::wire::code;
use crate::wire::id::Id;
use crate::wire::reply;
use crate::wire::scan;

/// More open tasks than this are not remembered for one server.
const TASKS_MAX: usize = 10_000;

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
        // One that an earlier daemon knew is its client's, who alone has the id.
        self.note_task(member.instance, own, Task { session: request.session, token: None });
        let own = Value::from(own).to_string();
        self.hand_over(
            request,
            member,
            Outgoing { subject: Some((at, &own)), purpose: Purpose::Task, tool: None },
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
        self.hand_over(&page, member, Outgoing { subject: None, purpose: Purpose::Task, tool: None })
    }

    /// The number of the first server from `from` on that has tasks.
    fn server_with_tasks(&mut self, session: SessionId, from: u32) -> Option<u32> {
        let view = self.view_of(session).ok()?;
        let mut members = (0..).zip(&view.members).filter(|(number, _)| *number >= from);
        members.find(|(_, member)| self.server_can(member.instance, "tasks")).map(|(number, _)| number)
    }

    fn note_task(&mut self, id: InstanceId, own: &str, task: Task) {
        if let Some(instance) = self.instances.get_mut(&id)
            && instance.tasks.len() < TASKS_MAX
        {
            instance.tasks.entry(own.to_owned()).or_insert(task);
        }
    }

    /// A result that speaks of tasks of this server, as its client may know it.
    pub fn tell_task(
        &mut self,
        id: InstanceId,
        session: SessionId,
        token: Option<(u64, Id)>,
        result: &str,
    ) -> String {
        let value: Value = serde_json::from_str(result).unwrap_or_default();
        if let Some(own) = value["task"]["taskId"].as_str() {
            self.note_task(id, own, Task { session, token });
        }
        self.end_task(id, &value);
        let paged = value["tasks"].is_array().then(|| self.own_page(id, session, value));
        let Some(instance) = self.instances.get(&id) else { return result.into() };
        let text = paged.map_or_else(|| result.to_owned(), |value| value.to_string());
        tasks::rename(&text, |own| Some(tasks::exposed(instance.name(), own))).unwrap_or(text)
    }

    /// Of a page of all clients' tasks those of one, and where to go on.
    fn own_page(&mut self, id: InstanceId, session: SessionId, mut page: Value) -> Value {
        let Some(instance) = self.instances.get(&id) else { return page };
        if let Some(rows) = page["tasks"].as_array_mut() {
            let owner = |row: &Value| row["taskId"].as_str().and_then(|own| instance.tasks.get(own));
            rows.retain(|row| owner(row).is_some_and(|task| task.session == session));
        }
        let number = self.view_of(session).ok().and_then(|view| view.number(id)).unwrap_or_default();
        let next = match page["nextCursor"].as_str() {
            Some(own) => Some(format!("{number}:{own}")),
            None => self.server_with_tasks(session, number + 1).map(|next| format!("{next}:")),
        };
        if let Some(next) = next {
            page["nextCursor"] = next.into();
        }
        page
    }

    /// `notifications/tasks/status` goes to the task's own client.
    pub fn task_status(&mut self, id: InstanceId, params: &str) {
        let value: Value = serde_json::from_str(params).unwrap_or_default();
        let Some(instance) = self.instances.get(&id) else { return };
        let owner = value["taskId"].as_str().and_then(|own| instance.tasks.get(own)).map(|task| task.session);
        let told = tasks::rename(params, |own| Some(tasks::exposed(instance.name(), own)));
        match owner.and_then(|owner| Some((owner, self.sessions.get_mut(&owner)?))).zip(told) {
            Some(((owner, state), params)) => {
                reply::notification(state.out.tail(), "notifications/tasks/status", &params);
                self.dirty_sessions.insert(owner);
            }
            None => self.counters.dropped_notifications += 1,
        }
        self.end_task(id, &value);
    }

    /// A task that has ended makes no progress any more.
    fn end_task(&mut self, id: InstanceId, value: &Value) {
        let over = matches!(value["status"].as_str(), Some("completed" | "failed" | "cancelled"));
        let Some(instance) = self.instances.get_mut(&id).filter(|_| over) else { return };
        if let Some(task) = value["taskId"].as_str().and_then(|own| instance.tasks.get_mut(own)) {
            task.token = None;
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
