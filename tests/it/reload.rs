//! A registry that changes under running clients: only what changed is touched, and a broken file changes nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, alive, hang_up, wait_until};

const SECOND: Duration = Duration::from_secs(1);
const BROKEN: &str = "version: 1\nservers:\n  - name: one\n    common:\n      comand: x\n";
const LIST_CHANGED: &str = "notifications/tools/list_changed";

/// An editor that writes in place empties the file first.
#[test]
fn an_emptied_file_takes_no_server_away() {
    let home = TestHome::new();
    let file = home.echo_registry(&[("one", "", "")]);
    let mut client = home.client();
    let pid = client.call_text("one__pid", json!({}));
    for blank in ["", "\n \n", "# servers:\n#   - name: one\n"] {
        fs::write(&file, blank).expect("the home can be written");
        let reload = home.loom(&["reload"]);
        let said = String::from_utf8_lossy(&reload.stderr).into_owned();
        assert_eq!(reload.status.code(), Some(78), "{said}");
        assert!(said.contains(":1:1: error: the file is empty"), "{said}");
        assert_eq!(client.call_text("one__pid", json!({})), pid);
    }
    fs::write(&file, "version: 1\nservers: []\n").expect("the home can be written");
    home.loom_ok(&["reload"]);
    let call = client.begin_call("one__pid", json!({}));
    assert_eq!(client.failure_name(call), "TOOL_NOT_FOUND");
}

#[test]
fn a_broken_file_names_its_place_and_changes_nothing() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "")]);
    let mut client = home.client();
    let pid = client.call_text("one__pid", json!({}));
    let long = client.begin_sleep("one", 600);
    let file = home.registry(BROKEN);

    let reload = home.loom(&["reload"]);
    let said = String::from_utf8_lossy(&reload.stderr).into_owned();
    assert_eq!(reload.status.code(), Some(78), "{said}");
    let place = format!("{}:3:", file.display());
    assert!(said.contains(&place) && said.contains("error:"), "{said}");
    let error = home.status()["registry"]["error"].clone();
    assert!(error.as_str().is_some_and(|error| error.contains(&place)), "{error}");
    assert_eq!(client.text(long), "slept 600 ms");
    assert_eq!(client.call_text("one__pid", json!({})), pid);

    home.echo_registry(&[("one", "", "")]);
    home.loom_ok(&["reload"]);
    assert_eq!(home.status()["registry"]["error"], Value::Null);
    assert_eq!(client.call_text("one__pid", json!({})), pid);
}

#[test]
fn a_changed_file_is_seen_without_a_word() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "")]);
    let mut client = home.client();
    client.tools();
    home.registry(BROKEN);
    assert!(wait_until(SECOND * 5, || home.status()["registry"]["error"].is_string()), "{}", home.status());
    assert_eq!(client.call_text("one__echo", json!({"message": "x"})), "x");
    home.echo_registry(&[("one", "", ""), ("two", "", "")]);
    client.recv_where(|message| message["method"] == LIST_CHANGED);
    assert!(wait_until(SECOND * 5, || listed(&mut client) == ["one", "two"]), "{:?}", listed(&mut client));
    assert_eq!(home.status()["registry"]["error"], Value::Null);
}

#[test]
fn an_idle_server_that_was_changed_is_listed_anew() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "")]);
    assert_eq!(home.client().tools().len(), 6);
    home.loom_ok(&["restart"]);
    let mut client = home.client();
    assert_eq!(client.tools().len(), 6);
    assert_eq!(home.server("one")["state"], "idle");
    home.echo_registry(&[("one", "--tools 2", "")]);
    client.recv_where(|message| message["method"] == LIST_CHANGED);
    assert_eq!(client.tools().len(), 8);
}

#[test]
fn a_hangup_reads_the_registry() {
    let home = TestHome::new();
    // The file lies elsewhere, where nobody watches it.
    let elsewhere = home.path().join("elsewhere.yaml");
    fs::rename(home.echo_registry(&[("one", "", "")]), &elsewhere).expect("one file system");
    symlink(&elsewhere, home.config_dir().join("registry.yaml")).expect("the home can be written");
    let mut client = home.client();
    client.tools();
    let daemon = home.daemon_pid().expect("a daemon runs");

    fs::write(&elsewhere, BROKEN).expect("the home can be written");
    assert!(hang_up(daemon));
    assert!(wait_until(SECOND * 5, || home.status()["registry"]["error"].is_string()), "{}", home.status());
    assert_eq!(client.call_text("one__echo", json!({"message": "x"})), "x");

    home.echo_registry(&[("one", "", ""), ("two", "", "")]);
    assert!(hang_up(daemon));
    client.recv_where(|message| message["method"] == LIST_CHANGED);
    assert!(wait_until(SECOND * 5, || listed(&mut client) == ["one", "two"]), "{:?}", listed(&mut client));
    assert_eq!((home.daemon_pid(), &home.status()["registry"]["error"]), (Some(daemon), &Value::Null));
}

