//! Which server a resource is read from: by its list, by an alias, by a template, or by asking one after the other.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, wait_until};
use crate::support::player::{self, notice};

const PATIENCE: Duration = Duration::from_secs(20);

fn begin_read(client: &mut Client, uri: &str) -> u64 {
    client.begin("resources/read", json!({"uri": uri}))
}

/// What a resource says, and under which URI.
fn read(client: &mut Client, uri: &str) -> (String, String) {
    let result = client.request("resources/read", json!({"uri": uri}));
    let part = &result["contents"][0];
    let text = |key: &str| part[key].as_str().expect("a text").to_owned();
    (text("text"), text("uri"))
}

/// The URIs in a list that are not loom's own.
fn listed(client: &mut Client, method: &str, list: &str, key: &str) -> Vec<String> {
    let result = client.request(method, json!({}));
    let rows = result[list].as_array().expect("a list").iter();
    let uris = rows.map(|row| row[key].as_str().expect("a text").to_owned());
    uris.filter(|uri| !uri.starts_with("loom://") || uri.starts_with("loom://r/")).collect()
}

fn resources(client: &mut Client) -> Vec<String> {
    listed(client, "resources/list", "resources", "uri")
}

fn asked(home: &TestHome, server: &str) -> Vec<Value> {
    player::heard(home, server, "resources/read")
}

#[test]
fn a_uri_that_two_servers_list_has_an_alias() {
    let home = player::home(&[
        ("one", "resources=u://same,u://one", ""),
        ("two", "resources=u://two,u://same", ""),
        ("six", "resources=u://same", ""),
    ]);
    let mut client = home.client();
    let alias = |server: &str| format!("loom://r/{server}/u%3A%2F%2Fsame");
    let want = ["u://same", "u://one", "u://two", &alias("two"), &alias("six")];
    assert_eq!(resources(&mut client), want);
    for (uri, server) in [
        ("u://same", "one"),
        (&alias("two"), "two"),
        (&alias("six"), "six"),
        // Nobody lists this one, but it says whose the URI is.
        (&alias("one"), "one"),
    ] {
        let want = (format!("{server} has u://same"), "u://same".to_owned());
        assert_eq!(read(&mut client, uri), want, "{uri}");
    }
    for uri in ["loom://r/nobody/u%3A%2F%2Fsame", "loom://r/one", "loom://r/"] {
        let id = begin_read(&mut client, uri);
        let text = client.failure(id)["message"].take();
        assert!(text.as_str().is_some_and(|text| text.contains(uri)), "{uri}: {text}");
    }
}

#[test]
fn of_two_servers_with_one_template_the_second_is_asked_when_the_first_does_not_know() {
    let home = player::home(&[
        ("no", "templates=t://{id} unknown=-32002", ""),
        ("yes", "templates=t://{id},t://{id}/{part}", ""),
        ("far", "templates=t://{id}", ""),
    ]);
    let mut client = home.client();
    let rows = listed(&mut client, "resources/templates/list", "resourceTemplates", "uriTemplate");
    assert_eq!(rows, ["t://{id}", "t://{id}", "t://{id}/{part}", "t://{id}"]);
    assert_eq!(read(&mut client, "t://7").0, "yes has t://7");
    assert_eq!((asked(&home, "no").len(), asked(&home, "far").len()), (1, 0));
    assert_eq!(read(&mut client, "t://7/8").0, "yes has t://7/8");
    assert_eq!((asked(&home, "no").len(), asked(&home, "far").len()), (1, 0));
}

