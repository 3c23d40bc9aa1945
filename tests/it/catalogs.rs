//! What a fresh daemon knows of tools before any server runs, and how that knowledge grows old.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, wait_until};
use crate::support::player::notice;
use crate::support::{player, script};

const PATIENCE: Duration = Duration::from_secs(15);

/// Files of the catalog on disk, once there are as many as `count`.
fn catalog(home: &TestHome, count: usize) -> Vec<PathBuf> {
    let folder = home.config_dir().join("state/catalog");
    let mut found = Vec::new();
    let all = wait_until(PATIENCE, || {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        found = entries.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
        found.len() == count
    });
    assert!(all, "{} has {found:?}", folder.display());
    found
}

fn restart(home: &TestHome) {
    home.loom_ok(&["stop"]);
    home.loom_ok(&["start"]);
}

fn states(home: &TestHome) -> Vec<(Value, Value, Value)> {
    let mut status = home.loom_json(&["status", "--json"]);
    let rows = status["servers"].as_array_mut().expect("a daemon runs");
    rows.iter_mut().map(|row| (row["state"].take(), row["pid"].take(), row["tools"].take())).collect()
}

fn own_names(client: &mut Client) -> Vec<String> {
    let tools = client.tools();
    let names = tools.iter().map(|tool| tool["name"].as_str().expect("a tool has a name"));
    names.map(|name| name.rsplit("__").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_fresh_daemon_lists_from_disk_and_starts_nothing() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", ""), ("two", "--tools 300 --page 50", "")]);
    let mut client = home.client();
    let before = client.tools();
    assert_eq!(before.len(), 312);
    assert!(client.close().success());
    catalog(&home, 2);
    restart(&home);
    let mut client = home.client();
    assert!(client.tools() == before);
    let idle = |tools: u32| (json!("idle"), Value::Null, json!(tools));
    assert_eq!(states(&home), [idle(6), idle(306)]);
    assert_eq!(client.call_text("one__echo", json!({"message": "x"})), "x");
    assert_eq!(states(&home)[1], idle(306), "a call starts its own server only");
}

#[test]
fn another_command_line_is_another_catalog() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "")]);
    assert_eq!(home.client().tools().len(), 6);
    catalog(&home, 1);
    home.loom_ok(&["stop"]);
    home.echo_registry(&[("one", "--tools 2", "")]);
    home.loom_ok(&["start"]);
    assert_eq!(states(&home)[0].2, Value::Null, "the old list is not for this process");
    assert_eq!(home.client().tools().len(), 8);
}

#[test]
fn a_catalog_that_cannot_be_read_is_left_out_with_a_warning() {
    for text in ["", "{", "\u{0}\u{1}\u{2}", "{\"loom_catalog\":99}", "[1,2,3]"] {
        let home = TestHome::new();
        home.echo_registry(&[("one", "", "")]);
        let before = home.client().tools();
        let file = catalog(&home, 1).remove(0);
        home.loom_ok(&["stop"]);
        fs::write(&file, text).expect("the catalog can be written");
        home.loom_ok(&["start"]);
        assert!(home.client().tools() == before, "{text:?}");
        let log = fs::read_to_string(home.config_dir().join("logs/daemon.log")).expect("a log");
        let warned = log.lines().any(|line| line.contains("WARN") && line.contains("one-"));
        assert!(warned, "{text:?}: {log}");
        let mended = wait_until(PATIENCE, || {
            fs::read_to_string(&file).is_ok_and(|text| serde_json::from_str::<Value>(&text).is_ok())
        });
        assert!(mended, "{text:?}");
    }
}

#[test]
fn a_server_that_no_longer_starts_keeps_its_last_list() {
    let home = TestHome::new();
    let result = r#"{"content":[{"type":"text","text":"$name"}]}"#;
    home.script_registry("frail", &script::server(&script::tool("say"), result), "");
    let mut client = home.client();
    assert_eq!(client.call_text("frail__say", json!({})), "say");
    assert_eq!(own_names(&mut client), ["say"]);
    assert!(client.close().success());
    catalog(&home, 1);
    fs::write(home.path().join("broken"), "").expect("the home can be written");
    restart(&home);
    let mut client = home.client();
    let id = client.begin_call("frail__say", json!({}));
    let error = client.failure(id);
    assert_eq!(error["data"]["code"], "SERVER_UNAVAILABLE", "{error}");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("it is broken")), "{error}");
    assert_eq!(own_names(&mut client), ["say"], "the last good list stays");
    let row = home.server("frail");
    assert_eq!(
        (&row["stale"], &row["tools"], &row["state"]),
        (&json!(true), &json!(1), &json!("failed")),
        "{row}"
    );

    fs::remove_file(home.path().join("broken")).expect("it was there");
    home.loom_ok(&["servers", "restart", "frail"]);
    assert_eq!(client.call_text("frail__say", json!({})), "say");
    assert!(wait_until(PATIENCE, || home.server("frail")["stale"] == false), "{}", home.server("frail"));
}

