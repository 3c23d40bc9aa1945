//! Tasks: the id says whose server it is, and nobody but the client that began one hears of it or can touch it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, wait_until};
use crate::support::player::{self, Part};

const PATIENCE: Duration = Duration::from_secs(15);
const STATUS: &str = "notifications/tasks/status";
const RELATED: &str = "io.modelcontextprotocol/related-task";

/// Begins a task with a progress token, `token`; its id as the client knows it.
fn begin_task(client: &mut Client, server: &str, own: &str) -> String {
    let meta = json!({"progressToken": "token"});
    let name = format!("{server}__task");
    let params = json!({"name": name, "arguments": {"id": own}, "task": {"ttl": 60000}, "_meta": meta});
    let task = client.request("tools/call", params)["task"].take();
    assert_eq!(task["status"], "working", "{task}");
    task["taskId"].as_str().expect("an id").to_owned()
}

fn about(client: &mut Client, method: &str, id: &str) -> u64 {
    client.begin(method, json!({"taskId": id}))
}

/// Pages of a client's tasks, each the ids on it.
fn pages(client: &mut Client) -> Vec<Vec<String>> {
    let (mut all, mut params) = (Vec::new(), json!({}));
    loop {
        let page = client.request("tasks/list", params);
        let rows = page["tasks"].as_array().expect("tasks").iter();
        all.push(rows.map(|row| row["taskId"].as_str().expect("an id").to_owned()).collect());
        match page.get("nextCursor") {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => return all,
        }
    }
}

fn state(home: &TestHome, server: &str) -> Value {
    home.server(server)["state"].take()
}

#[test]
fn an_id_names_its_server_wherever_it_stands() {
    let home = player::home(&[("one", "", "")]);
    let mut client = home.able_client();
    let id = begin_task(&mut client, "one", "t:1");
    assert_eq!(id, "one:t:1");
    assert_eq!(client.request("tasks/get", json!({"taskId": id}))["taskId"], id);
    client.call("one__task_status", json!({"id": "t:1", "status": "input_required"}));
    let told = client.notified(STATUS);
    assert_eq!((&told["taskId"], &told["_meta"][RELATED]["taskId"]), (&json!(id), &json!(id)), "{told}");
    let params = json!({"messages": [], "maxTokens": 1});
    let ask = json!({"id": "t:1", "method": "sampling/createMessage", "params": params});
    let call = client.begin_call("one__task_ask", ask);
    let meta = json!({RELATED: {"taskId": id}});
    let question = client.recv_where(|message| message["method"] == "sampling/createMessage");
    assert_eq!(question["params"]["_meta"][RELATED], meta[RELATED]);
    let (asked, token) = (&question["id"], &question["params"]["_meta"]["progressToken"]);
    let params = json!({"progressToken": token, "progress": 1, "_meta": meta});
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}));
    client.send(&json!({"jsonrpc": "2.0", "id": asked, "result": {"model": "m", "_meta": meta}}));
    let answer: Value = serde_json::from_str(&client.text(call)).expect("JSON");
    assert_eq!(answer["result"]["_meta"][RELATED]["taskId"], "t:1", "the server's own comes back");
    let progress = json!({"progressToken": "own", "progress": 1, "_meta": {RELATED: {"taskId": "t:1"}}});
    assert_eq!(player::heard(&home, "one", "notifications/progress"), [progress]);
    assert_eq!(client.request("tasks/list", json!({}))["tasks"][0]["taskId"], id);
    let waiting = about(&mut client, "tasks/result", &id);
    client.call("one__task_end", json!({"id": "t:1"}));
    let result = client.answer(waiting)["result"].take();
    assert_eq!((&result["content"][0]["text"], &result["_meta"]), (&json!("outcome of t:1"), &meta));
    let other = begin_task(&mut client, "one", "two");
    let cancelled = client.request("tasks/cancel", json!({"taskId": other}));
    assert_eq!((&cancelled["taskId"], &cancelled["status"]), (&json!("one:two"), &json!("cancelled")));
}

#[test]
fn nobody_else_can_see_or_touch_a_task() {
    let home = player::home(&[("one", "", "")]);
    let (mut owner, mut other) = (home.client(), home.client());
    let id = begin_task(&mut owner, "one", "t1");
    other.call("one__pid", json!({}));
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        for id in [&id, "one:", "nobody:t1", "t1"] {
            let call = about(&mut other, method, id);
            let error = other.failure(call);
            let want = json!(format!("there is no task {id}"));
            assert_eq!((&error["code"], &error["message"]), (&json!(-32602), &want), "{method}");
        }
        assert_eq!(player::heard(&home, "one", method), [json!(null); 0]);
    }
    assert_eq!(pages(&mut other).concat(), [""; 0]);
    assert_eq!(pages(&mut owner).concat(), [&*id]);
    // Whoever asks for one too early does not have it later.
    let call = about(&mut other, "tasks/get", "one:t2");
    assert_eq!(other.failure(call)["message"], "there is no task one:t2");
    let id = begin_task(&mut owner, "one", "t2");
    let call = about(&mut other, "tasks/cancel", &id);
    assert_eq!(other.failure(call)["message"], "there is no task one:t2");
    assert_eq!(owner.request("tasks/get", json!({"taskId": id}))["status"], "working");
}

