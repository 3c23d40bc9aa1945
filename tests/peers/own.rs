//! The rmcp server of ours, `rmcp/src/server`: what a client does with it.

use serde_json::{Value, json};

use crate::steps::{
    call, call_with_progress, cancel, complete_prompt, complete_resource, get, hear_log, hear_updated, level,
    list, ping, read, refused, relist, subscribe, unsubscribe,
};

pub fn steps() -> Vec<Value> {
    let mut steps: Vec<_> = ["tools", "resources", "resourceTemplates", "prompts"].map(list).into();
    steps.extend([
        ping(),
        call("echo", json!({"text": "h\u{e9}llo \u{2603} \u{0}", "zulu": 1})),
        call("fail", json!({})),
        call("refuse", json!({})),
        call_with_progress("steps", json!({"count": 3})),
        cancel("hold", json!({})),
        // Answered only when the server has stopped the call above.
        call("held", json!({})),
        call("sample", json!({})),
        call("ask", json!({})),
        call("visit", json!({})),
        call("roots", json!({})),
    ]);
    for refuses in ["fail", "refuse"] {
        let step = steps.iter_mut().find(|step| step["tool"] == refuses).expect("it is above");
        *step = refused(step.take());
    }
    steps.extend(notifications());
    steps.extend(offers());
    steps
}

fn notifications() -> Vec<Value> {
    let touch = |uri: &str| call("touch", json!({"uri": uri}));
    vec![
        level("warning"),
        call("log", json!({"text": "some"})),
        hear_log("\"emergency\""),
        level("emergency"),
        call("log", json!({"text": "fewest"})),
        hear_log("fewest"),
        subscribe("peers://text"),
        subscribe("peers://blob"),
        touch("peers://text"),
        hear_updated("peers://text"),
        unsubscribe("peers://blob"),
        touch("peers://blob"),
    ]
}

fn offers() -> Vec<Value> {
    let mut steps = vec![
        get("plain", json!({})),
        get("filled", json!({"subject": "\u{fc}", "tone": "curt"})),
        refused(get("filled", json!({}))),
        get("shown", json!({})),
        read("peers://text"),
        read("peers://blob"),
        read("peers://odd%20one?q=\u{fc}#f"),
        read("peers://item/7%2F8"),
        refused(read("peers://none")),
        complete_prompt("filled", ("tone", "c"), json!({"subject": "cats"})),
        complete_prompt("filled", ("tone", "cu"), json!({})),
        complete_resource("peers://item/{id}", ("id", ""), json!({})),
        call("grow", json!({})),
    ];
    for what in ["tools", "resources", "prompts"] {
        steps.push(relist(what, "grown"));
    }
    steps.extend([call("grown", json!({})), read("peers://grown"), get("grown", json!({}))]);
    steps
}
