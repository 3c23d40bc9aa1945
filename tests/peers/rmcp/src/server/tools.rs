//! What each tool does.

use rmcp::ErrorData;
use rmcp::model::{ErrorCode, ServerNotification, ServerRequest};
use rmcp::service::{Peer, RequestContext, RoleServer, ServiceError};
use serde_json::{Value, json};

use crate::handler::{Handler, LEVELS};
use crate::offer::{OFFER, typed};

/// The result of one call.
pub async fn run(
    server: &Handler,
    tool: &str,
    arguments: &Value,
    context: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let peer = &context.peer;
    match tool {
        "echo" => Ok(echo(arguments)),
        "fail" => Ok(json!({"content": [{"type": "text", "text": "it did not work"}], "isError": true})),
        "refuse" => Err(ErrorData::new(ErrorCode(-32099), "refused", Some(json!({"why": ["no", null]})))),
        "steps" => steps(arguments["count"].as_u64().unwrap_or(1), context).await,
        "hold" => hold(server, context).await,
        "held" => {
            server.stopped.acquire().await.expect("it is never closed").forget();
            Ok(said("a hold was stopped"))
        }
        "sample" => ask(peer, "sampling/createMessage", &OFFER["sampling"]).await,
        "ask" => ask(peer, "elicitation/create", &OFFER["form"]).await,
        "visit" => ask(peer, "elicitation/create", &OFFER["page"]).await,
        "roots" => ask(peer, "roots/list", &Value::Null).await,
        "log" => log(server, arguments, peer).await,
        "touch" => touch(server, arguments, peer).await,
        "grow" => grow(server, peer).await,
        "grown" => Ok(said("grown")),
        _ => Err(ErrorData::invalid_params("no such tool", Some(json!({"tool": tool})))),
    }
}

fn said(text: impl Into<String>) -> Value {
    json!({"content": [{"type": "text", "text": text.into()}]})
}

fn echo(arguments: &Value) -> Value {
    let text = arguments["text"].clone();
    let content = json!([
        {"type": "text", "text": text, "annotations": {"audience": ["assistant"], "priority": 1.0}},
        {"type": "resource_link", "uri": "peers://text", "name": "text", "mimeType": "text/plain"},
        {"type": "audio", "data": "AAEC", "mimeType": "audio/wav"},
        {"type": "resource", "resource": {"uri": "peers://blob", "blob": "AAECAwT/"}},
    ]);
    json!({"content": content, "structuredContent": {"text": text}, "_meta": {"example.com/took": {"z": 1, "a": 2}}})
}

async fn steps(count: u64, context: &RequestContext<RoleServer>) -> Result<Value, ErrorData> {
    for step in 1..=count {
        progress(step, count, context).await?;
    }
    Ok(said(format!("{count} steps")))
}

async fn hold(server: &Handler, context: &RequestContext<RoleServer>) -> Result<Value, ErrorData> {
    progress(1, 2, context).await?;
    context.ct.cancelled().await;
    server.stopped.add_permits(1);
    Ok(said("stopped"))
}

async fn progress(step: u64, count: u64, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let Some(token) = context.meta.get_progress_token() else { return Ok(()) };
    let params =
        json!({"progressToken": token, "progress": step, "total": count, "message": format!("step {step}")});
    tell(&context.peer, "notifications/progress", params).await
}

/// The client's answer as text.
async fn ask(peer: &Peer<RoleServer>, method: &str, params: &Value) -> Result<Value, ErrorData> {
    let request: ServerRequest = match params {
        Value::Null => typed(json!({"method": method}))?,
        params => typed(json!({"method": method, "params": params}))?,
    };
    match peer.send_request(request).await {
        Ok(answer) => Ok(said(serde_json::to_string(&answer).expect("an answer is JSON"))),
        Err(ServiceError::McpError(error)) => Err(error),
        Err(error) => Err(ErrorData::internal_error(error.to_string(), None)),
    }
}

async fn log(server: &Handler, arguments: &Value, peer: &Peer<RoleServer>) -> Result<Value, ErrorData> {
    let wanted = server.state().level;
    for level in &LEVELS[wanted..] {
        let params =
            json!({"level": level, "logger": "peers", "data": {"text": arguments["text"], "z": 1, "a": 2}});
        tell(peer, "notifications/message", params).await?;
    }
    Ok(said(format!("{} levels", LEVELS.len() - wanted)))
}

async fn touch(server: &Handler, arguments: &Value, peer: &Peer<RoleServer>) -> Result<Value, ErrorData> {
    let uri = arguments["uri"].as_str().unwrap_or_default();
    let subscribed = server.state().subscribed.contains(uri);
    if subscribed {
        tell(peer, "notifications/resources/updated", json!({"uri": uri})).await?;
    }
    Ok(said(format!("subscribed: {subscribed}")))
}

async fn grow(server: &Handler, peer: &Peer<RoleServer>) -> Result<Value, ErrorData> {
    server.state().grown = true;
    for what in ["tools", "resources", "prompts"] {
        tell(peer, &format!("notifications/{what}/list_changed"), Value::Null).await?;
    }
    Ok(said("grown"))
}

async fn tell(peer: &Peer<RoleServer>, method: &str, params: Value) -> Result<(), ErrorData> {
    let notification: ServerNotification = match params {
        Value::Null => typed(json!({"method": method}))?,
        params => typed(json!({"method": method, "params": params}))?,
    };
    let sent = peer.send_notification(notification).await;
    sent.map_err(|error| ErrorData::internal_error(error.to_string(), None))
}