#[test]
fn what_a_server_says_of_a_task_reaches_its_owner_only() {
    let home = player::home(&[("one", "", "")]);
    let (mut owner, mut other) = (home.able_client(), home.able_client());
    let id = begin_task(&mut owner, "one", "t1");
    // All of it while the other client has the only call there is.
    other.call("one__task_status", json!({"id": "t1", "status": "working"}));
    assert_eq!(owner.notified(STATUS)["taskId"], id);
    other.call("one__task_progress", json!({"id": "t1", "progress": 5}));
    let progress = owner.notified("notifications/progress");
    assert_eq!(progress, json!({"progressToken": "token", "progress": 5}));
    let params = json!({"message": "who?", "requestedSchema": {"type": "object", "properties": {}}});
    let ask = json!({"id": "t1", "method": "elicitation/create", "params": params});
    let call = other.begin_call("one__task_ask", ask);
    owner.reply_to("elicitation/create", &json!({"action": "decline"}));
    assert!(other.text(call).contains("decline"));
    assert_eq!(other.news(), [json!(null); 0]);

    // One that has ended makes no progress.
    other.call("one__task_status", json!({"id": "t1", "status": "completed"}));
    owner.notified(STATUS);
    other.call("one__task_progress", json!({"id": "t1", "progress": 6}));
    assert_eq!((owner.news(), other.news()), (vec![], vec![]));
}

#[test]
fn a_question_about_a_task_that_nobody_began_is_for_nobody() {
    let home = player::home(&[("one", "", "")]);
    let mut other = home.able_client();
    let meta = json!({RELATED: {"taskId": "t1"}});
    let params = json!({"messages": [], "maxTokens": 1, "_meta": meta});
    let ask = json!({"method": "sampling/createMessage", "params": params});
    // It has the only call there is.
    let said = other.call_text("one__ask", ask);
    assert!(said.contains("NOT_ASKED") && said.contains("a task that no client has begun"), "{said}");
    assert_eq!(other.news(), [json!(null); 0]);
}

