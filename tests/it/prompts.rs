//! Prompts and completions: each name, template and address leads to its server. Batches are taken apart.

use serde_json::{Value, json};

use crate::support::player::{self, notice};

fn values_at(list: &Value, key: &str) -> Vec<String> {
    let rows = list.as_array().expect("a list").iter();
    rows.map(|row| row[key].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn each_prompt_is_its_servers() {
    let home = player::home(&[("one", "prompts=plan,look", ""), ("two", "prompts=plan", "")]);
    let mut client = home.client();
    let listed = client.request("prompts/list", json!({}));
    assert_eq!(values_at(&listed["prompts"], "name"), ["one__plan", "one__look", "two__plan"]);
    for (name, want) in
        [("one__plan", "one says plan"), ("two__plan", "two says plan"), ("one__look", "one says look")]
    {
        let result = client.request("prompts/get", json!({"name": name, "arguments": {"a": "b"}}));
        assert_eq!(result["messages"][0]["content"]["text"], want);
    }
    assert_eq!(
        player::heard(&home, "two", "prompts/get"),
        [json!({"name": "plan", "arguments": {"a": "b"}})]
    );
    for name in ["plan", "one__nothing", "three__plan", ""] {
        let id = client.begin("prompts/get", json!({"name": name}));
        let error = client.failure(id);
        let want = format!("unknown prompt: {name}");
        assert_eq!((&error["code"], &error["message"]), (&json!(-32602), &json!(want)));
    }
    let id = client.begin("prompts/get", json!({}));
    assert_eq!(client.failure_name(id), "INVALID_PARAMS");
}

#[test]
fn clients_are_told_when_prompts_change() {
    let home = player::home(&[("one", "prompts=plan", "")]);
    let (mut client, mut other) = (home.client(), home.client());
    for client in [&mut client, &mut other] {
        client.tools();
        assert_eq!(client.request("prompts/list", json!({}))["prompts"][0]["name"], "one__plan");
        client.passed_over();
    }
    client.call("one__set", json!({"kind": "prompts", "items": [{"name": "new"}]}));
    for client in [&mut client, &mut other] {
        client.notified("notifications/prompts/list_changed");
        let listed = client.request("prompts/list", json!({}));
        assert_eq!(values_at(&listed["prompts"], "name"), ["one__new"]);
        assert_eq!(client.told("notifications/tools/list_changed"), [json!(null); 0]);
    }
}

#[test]
fn completions_go_to_the_server_of_what_they_are_about() {
    let home = player::home(&[
        ("mute", "without=completions templates=t://{id},m://{id}", ""),
        ("one", "prompts=plan resources=u://same templates=t://{id}", ""),
        ("two", "prompts=plan resources=u://same,u://two templates=s://{a}/{b}", ""),
    ]);
    let mut client = home.client();
    client.request("resources/list", json!({}));
    let resource = |uri: &str| json!({"type": "ref/resource", "uri": uri});
    let prompt = |name: &str| json!({"type": "ref/prompt", "name": name});
    for (about, want) in [
        (prompt("one__plan"), json!(["one", "plan", "x"])),
        (prompt("two__plan"), json!(["two", "plan", "x"])),
        (resource("s://{a}/{b}"), json!(["two", "s://{a}/{b}", "x"])),
        (resource("s://7/8"), json!(["two", "s://7/8", "x"])),
        (resource("u://same"), json!(["one", "u://same", "x"])),
        (resource("loom://r/two/u%3A%2F%2Fsame"), json!(["two", "u://same", "x"])),
        // The first that has it cannot.
        (resource("t://{id}"), json!(["one", "t://{id}", "x"])),
        (resource("loom://tools/page/{page}"), json!([])),
    ] {
        let argument = json!({"name": "a", "value": "x"});
        let result = client.request("completion/complete", json!({"ref": about, "argument": argument}));
        assert_eq!(result["completion"]["values"], want, "{about}");
    }
    for (about, want) in [
        (prompt("one__nothing"), "unknown prompt: one__nothing"),
        (resource("loom://r/nobody/u"), "no server has what `ref` names"),
        (json!({"type": "ref/other", "name": "x"}), "`ref` must be a reference"),
        (json!({"type": "ref/prompt"}), "`ref` must be a reference"),
        (json!(7), "`ref` must be a reference"),
    ] {
        let id = client.begin("completion/complete", json!({"ref": about}));
        let error = client.failure(id);
        let text = error["message"].as_str().expect("a message");
        assert!(error["code"] == -32602 && text.contains(want), "{about}: {error}");
    }
}

#[test]
fn a_batch_is_taken_apart() {
    let home = player::home(&[("one", "prompts=plan", "")]);
    let mut client = home.client();
    client.request("prompts/list", json!({}));
    let request = |id: u64, method: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let mut cancelled = notice("cancelled", &json!({"requestId": 77}));
    cancelled["jsonrpc"] = json!("2.0");
    client.send(&json!([
        request(101, "ping", json!({})),
        cancelled,
        request(102, "prompts/get", json!({"name": "one__plan"})),
        request(103, "tools/call", json!({"name": "one__pid"})),
        request(104, "no/such", json!({})),
    ]));
    assert_eq!(client.answer(101)["result"], json!({}));
    assert_eq!(client.answer(102)["result"]["messages"][0]["content"]["text"], "one says plan");
    assert!(client.text(103).parse::<u32>().is_ok());
    assert_eq!(client.failure_name(104), "METHOD_NOT_FOUND");
    assert_eq!(client.news(), [json!(null); 0]);
}
