//! What a driver saw in one run, made comparable, and how two runs differ.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::difference;
use crate::shapes::{shaped, steady};
use crate::steps::flat;

/// What a driver prints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub capabilities: Value,
    /// One for each step.
    pub results: Vec<Value>,
    pub events: Vec<Value>,
    pub task_ids: Vec<String>,
}

impl Document {
    /// Undoes what loom documents to change, `prefix` before names above all, and hides what no two runs have in
    /// common. The steps are those of the server itself; the document of a direct run has no prefix.
    pub fn settle(&mut self, steps: &[Value], prefix: &str) {
        for (step, result) in steps.iter().zip(&mut self.results) {
            settle(step, result, prefix, &self.task_ids);
        }
        for event in &mut self.events {
            *event = reparsed(&steady(&event.to_string(), &self.task_ids));
            settle_event(event);
        }
        self.events.retain(|event| !is_uncompared(event["method"].as_str().unwrap_or_default()));
        self.events.sort_by_key(Value::to_string);
        // How often roots are asked for is the server's and loom's business.
        self.events.dedup_by(|a, b| a == b && a["method"] == "roots/list");
    }

    /// Keeps one of equal events. Over streamable HTTP the TypeScript SDK takes a stream that ended with an error for
    /// one that broke off, and resumes it; server-everything then sends everything again, of all streams.
    pub fn drop_repeats(&mut self) {
        self.events.dedup();
    }

    /// Panics unless each step did what was planned, and unless everything offered was used.
    pub fn check(&self, steps: &[Value]) {
        assert_eq!(self.results.len(), steps.len(), "a result for each step");
        for (step, result) in steps.iter().zip(&self.results) {
            check(step, result);
        }
        let lists = [("tools", "name", "tool"), ("resources", "uri", "uri"), ("prompts", "name", "prompt")];
        let flat = flat(steps);
        for (what, name, used_as) in lists {
            let listed = steps.iter().zip(&self.results).filter(|(step, _)| step["what"] == what);
            for item in listed.flat_map(|(_, items)| items.as_array().into_iter().flatten()) {
                let used = flat.iter().any(|step| step[used_as] == item[name]);
                assert!(used, "no step for {} of the {what}", item[name]);
            }
        }
    }

    /// How the run through loom differs from this direct one; both are settled.
    pub fn differences(&self, loom: &Document, steps: &[Value]) -> Vec<String> {
        let missing = difference::missing(&self.capabilities, &loom.capabilities);
        let mut found: Vec<_> = missing.into_iter().map(|line| format!("capabilities{line}")).collect();
        for (at, step) in steps.iter().enumerate() {
            let direct = &self.results[at];
            let lines = difference::lines(direct, loom.results.get(at).unwrap_or(&Value::Null));
            if !lines.is_empty() {
                found.push(format!("step {at} {step}\n    {}", lines.join("\n    ")));
            }
        }
        found.extend(only("direct", &self.events, &loom.events));
        found.extend(only("loom", &loom.events, &self.events));
        found
    }
}

/// The events that `from` has more often than `other`.
fn only(whose: &str, from: &[Value], other: &[Value]) -> Vec<String> {
    let mut left: Vec<&Value> = other.iter().collect();
    let mut found = Vec::new();
    for event in from {
        match left.iter().position(|candidate| *candidate == event) {
            Some(at) => drop(left.swap_remove(at)),
            None => found.push(format!("only {whose} has the event {event}")),
        }
    }
    found
}

/// Lists change for other reasons under loom, and the steps wait for the changes that matter; progress is part of the
/// result of its call.
fn is_uncompared(method: &str) -> bool {
    method.ends_with("/list_changed") || method == "notifications/progress"
}

/// Parameters that say nothing are the same as none, and progress tokens are loom's own.
fn settle_event(event: &mut Value) {
    let Some(params) = event.get_mut("params") else { return };
    if let Some(meta) = params.get_mut("_meta").and_then(Value::as_object_mut) {
        meta.remove("progressToken");
        if meta.is_empty() {
            params.as_object_mut().expect("it has a member").shift_remove("_meta");
        }
    }
    if *params == json!({}) {
        *params = Value::Null;
    }
}

fn settle(step: &Value, result: &mut Value, prefix: &str, task_ids: &[String]) {
    if let Some(steps) = step["steps"].as_array() {
        for (step, result) in steps.iter().zip(result.as_array_mut().into_iter().flatten()) {
            settle(step, result, prefix, task_ids);
        }
        return;
    }
    *result = reparsed(&shaped(&steady(&result.to_string(), task_ids), step["tool"].as_str()));
    if let Some(error) = result.get_mut("error") {
        // Clients say which name they called.
        *error = reparsed(&error.to_string().replace(prefix, ""));
    }
    if step["do"] == "hear" {
        settle_event(result);
    }
    if let (Some(what), Some(items)) = (step["what"].as_str(), result.as_array_mut()) {
        settle_list(what, items, prefix);
    }
}

fn settle_list(what: &str, items: &mut Vec<Value>, prefix: &str) {
    let is_looms = |item: &Value| {
        [&item["uri"], &item["uriTemplate"]]
            .iter()
            .any(|uri| uri.as_str().is_some_and(|uri| uri.starts_with("loom://")))
    };
    items.retain(|item| !is_looms(item));
    match what {
        "tools" | "prompts" => {
            for item in items {
                let name = item["name"].as_str().expect("an item has a name");
                // A name without the prefix stays and shows.
                item["name"] =
                    json!(name.strip_prefix(prefix).unwrap_or(&format!("without {prefix:?}: {name}")));
            }
        }
        // Tasks that begin at the same time are in any order.
        "tasks" => items.sort_by_key(Value::to_string),
        _ => {}
    }
}

fn check(step: &Value, result: &Value) {
    if let Some(steps) = step["steps"].as_array() {
        for (step, result) in steps.iter().zip(result.as_array().into_iter().flatten()) {
            check(step, result);
        }
        return;
    }
    assert!(result.get("unheard").is_none(), "not heard: {step}");
    if step["do"] == "cancel" {
        assert_eq!(result["ended"], "cancelled", "{step}");
    }
    let failed = result["isError"] == true || result.get("error").is_some();
    assert_eq!(failed, step["refused"] == true, "{step}: {result}");
}

fn reparsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
