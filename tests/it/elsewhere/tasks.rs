//! Tasks of a server that keeps them while the daemon, or its session with the daemon, ends: they stay their client's.

use serde_json::{Value, json};

use super::{BOUND, Place};
use crate::support::client::Client;
use crate::support::elsewhere::Elsewhere;
use crate::support::home::{TestHome, halt, kill, proceed, wait_until};

const STATUS: &str = "notifications/tasks/status";
const PROGRESS: &str = "notifications/progress";

/// A client's task `far:ID`, with the progress token `of ID`.
fn begin_task(client: &mut Client, id: &str) {
    let mut params = json!({"name": "far__note", "arguments": {"text": id}, "task": {"ttl": 600_000}});
    params["_meta"] = json!({"progressToken": format!("of {id}")});
    let task = client.request("tools/call", params)["task"].take();
    assert_eq!((&task["taskId"], &task["status"]), (&json!(format!("far:{id}")), &json!("working")));
}

fn listed(client: &mut Client) -> Vec<Value> {
    let page = client.request("tasks/list", json!({}));
    page["tasks"].as_array().expect("tasks").iter().map(|task| task["taskId"].clone()).collect()
}

/// The token that the server got with a task.
fn token(server: &Elsewhere, id: &str) -> Value {
    server.called(id)["params"]["_meta"]["progressToken"].clone()
}

/// The server tells of a task's progress.
fn say_progress(server: &Elsewhere, id: &str, step: u32) {
    let params = json!({"progressToken": token(server, id), "progress": step});
    server.say(&json!({"jsonrpc": "2.0", "method": PROGRESS, "params": params}));
}

fn assert_hears_progress(client: &mut Client, id: &str, step: u32) {
    assert_eq!(client.notified(PROGRESS), json!({"progressToken": format!("of {id}"), "progress": step}));
}

fn assert_not_there(client: &mut Client, id: &str) {
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        let call = client.begin(method, json!({"taskId": id}));
        let error = client.failure(call);
        let want = json!(format!("there is no task {id}"));
        assert_eq!((&error["code"], &error["message"]), (&json!(-32602), &want), "{method}");
    }
}

fn kill_daemon(home: &TestHome, server: &Elsewhere) {
    server.forget_streams();
    let pid = home.daemon_pid().expect("a daemon runs");
    assert!(kill(pid));
    let next = || home.daemon_pid().is_some_and(|other| other != pid);
    assert!(wait_until(BOUND, next), "no other daemon comes");
}

/// A place whose second client is gone: it would not survive the death of a daemon.
fn place(server: &Elsewhere) -> Place {
    let mut place = Place::new(&server.url(), "");
    place.calm.take().expect("it is there").end();
    place
}

#[test]
fn an_open_task_is_its_clients_under_the_next_daemon_too() {
    let server = Elsewhere::start();
    let mut place = place(&server);
    let mut other = place.home.client();
    begin_task(&mut place.client, "t1");
    begin_task(&mut other, "t2");
    begin_task(&mut place.client, "t3");
    for _ in 0..2 {
        assert_not_there(&mut other, "far:t1");
        kill_daemon(&place.home, &server);
        // No call of a client's brings the server into play.
        assert_eq!(listed(&mut place.client), ["far:t1", "far:t3"]);
        server.task_is("t1", "input_required");
        assert_eq!(place.client.notified(STATUS)["taskId"], "far:t1");
        assert_not_there(&mut other, "far:t1");
        assert_eq!(listed(&mut other), ["far:t2"]);
        let task = place.client.request("tasks/get", json!({"taskId": "far:t1"}));
        assert_eq!((&task["taskId"], &task["status"]), (&json!("far:t1"), &json!("input_required")));
    }
    server.task_is("t1", "completed");
    assert_eq!(place.client.notified(STATUS)["status"], "completed");
    kill_daemon(&place.home, &server);
    // It has ended, but its result is still to be had, and by nobody else.
    assert_not_there(&mut other, "far:t1");
    let result = place.client.request("tasks/result", json!({"taskId": "far:t1"}));
    assert_eq!(result["content"][0]["text"], "t1");
    assert_eq!((place.client.told(STATUS), other.told(STATUS)), (vec![], vec![]));
    let answers = |message: &Value| message.get("method").is_none();
    assert!(!place.client.news().iter().any(answers), "what its proxy asked is not for the client");
}

