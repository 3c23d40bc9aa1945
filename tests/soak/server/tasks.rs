//! The tasks of one server's life.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::time::{Duration, Instant};

use super::super::texts;
use super::run::Run;
use super::stage::Stage;

/// Tasks on a page of `tasks/list`.
const PAGE: usize = 2;

/// What has ended and nobody asks for is kept for so long.
const KEPT: Duration = Duration::from_secs(120);

pub struct Task {
    pub status: &'static str,
    begun: Instant,
    pub result: Option<String>,
    /// Requests for its result.
    waiting: Vec<Run>,
}

/// By id, which is the nonce of the request that began it.
pub type Tasks = BTreeMap<String, Task>;

impl Stage {
    /// A call becomes a task: it is answered at once. What its run is known by from now on.
    pub fn begin_task(&mut self, run: &Run) -> io::Result<String> {
        let begun = Instant::now();
        self.tasks.retain(|_, task| task.status == "working" || task.begun + KEPT > begun);
        let task = Task { status: "working", begun, result: None, waiting: Vec::new() };
        self.tasks.insert(run.nonce.clone(), task);
        let text = format!(r#"{{"more":1e400,"task" : {}}}"#, texts::task(&run.nonce, &run.nonce, "working"));
        self.send_answer(run, "result", &text)?;
        Ok(format!("task {}", run.nonce))
    }

    /// What somebody says of a task who has no script.
    pub fn task_row(&self, id: &str) -> Option<String> {
        self.tasks.get(id).map(|task| texts::task(id, id, task.status))
    }

    /// Nobody waits for results any more: the nonces of those who did.
    pub fn take_waiting(&mut self) -> Vec<String> {
        let waiting = self.tasks.values_mut().flat_map(|task| std::mem::take(&mut task.waiting));
        waiting.map(|run| run.nonce).collect()
    }

    /// Its steps are played.
    pub fn end_task(&mut self, run: &Run, status: &'static str) -> io::Result<()> {
        let result = task_result(&self.name, run);
        let Some(task) = self.tasks.get_mut(&run.nonce) else { return Ok(()) };
        task.status = status;
        task.result = Some(result.clone());
        let waiting = std::mem::take(&mut task.waiting);
        let params = texts::task(&run.nonce, &run.nonce, status);
        self.write(&texts::notification("notifications/tasks/status", &params, &run.nonce))?;
        if !waiting.is_empty() {
            self.tasks.remove(&run.nonce);
        }
        waiting.iter().try_for_each(|one| self.send_answer(one, "result", &result))
    }

    pub fn answer_task(&mut self, run: Run) -> io::Result<()> {
        let id = run.task_id.clone().unwrap_or_default();
        let Some(task) = self.tasks.get_mut(&id) else {
            return self.send_answer(&run, "error", &texts::error(&self.name, &run.nonce));
        };
        let text = match run.method.as_str() {
            "tasks/result" => match &task.result {
                // Whoever has its result does not ask again.
                Some(_) => self.tasks.remove(&id).and_then(|task| task.result).unwrap_or_default(),
                None => {
                    task.waiting.push(run);
                    return Ok(());
                }
            },
            "tasks/cancel" if task.status == "working" => {
                task.status = "cancelled";
                task.result = Some(cancelled_result(&id));
                let waiting = std::mem::take(&mut task.waiting);
                self.runs.retain(|_, other| other.nonce != id);
                waiting.iter().try_for_each(|one| self.send_answer(one, "result", &cancelled_result(&id)))?;
                texts::task(&id, &id, "cancelled")
            }
            _ => texts::task(&id, &id, task.status),
        };
        self.send_answer(&run, "result", &text)
    }

    /// A request that waits for a task's result is taken back: its nonce. `None`: there is none.
    pub fn cancel_waiting(&mut self, id: &str) -> Option<String> {
        let waiting = |task: &mut Task| {
            let at = task.waiting.iter().position(|run| run.id == id)?;
            Some(task.waiting.remove(at))
        };
        self.tasks.values_mut().find_map(waiting).map(|run| run.nonce)
    }

    /// A page of `tasks/list`. The request is loom's own.
    pub fn task_page(&self, from: &str) -> String {
        let mut later = self.tasks.range::<str, _>((Bound::Excluded(from), Bound::Unbounded));
        let page: Vec<(&String, &Task)> = later.by_ref().take(PAGE).collect();
        let next = match (later.next(), page.last()) {
            (Some(_), Some((id, _))) => format!(r#","nextCursor":"{id}""#),
            _ => String::new(),
        };
        let rows: Vec<String> = page.iter().map(|(id, task)| texts::task(id, id, task.status)).collect();
        format!(r#"{{"more":1e400,"tasks":[{}]{next}}}"#, rows.join(" ,\r"))
    }
}

/// What a finished task brought.
fn task_result(server: &str, run: &Run) -> String {
    let result = texts::result(server, &run.method, &run.heard, &run.nonce, &run.asked);
    related(&run.nonce, &result)
}

pub fn cancelled_result(id: &str) -> String {
    related(id, "{}")
}

/// A result with the mark of its task; `id` as whoever reads it knows the task.
pub fn related(id: &str, result: &str) -> String {
    format!(r#"{{"_meta":{{"more":1e400,"{}":{{"taskId":"{id}"}}}},"of":{result}}}"#, texts::RELATED)
}