#[test]
fn only_the_edited_server_restarts_while_calls_to_others_go_on() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", ""), ("two", "", ""), ("three", "", "")]);
    let mut client = home.client();
    let before = ["one", "two", "three"].map(|name| pid(&mut client, name));
    let others = [client.begin_sleep("one", 900), client.begin_sleep("three", 900)];
    // A call that is under way on the server that changes ends as if nothing had happened.
    let drained = client.begin_sleep("two", 900);
    home.echo_registry(&[("one", "", ""), ("two", "--tools 1", ""), ("three", "", "")]);
    let said = home.loom_ok(&["reload", "--json"]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&said["changed"], &said["unchanged"]), (&json!(["two"]), &json!(2)));

    // The new process serves while the old one still works.
    let fresh = pid(&mut client, "two");
    assert!(alive(before[1]) && fresh != before[1]);
    for id in others.into_iter().chain([drained]) {
        assert_eq!(client.text(id), "slept 900 ms");
    }
    assert!(wait_until(SECOND * 5, || !alive(before[1])), "the old process stays");
    let after = ["one", "two", "three"].map(|name| pid(&mut client, name));
    assert_eq!(after, [before[0], fresh, before[2]]);
    assert!(client.tools().iter().any(|tool| tool["name"] == "two__tool_0001"));
}

#[test]
fn a_call_on_a_changed_server_is_cut_off_only_after_the_drain() {
    let mut home = TestHome::new();
    home.set_env("LOOM_DRAIN_TIMEOUT", "500ms");
    home.echo_registry(&[("one", "", "")]);
    let mut client = home.client();
    let old = pid(&mut client, "one");
    let long = client.begin_sleep("one", 30_000);
    home.echo_registry(&[("one", "--tools 1", "")]);
    home.loom_ok(&["reload"]);
    let error = client.failure(long);
    assert_eq!((&error["data"]["code"], &error["data"]["server"]), (&json!("SERVER_GONE"), &json!("one")));
    assert_ne!(pid(&mut client, "one"), old);
    assert!(wait_until(SECOND * 5, || !alive(old)), "the old process stays");
}

#[test]
fn servers_that_come_and_go_change_the_list() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", ""), ("two", "", "")]);
    let mut client = home.client();
    assert_eq!(listed(&mut client), ["one", "two"]);
    let (one, two) = (pid(&mut client, "one"), pid(&mut client, "two"));
    client.passed_over();

    home.echo_registry(&[("one", "", ""), ("new", "", "")]);
    home.loom_ok(&["reload"]);
    client.recv_where(|message| message["method"] == LIST_CHANGED);
    assert_eq!(listed(&mut client), ["one", "new"]);
    assert_eq!(pid(&mut client, "one"), one);
    assert!(wait_until(SECOND * 5, || !alive(two)), "a removed server stays");
    let id = client.begin_call("two__pid", json!({}));
    assert_eq!(client.failure_name(id), "TOOL_NOT_FOUND");
    assert_eq!(client.call_text("new__echo", json!({"message": "x"})), "x");
    client.passed_over();

    home.echo_registry(&[("one", "", ""), ("new", "", "disabled: true")]);
    home.loom_ok(&["reload"]);
}

#[test]
fn settings_that_no_process_depends_on_restart_none() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "")]);
    let mut client = home.client();
    let before = (pid(&mut client, "one"), listed_names(&mut client).len());
    client.passed_over();
    home.echo_registry(&[("one", "", "disabled_tools: [size], tool_timeout: 300ms")]);
    home.loom_ok(&["reload"]);
    client.recv_where(|message| message["method"] == LIST_CHANGED);
    let names = listed_names(&mut client);
    assert!(names.len() == before.1 - 1 && !names.contains(&"one__size".to_owned()), "{names:?}");
    let id = client.begin_call("one__size", json!({"bytes": 1}));
    assert_eq!(client.failure_name(id), "TOOL_REFUSED");
    let id = client.begin_call("one__sleep", json!({"ms": 10_000}));
    assert_eq!(client.failure_name(id), "TIMEOUT");
    assert_eq!(pid(&mut client, "one"), before.0);
    assert_eq!(home.server("one")["restarts"], 0);
}

#[test]
fn a_process_without_work_that_was_replaced_ends_at_once() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "")]);
    let mut client = home.client();
    let old = pid(&mut client, "one");
    home.echo_registry(&[("one", "--tools 1", "")]);
    home.loom_ok(&["reload"]);
    // Less than the time that calls under way would have.
    assert!(wait_until(SECOND * 3, || !alive(old)), "{}", home.server("one"));
    assert_ne!(pid(&mut client, "one"), old);
}

fn pid(client: &mut Client, server: &str) -> u32 {
    client.call_text(&format!("{server}__pid"), json!({})).parse().expect("a pid")
}

fn listed_names(client: &mut Client) -> Vec<String> {
    let name = |tool: Value| tool["name"].as_str().expect("a tool has a name").to_owned();
    client.tools().into_iter().map(name).collect()
}

/// The servers with listed tools, in their order.
fn listed(client: &mut Client) -> Vec<String> {
    let names = listed_names(client);
    let mut servers: Vec<String> =
        names.iter().filter_map(|name| Some(name.split_once("__")?.0.to_owned())).collect();
    servers.dedup();
    servers
}