#[test]
fn clients_are_told_when_a_servers_tools_change() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "--test-tools", ""), ("two", "", "")]);
    let (mut client, mut other) = (home.client(), home.client());
    let before = client.tools().len();
    assert_eq!(other.tools().len(), before);
    assert_eq!(client.call_text("one__change_tools", json!({})), "added_1");
    for client in [&mut client, &mut other] {
        client.recv_where(|message| message["method"] == "notifications/tools/list_changed");
        let names = own_names(client);
        assert!(names.len() == before + 1 && names.contains(&"added_1".to_owned()), "{names:?}");
    }
    assert_eq!(other.call_text("one__added_1", json!({})), "added_1 was called");
    let kept = || {
        fs::read_to_string(&catalog(&home, 2)[0]).unwrap_or_default().contains("added_1")
            || fs::read_to_string(&catalog(&home, 2)[1]).unwrap_or_default().contains("added_1")
    };
    assert!(wait_until(PATIENCE, kept), "the next daemon would not know");
}

#[test]
fn a_reload_asks_every_server_for_its_tools_anew() {
    let home = TestHome::new();
    // It never says that its list has changed.
    fs::write(home.path().join("tool"), "old").expect("the home can be written");
    let server = script::server(&script::tool("TOOL"), "{}");
    home.script_registry("moody", &server.replace("TOOL", "'$(cat \"$HOME/tool\")'"), "");
    let mut client = home.client();
    assert_eq!(own_names(&mut client), ["old"]);
    fs::write(home.path().join("tool"), "new").expect("the home can be written");
    home.loom_ok(&["reload"]);
    client.recv_where(|message| message["method"] == "notifications/tools/list_changed");
    assert_eq!(own_names(&mut client), ["new"]);
}

#[test]
fn a_server_whose_tools_nobody_knows_is_found_by_its_prefix() {
    let mut home = TestHome::new();
    home.set_env("LOOM_LIST_WAIT", "100ms");
    home.echo_registry(&[("slow", "--delay-ms 700", ""), ("absent", "--no-init", "startup_timeout: 300ms")]);
    let mut client = home.client();
    assert!(client.tools().is_empty());
    assert_eq!(client.call_text("slow__echo", json!({"message": "x"})), "x");
    let id = client.begin_call("absent__anything", json!({}));
    let error = client.failure(id);
    assert_eq!(
        (&error["data"]["code"], &error["data"]["server"]),
        (&json!("SERVER_UNAVAILABLE"), &json!("absent"))
    );
    let id = client.begin_call("slow__nothing", json!({}));
    assert_eq!(client.failure_name(id), "TOOL_NOT_FOUND", "known now");
    let id = client.begin_call("nobody__echo", json!({}));
    assert_eq!(client.failure_name(id), "TOOL_NOT_FOUND");
}

#[test]
fn a_server_that_says_its_tools_changed_whenever_it_is_asked_is_left_alone() {
    let home = player::home(&[("one", "storm=yes", "")]);
    let mut client = home.client();
    let before = client.tools().len();
    let asked = || player::heard(&home, "one", "tools/list").len();
    let storm = wait_until(Duration::from_secs(2), || asked() > 15);
    assert!(!storm && asked() > 1, "asked {} times", asked());
    // It is still believed, sooner or later.
    client.call(
        "one__set",
        json!({"kind": "tools", "items": [{"name": "new", "inputSchema": {"type": "object"}}]}),
    );
    client.notified("notifications/tools/list_changed");
    assert_eq!((before > 1, own_names(&mut client)), (true, vec!["new".to_owned()]));
}

#[test]
fn a_list_that_its_server_does_not_know_is_empty_and_the_others_are_kept() {
    let home = player::home(&[("one", "resources=u://a refuse=resources/templates/list", "")]);
    let mut client = home.client();
    let tools = client.tools();
    let templates = client.request("resources/templates/list", json!({}));
    assert!(!templates.to_string().contains("u://"), "{templates}");
    assert_eq!(home.server("one")["error"], Value::Null, "{}", home.server("one"));
    assert!(client.close().success());
    catalog(&home, 1);
    restart(&home);
    let mut client = home.client();
    assert!(client.tools() == tools);
    for method in ["resources/list", "resources/templates/list", "prompts/list"] {
        client.request(method, json!({}));
    }
    assert_eq!(home.server("one")["state"], "idle");
}

