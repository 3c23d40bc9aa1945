//! `loom calls`: what it tells of calls, to whom, and what it keeps for itself.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::client::{Client, PATIENCE};
use crate::support::home::{TestHome, loom_binary, wait_until};

fn home() -> TestHome {
    let home = TestHome::new();
    home.echo_registry(&[("one", "--test-tools", "tool_timeout: 400ms"), ("two", "", "")]);
    home
}

fn named(home: &TestHome, name: &str) -> Client {
    let mut client = home.proxy(&["--agent-hint", name]);
    client.initialize();
    client
}

/// Somebody who watches, with JSON. One call must have ended already: it tells that the watching has begun.
fn watch(home: &TestHome, more: &[&str]) -> Client {
    let args = ["calls", "--follow", "--json", "--limit", "1"];
    let mut watcher = Client::spawn(home.command(loom_binary()).args(args).args(more));
    watcher.recv();
    watcher
}

fn past(home: &TestHome, more: &[&str]) -> Vec<Value> {
    let calls = home.loom_json(&[&["calls", "--json"], more].concat());
    calls["calls"].as_array().unwrap_or_else(|| panic!("no calls: {calls}")).clone()
}

fn echo(client: &mut Client, server: &str, message: &str) {
    assert_eq!(client.call_text(&format!("{server}__echo"), json!({"message": message})), message);
}

#[test]
fn watchers_see_the_calls_that_they_asked_for_in_order() {
    let home = home();
    let (mut ann, mut bob) = (named(&home, "ann"), named(&home, "bob"));
    echo(&mut ann, "two", "first");
    let mut all = watch(&home, &[]);
    let mut two = watch(&home, &["--server", "two"]);
    let mut anns = watch(&home, &["--client", "ANN"]);
    echo(&mut ann, "one", "x");
    echo(&mut bob, "two", "x");
    echo(&mut bob, "one", "x");
    echo(&mut ann, "two", "x");
    let seen = |watcher: &mut Client, count: usize| -> Vec<(String, String)> {
        let text = |row: &Value, key: &str| row[key].as_str().expect("a text").to_owned();
        let rows: Vec<Value> = (0..count).map(|_| watcher.recv()).collect();
        assert!(rows.is_sorted_by_key(|row| row["n"].as_u64()), "{rows:?}");
        rows.iter().map(|row| (text(row, "client"), text(row, "server"))).collect()
    };
    let pair = |client: &str, server: &str| (client.to_owned(), server.to_owned());
    let want = [pair("ann", "one"), pair("bob", "two"), pair("bob", "one"), pair("ann", "two")];
    assert_eq!(seen(&mut all, 4), want);
    assert_eq!(seen(&mut two, 2), [want[1].clone(), want[3].clone()]);
    assert_eq!(seen(&mut anns, 2), [want[0].clone(), want[3].clone()]);
    let session = past(&home, &["--limit", "1"])[0]["session"].to_string();
    assert_eq!(past(&home, &["--client", &session]).len(), 3, "by its number");

    // Whoever stops watching costs nothing and disturbs nobody.
    drop((all, two));
    echo(&mut ann, "one", "y");
    assert_eq!(seen(&mut anns, 1), [pair("ann", "one")]);
    home.loom_ok(&["stop"]);
    let status = anns.close();
    assert_eq!(status.code(), Some(3), "the daemon has ended");
}

