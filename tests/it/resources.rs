//! The `loom://` resources: what there is, page by page, and what is said of an address that leads nowhere.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::TestHome;

/// Reads a resource, which must be JSON.
fn read(client: &mut Client, uri: &str) -> Value {
    let result = client.request("resources/read", json!({"uri": uri}));
    let part = &result["contents"][0];
    assert_eq!((&part["uri"], &part["mimeType"]), (&json!(uri), &json!("application/json")));
    let text = part["text"].as_str().expect("a text");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{uri}: {error}: {text}"))
}

fn refusal(client: &mut Client, uri: &str) -> String {
    let id = client.begin("resources/read", json!({"uri": uri}));
    let error = client.failure(id);
    let code = if uri.starts_with("loom:") { -32602 } else { -32002 };
    assert_eq!(error["code"], code, "{uri}: {error}");
    error["message"].as_str().expect("a message").to_owned()
}

/// All pages below `address`, each checked; the tools of all of them.
fn pages(client: &mut Client, address: &str, size: usize, total: usize) -> Vec<Value> {
    let (mut all, mut number) = (Vec::new(), 1);
    loop {
        let page = read(client, &format!("{address}/page/{number}"));
        let tools = page["tools"].as_array().expect("tools").clone();
        assert_eq!((&page["page"], &page["pageSize"]), (&json!(number), &json!(size)), "{address}");
        let pages = total.div_ceil(size);
        assert_eq!((&page["totalTools"], &page["totalPages"]), (&json!(total), &json!(pages)), "{address}");
        let full = number < pages;
        assert_eq!(tools.len(), if full { size } else { total - size * (pages - 1) }, "{address} {number}");
        all.extend(tools);
        if !full {
            return all;
        }
        number += 1;
    }
}

#[test]
fn every_resource_is_listed_and_can_be_read() {
    let home = TestHome::new();
    home.echo_registry(&[("one", "", "description: The first one"), ("two", "", "")]);
    let mut client = home.client();
    assert_eq!(client.tools().len(), 12);
    let listed = client.request("resources/list", json!({}));
    let uris: Vec<&str> =
        listed["resources"].as_array().into_iter().flatten().filter_map(|one| one["uri"].as_str()).collect();
    let want = ["loom://config", "loom://servers", "loom://health", "loom://tools", "loom://tools/index"];
    assert_eq!(uris, want);
    let templates = client.request("resources/templates/list", json!({}));
    let templates = templates["resourceTemplates"].to_string();
    assert!(templates.contains("loom://tools/page/{page}"), "{templates}");
    assert!(templates.contains("loom://tools/server/{server}/page/{page}"), "{templates}");

    let config = read(&mut client, "loom://config");
    assert_eq!(config["loom/config-hash"]["serverCount"], 2, "{config}");
    let servers = read(&mut client, "loom://servers");
    assert_eq!(servers["servers"][0]["description"], "The first one", "{servers}");
    assert_eq!(read(&mut client, "loom://health")["status"], "healthy");
    let tools = read(&mut client, "loom://tools");
    assert_eq!((&tools["truncated"], &tools["totalTools"]), (&json!(false), &json!(12)));
    assert_eq!(tools["tools"], json!(client.tools()));
    let index = read(&mut client, "loom://tools/index");
    let rows =
        json!([{"server": "one", "tools": 6, "firstPage": 1}, {"server": "two", "tools": 6, "firstPage": 1}]);
    assert_eq!(index["servers"], rows);
}

#[test]
fn the_pages_together_are_the_list() {
    for (asked, size) in [("", 100), ("1", 10), ("9999", 500), ("150", 150)] {
        let mut home = TestHome::new();
        home.set_env("LOOM_PROXY_TOOL_PAGE_SIZE", asked);
        home.echo_registry(&[("small", "", ""), ("big", "--tools 1200 --page 97", "")]);
        let mut client = home.client();
        let tools = client.tools();
        assert_eq!(tools.len(), 1212, "{asked}");
        let names: BTreeSet<_> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
        assert_eq!(names.len(), 1212, "{asked}");
        assert!(pages(&mut client, "loom://tools", size, 1212) == tools, "{asked}");
        assert!(pages(&mut client, "loom://tools/server/big", size, 1206) == tools[6..], "{asked}");
        assert!(pages(&mut client, "loom://tools/server/small", size, 6) == tools[..6], "{asked}");
    }
}

#[test]
fn a_list_that_is_too_large_is_cut_between_tools_and_says_so() {
    let home = TestHome::new();
    home.echo_registry(&[("big", "--tools 1200", "")]);
    let mut client = home.client();
    let all = client.tools();
    let cut = read(&mut client, "loom://tools");
    assert_eq!((&cut["truncated"], &cut["totalTools"]), (&json!(true), &json!(1206)));
    assert_eq!(cut["more"], "loom://tools/page/1");
    let tools = cut["tools"].as_array().expect("tools");
    assert!(!tools.is_empty() && tools[..] == all[..tools.len()], "{} tools", tools.len());
}

#[test]
fn an_address_that_leads_nowhere_is_named() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut client = home.client();
    assert_eq!(client.tools().len(), 6);
    for (uri, want) in [
        ("loom://tools/page/0", "0"),
        ("loom://tools/page/2", "2"),
        ("loom://tools/page/x", "x"),
        ("loom://tools/page/99999999999999999999", "99999999999999999999"),
        ("loom://tools/server/ecko/page/1", "did you mean echo?"),
        ("loom://tools/server/echo/page/7", "7"),
        ("loom://tools/server//page/1", "names no server"),
        ("loom://tool", "loom://tools"),
        ("file:///etc/passwd", "there is no resource file:///etc/passwd"),
    ] {
        let said = refusal(&mut client, uri);
        assert!(said.contains(want), "{uri}: {said}");
    }
}