#[test]
fn a_wide_template_hides_no_other_servers_resources() {
    let home = player::home(&[
        ("wide", "templates=t://{+rest} unknown=-32002", ""),
        ("yes", "hidden=t://only", ""),
        ("odd", "templates=o://{id} unknown=-32603", ""),
    ]);
    let mut client = home.client();
    client.request("resources/templates/list", json!({}));
    assert_eq!(read(&mut client, "t://only").0, "yes has t://only");
    // Nobody has it: the server with the template says so. One that fails is the answer.
    for (uri, whose, others) in [("t://none", "wide", 1), ("o://1", "odd", 0)] {
        let before = asked(&home, "yes").len();
        let id = begin_read(&mut client, uri);
        assert_eq!(client.failure(id)["message"], format!("{whose} does not know {uri}"));
        assert_eq!(asked(&home, "yes").len() - before, others, "{uri}");
    }
}

#[test]
fn a_wide_template_waits_for_lists_that_are_not_known_yet() {
    let home = player::home(&[
        ("wide", "templates=t://{+rest},s://{+rest}", ""),
        ("own", "resources=t://own templates=s://{id}/x", "instance: per-client"),
    ]);
    resources(&mut home.client());
    // What is of one client is not kept on disk: the next daemon does not know it, but the wide template.
    for method in ["resources/read", "resources/subscribe", "completion/complete"] {
        home.loom_ok(&["restart"]);
        let mut client = home.client();
        client.request(
            method,
            json!({
                "uri": "t://own",
                "ref": {"type": "ref/resource", "uri": "s://{id}/x"},
                "argument": {"name": "id", "value": ""},
            }),
        );
        let heard = ["own", "wide"].map(|server| player::heard(&home, server, method).len());
        assert_eq!(heard, [1, 0], "{method}");
    }
}

#[test]
fn an_unlisted_resource_is_found_behind_a_server_that_crashes_and_one_that_does_not_know_it() {
    let home = player::home(&[
        ("bad", "crash=yes", ""),
        ("no", "", ""),
        ("bare", "without=resources", ""),
        ("yes", "hidden=u://hidden", ""),
    ]);
    let mut client = home.client();
    client.request("resources/list", json!({}));
    let looping = || home.server("bad")["state"] == "crash-loop";
    // While it comes and goes, it is asked or passed over; afterwards it is passed over.
    loop {
        let looped = looping();
        assert_eq!(read(&mut client, "u://hidden").0, "yes has u://hidden");
        if looped || !wait_until(PATIENCE, looping) {
            break;
        }
    }
    assert!(looping(), "{}", home.server("bad"));
    assert!(asked(&home, "bare").is_empty(), "it has no resources at all");
    let id = begin_read(&mut client, "u://nowhere");
    let error = client.failure(id);
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!(-32002), &json!("yes does not know u://nowhere"))
    );
}

#[test]
fn an_error_that_says_more_is_kept_when_no_server_knows() {
    // The codes of two servers, and whose error it is.
    for (codes, want) in [
        (["-32603", "-32002"], "a"),
        (["-32002", "-32603"], "b"),
        (["-32603", "-32000"], "a"),
        (["-32602", "-32601"], "b"),
    ] {
        let home = player::home(&[
            ("a", &format!("unknown={}", codes[0]), ""),
            ("b", &format!("unknown={}", codes[1]), ""),
        ]);
        let mut client = home.client();
        client.request("resources/list", json!({}));
        let id = begin_read(&mut client, "u://nowhere");
        assert_eq!(client.failure(id)["message"], format!("{want} does not know u://nowhere"), "{codes:?}");
        assert_eq!((asked(&home, "a").len(), asked(&home, "b").len()), (1, 1), "{codes:?}");
    }
}

#[test]
fn a_server_that_wants_its_user_on_a_page_first_is_the_one() {
    let home = player::home(&[("no", "", ""), ("owner", "pages=u://p", ""), ("far", "hidden=u://p", "")]);
    let (mut client, mut other) = (home.client(), home.client());
    for client in [&mut client, &mut other] {
        client.request("resources/list", json!({}));
        client.call("owner__pid", json!({}));
    }
    let id = begin_read(&mut client, "u://p");
    let error = client.failure(id);
    let page = &error["data"]["elicitations"][0];
    assert_eq!((&error["code"], &page["elicitationId"]), (&json!(-32042), &json!("page-1")), "{error}");
    assert_eq!((asked(&home, "no").len(), asked(&home, "far").len()), (1, 0));
    other.let_send("owner", &[notice("elicitation/complete", &json!({"elicitationId": "page-1"}))]);
    assert_eq!(client.notified("notifications/elicitation/complete"), json!({"elicitationId": "page-1"}));
    assert_eq!(other.told("notifications/elicitation/complete"), [json!(null); 0]);
}