#[test]
fn a_server_at_a_task_whose_call_was_taken_back_asks_nobody_else() {
    let home = player::home(&[("one", "", "")]);
    let (mut owner, mut other) = (home.able_client(), home.able_client());
    let meta = json!({"progressToken": 1});
    let params = json!({"name": "one__hold", "arguments": {"key": "k"}, "task": {}, "_meta": meta});
    let call = owner.begin("tools/call", params);
    owner.notified("notifications/progress");
    owner.cancel(call);
    assert_eq!(other.call_text("one__release", json!({"key": "k", "task": "t1"})), "done");
    let params = json!({"messages": [], "maxTokens": 1});
    let ask = json!({"method": "sampling/createMessage", "params": params});
    let said = other.call_text("one__ask", ask.clone());
    assert!(said.contains("NOT_ASKED") && said.contains("several clients"), "{said}");
    // It is over: now it is clear.
    other.call("one__task_status", json!({"id": "t1", "status": "completed"}));
    let call = other.begin_call("one__ask", ask);
    other.reply_to("sampling/createMessage", &json!({"model": "m"}));
    assert!(other.text(call).contains("\"m\""));
    assert_eq!(other.told(STATUS), [json!(null); 0]);
    // Nor does its client hear of a task that it does not know.
    let asks =
        json!({"id": "t1", "method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}});
    let said = other.call_text("one__task_ask", asks);
    assert!(said.contains("NOT_ASKED"), "{said}");
    assert_eq!(owner.told(STATUS), [json!(null); 0]);
    assert_eq!(owner.news(), [json!(null); 0]);
}

#[test]
fn a_task_can_be_stopped_while_its_result_is_waited_for() {
    let home = player::home(&[("one", "", "max_concurrent: 1")]);
    let (mut client, mut other) = (home.client(), home.client());
    let id = begin_task(&mut client, "one", "t1");
    let waiting = about(&mut client, "tasks/result", &id);
    player::hears(&home, "one", "tasks/result", 1);
    // Also while another call has the only place.
    other.begin_hold("one", "k");
    assert_eq!(client.request("tasks/get", json!({"taskId": id}))["status"], "working");
    assert_eq!(client.request("tasks/cancel", json!({"taskId": id}))["status"], "cancelled");
    assert_eq!(client.answer(waiting)["result"]["content"][0]["text"], "outcome of t1");
}

#[test]
fn tasks_of_all_servers_are_listed_page_by_page() {
    let home = player::home(&[("a", "page=2", ""), ("mute", "without=tasks", ""), ("b", "page=2", "")]);
    let (mut client, mut other) = (home.client(), home.client());
    client.call("mute__pid", json!({}));
    for own in ["1", "2", "3", "4", "5"] {
        let whose = if own == "2" { &mut other } else { &mut client };
        for server in ["a", "b"] {
            begin_task(whose, server, own);
        }
    }
    let page = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let want = [&["a:1"][..], &["a:3", "a:4"], &["a:5"], &["b:1"], &["b:3", "b:4"], &["b:5"]];
    assert_eq!(pages(&mut client), want.map(page));
    assert_eq!(pages(&mut other).concat(), ["a:2", "b:2"]);
    for cursor in ["x", "", "7", "7:", "a.b:"] {
        let id = client.begin("tasks/list", json!({"cursor": cursor}));
        assert_eq!(client.failure_name(id), "INVALID_PARAMS", "{cursor:?}");
    }
    assert_eq!(client.request("tasks/list", json!({"cursor": "9.gone:"})), json!({"tasks": []}));
}

#[test]
fn a_list_of_tasks_goes_on_where_it_was_when_the_registry_changes() {
    const A: Part<'_> = ("a", "", "");
    const B: Part<'_> = ("b", "page=1", "");
    const C: Part<'_> = ("c", "", "");
    for (now, want) in [(&[B, C][..], ["b:2", "c:1"]), (&[C, B], ["b:2", ""]), (&[A, C], ["c:1", ""])] {
        let home = player::home(&[A, B, C]);
        let mut client = home.client();
        for (server, own) in [("a", "1"), ("b", "1"), ("b", "2"), ("c", "1")] {
            begin_task(&mut client, server, own);
        }
        let first = client.request("tasks/list", json!({}));
        let mut page = client.request("tasks/list", json!({"cursor": first["nextCursor"]}));
        assert_eq!(page["tasks"][0]["taskId"], "b:1");
        player::play(&home, now);
        home.loom_ok(&["reload"]);
        let mut rest = Vec::new();
        while let Some(cursor) = page.get("nextCursor").cloned() {
            page = client.request("tasks/list", json!({"cursor": cursor}));
            let rows = page["tasks"].as_array().expect("tasks").iter();
            rest.extend(rows.map(|row| row["taskId"].as_str().expect("an id").to_owned()));
        }
        let want: Vec<&str> = want.into_iter().filter(|id| !id.is_empty()).collect();
        assert_eq!(rest, want, "{now:?}");
    }
}

#[test]
fn a_server_with_an_open_task_is_not_idle() {
    let idle = "idle_timeout: 150ms";
    let home = player::home(&[("busy", "", idle), ("clock", "", idle)]);
    let mut client = home.client();
    let id = begin_task(&mut client, "busy", "t1");
    let waiting = about(&mut client, "tasks/result", &id);
    client.cancel(waiting);
    for _ in 0..2 {
        client.call("clock__pid", json!({}));
        assert!(wait_until(PATIENCE, || state(&home, "clock") == "idle"));
    }
    assert_eq!(state(&home, "busy"), "ready");
    client.call("busy__task_status", json!({"id": "t1", "status": "completed"}));
    assert!(wait_until(PATIENCE, || state(&home, "busy") == "idle"));
}

#[test]
fn a_question_about_a_task_starts_its_server() {
    let home = player::home(&[("one", "", "idle_timeout: 100ms")]);
    let mut client = home.client();
    begin_task(&mut client, "one", "t1");
    client.call("one__task_status", json!({"id": "t1", "status": "completed"}));
    for method in ["tasks/get", "tasks/cancel", "tasks/result"] {
        assert!(wait_until(PATIENCE, || state(&home, "one") == "idle"), "{method}");
        let call = about(&mut client, method, "one:t1");
        assert_eq!(client.failure(call)["message"], "one has no such task", "{method}");
    }
}

#[test]
fn tasks_end_with_their_server() {
    let home = player::home(&[("one", "", "")]);
    let mut client = home.client();
    let id = begin_task(&mut client, "one", "t1");
    let waiting = about(&mut client, "tasks/result", &id);
    player::hears(&home, "one", "tasks/result", 1);
    let call = client.begin_call("one__die", json!({}));
    for id in [call, waiting] {
        assert_eq!(client.failure_name(id), "SERVER_GONE");
    }
    let call = about(&mut client, "tasks/get", &id);
    assert_eq!(client.failure(call)["message"], "one has no such task");
    let mut other = home.client();
    let call = about(&mut other, "tasks/get", &id);
    assert_eq!(other.failure(call)["message"], "there is no task one:t1");
    assert_eq!(pages(&mut client).concat(), [""; 0]);
}