#[test]
fn every_end_of_a_call_has_its_word() {
    let home = home();
    let mut client = named(&home, "ann");
    echo(&mut client, "one", "hello");
    client.call("one__fail", json!({"message": "no"}));
    let unknown = client.begin_call("one__nothing", json!({}));
    client.failure(unknown);
    let silent = client.begin_call("one__silent", json!({}));
    assert_eq!(client.failure_name(silent), "TIMEOUT");
    let long = client.begin_sleep("two", 60_000);
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": long}});
    client.send(&cancel);
    client.request("ping", json!({}));
    let bad = client.begin("resources/read", json!({"uri": "loom://r/two/u%3A1"}));
    client.failure(bad);
    let dead = client.begin_call("one__die", json!({}));
    assert_eq!(client.failure_name(dead), "SERVER_GONE");
    client.begin_sleep("two", 60_000);
    assert!(client.close().success());
    assert!(wait_until(PATIENCE, || past(&home, &[]).len() == 8), "{:?}", past(&home, &[]));

    let rows = past(&home, &[]);
    let told: Vec<Value> = rows
        .iter()
        .map(|row| json!([row["server"], row["method"], row["tool"], row["outcome"], row["error"]]))
        .collect();
    let call = "tools/call";
    let want = json!([
        ["one", call, "echo", "ok", null],
        ["one", call, "fail", "tool_error", null],
        ["", call, "one__nothing", "refused", "TOOL_NOT_FOUND"],
        ["one", call, "silent", "timeout", "TIMEOUT"],
        ["two", call, "sleep", "cancelled", null],
        ["two", "resources/read", null, "error", "METHOD_NOT_FOUND"],
        ["one", call, "die", "server_gone", "SERVER_GONE"],
        ["two", call, "sleep", "client_gone", null],
    ]);
    assert_eq!(Value::from(told), want);
    let first = &rows[0];
    assert!(first["bytes_in"].as_u64() > Some(80) && first["bytes_out"].as_u64() > Some(30), "{first}");
    let ms = |row: &Value, key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key}: {row}"));
    assert!((ms(first, "queue_ms") + ms(first, "server_ms") - ms(first, "total_ms")).abs() < 0.01, "{first}");
    assert!(ms(&rows[3], "server_ms") >= 399.0, "{}", rows[3]);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let age = since.as_millis() as f64 - ms(first, "at");
    assert!((0.0..120_000.0).contains(&age), "{age}");

    let text = home.loom_ok(&["calls", "--limit", "2"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("TIME ") && lines[1].contains("server gone"), "{text}");
}

#[test]
fn a_call_that_waits_for_its_turn_says_so() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "max_concurrent: 1")]);
    let mut client = named(&home, "ann");
    let long = client.begin_sleep("one", 300);
    let next = client.begin_call("one__echo", json!({"message": "x"}));
    client.text(long);
    client.text(next);
    let rows = past(&home, &["--limit", "1"]);
    let waited = rows[0]["queue_ms"].as_f64().expect("a number");
    assert!((100.0..5000.0).contains(&waited), "{}", rows[0]);
    assert!(rows[0]["server_ms"].as_f64() < Some(waited), "{}", rows[0]);
}

