//! What servers ask of clients: the client whose call is in flight is asked, and where that is not clear nobody is.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, halt, kill, proceed, wait_until};
use crate::support::player::{self, notice};

const SECOND: Duration = Duration::from_secs(1);

/// Begins a call of a tool that asks the client; its text is the answer that the server got.
fn begin_ask(client: &mut Client, method: &str, params: &Value) -> u64 {
    client.begin_call("odd__ask", json!({"method": method, "params": params}))
}

fn odd_home(more: &str) -> TestHome {
    let home = TestHome::new();
    home.echo_registry(&[("odd", "--test-tools", more)]);
    home
}

#[test]
fn a_question_goes_to_the_client_whose_call_it_is() {
    let home = odd_home("");
    let (mut one, mut two) = (home.able_client(), home.able_client());
    two.call_text("odd__echo", json!({"message": "x"}));
    let params = json!({"message": "who?", "requestedSchema": {"type": "object", "properties": {}}});
    let call = begin_ask(&mut one, "elicitation/create", &params);
    let question = one.reply_to("elicitation/create", &json!({"action": "decline", "n": 1e300}));
    assert_eq!(question["params"], params);
    let answer: Value = serde_json::from_str(&one.text(call)).expect("JSON");
    assert_eq!(answer["result"], json!({"action": "decline", "n": 1e300}));
    assert_eq!(two.news(), [json!(null); 0]);
}

#[test]
fn a_question_whose_method_is_no_name_is_refused_and_spoils_no_line_of_the_clients() {
    let home = player::home(&[("one", "", "instance: per-client")]);
    let mut client = home.able_client();
    for method in [json!("x\""), json!({"a": 1}), json!(["x"]), json!(7)] {
        let said = client.call_text("one__ask", json!({"method": method, "params": {}}));
        assert!(said.contains("INVALID_REQUEST"), "{method}: {said}");
    }
    assert_eq!(client.news(), [json!(null); 0]);
}

#[test]
fn a_clients_answer_finds_room_however_much_of_others_waits_for_the_server() {
    let home = player::home(&[("one", "", "")]);
    let (mut asked, mut greedy, mut next) = (home.able_client(), home.client(), home.client());
    let server = asked.call_text("one__pid", json!({})).parse().expect("a process id");
    let params = json!({"messages": [], "maxTokens": 1});
    let call = asked.begin_call("one__ask", json!({"method": "sampling/createMessage", "params": params}));
    let question = asked.recv_where(|message| message["method"] == "sampling/createMessage");
    assert!(halt(server));
    // Together more than half of what may wait for one server.
    let text = "x".repeat(8 << 20);
    for (client, count) in [(&mut greedy, 7), (&mut next, 2)] {
        for _ in 0..count {
            client.begin_call("one__heard", json!({"method": text}));
        }
        client.request("ping", json!({}));
    }
    asked.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"model": "m"}}));
    asked.request("ping", json!({}));
    assert!(proceed(server));
    assert_eq!(asked.text(call), r#"{"result": {"model": "m"}}"#);
}

#[test]
fn two_callers_of_a_shared_server_are_not_asked_and_of_their_own_each_is() {
    let home = odd_home("");
    let (mut one, mut two) = (home.able_client(), home.able_client());
    let long = one.begin_sleep("odd", 1500);
    let params = json!({"messages": [], "maxTokens": 1});
    let call = begin_ask(&mut two, "sampling/createMessage", &params);
    let said = two.text(call);
    assert!(said.contains("NOT_ASKED") && said.contains("instance: per-client"), "{said}");
    assert_eq!(one.text(long), "slept 1500 ms");

    home.echo_registry(&[("odd", "--test-tools", "instance: per-client")]);
    home.loom_ok(&["reload"]);
    let calls = [&mut one, &mut two].map(|client| begin_ask(client, "sampling/createMessage", &params));
    for (client, model) in [(&mut one, "m1"), (&mut two, "m2")] {
        client.reply_to("sampling/createMessage", &json!({"model": model}));
    }
    for (client, call, model) in [(&mut one, calls[0], "m1"), (&mut two, calls[1], "m2")] {
        let said = client.text(call);
        assert!(said.contains(model), "{said}");
    }
    let pids = [&mut one, &mut two].map(|client| client.call_text("odd__pid", json!({})));
    assert_ne!(pids[0], pids[1]);
    let alive = || home.server("odd")["instances"].as_u64();
    assert!(wait_until(SECOND * 5, || alive() == Some(2)), "{}", home.server("odd"));
    one.close();
    assert!(wait_until(SECOND * 5, || alive() == Some(1)), "{}", home.server("odd"));
}

