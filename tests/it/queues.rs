//! Calls that wait for their turn: bounded, given up, moved to another process or to another daemon, never lost.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::support::home::{TestHome, alive, terminate, wait_until};
use crate::support::script;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn so_many_calls_at_once_and_no_more() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "max_concurrent: 2")]);
    let mut client = home.client();
    let long = [client.begin_sleep("one", 600), client.begin_sleep("one", 1200)];
    let given_up = client.begin_call("one__echo", json!({"message": "never"}));
    let last = client.begin_call("one__echo", json!({"message": "last"}));
    client.send(
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": given_up}}),
    );
    let ends: Vec<u64> =
        (0..3).map(|_| client.recv_where(|m| m["id"].is_u64())["id"].as_u64().unwrap()).collect();
    assert_eq!(ends, [long[0], last, long[1]], "a place is free after the first; what was given up is gone");
    let row = home.server("one");
    assert_eq!((&row["in_flight"], &row["errors"]), (&json!(0), &json!(0)), "{row}");
    assert_eq!(client.call_text("one__echo", json!({"message": "again"})), "again");
}

#[test]
fn a_server_that_fails_again_and_again_loses_no_place() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "--die-after 1", "max_concurrent: 1")]);
    let mut client = home.client();
    for n in 0..6 {
        let both = [0, 1].map(|m| client.begin_call("one__echo", json!({"message": format!("{n} {m}")})));
        // Each reached a process just before its end, or another one.
        for id in both {
            let answer = client.answer(id);
            assert!(
                answer["result"].is_object() || answer["error"]["data"]["code"] == "SERVER_GONE",
                "{answer}"
            );
        }
    }
    let worked = home.server("one")["calls"].as_u64();
    assert_eq!((worked, &home.server("one")["in_flight"]), (Some(12), &json!(0)));
}

#[test]
fn a_waiting_call_moves_to_the_process_of_the_edited_entry() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "max_concurrent: 1")]);
    let mut client = home.client();
    let old = client.call_text("one__pid", json!({}));
    let long = client.begin_sleep("one", 1500);
    let waiting = client.begin_call("one__pid", json!({}));
    home.echo_registry(&[("one", "--tools 1", "max_concurrent: 1")]);
    home.loom_ok(&["reload"]);
    let first = client.recv_where(|message| message["id"].is_u64());
    assert_eq!(first["id"], waiting, "it does not wait for the old process");
    assert_ne!(first["result"]["content"][0]["text"], old);
    assert_eq!(client.text(long), "slept 1500 ms");
}

#[test]
fn a_waiting_call_to_a_server_that_went_is_refused_by_name() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "max_concurrent: 1"), ("two", "", "")]);
    let mut client = home.client();
    let long = client.begin_sleep("one", 700);
    let waiting = client.begin_call("one__pid", json!({}));
    home.echo_registry(&[("two", "", "")]);
    home.loom_ok(&["reload"]);
    assert_eq!(client.failure_name(waiting), "TOOL_NOT_FOUND");
    assert_eq!(client.text(long), "slept 700 ms");
}

#[test]
fn a_waiting_call_goes_to_the_next_daemon() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "max_concurrent: 1")]);
    let mut client = home.client();
    let old = client.call_text("one__pid", json!({}));
    let daemon = home.daemon_pid().expect("a daemon runs");
    let long = client.begin_sleep("one", 700);
    let waiting = client.begin_call("one__pid", json!({}));
    assert!(terminate(daemon));
    assert_eq!(client.text(long), "slept 700 ms");
    assert_ne!(client.text(waiting), old);
    assert!(wait_until(SECOND * 5, || !alive(daemon)), "the old daemon stays");
    assert_ne!(home.daemon_pid(), Some(daemon));
}

