//! What comes to a client: answers, notifications, questions. Anything else is a difference.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::lists::Kind;
use super::Actor;

/// The members of a message. The payload stays as it came.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    jsonrpc: &'a str,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    method: Option<String>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

impl Actor {
    pub fn hear(&mut self, line: &[u8]) {
        self.note("<-", line);
        self.world.count_message();
        // A line break between tokens is as good as a space.
        let line: Vec<u8> = line.iter().map(|byte| if *byte == b'\r' { b' ' } else { *byte }).collect();
        let message: Message<'_> = match serde_json::from_slice(&line) {
            Ok(message) => message,
            Err(error) => self.differ(&format!("not a message: {error}")),
        };
        if message.jsonrpc != "2.0" {
            self.differ("not JSON-RPC 2.0");
        }
        let id = message.id.map(RawValue::get);
        let params = message.params.map(RawValue::get);
        match (message.method.as_deref(), id, message.result, message.error) {
            (Some(method), Some(id), None, None) => self.question(id, method, params.unwrap_or("{}")),
            (Some(method), None, None, None) => self.notification(method, params.unwrap_or("{}")),
            (None, Some(id), Some(result), None) => self.answer(id, Ok(result.get())),
            (None, Some(id), None, Some(error)) => self.answer(id, Err(error.get())),
            (None, None, None, Some(error)) => self.nameless_error(error.get()),
            _ => self.differ("neither a question, nor a notification, nor an answer"),
        }
    }

    fn notification(&mut self, method: &str, params: &str) {
        match method {
            "notifications/progress" => self.progress(params),
            "notifications/message" => self.log_message(params),
            "notifications/resources/updated" => self.resource_updated(params),
            "notifications/cancelled" => self.question_cancelled(params),
            "notifications/tasks/status" => self.task_status(params),
            "notifications/soak" => self.unknown_notice(params),
            _ => {
                let kinds: Vec<Kind> =
                    Kind::ALL.into_iter().filter(|kind| kind.changed() == method).collect();
                if kinds.is_empty() {
                    self.differ("a notification that nobody asked for");
                }
                for kind in kinds {
                    self.told[kind as usize] = true;
                }
            }
        }
    }
}
