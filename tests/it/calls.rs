//! Calls of many lengths through one door: none waits for another, each ends with its own answer or a named error.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, wait_until};
use crate::support::player;

const SECOND: Duration = Duration::from_secs(1);

/// Shakes hands, lists the tool `x`, and leaves the rest to the functions `called` and `cancelled`; `$last` is the id of
/// the last call.
const SCRIPT: &str = r#"
say() { printf '%s\n' "$1"; }
answer() { say "{\"jsonrpc\":\"2.0\",\"id\":$1,\"result\":$2}"; }
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"0"}}' ;;
    *'"tools/list"'*) answer "$id" '{"tools":[{"name":"x","inputSchema":{"type":"object"}}]}' ;;
    *'"tools/call"'*) last=$id; called ;;
    *'notifications/cancelled'*) cancelled ;;
  esac
done
"#;

#[test]
fn a_short_call_passes_a_long_one_and_only_the_cancelled_server_call_ends() {
    let home = TestHome::new();
    let file = home.path().join("cancelled");
    home.echo_registry(&[("echo", &format!("--cancel-file {}", file.display()), "")]);
    let (mut client, mut other) = (home.client(), home.client());
    // Whoever has seen the list is not told of it again.
    for client in [&mut client, &mut other] {
        client.tools();
        client.passed_over();
    }
    let pid = client.call_text("echo__pid", json!({}));
    client.send(
        &json!({"jsonrpc": "2.0", "id": "mine", "method": "tools/call", "params": {"name": "echo__sleep",
        "arguments": {"ms": 30_000, "progress_ms": 20}, "_meta": {"progressToken": "long"}}}),
    );
    client.recv_where(|message| message["params"]["progressToken"] == "long");
    let bystander = other.begin_sleep("echo", 700);

    let began = Instant::now();
    assert_eq!(client.call_text("echo__sleep", json!({"ms": 300, "message": "short"})), "short");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(300) && took < SECOND, "{took:?}");

    client.send(
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "mine"}}),
    );
    assert!(wait_until(SECOND, || file.exists()), "the server heard of no cancellation");
    assert_eq!(other.text(bystander), "slept 700 ms");
    assert_eq!(client.call_text("echo__pid", json!({})), pid);
    let heard = fs::read_to_string(&file).expect("the file is there");
    let lines: Vec<Value> = heard.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 1, "{heard}");
    // Its own id: a number, and one that the server knew.
    assert!(lines[0]["requestId"].is_u64() && lines[0]["ended"] == true, "{heard}");
    let noticed = client.passed_over();
    assert!(noticed.iter().all(|message| message["params"]["progressToken"] == "long"), "{noticed:?}");
    let row = home.server("echo");
    assert_eq!((&row["restarts"], &row["errors"], &row["in_flight"]), (&json!(0), &json!(0), &json!(0)));
}

#[test]
fn a_server_hears_the_cancellation_in_its_clients_own_words() {
    let home = TestHome::new();
    let script = format!(
        "called() {{ :; }}\ncancelled() {{ printf '%s\\n' \"$last $line\" >>\"$0.heard\"; }}{SCRIPT}"
    );
    home.script_registry("slow", &script, "description: slow");
    let mut client = home.client();
    // What never left is not taken back.
    client.tools();
    let own = [
        r#"{"reason":"User pressed \u0045sc \ud83d\ude00","_meta":{"k" : 1e400,"requestId":7},"requestId":ID}"#,
        r#"{ "more":[1.50,{}],"requestId" : ID , "reason":null }"#,
        r#"{"requestId":ID}"#,
    ];
    for params in own {
        let id = client.begin_call("slow__x", json!({}));
        let params = params.replace("ID", &id.to_string());
        let line = format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#);
        client.send_raw(format!("{line}\n").as_bytes());
    }
    let file = home.path().join("slow.sh.heard");
    let heard = || fs::read_to_string(&file).unwrap_or_default();
    assert!(wait_until(SECOND * 10, || heard().lines().count() == own.len()), "{}", heard());
    for (line, params) in heard().lines().zip(own) {
        let (id, line) = line.split_once(' ').expect("an id and a line");
        let params = params.replace("ID", id);
        assert_eq!(
            line,
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#)
        );
    }
}

