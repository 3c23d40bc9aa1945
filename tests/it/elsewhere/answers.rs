//! Answers that are none: connections that break, refusals, other people's pages, silence; and what must be in no
//! answer.

use std::fs;
use std::time::Instant;

use serde_json::json;

use super::{BOUND, Place, SECOND, assert_failed, done};
use crate::support::elsewhere::{Elsewhere, Fault};
use crate::support::home::{TestHome, wait_until};

#[test]
fn a_connection_reset_after_the_request_was_read_fails_the_call_by_name() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    assert_eq!(place.call("a").as_deref(), Ok("a"));
    for text in ["b", "c", "d"] {
        server.wrong("tools/call", Fault::Reset);
        assert_failed(place.call(text), "SERVER_GONE", "broke the connection off");
    }
    assert_eq!(place.call("e").as_deref(), Ok("e"));
    assert_eq!(done(&server), ["a", "b", "c", "d", "e"]);
    assert_eq!(place.state(), "ready");
}

#[test]
fn a_connection_reset_before_the_request_was_read_loses_no_more_than_its_call() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    assert_eq!(place.call("a").as_deref(), Ok("a"));
    server.wrong("tools/call", Fault::Hold);
    let held = place.begin("held");
    server.called("held");
    let mut well = vec!["a".to_owned(), "held".to_owned()];
    for n in 0..5 {
        server.reset_connections(1);
        match place.call(&format!("c{n}")) {
            Ok(text) => well.push(text),
            // Whether the request left before the reset came is a matter of luck; it was not done.
            Err((code, text)) => {
                assert!(["SERVER_GONE", "SERVER_UNAVAILABLE"].contains(&&*code), "{code}: {text}");
            }
        }
        server.reset_connections(0);
    }
    server.release();
    assert_eq!(place.outcome(held).as_deref(), Ok("held"), "a call that is under way goes on");
    well.push(place.call_until_well("z"));
    well.sort();
    assert_eq!(done(&server), well);
}

#[test]
fn kept_connections_that_the_server_closed_cost_no_call() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    for n in 0..5 {
        let text = n.to_string();
        assert_eq!(place.call(&text), Ok(text));
        server.cut_all();
        // The daemon has heard of it by then.
        place.client.call_text("near__sleep", json!({"ms": 50}));
    }
}

#[test]
fn what_is_no_answer_fails_by_name_and_the_next_call_is_well() {
    const JSON: &str = "Content-Type: application/json\r\n";
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    for (fault, name, says) in [
        (Fault::Say(500, "", "it broke"), "REFUSED", "HTTP 500: it broke"),
        (Fault::Say(502, "Content-Type: text/html\r\n", "<html>bad gateway</html>"), "REFUSED", "HTTP 502"),
        (Fault::Say(503, "Retry-After: 7\r\n", ""), "REFUSED", "try again in 7 s"),
        (Fault::Say(429, "Retry-After: 3\r\n", "slow down"), "BUSY", "slow down (try again in 3 s)"),
        (Fault::Say(429, "Retry-After: Thu, 01 Jan 2099 00:00:00 GMT\r\n", ""), "BUSY", "(try again in "),
        (Fault::Say(429, "Retry-After: soon\r\n", "slow down"), "BUSY", "slow down"),
        (
            Fault::Say(
                401,
                "WWW-Authenticate: Bearer\r\n",
                r#"{"error":"invalid_token","error_description":"old"}"#,
            ),
            "REFUSED",
            "HTTP 401: old",
        ),
        (Fault::Say(403, "", ""), "REFUSED", "HTTP 403: Forbidden"),
        (Fault::Say(307, "Location: http://other.example/mcp\r\n", ""), "REFUSED", "redirects to"),
        (
            Fault::Say(200, "Content-Type: text/html\r\n", "<html>log in</html>"),
            "BAD_ANSWER",
            "text/html: <html>log in",
        ),
        (Fault::Say(200, "", "hello"), "BAD_ANSWER", "no content type"),
        (Fault::Say(200, JSON, "this is no JSON"), "BAD_ANSWER", "this is no JSON"),
        (Fault::Say(200, JSON, ""), "BAD_ANSWER", "no JSON-RPC message"),
        (Fault::Say(200, JSON, "[]"), "BAD_ANSWER", "did not answer this request"),
        (
            Fault::Say(200, JSON, r#"{"jsonrpc":"2.0","id":0,"result":{}}"#),
            "BAD_ANSWER",
            "did not answer this",
        ),
        (Fault::Say(202, "", ""), "BAD_ANSWER", "202"),
        (
            Fault::Say(200, "Content-Type: text/event-stream\r\n", "data: no\n\n"),
            "SERVER_GONE",
            "without the answer",
        ),
        (
            Fault::Say(200, "Content-Encoding: gzip\r\nContent-Type: application/json\r\n", "x"),
            "BAD_ANSWER",
            "gzip",
        ),
    ] {
        server.wrong("tools/call", fault);
        assert_failed(place.call("wrong"), name, says);
        assert_eq!(place.call("well").as_deref(), Ok("well"), "after {fault:?}");
    }
    assert!(!done(&server).contains(&"wrong".to_owned()));
    assert_eq!((server.known().begun, place.state().as_str()), (1, "ready"));
}

#[test]
fn a_list_that_cannot_be_had_at_first_is_asked_for_again() {
    for fault in [Fault::Say(503, "Retry-After: 1\r\n", "warming up"), Fault::Reset] {
        let server = Elsewhere::start();
        server.wrong("tools/list", fault);
        let mut place = Place::new(&server.url(), "");
        let has_it = || place.client.tools().iter().any(|tool| tool["name"] == "far__note");
        assert!(wait_until(BOUND, has_it));
        assert_eq!(place.row()["error"], json!(null));
    }
}

#[test]
fn a_silent_server_costs_a_call_its_time_and_nobody_else_anything() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "tool_timeout: 1s");
    assert_eq!(place.call("a").as_deref(), Ok("a"));
    let mut silent = Vec::new();
    for n in 0..5 {
        server.wrong("tools/call", Fault::Silence);
        // Nor does it listen when it is told that nobody waits.
        server.wrong("notifications/cancelled", Fault::Silence);
        silent.push(place.begin(&format!("s{n}")));
        server.called(&format!("s{n}"));
    }
    assert_eq!(place.call("beside").as_deref(), Ok("beside"));
    for id in silent {
        assert_failed(place.outcome(id), "TIMEOUT", "did not answer within 1 s");
    }
    let began = Instant::now();
    assert_eq!(place.call("after").as_deref(), Ok("after"));
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_eq!(done(&server), ["a", "after", "beside"]);
}