#[test]
fn a_search_that_its_client_gave_up_goes_no_further() {
    let home = player::home(&[("a", "", "max_concurrent: 1"), ("b", "hidden=u://h", "")]);
    let mut client = home.client();
    client.request("resources/list", json!({}));
    let long = client.begin_hold("a", "k");
    let id = begin_read(&mut client, "u://h");
    client.cancel(id);
    // Its place is free only when the search has been forgotten; the release itself must not wait for one.
    client.cancel(long);
    assert!(client.call_text("a__pid", json!({})).parse::<u32>().is_ok());
    assert_eq!((asked(&home, "a").len(), asked(&home, "b").len()), (0, 0));
}

#[test]
fn clients_are_told_when_resources_or_templates_change() {
    let home = player::home(&[("one", "resources=u://a", "")]);
    let mut client = home.client();
    assert_eq!(resources(&mut client), ["u://a"]);
    client.request("resources/templates/list", json!({}));
    for (kind, key) in [("resources", "uri"), ("resourceTemplates", "uriTemplate")] {
        client.call("one__set", json!({"kind": kind, "items": [{key: "u://new/{x}", "name": "n"}]}));
        client.notified("notifications/resources/list_changed");
        let method = if key == "uri" { "resources/list" } else { "resources/templates/list" };
        assert_eq!(listed(&mut client, method, kind, key), ["u://new/{x}"]);
    }
    assert_eq!(read(&mut client, "u://new/7").0, "one has u://new/7");
    assert_eq!(client.told("notifications/resources/list_changed"), [json!(null); 0], "once for each change");
}

#[test]
fn a_search_takes_no_longer_than_one_call() {
    const TIME: Duration = Duration::from_secs(2);
    let hangs = |name| (name, "hold=resources/read", "tool_timeout: 2s");
    let home = player::home(&[hangs("one"), hangs("two"), hangs("three")]);
    let (mut client, mut other) = (home.client(), home.client());
    resources(&mut client);
    let timed_out = |client: &mut Client, id: u64, began: Instant, server: &str| {
        let error = client.failure(id);
        let took = began.elapsed();
        let message = format!("{server} did not answer within 2 s");
        assert_eq!((&error["data"]["code"], &error["message"]), (&json!("TIMEOUT"), &json!(message)));
        assert!(took >= TIME && took < TIME + TIME / 2, "{took:?}");
    };
    let began = Instant::now();
    let id = begin_read(&mut client, "u://nobody");
    timed_out(&mut client, id, began, "one");
    assert_eq!([asked(&home, "two").len(), asked(&home, "three").len()], [0, 0]);

    // The second has what the first left.
    let began = Instant::now();
    let id = begin_read(&mut client, "u://nobody");
    player::hears(&home, "one", "resources/read", 2);
    thread::sleep(TIME * 3 / 5);
    other.begin_call("one__die", json!({}));
    timed_out(&mut client, id, began, "two");
    assert_eq!([asked(&home, "two").len(), asked(&home, "three").len()], [1, 0]);
}

#[test]
fn a_server_with_more_time_is_asked_after_one_that_had_none_left() {
    let home = player::home(&[
        ("one", "hold=resources/read", "tool_timeout: 1s"),
        ("two", "hold=resources/read", "tool_timeout: 1s"),
        ("three", "hidden=u://three", "tool_timeout: 60s"),
    ]);
    let mut client = home.client();
    assert_eq!(read(&mut client, "u://three").0, "three has u://three");
    assert_eq!(asked(&home, "two").len(), 0);
}
