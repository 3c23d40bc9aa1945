//! Wrong input from clients, servers and folders: each is answered by name, and the next call works.

use std::fs;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::TestHome;

fn still_works(client: &mut Client) {
    assert_eq!(client.call_text("echo__echo", json!({"message": "still here"})), "still here");
}

/// Sends one line and returns the answer whose id is `id`.
fn refused(client: &mut Client, line: &str, id: Value) -> Value {
    client.send_raw(format!("{line}\n").as_bytes());
    let answer = client.recv_where(|message| message.get("error").is_some() && message["id"] == id);
    answer["error"].clone()
}

#[test]
fn a_registry_in_the_working_directory_runs_nothing() {
    for (words, proxy) in [(&["start"][..], false), (&["tools", "list"], false), (&[], true)] {
        let home = TestHome::new();
        home.echo_registry(&[("echo", "", "")]);
        let (folder, proof) = (home.path().join("cloned/mcp/context"), home.path().join("proof"));
        fs::create_dir_all(&folder).expect("the home can be written");
        let args = json!(["-c", format!("touch {}", proof.display())]);
        let text =
            format!("version: 1\nservers:\n  - name: evil\n    common: {{ command: sh, args: {args} }}\n");
        fs::write(folder.join("registry.yaml"), text).expect("the home can be written");
        let mut command = home.command(crate::support::home::loom_binary());
        command.current_dir(home.path().join("cloned"));
        if proxy {
            let mut client = Client::spawn(command.arg("proxy"));
            client.initialize();
            let id = client.begin_call("evil__x", json!({}));
            assert_eq!(client.failure_name(id), "TOOL_NOT_FOUND");
            still_works(&mut client);
        } else {
            let output = home.finish(command.args(words));
            assert!(output.status.success(), "{words:?}: {output:?}");
        }
        home.loom_ok(&["tools", "list"]);
        assert_eq!(home.status()["registry"]["source"], "home", "{words:?}");
        assert!(!proof.exists(), "{words:?} ran a cloned folder's command");
    }
}

#[test]
fn wrong_lines_are_answered_and_the_next_call_works() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut client = home.client();
    still_works(&mut client);
    for (line, id, code) in [
        ("this is not JSON", json!(null), "PARSE_ERROR"),
        ("[{\"jsonrpc\":\"2.0\",\"id\":901,\"method\":\"ping\"}]", json!(null), "PARSE_ERROR"),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, json!(null), "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}"#, json!(null), "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":902,"method":7}"#, json!(902), "INVALID_REQUEST"),
        (r#"{"id":903,"method":"ping"}"#, json!(903), "INVALID_REQUEST"),
        (r#"{"jsonrpc":"2.0","id":904,"method":"tools/call","params":[]}"#, json!(904), "INVALID_REQUEST"),
        (
            r#"{"jsonrpc":"2.0","id":905,"method":"tools/call","params":{"name":7}}"#,
            json!(905),
            "INVALID_PARAMS",
        ),
    ] {
        let error = refused(&mut client, line, id);
        assert_eq!(error["data"]["code"], code, "{line}: {error}");
        still_works(&mut client);
    }
}

#[test]
fn half_a_line_and_the_end_of_input_end_the_proxy_quietly() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut client = home.client();
    client.send_raw(br#"{"jsonrpc":"2.0","id":1,"met"#);
    assert!(client.close().success());
    still_works(&mut home.client());
}

#[test]
fn a_wrong_answer_and_none_are_a_timeout_by_name() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "--test-tools", "tool_timeout: 1s")]);
    let mut client = home.client();
    for tool in ["echo__wrong_id", "echo__silent"] {
        let id = client.begin_call(tool, json!({}));
        let error = client.failure(id);
        assert_eq!((&error["data"]["code"], &error["data"]["server"]), (&json!("TIMEOUT"), &json!("echo")));
        still_works(&mut client);
    }
}

#[test]
fn a_servers_broken_output_is_counted_and_costs_its_call_only() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "--test-tools", "")]);
    let mut client = home.client();
    assert_eq!(client.call_text("echo__bad_utf8", json!({})), "bad \u{fffd} here");
    assert_eq!(client.call_text("echo__garbage", json!({"lines": 2})), "after garbage");
    let counters = home.status()["counters"].clone();
    assert_eq!(counters["invalid_utf8"], 1, "{counters}");
    assert!(counters["garbage_lines"].as_u64().is_some_and(|lines| lines >= 1), "{counters}");
    let id = client.begin_call("echo__half_line", json!({}));
    assert_eq!(client.failure_name(id), "SERVER_GONE");
    still_works(&mut client);
}

#[test]
fn an_unknown_tool_names_the_nearest() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut client = home.client();
    client.tools();
    let id = client.begin_call("echo__slep", json!({}));
    let error = client.failure(id);
    assert_eq!(error["data"]["code"], "TOOL_NOT_FOUND", "{error}");
    assert!(error.to_string().contains("echo__sleep"), "{error}");
}