#[test]
fn what_a_client_lacks_is_named() {
    let home = odd_home("");
    let mut client = home.client();
    let call = begin_ask(&mut client, "sampling/createMessage", &json!({}));
    let said = client.text(call);
    assert!(said.contains("does not support sampling") && said.contains("odd"), "{said}");
    let mut able = home.able_client();
    let call = begin_ask(&mut able, "elicitation/create", &json!({"mode": "url"}));
    let said = able.text(call);
    assert!(said.contains("elicitation by URL"), "{said}");
}

#[test]
fn each_workspace_has_its_own_server_and_roots() {
    let home = odd_home("instance: per-workspace");
    let roots = |name: &str| json!({"roots": [{"uri": format!("file:///{name}"), "name": name}]});
    let mut clients = ["a", "b", "a"].map(|name| {
        let mut client = home.able_client();
        // Sent before the roots are known: it waits for them.
        let call = begin_ask(&mut client, "roots/list", &json!({}));
        client.reply_to("roots/list", &roots(name));
        let answer: Value = serde_json::from_str(&client.text(call)).expect("JSON");
        assert_eq!(answer["result"], roots(name));
        client
    });
    let mut pids = clients.each_mut().map(|client| client.call_text("odd__pid", json!({})));
    assert!(pids[0] == pids[2] && pids[0] != pids[1], "{pids:?}");
    // Another folder is opened: the server of that one serves from now on.
    let [one, ..] = &mut clients;
    one.send(&json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}));
    one.reply_to("roots/list", &roots("b"));
    one.request("ping", json!({}));
    pids[0] = one.call_text("odd__pid", json!({}));
    assert_eq!(pids[0], pids[1]);
    let mut folder = home.client();
    let call = begin_ask(&mut folder, "roots/list", &json!({}));
    let want = format!("file://{}", home.path().display());
    assert!(folder.text(call).contains(&want), "a client without roots counts by its folder");
}

#[test]
fn a_question_of_a_dead_daemon_is_taken_back_and_its_answer_goes_nowhere() {
    let home = odd_home("");
    let mut client = home.able_client();
    let call = begin_ask(&mut client, "sampling/createMessage", &json!({}));
    let question = client.recv_where(|message| message["method"] == "sampling/createMessage");
    assert!(kill(home.daemon_pid().expect("a daemon runs")));
    assert_eq!(client.failure_name(call), "DAEMON_GONE");
    let cancelled = client.recv_where(|message| message["method"] == "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], question["id"]);
    client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {}}));
    assert_eq!(client.call_text("odd__echo", json!({"message": "x"})), "x");
    assert_eq!(home.status()["counters"]["late_answers"], 0);
}

