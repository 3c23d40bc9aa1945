//! What a client may get wrong: each mistake is answered by name, costs no other call, and ends no proxy.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::TestHome;
use crate::support::player;

/// The longest line that loom passes on, in bytes.
const LINE_MAX: usize = 64 << 20;
/// A proxy whose client is gone waits this long for answers; one that owes none must be quicker.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

fn echo_home() -> TestHome {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "--test-tools", "")]);
    home
}

/// Shows that the connection is as good as new.
fn assert_works(client: &mut Client) {
    assert_eq!(client.call_text("echo__echo", json!({"message": "still here"})), "still here");
}

/// Sends a line; the id and the code of the error it gets.
fn refused(client: &mut Client, line: &str) -> (Value, i64) {
    client.send_raw(line.as_bytes());
    client.send_raw(b"\n");
    let mut answer = client.recv_where(|message| message.get("error").is_some());
    (answer["id"].take(), answer["error"]["code"].as_i64().expect("an error has a code"))
}

#[test]
fn lines_that_are_no_requests_are_answered_and_the_next_call_works() {
    let home = echo_home();
    let mut client = home.client();
    for (line, id, code) in [
        ("hello", json!(null), -32700),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,", json!(null), -32700),
        ("\u{7}", json!(null), -32700),
        ("[{},", json!(null), -32700),
        ("[]", json!(null), -32600),
        (r#"[{"jsonrpc":"2.0","id":501,"method":"ping"},7]"#, json!(null), -32600),
        ("{}", json!(null), -32600),
        (r#"{"jsonrpc":"2.0","id":500}"#, json!(500), -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, json!(null), -32600),
        (r#"{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}"#, json!(null), -32600),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"tools/list"}"#, json!(null), -32600),
        (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, json!(null), -32600),
        (r#"{"jsonrpc":"2.0","id":502,"method":7}"#, json!(502), -32600),
        (r#"{"jsonrpc":"1.0","id":503,"method":"ping"}"#, json!(503), -32600),
        (r#"{"id":504,"method":"ping"}"#, json!(504), -32600),
        (r#"{"jsonrpc":"2.0","id":505,"method":"tools/call","params":["echo__echo"]}"#, json!(505), -32600),
        (r#"{"jsonrpc":"2.0","id":506,"method":"tools/call","params":{"name":7}}"#, json!(506), -32602),
        (r#"{"jsonrpc":"2.0","id":507,"method":"tools/call","params":{}}"#, json!(507), -32602),
        (r#"{"jsonrpc":"2.0","id":508,"method":"tools/call"}"#, json!(508), -32602),
        (
            r#"{"jsonrpc":"2.0","id":"s","method":"tools/call","params":{"name":"no__tool"}}"#,
            json!("s"),
            -32602,
        ),
        (r#"{"jsonrpc":"2.0","id":509,"method":"resources/read","params":{"uri":7}}"#, json!(509), -32602),
    ] {
        assert_eq!(refused(&mut client, line), (id, code), "{line}");
    }
    client.send_raw(b"\xff\xfe not text\n");
    let answer = client.recv_where(|message| message.get("error").is_some());
    assert_eq!(answer["error"]["code"], -32700);
    assert_works(&mut client);
    let began = Instant::now();
    assert!(client.close().success());
    assert!(began.elapsed() < LAST_ANSWERS, "the proxy waited for answers that nobody owed");
}

#[test]
fn empty_lines_and_answers_to_nothing_are_passed_over() {
    let home = echo_home();
    let mut client = home.client();
    client.send_raw(b"\n\r\n");
    client.send(&json!({"jsonrpc": "2.0", "id": 99, "result": {}}));
    client.send(&json!({"jsonrpc": "2.0", "id": 98, "error": {"code": 1, "message": "no"}}));
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}));
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/nobody/knows", "params": {"a": 1}}));
    client.send(
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 12345}}),
    );
    assert_works(&mut client);
    assert_eq!(client.passed_over(), [json!(null); 0]);
}

#[test]
fn a_client_that_closes_within_a_line_ends_its_proxy_and_nothing_else() {
    let home = echo_home();
    let mut bystander = home.client();
    let mut client = home.client();
    client.send_raw(br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"na"#);
    let began = Instant::now();
    assert!(client.close().success());
    assert!(began.elapsed() < LAST_ANSWERS, "half a line is no open request");
    assert_works(&mut bystander);
}

#[test]
fn a_last_line_without_its_end_is_answered() {
    let home = echo_home();
    let mut client = home.client();
    let params = json!({"name": "echo__echo", "arguments": {"message": "last words"}});
    let line = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
    client.send_raw(line.to_string().as_bytes());
    client.close_stdin();
    assert_eq!(client.text(7), "last words");
    assert!(client.close().success());
}

#[test]
fn a_line_that_is_too_long_is_answered_by_its_id_and_the_next_call_works() {
    let home = echo_home();
    let mut client = home.client();
    let head = r#"{"jsonrpc":"2.0","id":70,"method":"tools/call","params":{"name":"echo__echo","arguments":{"message":""#;
    let chunk = vec![b'x'; 1 << 20];
    client.send_raw(head.as_bytes());
    for _ in 0..=LINE_MAX / chunk.len() {
        client.send_raw(&chunk);
    }
    client.send_raw(b"\"}}}\n");
    let error = client.failure(70);
    assert_eq!((&error["code"], &error["data"]["code"]), (&json!(-32055), &json!("TOO_LARGE")), "{error}");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("67108864")), "{error}");
    assert_works(&mut client);
}

#[test]
fn a_long_line_within_the_bound_passes_whole() {
    let home = echo_home();
    let mut client = home.client();
    let text = "0123456789abcdef".repeat((8 << 20) / 16);
    assert!(client.call_text("echo__echo", json!({"message": text})) == text);
}

#[test]
fn methods_and_ids_may_be_written_in_other_words_at_either_end() {
    let home = player::home(&[("one", "resources=x://a words=other", "")]);
    let mut client = home.able_client();
    let uri = json!({"uri": "x://a"});
    let escaped = |message: Value| format!("{message}\n").replace('/', "\\/");
    let subscribe = json!({"jsonrpc": "2.0", "id": 901, "method": "resources/subscribe", "params": uri});
    client.send_raw(escaped(subscribe).as_bytes());
    assert_eq!(client.answer(901)["result"], json!({}));
    assert_eq!(player::heard(&home, "one", "resources/subscribe"), std::slice::from_ref(&uri));

    let held = client.begin_watched("one", "hold", &json!({"key": "k"}));
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": held}});
    client.send_raw(escaped(cancelled).as_bytes());
    player::hears(&home, "one", "notifications/cancelled", 1);

    let log = json!({"level": "error", "data": "a/b"});
    let notices = [("message", log), ("resources/updated", uri)];
    client.let_send("one", &notices.clone().map(|(method, params)| player::notice(method, &params)));
    for (method, params) in notices {
        assert_eq!(client.notified(&format!("notifications/{method}")), params);
    }
    let params = json!({"messages": [], "maxTokens": 1, "_meta": {"progressToken": "own"}});
    let call = client.begin_call("one__ask", json!({"method": "sampling/createMessage", "params": params}));
    let asked = client.recv_where(|message| message["method"] == "sampling/createMessage");
    let id = asked["id"].as_u64().expect("loom's ids are numbers").to_string();
    let token = format!("{}.0", asked["params"]["_meta"]["progressToken"]);
    let progress =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":"#;
    client.send_raw(format!("{progress}{token}}}}}\n").as_bytes());
    let heard = player::hears(&home, "one", "notifications/progress", 1);
    assert_eq!(heard, [json!({"progress": 1, "progressToken": "own"})]);
    client.send(&json!({"jsonrpc": "2.0", "id": id, "result": {"model": "m"}}));
    assert!(client.text(call).contains("\"m\""));
    client.call("one__set", json!({"kind": "prompts", "items": [{"name": "new"}]}));
    client.notified("notifications/prompts/list_changed");
    assert_eq!(client.request("prompts/list", json!({}))["prompts"][0]["name"], "one__new");
}
