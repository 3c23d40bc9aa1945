//! The steps that a driver takes, one after the other, and what each is called in a plan:
//!
//! `{start, steps, roots, answers, patience_ms}`, where `start` is `{command, args, env, cwd}` or `{url, sse}`. A driver of
//! `drivers/` or `rmcp/` prints `{capabilities, results, events, taskIds}`: one result for each step, `{error}` when it
//! failed; everything that the server sent by itself; and the ids that tasks had in this run.

use serde_json::{Value, json};

/// All of a list, page by page: `tools`, `resources`, `resourceTemplates`, `prompts`, `tasks`.
pub fn list(what: &str) -> Value {
    json!({"do": "list", "what": what})
}

/// [`list`] once the server has said that it changed, and again until it holds the text.
pub fn relist(what: &str, holds: &str) -> Value {
    json!({"do": "relist", "what": what, "method": format!("notifications/{what}/list_changed"), "holds": holds})
}

pub fn call(tool: &str, arguments: Value) -> Value {
    json!({"do": "call", "tool": tool, "arguments": arguments})
}

/// With the progress that came before the result.
pub fn call_with_progress(tool: &str, arguments: Value) -> Value {
    json!({"do": "call", "tool": tool, "arguments": arguments, "progress": true})
}

/// Cancels the call as soon as it reports progress.
pub fn cancel(tool: &str, arguments: Value) -> Value {
    json!({"do": "cancel", "tool": tool, "arguments": arguments})
}

/// Calls the tool as a task and waits for its end.
pub fn task(tool: &str, arguments: Value) -> Value {
    json!({"do": "task", "tool": tool, "arguments": arguments})
}

/// Calls the tool as a task and cancels it.
pub fn cancel_task(tool: &str, arguments: Value) -> Value {
    json!({"do": "cancelTask", "tool": tool, "arguments": arguments})
}

/// Waits for an event that no earlier step has waited for.
pub fn hear(method: &str, holds: &str) -> Value {
    json!({"do": "hear", "method": method, "holds": holds})
}

/// [`hear`] for a log message.
pub fn hear_log(holds: &str) -> Value {
    hear("notifications/message", holds)
}

/// [`hear`] for the update of a resource.
pub fn hear_updated(uri: &str) -> Value {
    hear("notifications/resources/updated", uri)
}

pub fn get(prompt: &str, arguments: Value) -> Value {
    json!({"do": "get", "prompt": prompt, "arguments": arguments})
}

pub fn read(uri: &str) -> Value {
    json!({"do": "read", "uri": uri})
}

pub fn complete_prompt(prompt: &str, argument: (&str, &str), context: Value) -> Value {
    complete(json!({"type": "ref/prompt", "name": prompt}), argument, context)
}

pub fn complete_resource(template: &str, argument: (&str, &str), context: Value) -> Value {
    complete(json!({"type": "ref/resource", "uri": template}), argument, context)
}

fn complete(reference: Value, (name, value): (&str, &str), context: Value) -> Value {
    let argument = json!({"name": name, "value": value});
    json!({"do": "complete", "ref": reference, "argument": argument, "context": {"arguments": context}})
}

pub fn level(level: &str) -> Value {
    json!({"do": "level", "level": level})
}

pub fn subscribe(uri: &str) -> Value {
    json!({"do": "subscribe", "uri": uri})
}

pub fn unsubscribe(uri: &str) -> Value {
    json!({"do": "unsubscribe", "uri": uri})
}

/// Changes the client's roots and says so.
pub fn roots(roots: Value) -> Value {
    json!({"do": "roots", "roots": roots})
}

pub fn ping() -> Value {
    json!({"do": "ping"})
}

/// All at the same time.
pub fn together(steps: Vec<Value>) -> Value {
    json!({"do": "together", "steps": steps})
}

/// The step, which the server is to refuse: equal answers prove little when a step fails by accident.
pub fn refused(mut step: Value) -> Value {
    step["refused"] = json!(true);
    step
}

/// The step with the names by which loom knows the server's tools and prompts.
pub fn exposed(step: &Value, prefix: &str) -> Value {
    let mut step = step.clone();
    for name in ["/tool", "/prompt", "/ref/name"] {
        if let Some(name) = step.pointer_mut(name) {
            *name = json!(format!("{prefix}{}", name.as_str().expect("a name is text")));
        }
    }
    if let Some(inner) = step["steps"].as_array() {
        step["steps"] = inner.iter().map(|step| exposed(step, prefix)).collect();
    }
    step
}

/// All steps, those within others in the place of these.
pub fn flat(steps: &[Value]) -> Vec<&Value> {
    let mut all = Vec::new();
    for step in steps {
        match step["steps"].as_array() {
            Some(inner) => all.extend(flat(inner)),
            None => all.push(step),
        }
    }
    all
}
