//! Subscriptions to resources: whom an update reaches, under which URI, and that they outlive the server.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, resident_kib};
use crate::support::player::{self, notice};

const UPDATED: &str = "notifications/resources/updated";

fn update(uri: &str) -> Value {
    notice("resources/updated", &json!({"uri": uri, "n": 1}))
}

fn subscribe(client: &mut Client, uri: &str) {
    assert_eq!(client.request("resources/subscribe", json!({"uri": uri})), json!({}));
}

fn unsubscribe(client: &mut Client, uri: &str) {
    assert_eq!(client.request("resources/unsubscribe", json!({"uri": uri})), json!({}));
}

/// A client that knows all lists.
fn client(home: &TestHome) -> Client {
    let mut client = home.client();
    client.request("resources/list", json!({}));
    client
}

fn updates(client: &mut Client) -> Vec<String> {
    let told = client.told(UPDATED);
    assert!(told.iter().all(|params| params["n"] == 1), "{told:?}");
    told.iter().map(|params| params["uri"].as_str().expect("a URI").to_owned()).collect()
}

fn asked(home: &TestHome, server: &str, method: &str, count: usize) -> Vec<Value> {
    let asked = player::hears(home, server, method, count);
    asked.into_iter().map(|mut params| params["uri"].take()).collect()
}

#[test]
fn updates_reach_who_subscribed_under_the_uri_that_was_used() {
    let home = player::home(&[("one", "resources=u://same", ""), ("two", "resources=u://same", "")]);
    let mut clients = [client(&home), client(&home), client(&home)];
    let alias = "loom://r/two/u%3A%2F%2Fsame";
    subscribe(&mut clients[0], "u://same");
    subscribe(&mut clients[1], alias);
    assert_eq!(asked(&home, "one", "resources/subscribe", 1), ["u://same"]);
    assert_eq!(asked(&home, "two", "resources/subscribe", 1), ["u://same"]);
    for (server, want) in
        [("one", [vec!["u://same"], vec![], vec![]]), ("two", [vec![], vec![alias], vec![]])]
    {
        clients[2].let_send(server, &[update("u://same"), update("u://other")]);
        for (client, want) in clients.iter_mut().zip(want) {
            assert_eq!(updates(client), want, "{server}");
        }
    }
}

#[test]
fn a_client_that_uses_two_uris_for_one_resource_hears_both() {
    let home = player::home(&[("one", "resources=u://same", ""), ("two", "resources=u://same,u://b", "")]);
    let mut client = client(&home);
    let alias = "loom://r/two/u%3A%2F%2Fb";
    subscribe(&mut client, "u://b");
    subscribe(&mut client, alias);
    client.let_send("two", &[update("u://b")]);
    let mut told = updates(&mut client);
    told.sort();
    assert_eq!(told, [alias, "u://b"]);
}

#[test]
fn of_several_that_may_have_it_one_that_tells_of_changes_is_asked() {
    let home = player::home(&[
        ("mute", "templates=t://{id} mute=yes", ""),
        ("bare", "without=resources", ""),
        ("able", "templates=t://{id}", ""),
    ]);
    let mut client = client(&home);
    client.request("resources/templates/list", json!({}));
    for (count, uri) in [(1, "t://1"), (2, "u://unlisted")] {
        subscribe(&mut client, uri);
        assert_eq!(asked(&home, "able", "resources/subscribe", count)[count - 1], uri);
        client.let_send("able", &[update(uri)]);
        assert_eq!(updates(&mut client), [uri]);
    }
    assert_eq!(player::heard(&home, "mute", "resources/subscribe"), [json!(null); 0]);
}

