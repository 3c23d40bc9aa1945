//! Log messages: each client hears what it asked for, of a call only the caller, and a server is told no more than that.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::TestHome;
use crate::support::player::{self, notice};

const LOG: &str = "notifications/message";

fn log(level: &str, data: &str) -> Value {
    notice("message", &json!({"level": level, "data": data}))
}

fn set_level(client: &mut Client, level: &str) {
    client.request("logging/setLevel", json!({"level": level}));
}

/// Clients that have used the server, each with its level, if it has said one.
fn clients(home: &TestHome, levels: &[&str]) -> Vec<Client> {
    let client = |level: &&str| {
        let mut client = home.client();
        client.call_text("one__pid", json!({}));
        if !level.is_empty() {
            set_level(&mut client, level);
        }
        client
    };
    levels.iter().map(client).collect()
}

fn data(logs: Vec<Value>) -> Vec<String> {
    logs.iter().map(|log| log["data"].as_str().expect("a text").to_owned()).collect()
}

/// What a server was told, once it has been told so often.
fn levels_told(home: &TestHome, count: usize) -> Vec<Value> {
    let told = player::hears(home, "one", "logging/setLevel", count);
    told.into_iter().map(|mut params| params["level"].take()).collect()
}

#[test]
fn each_client_hears_its_own_level() {
    let home = player::home(&[("one", "", ""), ("two", "", "")]);
    let mut clients = clients(&home, &["debug", "error", ""]);
    let mut stranger = home.client();
    stranger.call_text("two__pid", json!({}));
    set_level(&mut stranger, "debug");
    let mut sender = home.client();
    sender.let_send_after(
        "one",
        &[log("debug", "d"), log("info", "i"), log("error", "e"), log("alert", "end")],
    );
    let want = [&["d", "i", "e", "end"][..], &["e", "end"], &["i", "e", "end"]];
    for (client, want) in clients.iter_mut().zip(want) {
        let last = client.recv_where(|message| message["params"]["data"] == "end");
        let mut heard = data(client.told(LOG));
        heard.extend(data(vec![last["params"].clone()]));
        assert_eq!(heard, want);
    }
    assert_eq!(stranger.told(LOG), [json!(null); 0], "it has never used this server");
    assert_eq!(levels_told(&home, 1), ["debug"]);
}

#[test]
fn what_a_server_says_during_a_call_is_its_callers() {
    let home = player::home(&[("one", "", "")]);
    let mut clients = clients(&home, &["debug", "debug"]);
    let (caller, others) = clients.split_first_mut().expect("two");
    for _ in 0..3 {
        caller.let_send("one", &[log("error", "mine")]);
    }
    assert_eq!(data(caller.told(LOG)), ["mine"; 3]);
    assert_eq!(others[0].told(LOG), [json!(null); 0]);
}

#[test]
fn a_server_is_told_the_most_detailed_level_and_a_lower_one_when_that_client_leaves() {
    let home = player::home(&[("one", "", ""), ("own", "", "instance: per-client")]);
    let mut all = clients(&home, &["error", "warning", "debug"]);
    all[0].call_text("own__pid", json!({}));
    assert_eq!(levels_told(&home, 3), ["error", "warning", "debug"]);
    all.pop().expect("three").close();
    assert_eq!(levels_told(&home, 4)[3], "warning");
    set_level(&mut all[0], "info");
    assert_eq!(levels_told(&home, 5)[4], "info");
    set_level(&mut all[1], "emergency");
    set_level(&mut all[0], "critical");
    assert_eq!(levels_told(&home, 6)[5], "critical");
    // A server of one client's own is told that client's.
    let own = all[0].call_text("own__heard", json!({"method": "logging/setLevel"}));
    let own: Value = serde_json::from_str(&own).expect("JSON");
    assert_eq!(own, json!(["error", "info", "critical"].map(|level| json!({"level": level}))));
}

#[test]
fn a_level_holds_for_a_servers_next_life() {
    let home = player::home(&[("one", "", "")]);
    let mut all = clients(&home, &["debug"]);
    levels_told(&home, 1);
    let id = all[0].begin_call("one__die", json!({}));
    assert_eq!(all[0].failure_name(id), "SERVER_GONE");
    assert_eq!(levels_told(&home, 2), ["debug", "debug"]);
}

#[test]
fn a_level_that_does_not_exist_is_refused() {
    let home = player::home(&[("one", "", "")]);
    let mut client = home.client();
    for params in [json!({"level": "loud"}), json!({"level": 3}), json!({})] {
        let id = client.begin("logging/setLevel", params);
        let text = client.failure(id)["message"].take();
        assert!(text.as_str().is_some_and(|text| text.contains("debug, info")), "{text}");
    }
}

#[test]
fn no_message_is_lost_around_a_change_of_lists() {
    let home = player::home(&[("one", "", "")]);
    let mut all = clients(&home, &["debug", "debug"]);
    let (caller, other) = all.split_at_mut(1);
    let mut want = Vec::new();
    for n in 0..10 {
        let items = json!([{"uri": format!("u://{n}"), "name": "n"}]);
        let then = [log("info", &format!("{n} then"))];
        caller[0].call("one__set", json!({"kind": "resources", "items": items, "then": then}));
        caller[0].let_send_after("one", &[log("info", &format!("{n} after"))]);
        // Nobody's call: it is for all.
        other[0].recv_where(|message| message["params"]["data"] == format!("{n} after"));
        want.extend([format!("{n} then"), format!("{n} after")]);
    }
    assert_eq!(data(caller[0].told(LOG)), want);
}
