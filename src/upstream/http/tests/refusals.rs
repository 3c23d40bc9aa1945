//! What is no answer.

use std::time::Duration;

use super::client::{Client, Got};
use super::server::Server;
use super::{call, drive, result};
use crate::upstream::http::Failure;

/// A response: status, headers, body.
type Said = (u16, &'static [(&'static str, &'static str)], &'static str);

const JSON: (&str, &str) = ("content-type", "application/json");
const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

fn refused(status: u16, text: &str, after: Option<u64>) -> Failure {
    Failure::Refused { status, text: text.into(), retry_after: after.map(Duration::from_secs) }
}

#[test]
fn a_status_is_a_refusal_with_what_was_said() {
    let rows: &[(Said, Failure)] = &[
        (
            (400, &[JSON], r#"{"jsonrpc":"2.0","error":{"code":1,"message":"bad\nthing"},"id":null}"#),
            refused(400, "bad thing", None),
        ),
        (
            (401, &[("www-authenticate", "Bearer")], r#"{"error":"invalid_token"}"#),
            refused(401, "invalid_token", None),
        ),
        ((403, &[], ""), refused(403, "Forbidden", None)),
        ((429, &[("retry-after", "7")], "slow down"), refused(429, "slow down", Some(7))),
        ((500, &[], "tok-123456 is unknown"), refused(500, "*** is unknown", None)),
        (
            (502, &[HTML, ("retry-after", "soon")], "<h1>Bad\tGateway</h1>"),
            refused(502, "<h1>Bad Gateway</h1>", None),
        ),
        ((503, &[("retry-after", " 30 ")], ""), refused(503, "Service Unavailable", Some(30))),
        (
            (307, &[("location", "https://b.example/mcp?key=1")], "moved"),
            refused(307, "it redirects to https://b.example/mcp", None),
        ),
    ];
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::with(&server.url(), &[("X-Key", "tok-123456")], &[]);
        client.introduce(&mut server, "s").await.reply(405, &[], "");
        for ((status, headers, body), want) in rows {
            client.say(call(1));
            server.next().await.reply(*status, headers, *body);
            assert_eq!(client.next().await, Got::Failed(call(1), want.clone()), "{status}");
        }
        // The session lives on, and a line comes back as it was given.
        client.say(format!("{}\n", call(2)));
        server.next().await.reply(500, &[], "");
        assert!(matches!(client.next().await, Got::Failed(line, _) if line == format!("{}\n", call(2))));
    });
}

#[test]
fn a_success_without_the_answer_is_a_bad_answer() {
    let rows: &[(Said, &str)] = &[
        (
            (200, &[HTML], "<html>\u{1b}[2JLog in</html>"),
            "answered 200 with text/html: <html> [2JLog in</html>",
        ),
        ((200, &[], "{}"), "answered 200 with no content type: {}"),
        ((202, &[], ""), "answered 202 with no content type: "),
        ((200, &[JSON, ("content-encoding", "gzip")], "x"), "answered 200 with encoding gzip: x"),
        ((200, &[JSON], "oops"), "sent what is no JSON-RPC message (not an object at byte 0): oops"),
        (
            (200, &[JSON], r#"{"id":1,"result":NaN}"#),
            r#"sent what is no JSON-RPC message (no value at byte 17): {"id":1,"result":NaN}"#,
        ),
        ((200, &[JSON], "[]"), "did not answer this request but: []"),
    ];
    drive(async {
        let mut server = Server::start().await;
        let name = format!("http://{} ", server.addr);
        let mut client = Client::open(&mut server, "s").await;
        for ((status, headers, body), want) in rows {
            client.say(call(1));
            server.next().await.reply(*status, headers, *body);
            let Failure::BadAnswer(text) = client.failure().await else { panic!("{want}") };
            assert_eq!(text.strip_prefix(&name), Some(*want));
        }
        // On a stream too, and without waiting for more.
        client.say(call(1));
        let stream = server.next().await.events().say("data: {\"id\":1,\"result\":NaN}\n\n").await;
        assert!(matches!(client.failure().await, Failure::BadAnswer(_)));
        drop(stream);
        // What is wrong with others is no matter of this call.
        client.say(call(1));
        let stream =
            server.next().await.events().say("data: {\"id\":2,\"result\":NaN}\n\ndata: pong\n\n").await;
        let _stream = stream.say(format!("data: {}\n\n", result(1))).await;
        assert_eq!(client.message().await, result(1));
    });
}

#[test]
fn an_error_of_json_rpc_that_names_the_request_is_its_answer() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "s").await;
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such tool"}}"#;
        client.say(call(1));
        server.next().await.reply(400, &[JSON], error);
        assert_eq!(client.message().await, error);
        client.say(call(1));
        server.next().await.reply(429, &[JSON], error);
        assert_eq!(client.failure().await, refused(429, "no such tool", None));
    });
}

#[test]
fn a_notification_that_is_refused_is_said_too() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "s").await;
        let note = r#"{"jsonrpc":"2.0","method":"notifications/a"}"#;
        client.say(note);
        server.next().await.reply(422, &[], "no");
        assert_eq!(client.next().await, Got::Failed(note.into(), refused(422, "no", None)));
        client.say("garbage");
        assert!(matches!(client.failure().await, Failure::Unsent(_)));
    });
}