#[test]
fn progress_comes_under_the_clients_own_token() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let (mut one, mut two) = (home.client(), home.client());
    let tokens = [json!("a \"token\""), json!(7)];
    for (client, token) in [&mut one, &mut two].into_iter().zip(&tokens) {
        client.begin(
            "tools/call",
            json!({"name": "echo__sleep", "arguments": {"ms": 330, "progress_ms": 100},
            "_meta": {"progressToken": token, "kept": 1}}),
        );
    }
    for (client, token) in [&mut one, &mut two].into_iter().zip(&tokens) {
        client.recv_where(|message| message.get("result").is_some());
        let heard = client.passed_over();
        let params: Vec<&Value> = heard
            .iter()
            .filter(|message| message["method"] == "notifications/progress")
            .map(|message| &message["params"])
            .collect();
        let want: Vec<Value> =
            (1..=3).map(|n| json!({"progressToken": token, "progress": n, "total": 3})).collect();
        assert_eq!(params, want.iter().collect::<Vec<_>>());
    }
}

#[test]
fn progress_after_the_end_is_not_delivered() {
    let home = TestHome::new();
    let called = r#"called() {
  for n in 1 2; do
    say "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":$last,\"progress\":$n}}"
    [ $n = 1 ] && answer "$last" '{"content":[]}'
  done
}"#;
    home.script_registry("late", &format!("{called}{SCRIPT}"), "description: late");
    let mut client = home.client();
    let params = json!({"name": "late__x", "arguments": {}, "_meta": {"progressToken": 3}});
    assert_eq!(client.request("tools/call", params), json!({"content": []}));
    let dropped = || home.status()["counters"]["dropped_notifications"] == 1;
    assert!(wait_until(SECOND * 5, dropped), "{}", home.status());
    let heard = client.passed_over();
    let progress: Vec<&Value> =
        heard.iter().filter(|message| message["method"] == "notifications/progress").collect();
    assert_eq!(progress.len(), 1, "{heard:?}");
    assert_eq!(progress[0]["params"], json!({"progressToken": 3, "progress": 1}));
}

#[test]
fn an_id_in_use_is_refused_and_the_first_call_goes_on() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut client = home.client();
    let call = |tool: &str, arguments: Value| {
        json!({"jsonrpc": "2.0", "id": "x", "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": {"progressToken": 1}}})
    };
    client.send(&call("echo__sleep", json!({"ms": 400, "message": "first", "progress_ms": 20})));
    client.recv_where(|message| message["params"]["progressToken"] == 1);
    client.send(&call("echo__echo", json!({"message": "second"})));
    let refusal = client.recv_where(|message| message["id"] == "x");
    assert_eq!(
        (&refusal["error"]["code"], &refusal["error"]["message"]),
        (&json!(-32600), &json!("id \"x\" is already in use"))
    );
    let first = client.recv_where(|message| message["id"] == "x");
    assert_eq!(first["result"]["content"][0]["text"], "first");
    client.send(&call("echo__echo", json!({"message": "third"})));
    let third = client.recv_where(|message| message["id"] == "x");
    assert_eq!(third["result"]["content"][0]["text"], "third");
}

#[test]
fn two_clients_may_use_the_same_id() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut clients = [home.client(), home.client()];
    let call = |n: usize| {
        json!({"jsonrpc": "2.0", "id": 1000, "method": "tools/call", "params": {
        "name": "echo__sleep", "arguments": {"ms": 300 - 100 * n, "message": format!("client {n}")}}})
    };
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(&call(n));
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.text(1000), format!("client {n}"));
    }
}

