//! What clients have said to one daemon holds for the next: they notice nothing but that lists may have changed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, kill, wait_until};
use crate::support::player::{self, notice};

const PATIENCE: Duration = Duration::from_secs(15);

fn kill_daemon(home: &TestHome) {
    assert!(kill(home.daemon_pid().expect("a daemon runs")));
}

fn params(of: Vec<Value>, key: &str) -> Vec<Value> {
    of.into_iter().map(|mut params| params[key].take()).collect()
}

fn log(level: &str) -> Value {
    notice("message", &json!({"level": level, "data": level}))
}

fn update(uri: &str) -> Value {
    notice("resources/updated", &json!({"uri": uri}))
}

/// Waits for what a proxy tells its client after a daemon's death.
fn told_of_lists(client: &mut Client) {
    for list in ["tools", "prompts", "resources"] {
        client.notified(&format!("notifications/{list}/list_changed"));
    }
}

#[test]
fn levels_and_subscriptions_hold_for_the_next_daemon() {
    let home = player::home(&[("one", "resources=u://a,u://b", ""), ("two", "resources=u://b", "")]);
    let (mut client, mut other) = (home.client(), home.client());
    for client in [&mut client, &mut other] {
        client.request("resources/list", json!({}));
        client.call("one__pid", json!({}));
    }
    let alias = "loom://r/two/u%3A%2F%2Fb";
    for (method, what) in [
        ("logging/setLevel", json!({"level": "warning"})),
        ("logging/setLevel", json!({"level": "error"})),
        ("resources/subscribe", json!({"uri": "u://a"})),
        ("resources/subscribe", json!({"uri": "u://b"})),
        ("resources/subscribe", json!({"uri": alias})),
        ("resources/unsubscribe", json!({"uri": "u://b"})),
    ] {
        client.request(method, what);
    }
    kill_daemon(&home);
    told_of_lists(&mut client);
    told_of_lists(&mut other);
    let again = params(player::hears(&home, "one", "resources/subscribe", 3), "uri");
    assert_eq!(again[2..], ["u://a"]);
    assert_eq!(params(player::hears(&home, "two", "resources/subscribe", 2), "uri"), ["u://b", "u://b"]);
    let levels = params(player::hears(&home, "one", "logging/setLevel", 3), "level");
    assert_eq!(levels, ["warning", "error", "error"]);

    client.call("one__pid", json!({}));
    other.let_send_after("one", &[update("u://b"), update("u://a"), log("warning"), log("error")]);
    other.let_send("two", &[update("u://b")]);
    assert_eq!(client.notified("notifications/message")["level"], "error");
    let updated = "notifications/resources/updated";
    let mut updates = params([client.notified(updated), client.notified(updated)].to_vec(), "uri");
    updates.sort_unstable_by_key(Value::to_string);
    assert_eq!(updates, [alias, "u://a"], "each of its own server");
    let answers = |message: &Value| message.get("method").is_none();
    assert!(!client.news().iter().any(answers), "what was said again is not answered");
    assert_eq!(other.told("notifications/resources/updated"), [json!(null); 0]);
}

#[test]
fn requests_that_may_be_asked_again_are() {
    let home = player::home(&[("one", "prompts=p resources=u://a", "max_concurrent: 1")]);
    let mut client = home.client();
    client.request("resources/list", json!({}));
    let call = client.begin_hold("one", "k");
    // These wait for the only place.
    let open = [
        client.begin("prompts/get", json!({"name": "one__p"})),
        client.begin("resources/read", json!({"uri": "u://a"})),
        client.begin("resources/subscribe", json!({"uri": "u://a"})),
        client.begin("logging/setLevel", json!({"level": "debug"})),
    ];
    client.answer(open[3]);
    kill_daemon(&home);
    assert_eq!(client.failure_name(call), "DAEMON_GONE");
    assert_eq!(client.answer(open[0])["result"]["messages"][0]["content"]["text"], "one says p");
    assert_eq!(client.answer(open[1])["result"]["contents"][0]["text"], "one has u://a");
    assert_eq!(client.answer(open[2])["result"], json!({}));
    client.let_send("one", &[update("u://a")]);
    assert_eq!(client.told("notifications/resources/updated").len(), 1);
    assert_eq!(
        params(player::heard(&home, "one", "logging/setLevel"), "level").last(),
        Some(&json!("debug"))
    );
}

#[test]
fn a_clients_own_server_is_there_again_with_its_capabilities() {
    let home = player::home(&[("own", "", "instance: per-client"), ("work", "", "instance: per-workspace")]);
    let mut client = home.able_client();
    let folder = json!({"roots": [{"uri": "file:///a", "name": "a"}]});
    client.reply_to("roots/list", &folder);
    let before = client.call_text("own__caps", json!({}));
    assert!(before.contains("sampling"), "{before}");
    client.call("work__pid", json!({}));
    kill_daemon(&home);
    // The next daemon has to be told the roots, too.
    client.reply_to("roots/list", &folder);
    assert_eq!(client.call_text("own__caps", json!({})), before);
    let ask = json!({"method": "roots/list", "params": {}});
    let told: Value = serde_json::from_str(&client.call_text("work__ask", ask)).expect("JSON");
    assert_eq!(told["result"], folder);
}

#[test]
fn a_subscription_is_found_its_server_again_when_the_next_daemon_does_not_know_the_lists() {
    let own = "instance: per-client";
    let home = player::home(&[("other", "", own), ("one", "resources=u://a", own)]);
    let mut client = home.client();
    client.request("resources/list", json!({}));
    client.request("resources/subscribe", json!({"uri": "u://a"}));
    assert_eq!(player::heard(&home, "other", "resources/subscribe"), [json!(null); 0]);
    kill_daemon(&home);
    told_of_lists(&mut client);
    player::hears(&home, "one", "resources/subscribe", 2);
    client.let_send("one", &[update("u://a")]);
    client.notified("notifications/resources/updated");
    // Whoever was asked too early is told so.
    let count = |method| player::heard(&home, "other", method).len();
    let told = || count("resources/subscribe") == count("resources/unsubscribe");
    assert!(wait_until(PATIENCE, told), "{:?}", player::journal(&home, "other"));
}
