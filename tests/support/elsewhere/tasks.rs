//! The server's tasks.

use serde_json::{Value, json};

use super::{Elsewhere, Known};

impl Elsewhere {
    /// Changes a task, and says so on the stream.
    pub fn task_is(&self, id: &str, status: &'static str) {
        self.tell(|known| {
            known.tasks.insert(id.to_owned(), status);
        });
        let params = task(id, status);
        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/tasks/status", "params": params}));
    }
}

impl Known {
    /// The answer to a request, but for its id.
    pub fn answer(&mut self, message: &Value) -> Value {
        let params = &message["params"];
        let id = params["taskId"].as_str().unwrap_or_default();
        let about = |known: &Known| known.tasks.get(id).map(|status| task(id, status));
        let result = match message["method"].as_str().unwrap_or_default() {
            "tools/call" if params.get("task").is_some() => {
                let id = params["arguments"]["text"].as_str().unwrap_or_default();
                self.tasks.insert(id.to_owned(), "working");
                Some(json!({"task": task(id, "working")}))
            }
            "tasks/get" => about(self),
            "tasks/result" => about(self).map(|_| json!({"content": [{"type": "text", "text": id}]})),
            "tasks/list" => {
                let tasks: Vec<Value> = self.tasks.iter().map(|(id, status)| task(id, status)).collect();
                Some(json!({"tasks": tasks}))
            }
            _ => Some(self.result(message)),
        };
        match result {
            Some(result) => json!({"jsonrpc": "2.0", "result": result}),
            None => json!({"jsonrpc": "2.0", "error": {"code": -32602, "message": "it has no such task"}}),
        }
    }
}

fn task(id: &str, status: &str) -> Value {
    json!({"taskId": id, "status": status, "ttl": 600_000})
}
