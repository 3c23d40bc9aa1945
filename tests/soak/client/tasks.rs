//! Tasks: begun by a call, asked about until they are over.

use std::time::Instant;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::cast::Sharing;
use super::super::texts::{self, flat};
use super::super::world::Outcome;
use super::asking::Plan;
use super::params::Twin;
use super::pending::{Pending, Want};
use super::{Actor, Timer};

/// The last of what a task says may come so much later than its end: over HTTP, and of servers that are to go.
const LATE_MS: u64 = 2000;
const STATES: [&str; 4] = ["working", "completed", "failed", "cancelled"];

#[derive(Clone, Debug)]
pub struct Task {
    pub server: usize,
    pub began: Instant,
    /// The params of the call, as the server heard them.
    heard: String,
    /// The last state that was told.
    state: &'static str,
    /// It was asked to be cancelled.
    cancelled: bool,
    /// Its result may have been on its way to a daemon that ended, and is had once only.
    spent: bool,
    /// Its result has been had, or it is lost.
    over: bool,
    /// As far as this client knows its server works on it, and may ask.
    under_way: bool,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(rename = "taskId")]
    id: &'a str,
    status: &'a str,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    tasks: Vec<&'a RawValue>,
    #[serde(default, rename = "nextCursor")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Of<'a> {
    #[serde(borrow)]
    of: &'a RawValue,
}

#[derive(Deserialize)]
struct Heard<'a> {
    #[serde(borrow)]
    asked: Vec<&'a RawValue>,
}

