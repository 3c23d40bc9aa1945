//! Servers of one client, or of the clients of one workspace: what they are told, what they show, and when they go.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, loom_binary, wait_until};
use crate::support::player;

const PATIENCE: Duration = Duration::from_secs(15);
const PLACE: &str = "instance: per-workspace, cwd: '${workspace}'";

/// A client that was started in a folder of the home.
fn client_in(home: &TestHome, folder: &str) -> Client {
    let path = home.path().join(folder);
    fs::create_dir_all(&path).expect("the home can be written");
    let mut client = Client::spawn(home.command(loom_binary()).arg("proxy").current_dir(path));
    client.initialize();
    client
}

/// The addresses of a kind that a client's resources have.
fn listed(client: &mut Client, scheme: &str) -> Vec<String> {
    let result = client.request("resources/list", json!({}));
    let rows = result["resources"].as_array().expect("a list").iter();
    let uris = rows.map(|row| row["uri"].as_str().expect("a URI"));
    uris.filter_map(|uri| uri.strip_prefix(scheme)).map(str::to_owned).collect()
}

fn roots(folder: &Path) -> Value {
    json!({"roots": [{"uri": format!("file://{}", folder.display()), "name": "x"}]})
}

fn pid(client: &mut Client, server: &str) -> String {
    client.call_text(&format!("{server}__pid"), json!({}))
}

#[test]
fn a_client_that_comes_back_while_the_old_process_ends_gets_an_answer() {
    let home = player::home(&[("one", "linger=yes", "instance: per-workspace")]);
    let mut client = client_in(&home, "w");
    let old = pid(&mut client, "one");
    client.close();
    player::lives(&home, "one", "ends", 1);
    let mut client = client_in(&home, "w");
    assert_ne!(pid(&mut client, "one"), old);
    assert_eq!(home.server("one")["restarts"], 0);
}

#[test]
fn a_workspace_never_shows_anothers_lists() {
    let home = player::home(&[("one", "place=yes", PLACE)]);
    let folder = |name: &str| home.path().join(name).display().to_string();
    let mut first = client_in(&home, "a");
    assert_eq!(listed(&mut first, "cwd://"), [folder("a")]);
    let catalog = home.config_dir().join("state/catalog");
    assert!(wait_until(PATIENCE, || fs::read_dir(&catalog).map_or(0, Iterator::count) == 1));
    let mut second = client_in(&home, "b");
    assert_eq!(listed(&mut second, "cwd://"), [folder("b")]);
    assert_eq!(listed(&mut first, "cwd://"), [folder("a")]);
    drop((first, second));
    // The next daemon knows both from disk.
    assert!(wait_until(PATIENCE, || fs::read_dir(&catalog).map_or(0, Iterator::count) == 2));
    home.loom_ok(&["stop"]);
    home.loom_ok(&["start"]);
    for name in ["b", "c", "a"] {
        assert_eq!(listed(&mut client_in(&home, name), "cwd://"), [folder(name)]);
    }
    let lives = player::journal(&home, "one").iter().filter(|line| line["life"] == "begins").count();
    assert_eq!(lives, 3, "those that were known did not start");
}

#[test]
fn a_clients_own_server_shows_nothing_of_anothers() {
    let home = player::home(&[("one", "place=yes", "instance: per-client")]);
    let mut clients = [home.client(), home.client()];
    for client in &mut clients {
        let own = pid(client, "one");
        assert_eq!(listed(client, "pid://"), [own]);
    }
    assert_ne!(listed(&mut clients[0], "pid://"), listed(&mut clients[1], "pid://"));
    drop(clients);
    home.loom_ok(&["stop"]);
    home.loom_ok(&["start"]);
    let mut client = home.client();
    let shown = listed(&mut client, "pid://");
    assert_eq!(shown, [pid(&mut client, "one")], "nothing of it was kept on disk");
}

