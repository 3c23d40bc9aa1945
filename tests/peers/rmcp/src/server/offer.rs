//! What the server offers: `offer.json`, and its lists page by page.

use std::sync::LazyLock;

use rmcp::ErrorData;
use rmcp::model::PaginatedRequestParams;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Small pages, so that every list needs several.
const PAGE: usize = 2;

/// The whole of `offer.json`.
pub static OFFER: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("offer.json")).expect("offer.json is JSON"));

/// JSON as a type of rmcp.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// One page of the list `what`, which `offer.json` has and which has grown or not.
pub fn page<T: DeserializeOwned>(
    what: &str,
    grown: bool,
    request: Option<PaginatedRequestParams>,
) -> Result<T, ErrorData> {
    let own = OFFER[what].as_array().into_iter().flatten();
    let more = OFFER["grown"].get(what).filter(|_| grown);
    let all: Vec<&Value> = own.chain(more).collect();
    let cursor = request.and_then(|request| request.cursor);
    let from = match &cursor {
        Some(cursor) => cursor.strip_prefix("from ").and_then(|from| from.parse().ok()),
        None => Some(0),
    };
    let from: usize =
        from.ok_or_else(|| ErrorData::invalid_params("no such cursor", Some(json!({"cursor": cursor}))))?;
    let items: Vec<_> = all.iter().skip(from).take(PAGE).collect();
    let mut result = json!({what: items});
    if from + PAGE < all.len() {
        result["nextCursor"] = json!(format!("from {}", from + PAGE));
    }
    typed(result)
}

/// What `resources/read` gives.
pub fn contents(uri: &str) -> Result<Value, ErrorData> {
    let own = OFFER["read"].get(uri).cloned();
    let item =
        || uri.strip_prefix("peers://item/").map(|id| json!({"uri": uri, "text": format!("item {id}")}));
    let unknown = || ErrorData::resource_not_found("no such resource", Some(json!({"uri": uri})));
    Ok(json!({"contents": [own.or_else(item).ok_or_else(unknown)?]}))
}

/// What `prompts/get` gives.
pub fn prompt(name: &str, arguments: &Value) -> Result<Value, ErrorData> {
    if name != "filled" {
        let unknown = || ErrorData::invalid_params("no such prompt", Some(json!({"name": name})));
        return OFFER["get"].get(name).cloned().ok_or_else(unknown);
    }
    let missing = || ErrorData::invalid_params("missing argument", Some(json!({"argument": "subject"})));
    let subject = arguments["subject"].as_str().ok_or_else(missing)?;
    let tone = arguments["tone"].as_str().unwrap_or("plain");
    let content = json!({"type": "text", "text": format!("Write about {subject} in a {tone} tone.")});
    Ok(json!({"description": "With arguments", "messages": [{"role": "user", "content": content}]}))
}

/// What `completion/complete` gives: values that begin as typed, and the context to see that it came.
pub fn completion(request: &Value) -> Value {
    let typed = request["argument"]["value"].as_str().unwrap_or_default();
    let kind = request["ref"]["name"].as_str().or(request["ref"]["uri"].as_str()).unwrap_or_default();
    let subject = request["context"]["arguments"]["subject"].as_str().unwrap_or("nothing");
    let known = ["calm", "cheerful", "curt"].into_iter().filter(|value| value.starts_with(typed));
    let values: Vec<_> = known.map(|value| format!("{value} for {kind} about {subject}")).collect();
    json!({"completion": {"values": values, "total": values.len(), "hasMore": false}})
}
