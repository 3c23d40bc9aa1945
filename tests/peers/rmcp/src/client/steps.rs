//! How each step is taken.

use std::pin::Pin;

use rmcp::model::{ClientNotification, ClientRequest, ServerResult};
use rmcp::service::{Peer, PeerRequestOptions, RequestHandle, RoleClient, ServiceError};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::driver::Driver;

/// A request or what came of it: why it failed, as the document has it.
type Outcome = Result<Value, Value>;

impl Driver {
    /// The result of one step, `{"error": …}` when it failed. Boxed, as a step may hold steps.
    pub fn take<'a>(
        &'a self,
        peer: &'a Peer<RoleClient>,
        step: &'a Value,
    ) -> Pin<Box<dyn Future<Output = Value> + Send + 'a>> {
        Box::pin(self.outcome(peer, step))
    }

    async fn outcome(&self, peer: &Peer<RoleClient>, step: &Value) -> Value {
        let outcome = match step["do"].as_str().unwrap_or_default() {
            "together" => Ok(self.together(peer, step).await),
            "list" => list(self, peer, &step["what"]).await,
            "relist" => relist(self, peer, step).await,
            "call" => call(self, peer, step).await,
            "cancel" => cancel(self, peer, step).await,
            "roots" => roots(self, peer, step).await,
            "hear" => Ok(self.hear(text(&step["method"]), text(&step["holds"])).await),
            _ => plain(self, peer, step).await,
        };
        outcome.unwrap_or_else(|error| json!({"error": error}))
    }

    async fn together(&self, peer: &Peer<RoleClient>, step: &Value) -> Value {
        let steps = step["steps"].as_array().cloned().unwrap_or_default();
        let mut results = vec![Value::Null; steps.len()];
        let mut running = JoinSet::new();
        for (at, inner) in steps.into_iter().enumerate() {
            let (driver, peer) = (self.clone(), peer.clone());
            running.spawn(async move { (at, driver.take(&peer, &inner).await) });
        }
        while let Some(ended) = running.join_next().await {
            let (at, result) = ended.expect("no step panics");
            results[at] = result;
        }
        Value::Array(results)
    }
}

/// Steps that are one request.
async fn plain(driver: &Driver, peer: &Peer<RoleClient>, step: &Value) -> Outcome {
    let mut params = step.clone();
    params.as_object_mut().map(|params| params.remove("do"));
    let method = match step["do"].as_str().unwrap_or_default() {
        "ping" => "ping",
        "read" => "resources/read",
        "complete" => "completion/complete",
        "level" => "logging/setLevel",
        "subscribe" => "resources/subscribe",
        "unsubscribe" => "resources/unsubscribe",
        "get" => {
            params = json!({"name": step["prompt"], "arguments": step["arguments"]});
            "prompts/get"
        }
        other => return Err(json!({"message": format!("rmcp-client knows no step {other}")})),
    };
    answer(begin(driver, peer, method, params).await?).await
}

async fn list(driver: &Driver, peer: &Peer<RoleClient>, what: &Value) -> Outcome {
    let what = text(what);
    let method = if what == "resourceTemplates" { "resources/templates" } else { what };
    let (mut items, mut params) = (Vec::new(), json!({}));
    loop {
        let mut page = answer(begin(driver, peer, &format!("{method}/list"), params).await?).await?;
        items.append(page[what].as_array_mut().ok_or_else(|| json!({"message": "a page without items"}))?);
        match page.get("nextCursor") {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => return Ok(Value::Array(items)),
        }
    }
}

async fn relist(driver: &Driver, peer: &Peer<RoleClient>, step: &Value) -> Outcome {
    loop {
        let event = driver.hear(text(&step["method"]), "").await;
        if event.get("unheard").is_some() {
            return Ok(event);
        }
        let items = list(driver, peer, &step["what"]).await?;
        if items.to_string().contains(text(&step["holds"])) {
            return Ok(items);
        }
    }
}

async fn call(driver: &Driver, peer: &Peer<RoleClient>, step: &Value) -> Outcome {
    let handle = begin_call(driver, peer, step).await?;
    let token = serde_json::to_value(&handle.progress_token).expect("a token is JSON");
    let result = answer(handle).await?;
    match step["progress"] == true {
        true => Ok(json!({"result": result, "progress": driver.progress(&token)})),
        false => Ok(result),
    }
}

async fn cancel(driver: &Driver, peer: &Peer<RoleClient>, step: &Value) -> Outcome {
    let mut handle = begin_call(driver, peer, step).await?;
    let token = serde_json::to_value(&handle.progress_token).expect("a token is JSON");
    let at_work = driver.when(|| (!driver.progress(&token).is_empty()).then_some(()));
    tokio::select! {
        () = at_work => handle.cancel(Some("enough".into())).await.map_err(failure)?,
        _ = &mut handle.rx => return Ok(json!({"ended": "completed"})),
    }
    Ok(json!({"ended": "cancelled"}))
}

async fn roots(driver: &Driver, peer: &Peer<RoleClient>, step: &Value) -> Outcome {
    driver.set_roots(&step["roots"]);
    let changed = json!({"method": "notifications/roots/list_changed"});
    let changed: ClientNotification = serde_json::from_value(changed).expect("a notification");
    peer.send_notification(changed).await.map_err(failure)?;
    Ok(Value::Null)
}

async fn begin_call(
    driver: &Driver,
    peer: &Peer<RoleClient>,
    step: &Value,
) -> Result<RequestHandle<RoleClient>, Value> {
    let params = json!({"name": step["tool"], "arguments": step["arguments"]});
    begin(driver, peer, "tools/call", params).await
}

async fn begin(
    driver: &Driver,
    peer: &Peer<RoleClient>,
    method: &str,
    params: Value,
) -> Result<RequestHandle<RoleClient>, Value> {
    let request = json!({"method": method, "params": params});
    let request: ClientRequest =
        serde_json::from_value(request).map_err(|error| json!({"message": error.to_string()}))?;
    let options = PeerRequestOptions::with_timeout(driver.patience);
    peer.send_cancellable_request(request, options).await.map_err(failure)
}

async fn answer(handle: RequestHandle<RoleClient>) -> Outcome {
    let result: ServerResult = handle.await_response().await.map_err(failure)?;
    Ok(serde_json::to_value(result).expect("a result is JSON"))
}

fn failure(error: ServiceError) -> Value {
    match error {
        ServiceError::McpError(error) => serde_json::to_value(error).expect("an error is JSON"),
        other => json!({"message": other.to_string()}),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