#[test]
fn an_empty_cursor_is_the_end_and_nothing_is_listed_twice() {
    let home = player::home(&[("one", "cursor=yes resources=u://a templates=t://{id},t://{id}", "")]);
    let mut client = home.client();
    let templates = client.request("resources/templates/list", json!({})).to_string();
    assert_eq!(templates.matches("t://{id}").count(), 2, "as address and as name: {templates}");
    assert_eq!(player::heard(&home, "one", "resources/templates/list"), [json!({})]);
    for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        let call = client.begin(method, json!({"cursor": "another's"}));
        assert_eq!(client.failure(call)["code"], -32602, "{method}");
        for cursor in [json!(""), Value::Null] {
            client.request(method, json!({"cursor": cursor}));
        }
    }
}

#[test]
fn a_change_of_a_list_that_loom_does_not_know_is_passed_on() {
    let home = player::home(&[("one", "", "")]);
    let mut client = home.client();
    client.let_send("one", &[notice("skills/list_changed", &json!({"n": 1}))]);
    assert_eq!(client.notified("notifications/skills/list_changed"), json!({"n": 1}));
}

#[test]
fn a_server_cannot_speak_as_loom_does() {
    let home = player::home(&[("one", "", "")]);
    let mut client = home.client();
    let word = r#"{"jsonrpc":"2.0","method":"loom/draining","params":{}}"#;
    let end = r#"{"jsonrpc":"2.0","method":"x","params":{}}"#;
    let smuggled = format!("x\",\"params\":{{}}}}\n{word}\n{end}");
    for method in ["loom/draining", &smuggled] {
        client.let_send("one", &[json!({"method": method, "params": {}})]);
        // It would be sent back to wait for another daemon.
        assert_eq!(client.call_text("one__heard", json!({"method": "none"})), "[]");
    }
    assert_eq!(client.news(), [Value::Null; 0]);
}

#[test]
fn an_entry_that_clients_cannot_read_takes_no_other_away_and_is_named() {
    let home = TestHome::new();
    let good = script::tool("good");
    let bad = r#"{"name":"noschema"},{"name":"odd","inputSchema":{"type":"object"},"description":7}"#;
    home.script_registry("sloppy", &script::server(&format!("{bad},{good}"), "{}"), "");
    let mut client = home.client();
    assert_eq!(own_names(&mut client), ["good"]);
    let why = "tools/list: left out what clients cannot read: \"noschema\": `inputSchema` is missing; \
               \"odd\": `description` must be a text";
    let row = home.server("sloppy");
    assert_eq!(
        (&row["error"], &row["state"], &row["tools"]),
        (&json!(why), &json!("ready"), &json!(1)),
        "{row}"
    );
    assert!(home.loom_ok(&["servers"]).contains("noschema"));
    let log = fs::read_to_string(home.config_dir().join("logs/daemon.log")).expect("a log");
    assert!(log.lines().any(|line| line.contains("WARN") && line.contains("noschema")), "{log}");
    let checked = home.loom(&["check", "--json"]);
    assert!(String::from_utf8_lossy(&checked.stdout).contains("server_complaint"), "{checked:?}");

    // An older loom kept such entries on disk.
    assert!(client.close().success());
    let file = catalog(&home, 1).remove(0);
    home.loom_ok(&["stop"]);
    let kept = fs::read_to_string(&file).expect("it was written").replace(&good, &format!("{bad},{good}"));
    assert!(kept.contains("noschema"), "{kept}");
    fs::write(&file, kept).expect("the catalog can be written");
    home.loom_ok(&["start"]);
    assert_eq!(own_names(&mut home.client()), ["good"]);
    assert_eq!(home.server("sloppy")["state"], "idle");
}

#[test]
fn what_is_left_out_of_any_list_is_told_until_it_is_mended() {
    let home = player::home(&[("one", "", "")]);
    let mut client = home.client();
    client.tools();
    client.call("one__set", json!({"kind": "prompts", "items": [{"name": "p", "arguments": "x"}]}));
    client.call("one__set", json!({"kind": "resources", "items": [{"uri": "u://a"}]}));
    let error = || home.server("one")["error"].as_str().unwrap_or_default().to_owned();
    let told = wait_until(PATIENCE, || {
        error().contains("prompts/list: left out") && error().contains("resources/list: left out")
    });
    assert!(told, "{}", error());
    for kind in ["prompts", "resources"] {
        client.call("one__set", json!({"kind": kind, "items": []}));
    }
    assert!(wait_until(PATIENCE, || error().is_empty()), "{}", error());
}
