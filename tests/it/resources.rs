//! The `loom://` resources through a proxy.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::TestHome;

#[test]
fn five_resources_and_two_templates_are_listed_and_read() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut client = home.client();
    let tools = client.tools();
    let listed = client.request("resources/list", json!({}));
    let uris: Vec<&str> = listed["resources"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|row| row["uri"].as_str())
        .collect();
    let want = ["loom://config", "loom://servers", "loom://health", "loom://tools", "loom://tools/index"];
    assert_eq!(uris, want);
    let templates = client.request("resources/templates/list", json!({})).to_string();
    for template in ["loom://tools/page/{page}", "loom://tools/server/{server}/page/{page}"] {
        assert!(templates.contains(template), "{templates}");
    }
    let config = read(&mut client, "loom://config");
    assert_eq!(config["loom/status"]["pid"], json!(home.daemon_pid()), "{config}");
    assert_eq!(read(&mut client, "loom://servers")["servers"][0]["name"], "echo");
    assert_eq!(read(&mut client, "loom://health")["status"], "healthy");
    let all = read(&mut client, "loom://tools");
    assert_eq!((&all["truncated"], &all["tools"]), (&json!(false), &json!(tools)));
    let index = read(&mut client, "loom://tools/index");
    assert_eq!(index["servers"], json!([{"server": "echo", "tools": tools.len(), "firstPage": 1}]));
    for uri in ["loom://tools/page/1", "loom://tools/server/echo/page/1"] {
        let page = read(&mut client, uri);
        assert_eq!(
            (&page["tools"], &page["totalPages"], &page["pageSize"]),
            (&json!(tools), &json!(1), &json!(100))
        );
    }
}

#[test]
fn many_tools_page_without_loss_and_the_whole_says_that_it_is_cut() {
    let mut home = TestHome::new();
    home.echo_registry(&[("many", "--tools 1200", ""), ("few", "", "")]);
    for (set, size) in [("1", 10), ("9999", 500)] {
        home.set_env("LOOM_PROXY_TOOL_PAGE_SIZE", set);
        let mut client = home.client();
        let tools = client.tools();
        assert_eq!(tools.len(), 1200 + 2 * 6);
        let pages = tools.len().div_ceil(size);
        let mut union = Vec::new();
        for number in 1..=pages {
            let mut page = read(&mut client, &format!("loom://tools/page/{number}"));
            let about = (&page["pageSize"], &page["totalPages"], &page["totalTools"], &page["page"]);
            assert_eq!(about, (&json!(size), &json!(pages), &json!(tools.len()), &json!(number)));
            union.append(page["tools"].as_array_mut().expect("a list of tools"));
        }
        assert!(union == tools, "{set}: the pages are not the list");
        let own = read(&mut client, "loom://tools/server/few/page/1");
        assert_eq!((&own["totalTools"], &own["server"]), (&json!(6), &json!("few")));
        let beyond = refusal(&mut client, &format!("loom://tools/page/{}", pages + 1));
        assert!(beyond.contains("beyond the end"), "{beyond}");
    }
    let mut client = home.client();
    let tools = client.tools();
    let all = read(&mut client, "loom://tools");
    assert_eq!((&all["truncated"], &all["more"]), (&json!(true), &json!("loom://tools/page/1")));
    let part = all["tools"].as_array().expect("a list of tools");
    assert!(!part.is_empty() && part.len() < tools.len() && part[..] == tools[..part.len()]);
}

#[test]
fn bad_addresses_are_named() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut client = home.client();
    client.tools();
    for (uri, want) in [
        ("loom://tools/page/0", "page must be a number from 1"),
        ("loom://tools/page/x", "page must be a number from 1"),
        ("loom://tools/page/2", "page 2 is beyond the end"),
        ("loom://tools/server/ecko/page/1", "did you mean echo?"),
        ("loom://tool", "did you mean loom://tools?"),
        ("file:///etc/passwd", "is not a loom:// resource"),
    ] {
        let text = refusal(&mut client, uri);
        assert!(text.contains(want), "{uri}: {text}");
    }
}

fn read(client: &mut Client, uri: &str) -> Value {
    let result = client.request("resources/read", json!({"uri": uri}));
    let content = &result["contents"][0];
    assert_eq!((&content["uri"], &content["mimeType"]), (&json!(uri), &json!("application/json")));
    serde_json::from_str(content["text"].as_str().expect("a text")).expect("a resource is valid JSON")
}

fn refusal(client: &mut Client, uri: &str) -> String {
    let id = client.begin("resources/read", json!({"uri": uri}));
    let error = client.failure(id);
    assert_eq!(error["code"], -32602, "{uri}: {error}");
    error["message"].as_str().expect("a message").to_owned()
}