#[test]
fn each_target_has_its_own_time_for_a_call() {
    let home = TestHome::new();
    home.registry(
        "version: 1\nservers:\n  - name: one\n    common: { builtin: echo }\n    targets:\n      codex: { tool_timeout: 300ms }\n",
    );
    let mut usual = home.client();
    let mut hasty = home.proxy(&["--agent-hint", "codex"]);
    hasty.initialize();
    assert_eq!(usual.call_text("one__pid", json!({})), hasty.call_text("one__pid", json!({})));
    // Without progress, which would start the time anew.
    let [slow, late] =
        [&mut usual, &mut hasty].map(|client| client.begin_call("one__sleep", json!({"ms": 900})));
    assert_eq!(hasty.failure_name(late), "TIMEOUT");
    assert_eq!(usual.text(slow), "slept 900 ms");
}

#[test]
fn a_restart_does_not_bring_back_what_was_removed() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", ""), ("two", "", "")]);
    let mut client = home.client();
    let pid: u32 = client.call_text("one__pid", json!({})).parse().expect("a pid");
    let long = client.begin_sleep("one", 600);
    home.echo_registry(&[("two", "", "")]);
    home.loom_ok(&["reload"]);
    assert_ne!(home.loom(&["servers", "restart", "one"]).status.code(), Some(0));
    assert_eq!(client.text(long), "slept 600 ms");
    assert!(wait_until(SECOND * 5, || !alive(pid)), "the process stays");
}

#[test]
fn a_list_without_an_end_is_cut() {
    let home = TestHome::new();
    let pages = script::server(&script::tool("say"), r#"{"content":[]}"#).replace(
        r#""inputSchema":{"type":"object"}}]}"#,
        r#""inputSchema":{"type":"object"}}],"nextCursor":"again"}"#,
    );
    let file = home.path().join("asked");
    let counted =
        pages.replace(r#"*'"tools/list"'*)"#, &format!(r#"*'"tools/list"'*) echo x >> {};"#, file.display()));
    home.script_registry("endless", &counted, "");
    let mut client = home.client();
    assert_eq!(client.tools().len(), 1);
    let asked = fs::read_to_string(&file).expect("it was asked").lines().count();
    assert_eq!(asked, 2, "the repeated cursor is not followed");
}

#[test]
fn a_client_with_many_calls_does_not_make_another_wait_for_them() {
    let home = TestHome::new();
    home.echo_registry(&[("narrow", "", "max_concurrent: 1"), ("wide", "", "")]);
    let (mut greedy, mut other) = (home.client(), home.client());
    for (server, ms) in [("narrow", 4), ("wide", 200)] {
        other.call_text(&format!("{server}__echo"), json!({"message": "warm"}));
        let sleep = |_| greedy.begin_call(&format!("{server}__sleep"), json!({"ms": ms}));
        let last = (0..400).map(sleep).last().expect("a call");
        assert_eq!(other.call_text(&format!("{server}__echo"), json!({"message": "me"})), "me");
        let left = home.server(server)["in_flight"].as_u64().expect("a number");
        assert!(left > 200, "{server}: only {left} of the greedy one's calls are left");
        assert_eq!(greedy.text(last), format!("slept {ms} ms"));
    }
}

#[test]
fn a_client_whose_calls_fill_the_room_takes_none_from_another() {
    let home = TestHome::new();
    home.echo_registry(&[("slow", "", ""), ("free", "", "")]);
    let (mut greedy, mut other) = (home.client(), home.client());
    other.call_text("slow__echo", json!({"message": "warm"}));
    let sleep = json!({"ms": 60_000, "message": "x".repeat(80_000)});
    let calls: Vec<u64> = (0..1000).map(|_| greedy.begin_call("slow__sleep", sleep.clone())).collect();
    let refused = greedy.failure(calls[999]);
    assert_eq!(refused["data"]["code"], "BUSY", "what waits is bounded: {refused}");
    for (server, bytes) in [("slow", 2), ("slow", 8 << 20), ("free", 2), ("free", 8 << 20)] {
        let message = "y".repeat(bytes);
        let said = other.call_text(&format!("{server}__echo"), json!({"message": message}));
        assert!(said == message, "{server}: {bytes} bytes");
    }
    assert_eq!(greedy.call_text("free__echo", json!({"message": "elsewhere"})), "elsewhere");
}
