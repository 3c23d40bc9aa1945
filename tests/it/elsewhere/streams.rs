//! Streams of events: cut with and without a way to go on, and what a server says by itself.

use serde_json::json;

use super::{BOUND, Place, assert_failed, done, hear_of};
use crate::support::elsewhere::{Elsewhere, Fault};
use crate::support::home::{TestHome, wait_until};

#[test]
fn a_stream_cut_after_an_event_with_an_id_is_continued() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    for text in ["a", "b"] {
        server.wrong("tools/call", Fault::CutWithId);
        assert_eq!(place.call(text).as_deref(), Ok(text));
    }
    assert_eq!(done(&server), ["a", "b"]);
}

#[test]
fn a_stream_cut_for_good_fails_its_call_by_name() {
    let mut server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    for text in ["a", "b"] {
        server.wrong("tools/call", Fault::Cut);
        assert_failed(place.call(text), "SERVER_GONE", "broke the connection off");
        assert_eq!(place.call("well").as_deref(), Ok("well"));
    }
    // One that could be continued, of a server that has forgotten it.
    server.wrong("tools/call", Fault::CutWithId);
    server.wrong("GET", Fault::Say(404, "", "no such session"));
    assert_failed(place.call("c"), "SERVER_GONE", "broke the connection off");
    server.stop();
    server.serve();
    place.call_until_well("d");
    let done = done(&server);
    assert_eq!(done.iter().filter(|text| ["a", "b", "c"].contains(&text.as_str())).count(), 3, "{done:?}");
}

#[test]
fn what_a_server_says_by_itself_reaches_whom_it_is_for() {
    let server = Elsewhere::start();
    let home = TestHome::new();
    let mut place = Place::with(home, &server.url(), "");
    let mut client = place.home.proxy(&[]);
    let who = json!({"name": "test", "version": "0"});
    let can = json!({"sampling": {}, "elicitation": {}});
    client.request(
        "initialize",
        json!({"protocolVersion": "2025-11-25", "capabilities": can, "clientInfo": who}),
    );
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    client.request("logging/setLevel", json!({"level": "debug"}));
    client.tools();
    server.wrong("tools/call", Fault::Hold);
    let arguments = json!({"text": "held"});
    let params = json!({"name": "far__note", "arguments": arguments, "_meta": {"progressToken": "mine"}});
    let held = client.begin("tools/call", params);
    let token = server.called("held")["params"]["_meta"]["progressToken"].clone();

    server.say(&json!({"jsonrpc": "2.0", "method": "notifications/progress",
        "params": {"progressToken": token, "progress": 1}}));
    let progress = client.recv_where(|message| message["method"] == "notifications/progress");
    assert_eq!(progress["params"], json!({"progressToken": "mine", "progress": 1}));

    server.say(&json!({"jsonrpc": "2.0", "method": "notifications/message",
        "params": {"level": "info", "data": "so it is"}}));
    let log = client.recv_where(|message| message["method"] == "notifications/message");
    assert_eq!(log["params"]["data"], "so it is");

    server.say(&json!({"jsonrpc": "2.0", "id": "q1", "method": "sampling/createMessage",
        "params": {"messages": [], "maxTokens": 1}}));
    let question = client.recv_where(|message| message["method"] == "sampling/createMessage");
    client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"model": "m"}}));
    let is_answer = |message: &serde_json::Value| message["id"] == "q1" && message["result"]["model"] == "m";
    server.wait("answer to the question", |known| known.messages.iter().any(is_answer));

    server.tell(|known| known.tools.push("more"));
    server.say(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
    hear_of(&mut client, "far__more");

    // The stream is opened again when it is cut.
    let streams =
        |server: &Elsewhere| server.known().requests.iter().filter(|request| request.method == "GET").count();
    let before = streams(&server);
    server.release();
    assert_eq!(client.text(held), "held");
    server.cut_all();
    assert!(wait_until(BOUND, || streams(&server) > before));
    server.say(&json!({"jsonrpc": "2.0", "method": "notifications/message",
        "params": {"level": "info", "data": "once more"}}));
    let log = client.recv_where(|message| message["method"] == "notifications/message");
    assert_eq!(log["params"]["data"], "once more");
    assert_eq!(place.call("z").as_deref(), Ok("z"));
}
