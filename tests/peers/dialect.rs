//! How clients and models talk: the four ways to offer tools, to ask for a call and to hand back its result. Only what
//! the clients need, and answers as streams only, as all of them ask for.

use serde_json::{Value, json};

/// One of the APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI, `/responses`.
    Responses,
    /// OpenAI, `/chat/completions`.
    Completions,
    /// Anthropic, `/messages`.
    Messages,
    /// Gemini, `:streamGenerateContent`.
    Contents,
}

/// What a request says, as far as it matters here.
pub struct Asked {
    pub tools: Vec<Tool>,
    /// The texts of all tool results, oldest first.
    pub results: Vec<String>,
}

/// A tool as it is offered to the model.
#[derive(Clone, Debug)]
pub struct Tool {
    namespace: Option<String>,
    name: String,
}

impl Tool {
    /// The name with that of its namespace before it.
    pub fn full_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}__{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// What the model answers.
pub enum Answer {
    Call { id: String, tool: Tool, arguments: Value },
    Text(String),
}

impl Dialect {
    /// The one of a request to `path`, in lower case.
    pub fn of(path: &str) -> Option<Self> {
        let ends = [
            ("/responses", Dialect::Responses),
            ("/chat/completions", Dialect::Completions),
            ("/messages", Dialect::Messages),
            (":streamgeneratecontent", Dialect::Contents),
        ];
        ends.into_iter().find(|(end, _)| path.ends_with(end)).map(|(_, dialect)| dialect)
    }

    pub fn asked(self, body: &Value) -> Asked {
        let (tools, results) = match self {
            Dialect::Responses => (namespaced(body), results_of_responses(body)),
            Dialect::Completions => {
                (named(items(body, "/tools"), "/function/name"), results_of_completions(body))
            }
            Dialect::Messages => (named(items(body, "/tools"), "/name"), results_of_messages(body)),
            Dialect::Contents => (declared(body), results_of_contents(body)),
        };
        Asked { tools, results }
    }

    /// The body of the answer.
    pub fn stream(self, answer: &Answer) -> String {
        let (events, end) = match self {
            Dialect::Responses => (response(answer), ""),
            Dialect::Completions => (completion(answer), "data: [DONE]\n\n"),
            Dialect::Messages => (message(answer), ""),
            Dialect::Contents => (content(answer), ""),
        };
        let line = |event: &Value| match event["type"].as_str() {
            Some(kind) => format!("event: {kind}\ndata: {event}\n\n"),
            None => format!("data: {event}\n\n"),
        };
        events.iter().map(line).chain([end.to_owned()]).collect()
    }
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn named(tools: &[Value], pointer: &str) -> Vec<Tool> {
    let name =
        |tool: &Value| Some(Tool { namespace: None, name: tool.pointer(pointer)?.as_str()?.to_owned() });
    tools.iter().filter_map(name).collect()
}

/// Those of a server stand together in a namespace.
fn namespaced(body: &Value) -> Vec<Tool> {
    let group = |tool: &Value| match tool["type"].as_str() {
        Some("namespace") => {
            let mut tools = named(items(tool, "/tools"), "/name");
            let namespace = tool["name"].as_str();
            tools.iter_mut().for_each(|tool| tool.namespace = namespace.map(str::to_owned));
            tools
        }
        _ => named(std::slice::from_ref(tool), "/name"),
    };
    items(body, "/tools").iter().flat_map(group).collect()
}

fn declared(body: &Value) -> Vec<Tool> {
    let group = |tool: &Value| named(items(tool, "/functionDeclarations"), "/name");
    items(body, "/tools").iter().flat_map(group).collect()
}

fn results_of_responses(body: &Value) -> Vec<String> {
    let outputs = items(body, "/input").iter().filter(|item| item["type"] == "function_call_output");
    outputs.map(|item| text(&item["output"])).collect()
}

fn results_of_completions(body: &Value) -> Vec<String> {
    let results = items(body, "/messages").iter().filter(|message| message["role"] == "tool");
    results.map(|message| text(&message["content"])).collect()
}

fn results_of_messages(body: &Value) -> Vec<String> {
    let blocks = items(body, "/messages").iter().flat_map(|message| items(message, "/content"));
    blocks.filter(|block| block["type"] == "tool_result").map(|block| text(&block["content"])).collect()
}

/// A failed call has no output; what it has instead is good for the message of a test that fails.
fn results_of_contents(body: &Value) -> Vec<String> {
    let parts = items(body, "/contents").iter().flat_map(|content| items(content, "/parts"));
    let responses = parts.filter_map(|part| part.pointer("/functionResponse/response"));
    responses.map(|response| response.get("output").map_or_else(|| response.to_string(), text)).collect()
}

/// A text, or the texts of a list of content blocks.
fn text(content: &Value) -> String {
    match content {
        Value::Array(blocks) => blocks.iter().map(|block| text(&block["text"])).collect(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

fn response(answer: &Answer) -> Vec<Value> {
    let item = match answer {
        Answer::Call { id, tool, arguments } => json!({
            "type": "function_call", "id": format!("fc_{id}"), "call_id": id, "status": "completed",
            "namespace": tool.namespace, "name": tool.name, "arguments": arguments.to_string(),
        }),
        Answer::Text(text) => json!({
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }),
    };
    let usage = json!({"input_tokens": 1, "output_tokens": 1, "total_tokens": 2});
    let response = |status: &str, output: Value| json!({"id": "resp_1", "object": "response", "status": status, "output": output, "usage": usage});
    vec![
        json!({"type": "response.created", "response": response("in_progress", json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": response("completed", json!([item]))}),
    ]
}

fn completion(answer: &Answer) -> Vec<Value> {
    let (delta, finish) = match answer {
        Answer::Call { id, tool, arguments } => {
            let function = json!({"name": tool.name, "arguments": arguments.to_string()});
            let call = json!({"index": 0, "id": id, "type": "function", "function": function});
            (json!({"role": "assistant", "tool_calls": [call]}), "tool_calls")
        }
        Answer::Text(text) => (json!({"role": "assistant", "content": text}), "stop"),
    };
    let chunk = |delta: Value, finish: Option<&str>| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        json!({"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "mock", "choices": [choice]})
    };
    vec![chunk(delta, None), chunk(json!({}), Some(finish))]
}

fn message(answer: &Answer) -> Vec<Value> {
    let (block, delta, stop) = match answer {
        Answer::Call { id, tool, arguments } => (
            json!({"type": "tool_use", "id": format!("toolu_{id}"), "name": tool.name, "input": {}}),
            json!({"type": "input_json_delta", "partial_json": arguments.to_string()}),
            "tool_use",
        ),
        Answer::Text(text) => {
            (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": text}), "end_turn")
        }
    };
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "mock", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    let stopped = json!({"stop_reason": stop, "stop_sequence": null});
    vec![
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": stopped, "usage": usage}),
        json!({"type": "message_stop"}),
    ]
}

fn content(answer: &Answer) -> Vec<Value> {
    let part = match answer {
        Answer::Call { tool, arguments, .. } => {
            json!({"functionCall": {"name": tool.name, "args": arguments}})
        }
        Answer::Text(text) => json!({"text": text}),
    };
    let candidate =
        json!({"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [part]}});
    let usage = json!({"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2});
    vec![json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "mock"})]
}
