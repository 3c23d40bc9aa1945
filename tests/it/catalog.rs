//! Catalogs on disk: what a fresh daemon knows without starting anything, and how it stays true.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, wait_until};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_fresh_daemon_lists_from_disk_and_starts_nothing() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", ""), ("other", "--tools 3", "")]);
    let before = names(&mut home.client());
    assert!(before.iter().any(|name| name == "other__tool_0003"), "{before:?}");
    wait_for_catalogs(&home, 2);
    home.loom_ok(&["restart"]);
    assert_eq!(names(&mut home.client()), before);
    for name in ["echo", "other"] {
        let row = home.server(name);
        assert_eq!((&row["state"], &row["pid"]), (&json!("idle"), &Value::Null), "{row}");
    }
    // Other arguments are another process: its tools are not known.
    home.echo_registry(&[("echo", "", ""), ("other", "--tools 1", "")]);
    home.loom_ok(&["restart"]);
    let after = names(&mut home.client());
    assert!(after.iter().any(|name| name == "other__tool_0001"), "{after:?}");
    assert!(!after.iter().any(|name| name == "other__tool_0003"), "{after:?}");
}

#[test]
fn a_corrupt_catalog_is_left_out_and_mended() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let before = names(&mut home.client());
    let files = wait_for_catalogs(&home, 1);
    home.loom_ok(&["stop"]);
    fs::write(&files[0], "{\"tools\": [").expect("the home can be written");
    home.loom_ok(&["start"]);
    assert_eq!(names(&mut home.client()), before);
    let whole =
        || fs::read_to_string(&files[0]).is_ok_and(|text| serde_json::from_str::<Value>(&text).is_ok());
    assert!(wait_until(SECOND * 5, whole), "the file was not mended");
}

#[test]
fn a_server_that_no_longer_starts_keeps_its_list_marked_stale() {
    let home = TestHome::new();
    let server = home.path().join("moody.sh");
    home.script_registry("moody", MOODY, "description: moody");
    assert_eq!(names(&mut home.client()), ["moody__x"]);
    wait_for_catalogs(&home, 1);
    home.loom_ok(&["stop"]);
    fs::write(&server, "exit 3").expect("the home can be written");
    home.loom_ok(&["start"]);
    let mut client = home.client();
    assert_eq!(names(&mut client), ["moody__x"]);
    let id = client.begin_call("moody__x", json!({}));
    assert_eq!(client.failure_name(id), "SERVER_UNAVAILABLE");
    assert!(wait_until(SECOND * 5, || home.server("moody")["stale"] == true), "{}", home.server("moody"));
    assert_eq!(names(&mut client), ["moody__x"]);
}

#[test]
fn a_tool_that_comes_later_is_announced_and_listed() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "--test-tools", "")]);
    let mut client = home.client();
    client.tools();
    client.call("echo__change_tools", json!({}));
    client.recv_where(|message| message["method"] == "notifications/tools/list_changed");
    assert!(names(&mut client).iter().any(|name| name == "echo__added_1"));
    assert_eq!(client.call("echo__added_1", json!({}))["isError"], Value::Null);
}

#[test]
fn a_call_to_a_server_that_is_not_listed_yet_finds_it_by_its_prefix() {
    let home = TestHome::new();
    home.echo_registry(&[("slow", "--delay-ms 700", "")]);
    let mut client = home.client();
    assert_eq!(client.call_text("slow__echo", json!({"message": "early"})), "early");
    let began = Instant::now();
    let id = client.begin_call("slow__no_such", json!({}));
    let error = client.answer(id);
    assert!(error.to_string().contains("no_such"), "{error}");
    assert!(began.elapsed() < SECOND * 5);
}

#[test]
fn reload_asks_every_server_for_its_tools_anew() {
    let home = TestHome::new();
    let server = home.path().join("moody.sh");
    home.script_registry("moody", MOODY, "description: moody");
    let mut client = home.client();
    assert_eq!(names(&mut client), ["moody__x"]);
    fs::write(server.with_extension("sh.tool"), "y").expect("the home can be written");
    home.loom_ok(&["reload"]);
    client.recv_where(|message| message["method"] == "notifications/tools/list_changed");
    assert_eq!(names(&mut client), ["moody__y"]);
}

/// A server with one tool, named by the file beside the script.
const MOODY: &str = r#"
answer() { printf '%s\n' "{\"jsonrpc\":\"2.0\",\"id\":$1,\"result\":$2}"; }
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  tool=x; [ -f "$0.tool" ] && tool=$(cat "$0.tool")
  case "$line" in
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"0"}}' ;;
    *'"tools/list"'*) answer "$id" "{\"tools\":[{\"name\":\"$tool\",\"inputSchema\":{\"type\":\"object\"}}]}" ;;
  esac
done
"#;

fn names(client: &mut Client) -> Vec<String> {
    let tools = client.tools();
    tools.iter().map(|tool| tool["name"].as_str().expect("a tool has a name").to_owned()).collect()
}

/// The catalog files, once there are so many.
fn wait_for_catalogs(home: &TestHome, count: usize) -> Vec<std::path::PathBuf> {
    let dir = home.config_dir().join("state/catalog");
    let files = || {
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.extension().is_some_and(|end| end == "json")).collect::<Vec<_>>()
    };
    assert!(wait_until(SECOND * 5, || files().len() == count), "{:?} in {}", files(), dir.display());
    files()
}