#[test]
fn arguments_are_told_to_who_watches_them_and_kept_by_nobody() {
    let home = home();
    let mut client = named(&home, "ann");
    echo(&mut client, "two", "before");
    let mut plain = watch(&home, &[]);
    let mut curious = watch(&home, &["--args"]);
    let arguments = json!({"message": "x", "apiKey": "hunter2", "header": "Authorization: Bearer hunter2"});
    client.call("two__echo", arguments);
    let told = curious.recv();
    let want = r#"{"message":"x","apiKey":"***","header":"Authorization: Bearer ***"}"#;
    assert_eq!(told["args"], want, "{told}");
    let told = plain.recv();
    assert!(told["args"].is_null() && told["tool"] == "echo", "{told}");
    client.call("two__echo", json!({"message": "y".repeat(10_000)}));
    let told = curious.recv()["args"].take();
    let told = told.as_str().expect("a text");
    assert!(told.ends_with('…') && told.len() < 2100, "{} bytes", told.len());
    // Every server has said by now that it has no resources.
    client.tools();
    client.begin("resources/read", json!({"uri": "nowhere://x"}));
    let told = curious.recv();
    assert_eq!((&told["args"], &told["outcome"]), (&json!(r#"{"uri":"nowhere://x"}"#), &json!("refused")));
    drop(curious);

    let kept = Value::from(past(&home, &["--limit", "0"])).to_string();
    assert!(!kept.contains("hunter2") && !kept.contains("***") && !kept.contains("yyyy"), "{kept}");
    let log = std::fs::read_to_string(home.config_dir().join("logs/daemon.log")).expect("there is a log");
    assert!(!log.contains("hunter2"), "{log}");
    assert_eq!(home.loom(&["calls", "--args"]).status.code(), Some(2), "there are none to show");
}

/// A line of JSON-RPC over the daemon's own socket.
fn say(stream: &mut UnixStream, id: u64, method: &str, params: &Value) {
    let line = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    stream.write_all(format!("{line}\n").as_bytes()).expect("the daemon reads");
}

#[test]
fn a_watcher_that_does_not_read_loses_calls_and_is_told_how_many() {
    const CALLS: u64 = 2000;
    let home = home();
    let mut client = named(&home, "ann");
    echo(&mut client, "two", "first");
    let mut stream = UnixStream::connect(home.config_dir().join("loom.sock")).expect("the daemon listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket has time-outs");
    say(&mut stream, 1, "loom/hello", &json!({"protocol": 1, "role": "cli"}));
    say(&mut stream, 2, "loom/calls", &json!({"follow": true, "args": true, "limit": 0}));
    let mut lines = BufReader::new(stream).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("it is open").expect("it comes in time");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!((next()["id"].take(), next()["result"].take()), (json!(1), json!({"calls": []})));

    let message = "z".repeat(2000);
    for part in 0..CALLS / 100 {
        let ids: Vec<u64> =
            (0..100).map(|_| client.begin_call("two__echo", json!({"message": message}))).collect();
        ids.into_iter().for_each(|id| assert_eq!(client.text(id).len(), 2000, "part {part}"));
    }
    let (mut rows, mut lost) = (0, 0);
    while rows + lost < CALLS {
        let told = next();
        match told["method"].as_str() {
            Some("loom/call") => rows += 1,
            _ => lost += told["params"]["lost"].as_u64().unwrap_or_else(|| panic!("{told}")),
        }
    }
    assert!(lost > 0 && rows > 100, "{rows} rows, {lost} lost");
    echo(&mut client, "two", "again");
    assert_eq!(next()["params"]["tool"], "echo");
    assert_eq!(home.server("two")["in_flight"], 0);
}

#[test]
fn a_summary_tells_how_long_calls_take() {
    let home = home();
    assert_eq!(home.loom(&["calls"]).status.code(), Some(3), "no daemon runs");
    let mut client = named(&home, "ann");
    assert_eq!(home.loom_ok(&["calls"]), "no calls yet\n");
    for _ in 0..10 {
        echo(&mut client, "two", "x");
    }
    client.call("two__sleep", json!({"ms": 200}));
    client.call("one__fail", json!({"message": "no"}));
    let silent = client.begin_call("one__silent", json!({}));
    assert_eq!(client.failure_name(silent), "TIMEOUT");
    let rows = home.loom_json(&["calls", "--summary", "--json"])["tools"].take();
    let counts = |row: &Value| json!([row["server"], row["tool"], row["calls"], row["errors"]]);
    let told: Vec<Value> = rows.as_array().expect("rows").iter().map(counts).collect();
    let want = json!([
        ["one", "fail", 1, 1],
        ["one", "silent", 1, 1],
        ["two", "echo", 10, 0],
        ["two", "sleep", 1, 0]
    ]);
    assert_eq!(Value::from(told), want);
    assert!(rows[1]["p50_ms"].is_null(), "it never answered: {rows}");
    let slow = rows[3]["p50_ms"].as_f64().expect("a number");
    assert!((150.0..2000.0).contains(&slow), "{rows}");
    let row = home.server("two");
    assert!(row["p50_ms"].as_f64() < Some(150.0) && row["p99_ms"].as_f64() > Some(150.0), "{row}");
    let text = home.loom_ok(&["calls", "--summary", "--server", "two"]);
    assert!(text.lines().count() == 3 && text.contains("sleep"), "{text}");
    let output = home.loom(&["calls", "--server", "tow"]);
    let said = String::from_utf8(output.stderr).expect("loom prints UTF-8");
    assert!(output.status.code() == Some(2) && said.contains("loom calls --server two"), "{said}");
}

#[test]
fn a_reader_that_went_away_ends_the_watching() {
    let home = home();
    let mut client = named(&home, "ann");
    echo(&mut client, "two", "x");
    let mut command = home.command(loom_binary());
    command.args(["calls", "--follow", "--limit", "1"]).stdout(Stdio::piped());
    let mut watcher = command.spawn().expect("loom runs");
    let mut lines = BufReader::new(watcher.stdout.take().expect("stdout is piped")).lines();
    let mut next = || lines.next().expect("it has not ended").expect("UTF-8");
    assert!(next().starts_with("TIME "));
    assert!(next().ends_with("ok"));
    drop(lines);
    echo(&mut client, "two", "y");
    let mut status = None;
    let ended = wait_until(PATIENCE, || {
        status = watcher.try_wait().expect("a child can be waited for");
        status.is_some()
    });
    assert!(ended && status.is_some_and(|status| status.success()), "{status:?}");
}

#[test]
fn status_tells_what_a_client_calls_itself() {
    let home = home();
    let mut client = home.client();
    echo(&mut client, "two", "x");
    let status = home.status();
    let row = &status["clients"][0];
    let told = json!([row["agent"], row["client"], row["client_version"], row["protocol"]]);
    assert_eq!(told, json!([null, "test", "0", "2025-11-25"]), "{row}");
    assert_eq!(past(&home, &[])[0]["client"], "test");
    let text = home.loom_ok(&["status"]);
    assert!(text.contains("test 0, MCP 2025-11-25"), "{text}");
}