#[test]
fn unknown_methods_are_refused_at_once() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "--no-init", "")]);
    home.loom_ok(&["start"]);
    let refused_at_once = |client: &mut Client, method: &str| {
        let began = Instant::now();
        let id = client.begin(method, json!({}));
        let error = client.failure(id);
        assert_eq!(error["code"], -32601, "{method}: {error}");
        assert!(began.elapsed() < SECOND, "{method}: {:?}", began.elapsed());
    };
    let mut client = home.proxy(&[]);
    refused_at_once(&mut client, "server/discover");
    client.initialize();
    for method in ["server/discover", "prompts/lists", "loom/status", "no/such"] {
        refused_at_once(&mut client, method);
    }
    assert_eq!(client.request("ping", json!({})), json!({}));
    drop(client);
    // A client that probes while a person has stopped loom must fall back to `initialize` as well.
    home.loom_ok(&["stop"]);
    let mut client = home.proxy(&[]);
    refused_at_once(&mut client, "server/discover");
    client.initialize();
    assert_eq!(client.request("ping", json!({})), json!({}));
}

#[test]
fn a_call_out_of_time_is_named_and_its_late_answer_counted() {
    let home = TestHome::new();
    let script = format!(
        "called() {{ :; }}\ncancelled() {{ answer \"$last\" '{{\"content\":[]}}'; echo \"$line\" >>\"$0.heard\"; }}{SCRIPT}"
    );
    home.script_registry("slow", &script, "tool_timeout: 1s");
    let mut client = home.client();
    client.tools();
    let pid = home.server("slow")["pid"].clone();
    let began = Instant::now();
    let id = client.begin_call("slow__x", json!({}));
    let error = client.failure(id);
    let took = began.elapsed();
    assert_eq!(
        (&error["data"]["code"], &error["data"]["server"]),
        (&json!("TIMEOUT"), &json!("slow")),
        "{error}"
    );
    assert!(took >= SECOND && took < SECOND * 2, "{took:?}");
    let late = || home.status()["counters"]["late_answers"] == 1;
    assert!(wait_until(SECOND * 5, late), "{}", home.status());
    let heard = fs::read_to_string(home.path().join("slow.sh.heard")).expect("the server was told");
    assert_eq!(heard.lines().count(), 1, "{heard}");
    let row = home.server("slow");
    assert_eq!((&row["pid"], &row["restarts"], &row["errors"]), (&pid, &json!(0), &json!(1)));
}

#[test]
fn progress_starts_a_calls_time_anew() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "tool_timeout: 1s")]);
    let mut client = home.client();
    let params = |progress| {
        json!({"name": "echo__sleep", "arguments": {"ms": 2_200, "progress_ms": progress},
        "_meta": {"progressToken": progress}})
    };
    let with = client.begin("tools/call", params(300));
    let without = client.begin("tools/call", params(0));
    assert_eq!(client.failure_name(without), "TIMEOUT");
    assert_eq!(client.text(with), "slept 2200 ms");
}

#[test]
fn a_malformed_answer_fails_its_call_at_once_and_names_the_server() {
    let home = player::home(&[("one", "", "")]);
    let mut client = home.client();
    for (odd, want) in [
        (json!({"error": "bad"}), "`error`"),
        (json!({"error": {"code": "x", "message": "m"}}), "`error`"),
        (json!({"error": {"code": 1.5, "message": "m"}}), "`error`"),
        (json!({"error": {"code": 1}}), "`error`"),
        (json!({"result": null}), "`result`"),
        (json!({"result": "hello"}), "`result`"),
        (json!({}), "neither"),
    ] {
        let id = client.begin_call("one__answer", odd.clone());
        let error = client.failure(id);
        assert_eq!((&error["data"]["code"], &error["data"]["server"]), (&json!("BAD_ANSWER"), &json!("one")));
        assert!(error["message"].as_str().is_some_and(|text| text.contains(want)), "{odd}: {error}");
    }
    let id = client.begin_call("one__answer", json!({"result": null, "error": {"code": 7, "message": "m"}}));
    assert_eq!(client.failure(id), json!({"code": 7, "message": "m"}));
    let output = home.loom(&["tools", "call", "one__answer", "--args", r#"{"result":null}"#]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
}
