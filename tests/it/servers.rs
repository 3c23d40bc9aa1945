//! Servers that die: their calls are told at once, the next call finds a new process, and a person sees a loop.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::client::Client;
use crate::support::home::{TestHome, alive, kill, wait_until};
use crate::support::script;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_killed_servers_call_fails_within_a_second_and_the_next_succeeds() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "--test-tools", ""), ("other", "", "")]);
    let (mut client, mut bystander) = (home.client(), home.client());
    let pid = pid_of(&mut client, "echo");
    let grandchild: u32 = client.call_text("echo__grandchild", json!({})).parse().expect("a pid");
    let elsewhere = bystander.begin_sleep("other", 1_000);
    let here = client.begin_sleep("echo", 30_000);

    let began = Instant::now();
    assert!(kill(pid));
    let error = client.failure(here);
    let took = began.elapsed();
    assert_eq!(error["data"]["code"], "SERVER_GONE", "{error}");
    assert_eq!(error["data"]["server"], "echo", "{error}");
    assert!(took < SECOND, "{took:?}");
    assert_ne!(pid_of(&mut client, "echo"), pid);
    assert!(began.elapsed() < SECOND * 2, "{:?}", began.elapsed());
    assert!(wait_until(SECOND, || !alive(grandchild)), "what the server had started lives on");
    assert_eq!(bystander.text(elsewhere), "slept 1000 ms");
    let row = home.server("echo");
    assert_eq!((&row["restarts"], &row["state"]), (&json!(1), &json!("ready")), "{row}");
}

#[test]
fn calls_that_wait_for_a_dead_server_are_not_lost() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "--die-after 1", "")]);
    let mut client = home.client();
    for n in 0..4 {
        let text = format!("call {n}");
        assert_eq!(client.call_text("echo__echo", json!({"message": text})), text);
        let restarted = || home.server("echo")["restarts"] == n + 1;
        assert!(wait_until(SECOND * 5, restarted), "{}", home.server("echo"));
    }
}

#[test]
fn a_crash_loop_is_seen_named_and_cleared() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "--die-on-call 1", ""), ("other", "", "")]);
    let mut client = home.client();
    let mut names = Vec::new();
    for _ in 0..5 {
        let id = client.begin_call("echo__echo", json!({"message": "x"}));
        names.push(client.failure_name(id));
    }
    assert_eq!(names, ["SERVER_GONE"; 5]);
    let row = home.server("echo");
    assert_eq!((&row["state"], &row["restarts"]), (&json!("crash-loop"), &json!(5)), "{row}");
    assert_eq!(row["hint"], "loom servers restart echo", "{row}");
    assert_eq!(home.loom(&["status"]).status.code(), Some(4));

    let began = Instant::now();
    let id = client.begin_call("echo__echo", json!({"message": "x"}));
    let error = client.failure(id);
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_eq!(error["data"]["code"], "SERVER_UNAVAILABLE", "{error}");
    assert_eq!(error["data"]["hint"], "loom servers restart echo", "{error}");
    assert_eq!(client.call_text("other__echo", json!({"message": "y"})), "y");

    home.loom_ok(&["servers", "restart", "echo"]);
    assert!(wait_until(SECOND * 5, || home.server("echo")["state"] == "ready"), "{}", home.server("echo"));
    let id = client.begin_call("echo__echo", json!({"message": "x"}));
    assert_eq!(client.failure_name(id), "SERVER_GONE");
}

#[test]
fn a_server_that_never_starts_fails_by_name_and_costs_the_others_nothing() {
    let home = TestHome::new();
    home.script_registry("dud", "echo no such key >&2; exit 3", "description: dud");
    let mut client = home.client();
    for _ in 0..6 {
        let began = Instant::now();
        let id = client.begin_call("dud__x", json!({}));
        let error = client.failure(id);
        assert_eq!(error["data"]["code"], "SERVER_UNAVAILABLE", "{error}");
        let text = error["message"].as_str().expect("a message");
        assert!(text.contains("exit status: 3") && text.contains("no such key"), "{error}");
        assert!(began.elapsed() < SECOND * 4, "{:?}", began.elapsed());
    }
    assert_eq!(home.server("dud")["state"], "failed");
}

fn pid_of(client: &mut Client, server: &str) -> u32 {
    client.call_text(&format!("{server}__pid"), json!({})).parse().expect("a pid")
}

#[test]
fn what_is_no_server_is_told_as_what_it_is() {
    for (script, want) in [
        ("cat", "it sends loom's own `initialize` back: it is no MCP server"),
        ("exec sleep 1000 >&-", "odd closed its output before the handshake was done"),
        ("exit 3", "odd ended (exit status: 3) before the handshake was done"),
        ("kill -KILL $$", "odd ended (signal: 9 (SIGKILL)) before the handshake was done"),
    ] {
        let home = TestHome::new();
        home.script_registry("odd", script, "");
        let output = home.loom(&["tools", "call", "odd__x"]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(69) && told.contains(want), "{script}: {told}");
    }
}

#[test]
fn tools_are_counted_as_they_are_offered() {
    let home = TestHome::new();
    let tools = [script::tool("a"), script::tool("b"), script::tool("a")].join(",");
    home.script_registry("twice", &script::server(&tools, "{}"), "");
    assert_eq!(home.client().tools().len(), 2);
    assert_eq!(home.server("twice")["tools"], 2);
}

#[test]
fn arguments_that_are_no_object_are_told_of() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut client = home.client();
    let id = client.begin_call("echo__echo", json!([1]));
    let answer = client.answer(id).to_string();
    assert!(answer.contains("`arguments` must be an object"), "{answer}");
}