impl Actor {
    pub fn call_task(&mut self) {
        let server = self.chance.index(self.world.roles.len());
        let name = self.world.roles[server].name.clone();
        let mut plan = self.call_plan(server, &name, Want::NewTask);
        plan.members.push(Twin::same(r#""task":{"ttl":60000}"#));
        self.ask(plan);
    }

    /// The id of a task at this client.
    pub fn task_id(&self, nonce: &str, server: usize) -> String {
        format!("{}:{nonce}", self.world.roles[server].name)
    }

    /// The call was answered with a task.
    pub fn task_begun(&mut self, server: usize, pending: &Pending, result: &str) -> Result<(), String> {
        let nonce = &pending.nonce;
        let id = self.task_id(nonce, server);
        let want = flat(&format!(r#"{{"more":1e400,"task" : {}}}"#, texts::task(&id, nonce, "working")));
        if result != want {
            return Err(format!("another task than the server's: {want}"));
        }
        let task = Task {
            server,
            began: pending.began,
            heard: pending.heard.clone(),
            state: self.tasks.get(nonce).map_or("working", |task| task.state),
            cancelled: false,
            spent: false,
            over: false,
            under_way: true,
        };
        self.world.arrives(server, self.number);
        self.world.note_task(id);
        self.tasks.insert(nonce.clone(), task);
        let ms = self.chance.below(200);
        self.later(ms, Timer::AskTask(nonce.clone()));
        Ok(())
    }

    /// One of the requests about a task.
    pub fn ask_about_task(&mut self, nonce: &str) {
        let Some(task) = self.tasks.get(nonce).filter(|task| !task.over) else { return };
        let server = task.server;
        let method = match self.chance.below(10) {
            0 => "tasks/cancel",
            1..=4 => "tasks/get",
            _ => "tasks/result",
        };
        if let Some(task) = self.tasks.get_mut(nonce) {
            task.cancelled |= method == "tasks/cancel";
        }
        let id = self.task_id(nonce, server);
        let members = vec![Twin::other(format!(r#""taskId":"{id}""#), format!(r#""taskId":"{nonce}""#))];
        let want = Want::Task(nonce.to_owned());
        self.ask(Plan { method, server, want, members, plain: true, uri: None });
    }

    /// An answer about a task.
    pub fn task_told(&mut self, nonce: &str, pending: &Pending, result: &str) -> Result<(), String> {
        let Some(task) = self.tasks.get(nonce).cloned() else { return Err("no such task".into()) };
        if pending.method == "tasks/result" {
            self.task_result(nonce, &task, result)?;
            // Over HTTP what belongs to no request comes on another stream, and may come later.
            let may_lack = task.cancelled || self.world.roles[task.server].remote;
            if let Some(missing) = self.missing(nonce)
                && !may_lack
            {
                return Err(format!("the task is over, but it lacks {missing}"));
            }
            self.end_task(nonce);
            return Ok(());
        }
        self.task_state(nonce, result)?;
        let ms = self.chance.below(300);
        self.later(ms, Timer::AskTask(nonce.to_owned()));
        Ok(())
    }

    /// A task as the server says it is; states go forward only.
    fn task_state(&mut self, nonce: &str, text: &str) -> Result<(), String> {
        let row: Row<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Some(task) = self.tasks.get(nonce) else { return Err("no such task".into()) };
        let state = STATES.into_iter().find(|known| *known == row.status).ok_or("no such state")?;
        let id = self.task_id(nonce, task.server);
        if text != flat(&texts::task(&id, nonce, state)) {
            return Err("another task than the server's".into());
        }
        // Over HTTP what is told by itself and what is answered are in no order.
        let late = state == "working" && self.world.roles[task.server].remote;
        let goes_on = late || task.state == "working" || task.state == state;
        if !goes_on || (state == "cancelled" && !task.cancelled) {
            return Err(format!("{state} after {}", task.state));
        }
        if let Some(task) = self.tasks.get_mut(nonce).filter(|task| task.state == "working") {
            task.state = state;
        }
        if state != "working" {
            self.task_rests(nonce);
        }
        Ok(())
    }

    fn task_result(&self, nonce: &str, task: &Task, result: &str) -> Result<(), String> {
        let id = self.task_id(nonce, task.server);
        let related = |of: &str| {
            flat(&format!(
                r#"{{"_meta":{{"more":1e400,"{}":{{"taskId":"{id}"}}}},"of":{of}}}"#,
                texts::RELATED
            ))
        };
        if task.cancelled && result == related("{}") {
            return Ok(());
        }
        let of: Of<'_> = serde_json::from_str(result).map_err(|error| error.to_string())?;
        let heard: Heard<'_> = serde_json::from_str(of.of.get()).map_err(|error| error.to_string())?;
        for (number, one) in heard.asked.iter().enumerate() {
            self.may_have_heard(nonce, number, one.get())?;
        }
        let asked: Vec<String> = heard.asked.iter().map(|one| one.get().to_owned()).collect();
        let name = &self.world.roles[task.server].name;
        let want = related(&texts::result(name, "tools/call", &task.heard, nonce, &asked));
        if result == want { Ok(()) } else { Err(format!("another result than the task's: {want}")) }
    }

    /// An error instead of an answer about a task: asked again later.
    pub fn ask_again(&mut self, nonce: &str, method: &str) {
        if let Some(task) = self.tasks.get_mut(nonce) {
            task.spent |= method == "tasks/result";
        }
        let ms = self.chance.between(50, 300);
        self.later(ms, Timer::AskTask(nonce.to_owned()));
    }

    /// Its server does not know a task.
    pub fn task_unknown(&mut self, nonce: &str, pending: &Pending) -> Result<(), String> {
        let Some(task) = self.tasks.get(nonce) else { return Err("no such task".into()) };
        let (from, to) = (pending.began, Instant::now());
        let ledger = &self.world.ledger;
        let repeated = ledger.daemon_deaths(from, to) + ledger.restarts(from, to) > 0;
        let spent = task.spent || pending.method == "tasks/result" && repeated;
        if !spent && !self.may_be_lost(task) {
            return Err("the server has lost a task".into());
        }
        self.end_task(nonce);
        Ok(())
    }

    /// Whether a task may have ended with the process that worked on it, or be at one that this client has left.
    fn may_be_lost(&self, task: &Task) -> bool {
        let role = &self.world.roles[task.server];
        let now = Instant::now();
        let moved = role.sharing == Sharing::Workspace && self.has_moved_since(task.began);
        moved
            || match role.lasts() {
                true => self.world.ledger.server_deaths(&role.name, task.began, now) > 0,
                false => self.world.ledger.server_lost(&role.name, task.began, now),
            }
    }

    pub fn task_status(&mut self, params: &str) {
        let row: Row<'_> = match serde_json::from_str(params) {
            Ok(row) => row,
            Err(error) => self.differ(&format!("no task: {error}")),
        };
        let nonce = row.id.split_once(':').map_or("", |(_, nonce)| nonce).to_owned();
        if !self.tasks.contains_key(&nonce) {
            // The answer to its call may come later on its own stream, or came too late for its call.
            let is_remote = |one: &Pending| one.server.is_some_and(|at| self.world.roles[at].remote);
            let begins = |one: &Pending| matches!(one.want, Want::NewTask) && one.nonce == nonce;
            if self.open.values().any(|one| begins(one) && is_remote(one)) || self.faded.contains(&nonce) {
                return;
            }
            self.differ("the state of a task that is not this client's");
        }
        if let Err(fault) = self.task_state(&nonce, params) {
            self.differ(&fault);
        }
    }

    /// Its server asks nothing about it any more.
    fn task_rests(&mut self, nonce: &str) {
        let Some(task) = self.tasks.get_mut(nonce).filter(|task| task.under_way) else { return };
        task.under_way = false;
        self.world.departs(task.server, self.number, Outcome::Answered);
    }

    /// The client is gone.
    pub fn forget_tasks(&mut self) {
        // Its server works on, and says so when it is done.
        for task in self.tasks.values_mut().filter(|task| task.under_way) {
            task.under_way = false;
            self.world.departs(task.server, self.number, Outcome::Left);
        }
        self.tasks.clear();
    }

    pub fn end_task(&mut self, nonce: &str) {
        self.task_rests(nonce);
        if let Some(task) = self.tasks.get_mut(nonce) {
            task.over = true;
            let role = &self.world.roles[task.server];
            // A server that the registry has lost works on until it is idle.
            if role.remote || role.fleeting {
                return self.later(LATE_MS, Timer::Forget(nonce.to_owned()));
            }
        }
        self.forget_course(nonce);
    }

    pub fn list_tasks(&mut self) {
        // Every server is asked.
        self.used.fill(true);
        let due = self.tasks.iter().filter(|(_, task)| task.must_be_there());
        let due = due.map(|(nonce, _)| nonce.clone()).collect();
        self.ask_loom("tasks/list", "{}", Want::TaskList(due));
    }

    /// A page of tasks has come; with the last one every task must have been there that was due.
    pub fn tasks_listed(&mut self, due: &[String], result: &str) -> Result<(), String> {
        let page: Page<'_> = serde_json::from_str(result).map_err(|error| error.to_string())?;
        let mut due = due.to_vec();
        for row in &page.tasks {
            let known: Row<'_> = serde_json::from_str(row.get()).map_err(|error| error.to_string())?;
            let nonce = known.id.split_once(':').map_or("", |(_, nonce)| nonce).to_owned();
            self.task_state(&nonce, row.get()).map_err(|fault| format!("{}: {fault}", row.get()))?;
            due.retain(|one| *one != nonce);
        }
        match page.next {
            Some(cursor) => {
                let cursor = serde_json::to_string(&cursor).expect("texts are JSON");
                let params = format!(r#"{{"cursor":{cursor}}}"#);
                self.ask_loom("tasks/list", &params, Want::TaskList(due));
                Ok(())
            }
            None => match due.iter().find(|nonce| self.is_missing(nonce)) {
                Some(nonce) => Err(format!("{nonce} is not in the list: {:?}", self.tasks.get(nonce))),
                None => Ok(()),
            },
        }
    }

    /// Whether a task that was due in a list, and was not there, is there.
    fn is_missing(&self, nonce: &str) -> bool {
        let is_asked = |one: &Pending| {
            one.method == "tasks/result" && matches!(&one.want, Want::Task(of) if of == nonce)
        };
        // Its result may be on its way.
        let is_asked = self.open.values().any(is_asked);
        let task = self.tasks.get(nonce).filter(|task| !is_asked && task.must_be_there());
        task.is_some_and(|task| !self.may_be_lost(task))
    }
}

impl Task {
    /// It is in every list of its client's.
    fn must_be_there(&self) -> bool {
        self.state == "working" && !self.cancelled && !self.spent && !self.over
    }
}
