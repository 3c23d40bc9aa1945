//! What a client has of `loom proxy`: a handshake that waits for no server, a budget of tools, profiles, short names,
//! results that pass whole or are cut visibly, and a process that ends with its client only.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Client, PATIENCE};
use crate::support::home::{TestHome, alive, kill, wait_until};
use crate::support::script;

/// Names longer than this do not fit a model's limit of 64 beside the `mcp__loom__` of clients.
const NAME_MAX: usize = 53;

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().expect("a tool has a name")).collect()
}

/// The row of the only client in `loom status --json`.
fn row(home: &TestHome) -> Value {
    home.status()["clients"][0].clone()
}

#[test]
fn the_handshake_waits_for_no_server() {
    let mut home = TestHome::new();
    home.set_env("LOOM_LIST_WAIT", "300ms");
    home.echo_registry(&[("mute", "--no-init", ""), ("slow", "--delay-ms 3000", ""), ("echo", "", "")]);
    let began = Instant::now();
    let mut client = home.proxy(&[]);
    let greeting = client.initialize();
    assert_eq!(greeting["serverInfo"]["name"], "loom");
    assert_eq!(client.call_text("echo__echo", json!({"message": "x"})), "x");
    let tools = client.tools();
    assert!(began.elapsed() < Duration::from_millis(2_900), "{:?}", began.elapsed());
    assert!(names(&tools).iter().all(|name| name.starts_with("echo__")), "{tools:?}");
    assert_eq!(client.call_text("slow__echo", json!({"message": "y"})), "y");
    client.recv_where(|message| message["method"] == "notifications/tools/list_changed");
    let all = client.tools();
    assert!(names(&all).contains(&"slow__echo"), "{all:?}");
}

#[test]
fn a_client_may_ask_before_the_handshake_and_is_told_at_once() {
    let mut home = TestHome::new();
    home.set_env("LOOM_LIST_WAIT", "30s");
    home.echo_registry(&[("mute", "--no-init", "")]);
    let mut client = home.proxy(&[]);
    client.set_patience(Duration::from_secs(10));
    let id = client.begin("server/discover", json!({}));
    assert_eq!(client.failure(id)["code"], -32601);
    client.initialize();
    let id = client.begin("server/discover", json!({}));
    assert_eq!(client.failure(id)["code"], -32601);
}

#[test]
fn what_is_over_the_budget_is_hidden_named_and_callable() {
    let home = TestHome::new();
    let servers =
        [("late", "pid, cwd", -1), ("one", "echo, pid", 0), ("two", "echo", 0), ("first", "echo, cwd", 5)];
    let entry = |(name, tools, priority): (&str, &str, i64)| {
        format!("  - {{ name: {name}, builtin: echo, enabled_tools: [{tools}], priority: {priority} }}\n")
    };
    home.registry(&format!("version: 1\nservers:\n{}", servers.map(entry).concat()));
    let all = ["first__echo", "first__cwd", "one__echo", "one__pid", "two__echo", "late__pid", "late__cwd"];
    let mut plain = home.client();
    assert_eq!(names(&plain.tools()), all);
    assert!(plain.close().success());

    let mut client = home.proxy(&["--max-tools", "3"]);
    let instructions = client.initialize()["instructions"].as_str().unwrap_or_default().to_owned();
    for _ in 0..2 {
        assert_eq!(names(&client.tools()), all[..3]);
    }
    let row = row(&home);
    assert_eq!((&row["tools"], &row["hidden_tools"]), (&json!(3), &json!(all[3..])), "{row}");
    for name in &all[3..] {
        assert!(instructions.contains(name), "{name}: {instructions}");
    }
    assert_eq!(client.call_text("two__echo", json!({"message": "hidden"})), "hidden");
    let id = client.begin_call("two__size", json!({"bytes": 1}));
    assert_eq!(client.failure_name(id), "TOOL_REFUSED", "the registry does not enable it");
}

#[test]
fn what_the_registry_leaves_out_is_neither_listed_nor_called() {
    let home = TestHome::new();
    home.echo_registry(&[
        ("some", "", "enabled_tools: [echo, pid]"),
        ("most", "", "disabled_tools: [sleep, size, fail, cwd]"),
    ]);
    let mut client = home.client();
    assert_eq!(names(&client.tools()), ["some__echo", "some__pid", "most__echo", "most__pid"]);
    for (tool, arguments) in [("some__cwd", json!({})), ("most__size", json!({"bytes": 1}))] {
        let id = client.begin_call(tool, arguments);
        assert_eq!(client.failure_name(id), "TOOL_REFUSED", "{tool}");
    }
    let id = client.begin_call("some__ecko", json!({}));
    let error = client.failure(id);
    assert_eq!(error["data"]["code"], "TOOL_NOT_FOUND", "{error}");
    assert!(error.to_string().contains("some__echo"), "the nearest name: {error}");
}

#[test]
fn a_profile_is_a_named_subset() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", ""), ("two", "", "")]);
    let profiles =
        "[profiles.small]\ntools = [\"one__echo\", \"two__s*\"]\n[profiles.two]\nservers = [\"two\"]\n";
    fs::write(home.config_dir().join("config.toml"), profiles).expect("the home can be written");
    let mut client = home.proxy(&["--tool-profile", "small"]);
    client.initialize();
    assert_eq!(names(&client.tools()), ["one__echo", "two__sleep", "two__size"]);
    assert_eq!(row(&home)["profile"], "small");
    let id = client.begin_call("one__pid", json!({}));
    assert_eq!(client.failure_name(id), "TOOL_REFUSED");
    assert_eq!(client.call_text("one__echo", json!({"message": "x"})), "x");
    let mut other = home.proxy(&["--tool-profile=two"]);
    other.initialize();
    assert!(names(&other.tools()).iter().all(|name| name.starts_with("two__")));
}