#[test]
fn a_slow_answer_comes_after_the_time_for_which_connections_are_kept() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    assert_eq!(place.call("a").as_deref(), Ok("a"));
    server.wrong("tools/call", Fault::Hold);
    let slow = place.begin("slow");
    server.called("slow");
    assert_eq!(place.client.call_text("near__sleep", json!({"ms": 6000, "message": "later"})), "later");
    // All that was kept is closed by now.
    assert_eq!(place.call("quick").as_deref(), Ok("quick"));
    server.release();
    assert_eq!(place.outcome(slow).as_deref(), Ok("slow"));
    assert_eq!(server.known().begun, 1);
}

#[test]
fn header_values_reach_the_server_and_nobody_else() {
    const SECRET: &str = "tok-5ecret-9f8e7d";
    let server = Elsewhere::start();
    let mut home = TestHome::new();
    home.set_env("FAR_TOKEN", SECRET);
    home.set_env("FAR_KEY", "key-5ecret-1a2b");
    home.set_env("LOOM_LOG", "trace");
    let url = format!("{}?key=${{env:FAR_KEY}}", server.url());
    let mut place = Place::with(home, &url, "headers: { Authorization: \"Bearer ${env:FAR_TOKEN}\" }");
    assert_eq!(place.call("a").as_deref(), Ok("a"));
    let bearer = format!("Bearer {SECRET}");
    for request in &server.known().requests {
        assert_eq!(request.header("authorization"), bearer, "{request:?}");
        assert!(request.path.ends_with("?key=key-5ecret-1a2b"), "{request:?}");
    }
    // The server repeats them, in all the places where loom shows what a server says.
    let echo = "Bearer tok-5ecret-9f8e7d at /mcp?key=key-5ecret-1a2b";
    let mut said = String::new();
    for fault in [
        Fault::Say(401, "", echo),
        Fault::Say(200, "Content-Type: text/html\r\n", echo),
        Fault::Say(200, "Content-Type: application/json\r\n", echo),
        Fault::Say(307, "Location: /x?key=key-5ecret-1a2b\r\n", ""),
        Fault::Reset,
    ] {
        server.wrong("tools/call", fault);
        said += &format!("{:?}\n", place.call("wrong"));
    }
    server.expire(404, echo);
    server.wrong("initialize", Fault::Say(500, "", echo));
    said += &format!("{:?}\n", place.call("wrong"));
    for args in
        [&["status"][..], &["status", "--json"], &["servers", "--json"], &["health", "--json"], &["check"]]
    {
        said += &String::from_utf8_lossy(&place.home.loom(args).stdout);
    }
    assert!(said.contains("***"), "{said}");
    said += &files(&place.home.config_dir());
    for secret in [SECRET, "5ecret-1a2b"] {
        let at = said.find(secret).map(|at| &said[at.saturating_sub(300)..at + 30]);
        assert_eq!(at, None);
    }
}

#[test]
fn a_missing_variable_is_named_and_the_server_is_not_asked() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "headers: { X-Key: \"${env:FAR_MISSING}\" }");
    assert_failed(place.call("a"), "SERVER_UNAVAILABLE", "FAR_MISSING");
    assert!(place.row()["error"].as_str().unwrap().contains("FAR_MISSING"), "{}", place.row());
    assert_eq!(server.known().requests.len(), 0);
    // The person's shell has it from now on.
    place.home.set_env("FAR_MISSING", "there");
    place.home.loom_ok(&["start"]);
    place.call_until_well("b");
}

/// The text of all files below a folder.
fn files(folder: &std::path::Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("the home can be read") {
        let path = entry.expect("the home can be read").path();
        match path.is_dir() {
            true => text += &files(&path),
            false => text += &String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()),
        }
    }
    text
}
