//! server-everything: what a client does with it. It has nearly all of the protocol, so these are nearly all steps.

use serde_json::{Value, json};

use crate::steps::{
    call, call_with_progress, cancel, cancel_task, complete_prompt, complete_resource, get, hear_log,
    hear_updated, level, list, ping, read, refused, relist, roots, subscribe, task, together, unsubscribe,
};

const TEXT: &str = "demo://resource/dynamic/text/1";
const BLOB: &str = "demo://resource/dynamic/blob/2";
const DOCUMENTS: [&str; 7] =
    ["architecture", "extension", "features", "how-it-works", "instructions", "startup", "structure"];

/// `tasks`: whether the client has tasks.
pub fn steps(tasks: bool) -> Vec<Value> {
    let mut steps: Vec<_> = ["tools", "resources", "resourceTemplates", "prompts"].map(list).into();
    // It asks for the roots some time after the handshake; what comes later is not to depend on it.
    steps.push(hear_log("Roots updated: 1 root(s)"));
    steps.push(ping());
    steps.extend(calls());
    steps.extend(prompts());
    steps.extend(resources());
    steps.extend(questions());
    steps.extend(levels());
    steps.push(together(long_ones(tasks)));
    if tasks {
        steps.push(list("tasks"));
    }
    steps
}

fn calls() -> Vec<Value> {
    vec![
        call("echo", json!({"message": "h\u{e9}llo \u{2603} \"quoted\" \\ \u{1f600} \u{0}end"})),
        refused(call("echo", json!({}))),
        call("get-sum", json!({"a": 0.1, "b": 0.2})),
        refused(call("get-sum", json!({"a": "not a number", "b": 2}))),
        call("get-tiny-image", json!({})),
        call("get-structured-content", json!({"location": "Chicago"})),
        call("get-annotated-message", json!({"messageType": "error", "includeImage": true})),
        call("get-annotated-message", json!({"messageType": "debug"})),
        call("get-resource-links", json!({"count": 4})),
        call("get-resource-reference", json!({"resourceType": "Text", "resourceId": 3})),
        call("get-resource-reference", json!({"resourceType": "Blob", "resourceId": 4})),
        refused(call("get-resource-reference", json!({"resourceType": "Text", "resourceId": -1}))),
        call("get-env", json!({})),
        refused(call("simulate-research-query", json!({"topic": "called without a task"}))),
    ]
}

fn prompts() -> Vec<Value> {
    let typed = |value| complete_prompt("completable-prompt", ("department", value), json!({}));
    let named = |value, department: &str| {
        complete_prompt("completable-prompt", ("name", value), json!({"department": department}))
    };
    vec![
        get("simple-prompt", json!({})),
        get("args-prompt", json!({"city": "Z\u{fc}rich", "state": "ZH"})),
        get("args-prompt", json!({"city": "Ulm"})),
        refused(get("args-prompt", json!({}))),
        get("completable-prompt", json!({"department": "Sales", "name": "Eve"})),
        get("resource-prompt", json!({"resourceType": "Text", "resourceId": "5"})),
        get("resource-prompt", json!({"resourceType": "Blob", "resourceId": "6"})),
        refused(get("resource-prompt", json!({"resourceType": "Text", "resourceId": "none"}))),
        typed(""),
        typed("S"),
        named("", "Sales"),
        named("K", "Support"),
        complete_prompt("resource-prompt", ("resourceType", "T"), json!({})),
        complete_resource("demo://resource/dynamic/text/{resourceId}", ("resourceId", "7"), json!({})),
        complete_resource("demo://resource/dynamic/blob/{resourceId}", ("resourceId", "x"), json!({})),
    ]
}

fn resources() -> Vec<Value> {
    let document = |name: &str| read(&format!("demo://resource/static/document/{name}.md"));
    let mut steps: Vec<_> = DOCUMENTS.into_iter().map(document).collect();
    let zip = |kind| json!({"name": "hello.gz", "data": "data:text/plain,hello", "outputType": kind});
    steps.extend([
        read(TEXT),
        read(BLOB),
        refused(read("demo://resource/dynamic/text/none")),
        refused(read("demo://resource/static/document/none.md")),
        subscribe(TEXT),
        hear_log("Received Subscribe Resource request for URI: demo://resource/dynamic/text/1"),
        subscribe(BLOB),
        hear_log("Received Subscribe Resource request for URI: demo://resource/dynamic/blob/2"),
        unsubscribe(BLOB),
        hear_log("Received Unsubscribe Resource request: demo://resource/dynamic/blob/2"),
        call("toggle-subscriber-updates", json!({})),
        hear_updated(TEXT),
        call("toggle-subscriber-updates", json!({})),
        call("gzip-file-as-resource", zip("resourceLink")),
        relist("resources", "hello.gz"),
        read("demo://resource/session/hello.gz"),
        call("gzip-file-as-resource", zip("resource")),
    ]);
    steps
}

/// What the server asks of the client.
fn questions() -> Vec<Value> {
    let page = |id: &str, error: bool| {
        let arguments = json!({"url": "https://example.com/a?b=c", "elicitationId": id, "errorPath": error});
        call("trigger-url-elicitation", arguments)
    };
    let two = json!([{"uri": "file:///one", "name": "one"}, {"uri": "file:///two%20words"}]);
    vec![
        call("get-roots-list", json!({})),
        roots(two),
        hear_log("Roots updated: 2 root(s)"),
        call("get-roots-list", json!({})),
        call("trigger-sampling-request", json!({"prompt": "What is \u{2603}?", "maxTokens": 7})),
        call("trigger-elicitation-request", json!({})),
        page("page-1", false),
        // The first time it is an error that names what to do first; the second time it is done.
        refused(page("page-2", true)),
        page("page-2", true),
    ]
}

/// Its messages are of the level `error`, as its dice stand still.
fn levels() -> Vec<Value> {
    let toggle = || call("toggle-simulated-logging", json!({}));
    vec![
        level("error"),
        toggle(),
        hear_log("Error-level message"),
        toggle(),
        level("critical"),
        toggle(),
        toggle(),
        // Nothing is heard of this: it has the level `info`.
        subscribe(BLOB),
    ]
}

fn long_ones(tasks: bool) -> Vec<Value> {
    let operation = "trigger-long-running-operation";
    let research = |topic: &str, ambiguous: bool| json!({"topic": topic, "ambiguous": ambiguous});
    let mut steps = vec![
        call_with_progress(operation, json!({"duration": 0.3, "steps": 3})),
        cancel(operation, json!({"duration": 2, "steps": 8})),
    ];
    if tasks {
        steps.extend([
            task("simulate-research-query", research("the moon", false)),
            task("simulate-research-query", research("python", true)),
            cancel_task("simulate-research-query", research("the sun", false)),
            call("trigger-sampling-request-async", json!({"prompt": "Think.", "maxTokens": 9})),
            call("trigger-elicitation-request-async", json!({})),
        ]);
    }
    steps
}
