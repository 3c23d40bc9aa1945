//! Sizes, paths and ports that do not fit: each is refused by name, and the rest goes on.

use std::net::TcpListener;

use serde_json::json;

use crate::support::client::Client;
use crate::support::home::TestHome;

/// More than a line may have.
const TOO_MANY_BYTES: usize = 70_000_000;

fn echo_home() -> TestHome {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    home
}

fn still_works(client: &mut Client) {
    assert_eq!(client.call_text("echo__echo", json!({"message": "still here"})), "still here");
}

#[test]
fn a_clients_too_long_line_is_answered_under_its_id() {
    let home = echo_home();
    let mut client = home.client();
    let id = client.begin_call("echo__echo", json!({"message": "x".repeat(TOO_MANY_BYTES)}));
    assert_eq!(client.failure_name(id), "TOO_LARGE");
    still_works(&mut client);
}

#[test]
fn a_servers_too_long_answer_fails_its_call_only() {
    let home = echo_home();
    let mut client = home.client();
    let pid = client.call_text("echo__pid", json!({}));
    let id = client.begin_call("echo__size", json!({"bytes": TOO_MANY_BYTES}));
    let error = client.failure(id);
    assert_eq!((&error["data"]["code"], &error["data"]["server"]), (&json!("TOO_LARGE"), &json!("echo")));
    assert_eq!(client.call_text("echo__pid", json!({})), pid);
    assert_eq!(home.status()["counters"]["oversized_lines"], 1);
}

#[test]
fn results_are_cut_only_when_a_person_asks_for_it() {
    let mut home = echo_home();
    let size = |client: &mut Client| client.call("echo__size", json!({"bytes": 100_000}));
    let whole = size(&mut home.client());
    assert_eq!(whole["content"][0]["text"].as_str().map(str::len), Some(100_000));
    home.set_env("LOOM_PROXY_MAX_TOOL_RESULT_BYTES", "2000");
    let cut = size(&mut home.client());
    assert!(cut.to_string().len() <= 2_000, "{cut}");
    let items = cut["content"].as_array().expect("content");
    let note = items.last().and_then(|item| item["text"].as_str()).expect("a note");
    assert!(items.len() == 2 && note.contains("100000"), "{note}");
}

#[test]
fn a_socket_path_that_is_too_long_is_named_with_both_lengths() {
    let mut home = echo_home();
    let path = format!("{}/{}", home.path().display(), "s".repeat(200));
    home.set_env("LOOM_SOCKET", &path);
    for words in [&["start"][..], &["daemon"], &["proxy"]] {
        let output = home.loom(words);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{words:?}: {text}");
        let limit = text.contains("107") || text.contains("103") || text.contains("100");
        assert!(text.contains(&path.len().to_string()) && limit, "{words:?}: {text}");
    }
    // The home's own end goes the ordinary way again.
    home.set_env("LOOM_SOCKET", "");
}

#[test]
fn a_second_daemon_names_the_first() {
    let home = echo_home();
    home.loom_ok(&["start"]);
    let pid = home.daemon_pid().expect("a daemon runs");
    let output = home.loom(&["daemon"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(text.contains(&pid.to_string()), "{text}");
    assert_eq!(home.daemon_pid(), Some(pid));
}

#[test]
fn a_busy_metrics_port_costs_the_metrics_only() {
    let mut home = echo_home();
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = holder.local_addr().expect("an address").to_string();
    home.set_env("LOOM_METRICS_ADDR", &addr);
    still_works(&mut home.client());
    let metrics = home.status()["metrics"].clone();
    assert_eq!((&metrics["addr"], &metrics["listening"]), (&json!(addr), &json!(false)));
    assert!(metrics["error"].as_str().is_some_and(|error| !error.is_empty()), "{metrics}");
}
