//! What a client sees: at once, in order, within its budget and its profile, under names that fit.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::TestHome;

const SECOND: Duration = Duration::from_secs(1);
/// What a client may put `mcp__loom__` before and still stay within 64.
const NAME_MAX: usize = 53;

/// A server whose tools have long names, and which answers a call with the name it was called by.
const LONG: &str = r#"
say() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
long=a_tool_with_a_name_that_is_far_too_long_for_any_client_number
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  name=$(printf '%s' "$line" | sed -n 's/.*"name":"\([a-z_0-9]*\)".*/\1/p')
  case "$line" in
    *'"initialize"'*) say "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"0"}}' ;;
    *'"tools/list"'*) say "$id" "{\"tools\":[{\"name\":\"${long}_1\",\"inputSchema\":{\"type\":\"object\"}},{\"name\":\"${long}_2\",\"inputSchema\":{\"type\":\"object\"}}]}" ;;
    *'"tools/call"'*) say "$id" "{\"content\":[{\"type\":\"text\",\"text\":\"$name\"}]}" ;;
  esac
done
"#;

fn names(client: &mut Client) -> Vec<String> {
    let name = |tool: &Value| tool["name"].as_str().expect("a name").to_owned();
    client.tools().iter().map(name).collect()
}

#[test]
fn the_handshake_waits_for_no_server() {
    let home = TestHome::new();
    home.echo_registry(&[("mute", "--no-init", ""), ("slow", "--delay-ms 3000", "")]);
    home.loom_ok(&["start"]);
    let began = Instant::now();
    let mut client = home.client();
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_eq!(client.call_text("slow__echo", json!({"message": "x"})), "x");
}

#[test]
fn what_is_over_the_budget_is_hidden_named_and_callable() {
    let home = TestHome::new();
    let high = "  - name: high\n    priority: 5\n    common: { builtin: echo }\n";
    let low = "  - name: low\n    common: { builtin: echo }\n";
    home.registry(&format!("version: 1\nservers:\n{low}{high}"));
    home.loom_ok(&["tools", "list"]);
    let mut client = home.proxy(&["--max-tools", "3"]);
    let hello = client.initialize();
    assert_eq!(names(&mut client), ["high__echo", "high__sleep", "high__size"]);
    let text = hello["instructions"].as_str().expect("instructions");
    assert!(text.contains("high__fail") && text.contains("low__cwd"), "{text}");
    let want = "high__fail high__pid high__cwd low__echo low__sleep low__size low__fail low__pid low__cwd";
    let want: Vec<&str> = want.split(' ').collect();
    assert_eq!(home.status()["clients"][0]["hidden_tools"], json!(want));
    assert_eq!(client.call_text("low__echo", json!({"message": "hidden"})), "hidden");
}

#[test]
fn a_profile_shows_its_part_and_an_unknown_one_names_the_known() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", ""), ("two", "", "")]);
    let profile = "[profiles.small]\nservers = [\"two\"]\ntools = [\"one__pid\"]\n";
    fs::write(home.config_dir().join("config.toml"), profile).expect("the home can be written");
    let mut client = home.proxy(&["--tool-profile", "small"]);
    client.initialize();
    let listed = names(&mut client);
    assert!(listed.len() == 7 && listed[0] == "one__pid" && listed[1] == "two__echo", "{listed:?}");
    let id = client.begin_call("one__echo", json!({"message": "x"}));
    assert_eq!(client.failure_name(id), "TOOL_REFUSED");
    let mut wrong = home.proxy(&["--tool-profile", "smal"]);
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
    let hello = wrong.request("initialize", params);
    assert!(hello["instructions"].as_str().is_some_and(|text| text.contains("known: small")), "{hello}");
    assert_eq!(wrong.close().code(), Some(78));
}

#[test]
fn long_names_are_shortened_stay_two_and_lead_home() {
    let home = TestHome::new();
    home.script_registry("long", LONG, "description: long");
    let mut client = home.client();
    let listed = names(&mut client);
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), 2, "{listed:?}");
    for (name, end) in listed.iter().zip(["_1", "_2"]) {
        assert!(name.len() <= NAME_MAX, "{name}");
        assert!(client.call_text(name, json!({})).ends_with(&format!("number{end}")), "{name}");
    }
}

#[test]
fn what_the_registry_leaves_out_is_neither_listed_nor_called() {
    let home = TestHome::new();
    home.echo_registry(&[
        ("some", "", "enabled_tools: [echo, pid]"),
        ("most", "", "disabled_tools: [sleep, size, fail, cwd]"),
    ]);
    let mut client = home.client();
    assert_eq!(names(&mut client), ["some__echo", "some__pid", "most__echo", "most__pid"]);
    for (tool, arguments) in [("some__cwd", json!({})), ("most__size", json!({"bytes": 1}))] {
        let id = client.begin_call(tool, arguments);
        assert_eq!(client.failure_name(id), "TOOL_REFUSED", "{tool}");
    }
}