#[test]
fn an_open_task_makes_progress_under_the_next_daemon_too() {
    let server = Elsewhere::start();
    let mut place = place(&server);
    let mut other = place.home.client();
    begin_task(&mut place.client, "t1");
    begin_task(&mut other, "t2");
    for step in 0..3 {
        if step > 0 {
            kill_daemon(&place.home, &server);
        }
        // Both are there, and nothing of theirs is under way.
        assert_eq!(
            (listed(&mut place.client), listed(&mut other)),
            (vec![json!("far:t1")], vec![json!("far:t2")])
        );
        say_progress(&server, "t2", step);
        say_progress(&server, "t1", step);
        assert_hears_progress(&mut place.client, "t1", step);
        assert_hears_progress(&mut other, "t2", step);
    }
    // What is begun under this daemon has another token than what was begun under the first.
    begin_task(&mut other, "t3");
    say_progress(&server, "t3", 7);
    assert_hears_progress(&mut other, "t3", 7);
    let tokens = ["t1", "t2", "t3"].map(|id| token(&server, id));
    assert!(tokens[0] != tokens[1] && !tokens[..2].contains(&tokens[2]), "{tokens:?}");
    // One that has ended makes no progress, under no daemon.
    server.task_is("t1", "completed");
    assert_eq!(place.client.notified(STATUS)["status"], "completed");
    for step in 8..10 {
        say_progress(&server, "t1", step);
        say_progress(&server, "t2", step);
        assert_hears_progress(&mut other, "t2", step);
        assert_eq!(listed(&mut place.client), ["far:t1"]);
        kill_daemon(&place.home, &server);
        // For the task that is open the server is spoken with.
        assert_eq!((listed(&mut other).len(), listed(&mut place.client).len()), (2, 1));
    }
    assert_eq!((place.client.told(PROGRESS), other.told(PROGRESS)), (vec![], vec![]));
}

#[test]
fn a_task_waits_for_its_client_when_others_come_to_the_next_daemon_first() {
    let server = Elsewhere::start();
    let mut place = place(&server);
    let mut other = place.home.client();
    begin_task(&mut place.client, "t1");
    assert!(halt(place.client.pid()));
    kill_daemon(&place.home, &server);
    assert_not_there(&mut other, "far:t1");
    assert_eq!(other.call_text("far__note", json!({"text": "hello"})), "hello");
    assert_eq!(listed(&mut other), [json!(null); 0]);
    server.task_is("t1", "input_required");
    assert_not_there(&mut other, "far:t1");
    assert!(proceed(place.client.pid()));
    assert_eq!(place.client.notified(STATUS)["status"], "input_required");
    assert_eq!(listed(&mut place.client), ["far:t1"]);
    assert_not_there(&mut other, "far:t1");
    assert_eq!(other.told(STATUS), [json!(null); 0]);
}

#[test]
fn a_task_stays_its_clients_when_the_session_with_its_server_expires() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    let mut other = place.home.client();
    begin_task(&mut place.client, "t1");
    server.forget_streams();
    server.expire(404, "Session not found");
    assert_eq!(other.call_text("far__note", json!({"text": "hello"})), "hello");
    assert_eq!(server.known().begun, 2);
    assert_not_there(&mut other, "far:t1");
    server.task_is("t1", "input_required");
    assert_eq!(place.client.notified(STATUS)["taskId"], "far:t1");
    say_progress(&server, "t1", 5);
    assert_hears_progress(&mut place.client, "t1", 5);
    assert_eq!(listed(&mut place.client), ["far:t1"]);
    assert_eq!(listed(&mut other), [json!(null); 0]);
    let result = place.client.request("tasks/result", json!({"taskId": "far:t1"}));
    assert_eq!(result["content"][0]["text"], "t1");
    assert_eq!(other.told(STATUS), [json!(null); 0]);
}

#[test]
fn a_task_stays_its_clients_when_its_server_was_gone_for_a_while() {
    let mut server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    let mut other = place.home.client();
    begin_task(&mut place.client, "t1");
    server.stop();
    assert!(place.call("nobody there").is_err());
    assert!(wait_until(BOUND, || place.state() == "failed"), "{}", place.row());
    server.serve();
    place.call_until_well("again");
    assert_not_there(&mut other, "far:t1");
    assert_eq!(place.client.request("tasks/get", json!({"taskId": "far:t1"}))["status"], "working");
    say_progress(&server, "t1", 5);
    assert_hears_progress(&mut place.client, "t1", 5);
    assert_eq!(listed(&mut place.client), ["far:t1"]);
    assert_eq!(listed(&mut other), [json!(null); 0]);
}

#[test]
fn a_lost_task_keeps_no_server_from_being_idle() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "idle_timeout: 200ms");
    begin_task(&mut place.client, "t1");
    server.expire(404, "Session not found");
    server.tell(|known| known.tasks.clear());
    let call = place.client.begin("tasks/get", json!({"taskId": "far:t1"}));
    assert_eq!(place.client.failure(call)["message"], "it has no such task");
    assert!(wait_until(BOUND, || place.state() == "idle"), "{}", place.row());
}
