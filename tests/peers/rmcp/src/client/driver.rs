//! What the client remembers, and what it answers when the server asks.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{ClientConfig, ClientResult, ServerNotification, ServerRequest};
use rmcp::service::{NotificationContext, RequestContext, RoleClient, Service};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

/// One client; clones are the same.
#[derive(Clone)]
pub struct Driver {
    seen: Arc<Mutex<Seen>>,
    changed: Arc<Notify>,
    answers: Arc<Value>,
    /// How long an answer may take.
    pub patience: Duration,
}

struct Seen {
    roots: Value,
    /// Everything that the server sent by itself, except progress.
    events: Vec<Value>,
    /// Indices of `events` that a step has waited for.
    heard: Vec<usize>,
    progress: Vec<Value>,
    /// How long to wait for an event.
    patience: Duration,
}

impl Driver {
    pub fn new(plan: &Value) -> Self {
        let patience = Duration::from_millis(plan["patience_ms"].as_u64().unwrap_or_default());
        let roots = plan["roots"].clone();
        let seen = Seen { roots, events: Vec::new(), heard: Vec::new(), progress: Vec::new(), patience };
        Driver {
            seen: Arc::new(Mutex::new(seen)),
            changed: Arc::new(Notify::new()),
            answers: Arc::new(plan["answers"].clone()),
            patience,
        }
    }

    pub fn events(&self) -> Vec<Value> {
        self.lock().events.clone()
    }

    pub fn set_roots(&self, roots: &Value) {
        self.lock().roots = roots.clone();
    }

    /// The progress of one request so far, without its token and in order.
    pub fn progress(&self, token: &Value) -> Vec<Value> {
        let of_request = |update: &&Value| update["progressToken"] == *token;
        let mut updates: Vec<Value> = self.lock().progress.iter().filter(of_request).cloned().collect();
        for update in &mut updates {
            update.as_object_mut().map(|update| update.remove("progressToken"));
        }
        updates.sort_by(|a, b| {
            a["progress"].as_f64().partial_cmp(&b["progress"].as_f64()).expect("no NaN in JSON")
        });
        updates
    }

    /// The first event that no earlier call has given, that is of this method and holds this text.
    pub async fn hear(&self, method: &str, holds: &str) -> Value {
        let look = || {
            let mut seen = self.lock();
            let wanted = |(at, event): &(usize, &Value)| {
                !seen.heard.contains(at) && event["method"] == method && event.to_string().contains(holds)
            };
            let (at, event) = seen.events.iter().enumerate().find(wanted)?;
            let event = event.clone();
            seen.heard.push(at);
            Some(event)
        };
        let patience = self.lock().patience;
        match tokio::time::timeout(patience, self.when(look)).await {
            Ok(event) => event,
            Err(_) => {
                // The run has failed; it is not to last much longer.
                self.lock().patience /= 20;
                json!({"unheard": true})
            }
        }
    }

    /// What `look` finds, as soon as it does; it looks again at everything that the server sends.
    pub async fn when<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = look() {
                return found;
            }
            changed.await;
        }
    }

    fn happened(&self, kind: &str, message: &impl serde::Serialize) {
        let message = serde_json::to_value(message).expect("a message is JSON");
        let (method, params) = (&message["method"], &message["params"]);
        if method == "notifications/progress" {
            self.lock().progress.push(params.clone());
        } else {
            self.lock().events.push(json!({"kind": kind, "method": method, "params": params}));
        }
        self.changed.notify_waiters();
    }

    /// Accepts with those of the planned values that the server asks for.
    fn accept(&self, params: &Value) -> Value {
        let Some(asked) = params["requestedSchema"]["properties"].as_object() else {
            return json!({"action": "accept"});
        };
        let planned = self.answers["elicitation"].as_object().into_iter().flatten();
        let content: Map<_, _> = planned
            .filter(|(name, _)| asked.contains_key(*name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        json!({"action": "accept", "content": content})
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("nobody panics with this lock")
    }
}

impl Service<RoleClient> for Driver {
    async fn handle_request(
        &self,
        request: ServerRequest,
        _: RequestContext<RoleClient>,
    ) -> Result<ClientResult, ErrorData> {
        self.happened("request", &request);
        let result = match &request {
            ServerRequest::CreateMessageRequest(_) => self.answers["sampling"].clone(),
            ServerRequest::ListRootsRequest(_) => json!({"roots": self.lock().roots}),
            ServerRequest::ElicitRequest(request) => {
                self.accept(&serde_json::to_value(&request.params).expect("parameters are JSON"))
            }
            _ => json!({}),
        };
        serde_json::from_value(result).map_err(|error| ErrorData::internal_error(error.to_string(), None))
    }

    async fn handle_notification(
        &self,
        notification: ServerNotification,
        _: NotificationContext<RoleClient>,
    ) -> Result<(), ErrorData> {
        self.happened("notification", &notification);
        Ok(())
    }

    fn get_info(&self) -> ClientConfig {
        let capabilities = json!({
            "roots": {"listChanged": true}, "sampling": {}, "elicitation": {"form": {}, "url": {}},
        });
        let info = json!({
            "protocolVersion": "2025-11-25", "capabilities": capabilities,
            "clientInfo": {"name": "peers", "version": "0"},
        });
        serde_json::from_value(info).expect("this is what initialize takes")
    }
}