#[test]
fn a_client_whose_roots_are_none_counts_by_its_folder() {
    let home = player::home(&[("own", "", PLACE)]);
    let none = json!({"roots": []});
    let mut pids: Vec<String> = Vec::new();
    for folder in ["a", "b"] {
        let path = home.path().join(folder);
        fs::create_dir_all(&path).expect("the home can be written");
        let mut client = Client::spawn(home.command(loom_binary()).arg("proxy").current_dir(&path));
        client.initialize_with(&json!({"roots": {"listChanged": true}}));
        client.reply_to("roots/list", &none);
        pids.push(pid(&mut client, "own"));
        // What it has said before does not hold any more.
        let changed = json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"});
        client.send(&changed);
        client.reply_to("roots/list", &roots(home.path()));
        assert_ne!(pid(&mut client, "own"), pids[pids.len() - 1]);
        client.send(&changed);
        client.reply_to("roots/list", &none);
        assert!(listed(&mut client, "cwd://").is_empty());
        assert!(client.close().success());
    }
    assert_ne!(pids[0], pids[1]);
}

#[test]
fn a_clients_own_server_is_told_what_the_client_can() {
    let home = player::home(&[("own", "", "instance: per-client"), ("all", "", "")]);
    let mut other = home.client();
    other.call("all__pid", json!({}));
    let mut client = home.proxy(&[]);
    let come = || home.status()["clients"].as_array().map(Vec::len) == Some(2);
    assert!(wait_until(PATIENCE, come), "{}", home.status());
    // Views are built anew while this client has not said what it can.
    other.call("all__set", json!({"kind": "prompts", "items": [{"name": "new"}]}));
    other.notified("notifications/prompts/list_changed");
    let can = json!({"sampling": {}, "roots": {"listChanged": true}, "experimental": {"x": {"n": 1}}});
    client.initialize_with(&can);
    let told: Value = serde_json::from_str(&client.call_text("own__caps", json!({}))).expect("JSON");
    assert_eq!(told, can);
    assert_eq!(
        serde_json::from_str::<Value>(&other.call_text("own__caps", json!({}))).expect("JSON"),
        json!({})
    );

    let notice = json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"});
    client.send(&notice);
    assert_eq!(player::hears(&home, "own", "notifications/roots/list_changed", 1).len(), 1);
    // It asks its own client for roots.
    let call = client.begin_call("own__ask", json!({"method": "roots/list", "params": {}}));
    client.reply_to("roots/list", &roots(home.path()));
    assert!(client.text(call).contains(&home.path().display().to_string()));
}

#[test]
fn a_call_under_way_survives_a_move_to_another_folder() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "instance: per-workspace")]);
    let mut client = home.able_client();
    client.reply_to("roots/list", &roots(&home.path().join("a")));
    let old = pid(&mut client, "one");
    let long = client.begin_sleep("one", 900);
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}));
    client.reply_to("roots/list", &roots(&home.path().join("b")));
    assert!(wait_until(PATIENCE, || pid(&mut client, "one") != old), "another folder has its own");
    assert_eq!(client.text(long), "slept 900 ms");
    let gone = || home.server("one")["instances"] == 1;
    assert!(wait_until(PATIENCE, gone), "{}", home.server("one"));
}

#[test]
fn a_cancelled_request_that_waits_for_roots_does_not_run() {
    let home = player::home(&[("one", "", "instance: per-workspace")]);
    let mut client = home.able_client();
    let question = client.recv_where(|message| message["method"] == "roots/list");
    let given_up = client.begin_call("one__caps", json!({}));
    let wanted = client.begin_call("one__pid", json!({}));
    client.cancel(given_up);
    client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": roots(home.path())}));
    assert!(client.text(wanted).parse::<u32>().is_ok());
    let calls = player::heard(&home, "one", "tools/call");
    assert_eq!(calls.iter().map(|call| &call["name"]).collect::<Vec<_>>(), ["pid"]);
    assert_eq!(client.news(), [json!(null); 0]);
}

#[test]
fn a_workspaces_roots_are_its_servers_to_ask_for() {
    let home = player::home(&[("one", "", "instance: per-workspace"), ("all", "", "")]);
    let mut client = home.able_client();
    client.reply_to("roots/list", &roots(&home.path().join("a")));
    let ask = json!({"method": "roots/list", "params": {}});
    let told: Value = serde_json::from_str(&client.call_text("one__ask", ask.clone())).expect("JSON");
    let want = format!("file://{}/a", home.path().display());
    assert_eq!(told["result"], json!({"roots": [{"uri": want, "name": "x"}]}));
    let said = client.call_text("all__ask", ask);
    assert!(said.contains("NOT_ASKED") && said.contains("all is shared"), "{said}");
    assert_eq!(client.news(), [json!(null); 0], "loom answers by itself");
}
