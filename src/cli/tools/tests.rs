use serde_json::{Value, json};

use super::call::one_line_object;
use super::search::rank;
use super::*;
use crate::cli::args::tools::ToolsListArgs;
use crate::cli::values::{Limit, Page};
use crate::fault::{Explain, report};

fn sample() -> Inventory {
    let answer = json!({
        "tools": [
            { "name": "db__query", "description": "Runs one query.\nMore words.", "inputSchema": { "type": "object", "properties": { "sql": { "type": "string" } } } },
            { "name": "db__tables", "description": "Lists tables; see query" },
            { "name": "notes__search", "inputSchema": { "type": "object" }, "annotations": { "readOnlyHint": true } },
        ],
        "servers": [
            { "name": "db", "tools": 2, "state": "ready", "error": null },
            { "name": "notes", "tools": 1, "state": "failed", "error": "no such file" },
        ],
    });
    Inventory::read(&answer.to_string()).unwrap()
}

fn listed(server: Option<&str>, page: usize, limit: usize, json: bool) -> String {
    let args =
        ToolsListArgs { json, server: server.map(str::to_owned), page: Page(page), limit: Limit(limit) };
    let mut out = Out::new(false, false);
    match list::render(&args, &sample(), &mut out) {
        Ok(()) => out.text().to_owned(),
        Err(plain) => report(&plain),
    }
}

#[test]
fn tools_stand_under_their_server() {
    insta::assert_snapshot!(listed(None, 1, 0, false), @r"
    db
      db__query                         Runs one query.
      db__tables                        Lists tables; see query
    notes
      notes__search
    notes: no such file (failed)
    ");
    insta::assert_snapshot!(listed(Some("db"), 1, 0, false), @r"
    db
      db__query                         Runs one query.
      db__tables                        Lists tables; see query
    ");
}

#[test]
fn the_json_listing_keeps_its_shape() {
    let all: Value = serde_json::from_str(&listed(None, 1, 5, true)).unwrap();
    let keys: Vec<&String> = all.as_object().unwrap().keys().collect();
    let want = ["server", "page", "pageSize", "totalTools", "totalPages", "tools", "cachedAt", "serverCount"];
    assert_eq!(keys, want);
    assert_eq!(
        (&all["pageSize"], &all["totalPages"], &all["serverCount"]),
        (&json!(10), &json!(1), &json!(2))
    );
    let db: Value = serde_json::from_str(&listed(Some("db"), 1, 0, true)).unwrap();
    assert_eq!((&db["server"], &db["totalTools"], &db["pageSize"]), (&json!("db"), &json!(2), &json!(2)));
}

#[test]
fn pages_and_servers_that_are_not_there_are_refused() {
    assert_eq!(listed(None, 2, 0, false), "error: no page 2; there is one\nhint:  --page 1\n");
    assert_eq!(listed(Some("dc"), 1, 0, false), "error: no server `dc`\nhint:  --server db\n");
    assert_eq!(listed(Some("unheard"), 1, 0, false), "error: no server `unheard`\nhint:  loom servers\n");
}

#[test]
fn an_empty_catalog_has_one_page_and_no_pages() {
    let empty = Inventory::read(r#"{"tools":[],"servers":[]}"#).unwrap();
    let mut out = Out::new(false, false);
    let args = ToolsListArgs { json: true, server: None, page: Page(1), limit: Limit(0) };
    list::render(&args, &empty, &mut out).unwrap();
    let shown: Value = serde_json::from_str(out.text()).unwrap();
    assert_eq!((&shown["totalPages"], &shown["tools"]), (&json!(0), &json!([])));
    let second = ToolsListArgs { page: Page(2), ..args };
    assert!(list::render(&second, &empty, &mut out).is_err());
}

#[test]
fn names_outrank_descriptions() {
    let inventory = sample();
    for (words, want) in [
        ("query", "db__query db__tables"),
        ("QUERY db", "db__query db__tables"),
        ("search", "notes__search"),
        ("tab", "db__tables"),
        ("lists query", "db__tables"),
        ("nothing", ""),
    ] {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let hits = rank(inventory.tools.iter(), &words);
        let hits: Vec<&str> = hits.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(hits.join(" "), want, "{words:?}");
    }
}

#[test]
fn a_tool_is_described_whole() {
    let inventory = sample();
    let mut out = Out::new(false, false);
    get::render(get::find(&inventory, "db__query").unwrap(), &mut out);
    insta::assert_snapshot!(out.text(), @r#"
    db__query
    Runs one query.
    More words.

    Arguments
    {
      "type": "object",
      "properties": {
        "sql": {
          "type": "string"
        }
      }
    }
    "#);
}

#[test]
fn an_unknown_tool_names_the_nearest() {
    let inventory = sample();
    for (name, want) in [
        ("query", "loom tools get db__query"),
        ("db__qeury", "loom tools get db__query"),
        ("zzz", "loom tools list"),
    ] {
        let plain = get::find(&inventory, name).err().unwrap();
        assert_eq!(Explain::hint(&plain).as_deref(), Some(want), "{name}");
    }
}

#[test]
fn arguments_are_one_line_and_keep_their_numbers() {
    let text = "{\n  \"n\": 12345678901234567890123,\r\n  \"s\": \"a\\nb\"\n}\n";
    let want = "{   \"n\": 12345678901234567890123,    \"s\": \"a\\nb\" }";
    assert_eq!(one_line_object(text, "--args").unwrap(), want);
    for (text, want) in [
        ("[1]", "--args:1:1: a JSON object is wanted"),
        ("{\n  \"a\": }", "--args:2:8: expected value"),
        ("", "--args:1:0: EOF while parsing a value"),
        ("{} x", "--args:1:4: trailing characters"),
    ] {
        let plain = one_line_object(text, "--args").unwrap_err();
        assert_eq!((plain.to_string().as_str(), plain.kind()), (want, Kind::Usage), "{text}");
    }
}

#[test]
fn results_are_printed_for_people() {
    let mut out = Out::new(true, false);
    let result = json!({ "content": [
        { "type": "text", "text": "hi\u{1b}[31m" },
        { "type": "text", "text": "line\n" },
        { "type": "image", "mimeType": "image/png", "data": "AAAA" },
        { "type": "resource_link", "uri": "file:///x" },
        { "type": "resource", "resource": { "uri": "file:///y", "text": "inside" } },
    ] });
    call::render(&result, &mut out);
    call::render(&json!({ "content": [], "structuredContent": { "a": 1 } }), &mut out);
    insta::assert_snapshot!(out.text(), @r#"
    hi�[31m
    line
    [image image/png, 4 bytes of base64]
    [resource file:///x]
    inside
    {
      "a": 1
    }
    "#);
}