#[test]
fn an_update_of_a_part_reaches_who_subscribed_to_the_whole() {
    let home = player::home(&[("one", "hidden=u://a", "")]);
    let mut sender = client(&home);
    sender.call_text("one__pid", json!({}));
    let rows = [
        ("u://alice/private", true),
        ("u://alice", true),
        ("u://alice/", true),
        ("u://ali", false),
        ("u", false),
        ("u://alice/private/x", false),
    ];
    let mut clients = rows.map(|(uri, _)| {
        let mut client = client(&home);
        subscribe(&mut client, uri);
        client
    });
    sender.let_send("one", &[update("u://alice/private")]);
    for (client, (uri, hears)) in clients.iter_mut().zip(rows) {
        assert_eq!(updates(client), ["u://alice/private"][..usize::from(hears)], "{uri}");
    }
}

#[test]
fn they_hold_for_a_servers_next_life_and_for_the_one_that_takes_its_place() {
    let home = player::home(&[("one", "resources=u://a,u://b", "")]);
    let mut all = [client(&home), client(&home)];
    subscribe(&mut all[0], "u://a");
    subscribe(&mut all[1], "u://a");
    subscribe(&mut all[1], "u://b");
    assert_eq!(asked(&home, "one", "resources/subscribe", 3).len(), 3);
    let id = all[0].begin_call("one__die", json!({}));
    assert_eq!(all[0].failure_name(id), "SERVER_GONE");
    // Each once for all clients.
    assert_eq!(asked(&home, "one", "resources/subscribe", 5)[3..], ["u://a", "u://b"]);
    let sent = [update("u://b"), update("u://a")];
    all[0].let_send("one", &sent);
    assert_eq!(
        (updates(&mut all[0]), updates(&mut all[1])),
        (vec!["u://a".into()], vec!["u://b".into(), "u://a".into()])
    );

    player::play(&home, &[("one", "resources=u://a,u://b prompts=p", ""), ("new", "", "")]);
    home.loom_ok(&["reload"]);
    let mut again = asked(&home, "one", "resources/subscribe", 7)[5..].to_vec();
    again.sort_unstable_by_key(Value::to_string);
    assert_eq!(again, ["u://a", "u://b"]);
    all[1].let_send("one", &sent);
    assert_eq!(
        (updates(&mut all[0]), updates(&mut all[1])),
        (vec!["u://a".into()], vec!["u://b".into(), "u://a".into()])
    );
}

#[test]
fn the_last_to_unsubscribe_or_to_leave_ends_it_at_the_server() {
    let home = player::home(&[("one", "resources=u://a,u://b", "")]);
    let mut all = [client(&home), client(&home), client(&home)];
    for client in &mut all {
        subscribe(client, "u://a");
    }
    subscribe(&mut all[2], "u://b");
    unsubscribe(&mut all[0], "u://a");
    all[0].let_send("one", &[update("u://a")]);
    assert_eq!(updates(&mut all[0]), [""; 0]);
    assert_eq!(updates(&mut all[1]), ["u://a"]);
    let [one, mut two, three] = all;
    three.close();
    assert_eq!(asked(&home, "one", "resources/unsubscribe", 1), ["u://b"]);
    unsubscribe(&mut two, "u://a");
    assert_eq!(asked(&home, "one", "resources/unsubscribe", 2), ["u://b", "u://a"]);
    drop(one);
}

#[test]
fn what_was_never_subscribed_to_is_as_it_should_be_and_looms_own_is_refused() {
    let home = player::home(&[("one", "resources=u://a", "")]);
    let mut client = client(&home);
    for uri in ["u://a", "u://nowhere", "loom://servers"] {
        unsubscribe(&mut client, uri);
    }
    for (uri, want) in
        [("loom://servers", "loom://servers is loom's own"), ("loom://r/nobody/x", "no resource")]
    {
        let id = client.begin("resources/subscribe", json!({"uri": uri}));
        let text = client.failure(id)["message"].take();
        assert!(text.as_str().is_some_and(|text| text.contains(want)), "{uri}: {text}");
    }
    let told =
        ["resources/subscribe", "resources/unsubscribe"].map(|method| player::heard(&home, "one", method));
    assert_eq!(told.concat(), [json!(null); 0]);
}

