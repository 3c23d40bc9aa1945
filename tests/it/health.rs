//! `/health` and `/metrics` over HTTP, as a person's browser and Prometheus see them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::home::{TestHome, kill, wait_until};

const PATIENCE: Duration = Duration::from_secs(10);

struct Response {
    code: u16,
    head: String,
    body: String,
}

/// Where the daemon serves HTTP, once it does.
fn addr(home: &TestHome) -> String {
    let mut metrics = Value::Null;
    let listens = || {
        metrics = home.loom_json(&["status", "--json"])["metrics"].take();
        metrics["listening"] == true
    };
    assert!(wait_until(PATIENCE, listens), "{metrics}");
    metrics["addr"].as_str().expect("an address").to_owned()
}

fn request(addr: &str, method: &str, path: &str, host: &str) -> Response {
    let mut stream = TcpStream::connect(addr).expect("the daemon listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket has time-outs");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the daemon reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the daemon answers and closes");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
    Response { code, head: head.to_lowercase(), body: body.to_owned() }
}

/// The samples of a Prometheus text: name and labels, value.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line| -> Option<(&str, f64)> {
        let (name, value) = str::rsplit_once(line, ' ')?;
        Some((name, value.parse().ok()?))
    };
    lines.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line}"))).collect()
}

#[test]
fn health_is_good_while_every_server_is_idle() {
    let home = TestHome::new();
    let one = "  - { name: one, builtin: echo }\n";
    let off = "  - { name: off, builtin: echo, disabled: true }\n";
    home.registry(&format!("version: 1\nservers:\n{one}{off}"));
    home.loom_ok(&["start"]);
    let response = request(&addr(&home), "GET", "/health", "localhost");
    assert_eq!(response.code, 200, "{}", response.head);
    assert!(response.head.contains("content-type: application/json"), "{}", response.head);
    let health: Value = serde_json::from_str(&response.body).expect("JSON");
    assert_eq!(health["status"], "healthy", "{health}");
    assert_eq!(health["servers"]["one"]["state"], "idle", "{health}");
    assert_eq!(health["servers"]["one"]["healthy"], true, "{health}");
    let summary = json!({"total": 2, "ready": 0, "idle": 1, "starting": 0, "failed": 0, "crash_loop": 0, "disabled": 1});
    assert_eq!(health["summary"], summary);
    for number in ["timestamp", "uptime", "pid"] {
        assert!(health[number].is_u64(), "{number}: {health}");
    }
}

#[test]
fn health_says_what_ails_and_still_answers() {
    let home = TestHome::new();
    home.echo_registry(&[("good", "", ""), ("bad", "--version-answer 1999-01-01", "")]);
    let mut client = home.client();
    assert_eq!(client.call_text("good__echo", json!({"message": "x"})), "x");
    let id = client.begin_call("bad__echo", json!({}));
    assert_eq!(client.failure_name(id), "SERVER_UNAVAILABLE");
    let response = request(&addr(&home), "GET", "/health", "127.0.0.1");
    let health: Value = serde_json::from_str(&response.body).expect("JSON");
    assert_eq!((response.code, &health["status"]), (200, &json!("degraded")), "{health}");
    assert_eq!(health["servers"]["good"]["state"], "ready", "{health}");
    let bad = &health["servers"]["bad"];
    assert_eq!((&bad["state"], &bad["healthy"]), (&json!("failed"), &json!(false)), "{health}");
    assert!(bad["last_error"].as_str().is_some_and(|text| text.contains("1999-01-01")), "{health}");
}

#[test]
fn metrics_count_calls_and_what_went_wrong() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "--test-tools", "tool_timeout: 300ms")]);
    let mut client = home.client();
    for _ in 0..3 {
        client.call_text("echo__echo", json!({"message": "x"}));
    }
    client.call_text("echo__garbage", json!({"lines": 5}));
    client.call_text("echo__bad_utf8", json!({}));
    let id = client.begin_call("echo__silent", json!({}));
    assert_eq!(client.failure_name(id), "TIMEOUT");
    let addr = addr(&home);
    let response = request(&addr, "GET", "/metrics", &addr);
    assert_eq!(response.code, 200);
    let found = samples(&response.body);
    let get = |name: &str| found.get(name).copied();
    assert_eq!(get("loom_daemon_tool_calls_total{server=\"echo\"}"), Some(5.0), "{}", response.body);
    assert_eq!(get("loom_daemon_tool_call_duration_seconds_count{server=\"echo\",tool=\"echo\"}"), Some(3.0));
    assert_eq!(
        get("loom_daemon_tool_call_duration_seconds_bucket{le=\"+Inf\",server=\"echo\",tool=\"garbage\"}"),
        Some(1.0)
    );
    assert_eq!(get("loom_daemon_call_failures_total{server=\"echo\",code=\"TIMEOUT\"}"), Some(1.0));
    assert_eq!(get("loom_daemon_invalid_utf8_lines_total"), Some(1.0));
    assert!(get("loom_daemon_garbage_lines_total").is_some_and(|count| count > 0.0));
    assert_eq!(get("loom_daemon_processes_running"), Some(1.0));
    assert_eq!(get("loom_daemon_calls_in_flight"), Some(0.0));
}

#[test]
fn a_servers_crash_is_counted() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut client = home.client();
    let pid: u32 = client.call_text("echo__pid", json!({})).parse().expect("a pid");
    assert!(kill(pid));
    assert!(wait_until(PATIENCE, || home.server("echo")["restarts"] == 1), "{}", home.server("echo"));
    let addr = addr(&home);
    let health: Value = serde_json::from_str(&request(&addr, "GET", "/health", &addr).body).expect("JSON");
    assert_eq!(health["servers"]["echo"]["restart_count"], 1, "{health}");
    let metrics = request(&addr, "GET", "/metrics", &addr).body;
    assert_eq!(
        samples(&metrics).get("loom_daemon_process_ends_total{server=\"echo\"}"),
        Some(&1.0),
        "{metrics}"
    );
}

#[test]
fn only_this_machine_is_answered_and_only_what_there_is() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    home.loom_ok(&["start"]);
    let addr = addr(&home);
    for (method, path, host, code) in [
        ("GET", "/health", "evil.example", 403),
        ("GET", "/metrics", "evil.example:9876", 403),
        ("GET", "/health", "127.0.0.1.evil.example", 403),
        ("GET", "/health", "[::1]:1", 200),
        ("POST", "/health", "localhost", 405),
        ("GET", "/", "localhost", 404),
        ("GET", "/health/../etc/passwd", "localhost", 404),
    ] {
        assert_eq!(request(&addr, method, path, host).code, code, "{method} {path} {host}");
    }
}
