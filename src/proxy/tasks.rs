//! The tasks that a client has begun: the next daemon must know whose they are before anybody else asks about them.

use std::collections::VecDeque;

use serde_json::json;

use crate::mcp::quote::quote;
use crate::wire::{reply, scan};

/// More are not remembered: those that have ended go first.
const TASKS_MAX: usize = 100;

/// What a server or the daemon answers about a task that is not there.
const NO_TASK: &str = "-32602";

#[derive(Debug, PartialEq, Eq)]
struct Task {
    /// As the client knows it.
    id: String,
    /// It is worked on, as far as was heard.
    open: bool,
    /// What the daemon said of its progress, for the next one.
    progress: Option<Box<str>>,
}

/// The oldest first. One that has ended is still asked for its result, so it is remembered too.
#[derive(Debug, Default)]
pub struct Tasks(VecDeque<Task>);

/// Whether a call is to become a task. Of nearly all calls a look for the word says that it is not.
pub fn asks_for_one(line: &[u8]) -> bool {
    may_ask_for_one(line) && scan::envelope(line).is_ok_and(|envelope| envelope.task.is_some())
}

/// The same without reading the line: it may only be the word.
pub fn may_ask_for_one(line: &[u8]) -> bool {
    memchr::memmem::find(line, br#""task""#).is_some()
}

impl Tasks {
    /// The answer to a call that was to become a task.
    pub fn begun(&mut self, answer: &[u8]) {
        let Some(id) = text(answer).and_then(|text| scan::find_text(text, &["result", "task", "taskId"]))
        else {
            return;
        };
        self.0.retain(|task| task.id != *id);
        if self.0.len() >= TASKS_MAX {
            let ended = self.0.iter().position(|task| !task.open);
            self.0.remove(ended.unwrap_or(0));
        }
        self.0.push_back(Task { id: id.into_owned(), open: true, progress: None });
    }

    /// `loom/progress`: under which token a task that has just begun makes progress.
    pub fn progresses(&mut self, params: &[u8]) {
        let Some(params) = text(params) else { return };
        let Some(id) = scan::find_text(params, &["taskId"]) else { return };
        if let Some(task) = self.0.iter_mut().find(|task| task.id == *id) {
            task.progress = Some(params.into());
        }
    }

    /// The answer to a request that may have been about a task.
    pub fn answered(&mut self, request: &[u8], answer: &[u8]) {
        let Some(request) = text(request).filter(|_| !self.0.is_empty()) else { return };
        let Some(method) = scan::find_text(request, &["method"]) else { return };
        if matches!(&*method, "tasks/get" | "tasks/result" | "tasks/cancel")
            && let Some(id) = scan::find_text(request, &["params", "taskId"])
        {
            self.note_answer(&id, &method, answer);
        }
    }

    /// The answer to a request of `replay`.
    pub fn replayed(&mut self, id: &[u8], prefix: &str, answer: &[u8]) {
        let id = text(id).and_then(scan::unquote);
        if let Some(task) = id.as_deref().and_then(|id| id.strip_prefix(prefix)) {
            self.note_answer(task, "tasks/get", answer);
        }
    }

    fn note_answer(&mut self, id: &str, method: &str, answer: &[u8]) {
        let Some(answer) = text(answer) else { return };
        // One that has ended cannot be cancelled, which says nothing of its result.
        if method != "tasks/cancel" && scan::find(answer, &["error", "code"]) == Some(NO_TASK) {
            self.0.retain(|task| task.id != id);
        } else if let Some(result) = scan::find(answer, &["result"])
            && (method == "tasks/result" || is_over(result))
        {
            self.close(id);
        }
    }

    /// A notification to the client; it may say that a task has ended.
    pub fn told(&mut self, line: &[u8]) {
        if !self.0.is_empty()
            && line.starts_with(br#"{"jsonrpc":"2.0","method":"notifications/tasks/status""#)
            && let Some(params) = text(line).and_then(|line| scan::find(line, &["params"]))
            && let Some(id) = scan::find_text(params, &["taskId"]).filter(|_| is_over(params))
        {
            self.close(&id);
        }
    }

    fn close(&mut self, id: &str) {
        for task in self.0.iter_mut().filter(|task| task.id == id) {
            (task.open, task.progress) = (false, None);
        }
    }

    /// Tells a daemon whose they are, and asks about those that are open: a server that is to say by itself how they
    /// go on must be spoken with. The ids of these requests are `prefix` and the task's.
    pub fn replay(&self, prefix: &str, out: &mut Vec<u8>) {
        if self.0.is_empty() {
            return;
        }
        let ids: Vec<&str> = self.0.iter().map(|task| &*task.id).collect();
        let progress: Vec<&str> = self.0.iter().filter_map(|task| task.progress.as_deref()).collect();
        let (ids, progress) = (json!(ids), progress.join(","));
        reply::notification(out, "loom/tasks", &format!(r#"{{"taskIds":{ids},"progress":[{progress}]}}"#));
        for task in self.0.iter().filter(|task| task.open) {
            let (id, own) = (quote(&format!("{prefix}{}", task.id)), quote(&task.id));
            let line =
                format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tasks/get","params":{{"taskId":{own}}}}}"#);
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
    }
}

fn text(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok()
}

fn is_over(task: &str) -> bool {
    let status = scan::find_text(task, &["status"]);
    matches!(status.as_deref(), Some("completed" | "failed" | "cancelled"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "again/";

    fn begin(tasks: &mut Tasks, id: &str) {
        tasks.begun(format!(r#"{{"id":1,"result":{{"x":1e400,"task":{{"taskId":"{id}"}}}}}}"#).as_bytes());
    }

    /// What is told to a daemon, and what is asked of it.
    fn replay(tasks: &Tasks) -> (String, Vec<String>) {
        let mut out = Vec::new();
        tasks.replay(PREFIX, &mut out);
        let text = String::from_utf8(out).unwrap();
        let mut lines = text.lines();
        let told = lines.next().and_then(|line| scan::find(line, &["params", "taskIds"])).unwrap_or_default();
        let id = |line| scan::find_text(line, &["params", "taskId"]).unwrap().into_owned();
        (told.to_owned(), lines.map(id).collect())
    }

    #[test]
    fn a_call_asks_for_a_task_by_its_own_member() {
        for (params, want) in [
            (r#"{"name":"a","task":{}}"#, true),
            (r#"{"name":"a","arguments":{"task":{}}}"#, false),
            (r#"{"name":"task"}"#, false),
            (r#"{"name":"a"}"#, false),
        ] {
            let line = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
            assert_eq!(asks_for_one(line.as_bytes()), want, "{params}");
        }
    }

    #[test]
    fn tasks_are_open_until_something_says_that_they_have_ended() {
        let mut tasks = Tasks::default();
        assert_eq!(replay(&tasks), (String::new(), vec![]));
        for id in ["s:get", "s:cancel", "s:result", "s:lost", "s:told", "s:late", "s:open"] {
            begin(&mut tasks, id);
        }
        tasks.begun(br#"{"id":1,"error":{"code":1,"task":{"taskId":"s:no"}}}"#);
        tasks.begun(br#"{"id":1,"result":{"content":[],"taskId":"s:no"}}"#);
        let no_task = r#""error":{"code":-32602,"message":"no"}"#;
        for (method, id, outcome) in [
            ("tasks/get", "s:get", r#""result":{"taskId":"s:get","status":"failed"}"#),
            ("tasks/cancel", "s:cancel", r#""result":{"taskId":"s:cancel","status":"cancelled"}"#),
            ("tasks/result", "s:result", r#""result":{"content":[]}"#),
            ("tasks/get", "s:lost", no_task),
            ("tasks/cancel", "s:open", no_task),
            ("tasks/get", "s:open", r#""result":{"taskId":"s:open","status":"input_required"}"#),
            ("tasks/result", "s:open", r#""error":{"code":-32050,"message":"gone"}"#),
            ("prompts/get", "s:open", no_task),
        ] {
            let request = format!(r#"{{"id":7,"method":"{method}","params":{{"taskId":"{id}"}}}}"#);
            tasks.answered(request.as_bytes(), format!(r#"{{"id":7,{outcome}}}"#).as_bytes());
        }
        for (id, status) in [("s:told", "completed"), ("s:open", "working")] {
            let params = format!(r#"{{"taskId":"{id}","status":"{status}"}}"#);
            let mut line = Vec::new();
            reply::notification(&mut line, "notifications/tasks/status", &params);
            tasks.told(&line);
        }
        let late = br#"{"id":"again/s:late","result":{"status":"completed"}}"#;
        tasks.replayed(br#""again/s:late""#, PREFIX, late);
        let all = r#"["s:get","s:cancel","s:result","s:told","s:late","s:open"]"#;
        assert_eq!(replay(&tasks), (all.to_owned(), vec!["s:open".to_owned()]));
    }

    #[test]
    fn the_next_daemon_hears_of_the_progress_of_what_is_open() {
        let mut tasks = Tasks::default();
        let told = |id: &str| format!(r#"{{"taskId":"{id}","given":"g-{id}","progressToken":1e400}}"#);
        for id in ["s:open", "s:over", "s:silent"] {
            begin(&mut tasks, id);
        }
        for id in ["s:open", "s:over", "s:unknown"] {
            tasks.progresses(told(id).as_bytes());
        }
        tasks.close("s:over");
        let mut out = Vec::new();
        tasks.replay(PREFIX, &mut out);
        let first = String::from_utf8(out).unwrap().lines().next().unwrap().to_owned();
        assert_eq!(scan::find(&first, &["params", "progress"]), Some(&*format!("[{}]", told("s:open"))));
    }

    #[test]
    fn of_too_many_tasks_those_that_have_ended_are_forgotten_first() {
        let mut tasks = Tasks::default();
        (0..TASKS_MAX).for_each(|n| begin(&mut tasks, &format!("s:{n}")));
        tasks.close("s:7");
        begin(&mut tasks, "s:more");
        let open = replay(&tasks).1;
        assert_eq!((open.len(), &*open[0], &*open[7]), (TASKS_MAX, "s:0", "s:8"));
        begin(&mut tasks, "s:still more");
        let open = replay(&tasks).1;
        assert_eq!((open.len(), &*open[0]), (TASKS_MAX, "s:1"));
    }
}