#[test]
fn one_that_is_taken_back_before_the_server_agreed_does_not_stay() {
    // While it waits for its turn, and while the server has it.
    for (options, more, told) in [("", "max_concurrent: 1", 0), ("hold=resources/subscribe", "", 1)] {
        let home = player::home(&[("one", &format!("resources=u://a {options}"), more)]);
        let (mut client, mut other) = (client(&home), client(&home));
        let long = other.begin_hold("one", "k");
        let waiting = client.begin("resources/subscribe", json!({"uri": "u://a"}));
        asked(&home, "one", "resources/subscribe", told);
        unsubscribe(&mut client, "u://a");
        other.cancel(long);
        if told > 0 {
            other.call("one__release", json!({"key": "resources/subscribe"}));
        }
        assert!(client.answer(waiting)["result"].is_object(), "{options}");
        other.let_send("one", &[update("u://a")]);
        assert_eq!(updates(&mut client), [""; 0], "{options}");
        for method in ["resources/subscribe", "resources/unsubscribe"] {
            assert_eq!(player::heard(&home, "one", method).len(), told, "{options} {method}");
        }
    }
}

#[test]
fn they_go_along_when_a_client_opens_another_folder() {
    let home = player::home(&[("one", "resources=u://a", "instance: per-workspace")]);
    let roots = |name: &str| json!({"roots": [{"uri": format!("file:///{name}"), "name": name}]});
    let mut clients = ["a", "a", "b"].map(|name| {
        let mut client = home.able_client();
        client.reply_to("roots/list", &roots(name));
        client.request("resources/list", json!({}));
        client
    });
    let [mover, stays, there] = &mut clients;
    subscribe(mover, "u://a");
    let told = |client: &mut Client, method: &str| {
        let said = client.call_text("one__heard", json!({"method": method}));
        serde_json::from_str::<Vec<Value>>(&said).expect("JSON").len()
    };
    assert_eq!((told(stays, "resources/subscribe"), told(there, "resources/subscribe")), (1, 0));
    mover.send(&json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}));
    mover.reply_to("roots/list", &roots("b"));
    asked(&home, "one", "resources/subscribe", 2);
    asked(&home, "one", "resources/unsubscribe", 1);
    assert_eq!((told(stays, "resources/unsubscribe"), told(there, "resources/subscribe")), (1, 1));
    stays.let_send("one", &[update("u://a")]);
    assert_eq!(updates(mover), [""; 0]);
    there.let_send("one", &[update("u://a")]);
    assert_eq!(updates(mover), ["u://a"]);
}

#[test]
fn a_client_that_does_not_read_loses_updates_and_costs_little() {
    const COUNT: u64 = 40_000;
    let home = player::home(&[("one", "resources=u://a", "")]);
    let mut sender = client(&home);
    let daemon = home.daemon_pid().expect("a daemon runs");
    // A proxy would read for its client.
    let mut deaf = UnixStream::connect(home.config_dir().join("loom.sock")).expect("the daemon listens");
    let mut lines = BufReader::new(deaf.try_clone().expect("a socket"));
    let mut ask = |id: u64, method: &str, params: Value| {
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        deaf.write_all(format!("{request}\n").as_bytes()).expect("the daemon reads");
        let mut answer = String::new();
        lines.read_line(&mut answer).expect("the daemon answers");
        assert!(answer.contains("\"result\""), "{answer}");
    };
    ask(0, "loom/hello", json!({"protocol": 1, "role": "proxy"}));
    ask(1, "initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}}));
    ask(2, "resources/subscribe", json!({"uri": "u://a"}));
    let before = resident_kib(daemon);
    sender.call("one__flood", json!({"uri": "u://a", "count": COUNT, "bytes": 1000}));
    let grown = resident_kib(daemon).saturating_sub(before);
    let lost = home.status()["counters"]["dropped_notifications"].as_u64().expect("a number");
    assert!(lost > COUNT / 2 && lost < COUNT, "{lost} of {COUNT}");
    assert!(grown < 24 << 10, "{grown} KiB for {COUNT} updates");
}