#[test]
fn a_server_that_ends_takes_its_question_back() {
    let home = odd_home("");
    let mut client = home.able_client();
    let pid: u32 = client.call_text("odd__pid", json!({})).parse().expect("a pid");
    let call = begin_ask(&mut client, "sampling/createMessage", &json!({}));
    let question = client.recv_where(|message| message["method"] == "sampling/createMessage");
    assert!(kill(pid));
    assert_eq!(client.failure_name(call), "SERVER_GONE");
    let cancelled = client.recv_where(|message| message["method"] == "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], question["id"]);
}

#[test]
fn a_client_that_goes_answers_by_name() {
    let home = odd_home("");
    let (mut one, mut two) = (home.able_client(), home.able_client());
    begin_ask(&mut one, "sampling/createMessage", &json!({}));
    one.recv_where(|message| message["method"] == "sampling/createMessage");
    // It is killed: one that only closes its end may still want its answers.
    drop(one);
    // It may be at the other one's call still, whose questions are nobody else's; then it is free.
    let asked = wait_until(SECOND * 60, || {
        let call = begin_ask(&mut two, "sampling/createMessage", &json!({}));
        let next =
            two.recv_where(|message| message["method"] == "sampling/createMessage" || message["id"] == call);
        if next["id"] == call {
            return false;
        }
        two.send(&json!({"jsonrpc": "2.0", "id": next["id"], "result": {"model": "m"}}));
        two.text(call).contains("\"m\"")
    });
    assert!(asked, "the server stays with a client that is gone");
}

#[test]
fn a_question_of_a_cancelled_call_reaches_no_other_client() {
    let home = player::home(&[("one", "", "")]);
    let (mut one, mut two) = (home.able_client(), home.able_client());
    let params = json!({"messages": ["secret"], "maxTokens": 1});
    let late = json!({"method": "sampling/createMessage", "params": params});
    let call = one.begin_watched("one", "late_ask", &late);
    // It has the only call that is left.
    two.begin_hold("one", "k");
    one.cancel(call);
    let refused = || player::journal(&home, "one").into_iter().find(|message| message["id"] == "q1");
    assert!(wait_until(SECOND * 15, || refused().is_some()), "the server has no answer");
    assert_eq!(refused().map(|mut answer| answer["error"]["data"]["code"].take()), Some(json!("NOT_ASKED")));
    assert_eq!((one.news(), two.news()), (vec![], vec![]));
}

#[test]
fn that_a_user_has_been_to_a_page_is_told_to_the_client_that_was_asked() {
    let home = player::home(&[("one", "", "")]);
    let able = || {
        let mut client = home.proxy(&[]);
        client.initialize_with(&json!({"elicitation": {"form": {}, "url": {}}}));
        client
    };
    let (mut one, mut two) = (able(), able());
    let page = |id: &str| json!({"mode": "url", "elicitationId": id, "url": "https://example.org/", "message": "Go"});
    let required = json!({"code": -32042, "message": "go", "data": {"elicitations": [page("a"), page("b")]}});
    let call = one.begin_call("one__fail", json!({"error": required}));
    assert_eq!(one.failure(call), required);
    let call = two.begin_call("one__ask", json!({"method": "elicitation/create", "params": page("c")}));
    assert_eq!(two.reply_to("elicitation/create", &json!({"action": "accept"}))["params"], page("c"));
    two.text(call);
    let lost = home.status()["counters"]["dropped_notifications"].as_u64();
    let complete = |id: &str| notice("elicitation/complete", &json!({"elicitationId": id}));
    two.let_send("one", &["b", "c", "a", "nobody", "a"].map(complete));
    let told = |client: &mut Client| {
        let told = client.told("notifications/elicitation/complete");
        told.into_iter().map(|mut params| params["elicitationId"].take()).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut one), ["b", "a"]);
    assert_eq!(told(&mut two), ["c"]);
    let now = home.status()["counters"]["dropped_notifications"].as_u64();
    assert_eq!(now, lost.map(|lost| lost + 2), "an unknown one, and one for the second time");
}

#[test]
fn a_server_that_asks_without_end_leaves_room_in_the_log() {
    let home = player::home(&[("one", "", "")]);
    let mut client = home.client();
    let questions: Vec<Value> =
        (0..500).map(|n| json!({"id": format!("q{n}"), "method": "roots/list"})).collect();
    client.let_send("one", &questions);
    client.call_text("one__pid", json!({}));
    let log = std::fs::read_to_string(home.config_dir().join("logs/daemon.log")).expect("a log");
    let told: Vec<&str> = log.lines().filter(|line| line.contains("a question was refused")).collect();
    assert!(told.len() == 1 && told[0].contains("one") && told[0].contains("roots/list"), "{told:?}");
}