#[test]
fn an_unknown_profile_is_refused_with_the_known_names() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "")]);
    let profiles = "[profiles.small]\ntools = [\"echo\"]\n[profiles.large]\nservers = [\"one\"]\n";
    fs::write(home.config_dir().join("config.toml"), profiles).expect("the home can be written");
    let output = home.loom(&["proxy", "--tool-profile", "smal"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(78), 0), "{output:?}");
    assert!(said.contains("`smal`") && said.contains("large, small"), "{said}");
    assert!(said.contains("hint:  loom proxy --tool-profile small\n"), "{said}");
}

#[test]
fn a_profile_younger_than_the_daemon_is_brought_in() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "")]);
    home.loom_ok(&["start"]);
    let file = home.config_dir().join("config.toml");
    fs::write(&file, "[profiles.young]\ntools = [\"echo\"]\n").expect("the home can be written");
    let mut client = home.proxy(&["--tool-profile", "young"]);
    client.initialize();
    assert_eq!(names(&client.tools()), ["one__echo"]);
    fs::write(&file, "[profiles.young]\ntools = [\"echo\", \"pid\"]\n").expect("the home can be written");
    home.loom_ok(&["reload"]);
    assert_eq!(names(&client.tools()), ["one__echo", "one__pid"]);
    fs::write(&file, "[profiles.young\n").expect("the home can be written");
    let refused = home.loom(&["reload"]);
    assert_eq!(refused.status.code(), Some(78));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("config.toml:1:"), "{told}");
    // The commands that end this test need it, too.
    fs::remove_file(&file).expect("the home can be written");
}

#[test]
fn long_and_odd_names_are_shortened_apart_and_lead_back() {
    let home = TestHome::new();
    let long = |end: &str| format!("a_tool_whose_name_is_longer_than_any_model_takes_{end}");
    let own = [long("one"), long("two"), "with.dot".to_owned(), "with/slash".to_owned(), "plain".to_owned()];
    let tools: Vec<String> = own.iter().map(|name| script::tool(name)).collect();
    let result = r#"{"content":[{"type":"text","text":"$name"}]}"#;
    home.script_registry("names", &script::server(&tools.join(","), result), "");
    let mut client = home.client();
    let tools = client.tools();
    let shown = names(&tools);
    assert_eq!(shown.len(), own.len());
    for (shown, own) in shown.iter().zip(&own) {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        assert!(shown.len() <= NAME_MAX && shown.bytes().all(safe), "{shown}");
        assert_eq!(&client.call_text(shown, json!({})), own, "{shown}");
    }
    assert_eq!(shown.iter().collect::<std::collections::BTreeSet<_>>().len(), own.len(), "{shown:?}");
    assert_eq!(shown[4], "names__plain");
}

#[test]
fn a_result_is_cut_only_when_asked_for_and_says_so() {
    let mut home = TestHome::new();
    let long = "ü".repeat(4_000);
    let structured = "s".repeat(3_000);
    let result =
        json!({"content": [{"type": "text", "text": long}], "structuredContent": {"whole": structured}});
    home.script_registry("long", &script::server(&script::tool("say"), &result.to_string()), "");
    let mut whole = home.client();
    assert_eq!(whole.call("long__say", json!({})), result);
    home.set_env("LOOM_PROXY_MAX_TOOL_RESULT_BYTES", "5000");
    let mut client = home.client();
    let cut = client.call("long__say", json!({}));
    assert_eq!(cut["structuredContent"], result["structuredContent"]);
    let content = cut["content"].as_array().expect("content");
    let (text, note) = (content[0]["text"].as_str(), content[1]["text"].as_str());
    let (text, note) = (text.expect("text"), note.expect("a note"));
    assert!(text.len() > 500 && text.len() < 5_000 && text.chars().all(|char| char == 'ü'), "{}", text.len());
    assert!(note.contains("truncated") && note.contains("8000 bytes"), "{note}");
    assert_eq!(whole.call("long__say", json!({})), result, "another client's wish is its own");
}

#[test]
fn only_the_end_of_its_input_ends_a_proxy() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "--test-tools", "")]);
    let mut client = home.client();
    let works = |client: &mut Client| client.call_text("echo__echo", json!({"message": "x"})) == "x";
    assert!(works(&mut client));
    let id = client.begin_call("echo__die", json!({}));
    assert_eq!(client.failure_name(id), "SERVER_GONE");
    assert!(kill(home.daemon_pid().expect("a daemon runs")));
    assert_eq!(client.tools().len(), 19, "a list is asked for again by the proxy");
    assert!(works(&mut client));
    home.loom_ok(&["stop"]);
    let id = client.begin_call("echo__echo", json!({"message": "x"}));
    assert_eq!(client.failure_name(id), "STOPPED");
    fs::write(home.config_dir().join("registry.yaml"), "servers: [").expect("the home can be written");
    assert_eq!(home.loom(&["start"]).status.code(), Some(78));
    home.echo_registry(&[("echo", "--test-tools", "")]);
    home.loom_ok(&["start"]);
    let found = wait_until(PATIENCE, || {
        let id = client.begin("tools/list", json!({}));
        client.answer(id).get("result").is_some()
    });
    assert!(found && works(&mut client));
    let pid = client.pid();
    assert!(alive(pid));
    assert!(client.close().success());
    assert!(!alive(pid));
}
