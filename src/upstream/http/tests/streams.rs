//! Streams that break, and those that go on.

use super::client::{Client, Got};
use super::server::Server;
use super::{call, drive, result};
use crate::upstream::http::Failure;

const NOTE: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;

/// How a server loses an answer.
#[derive(Debug, Clone, Copy)]
enum Loss {
    HangUp,
    HalfJson,
    EventsCut,
    EventsEnd,
    HalfAnEvent,
}

#[test]
fn an_answer_that_is_lost_is_cut() {
    for loss in [Loss::HangUp, Loss::HalfJson, Loss::EventsCut, Loss::EventsEnd, Loss::HalfAnEvent] {
        drive(async move {
            let mut server = Server::start().await;
            let mut client = Client::open(&mut server, "s").await;
            client.say(call(1));
            let asked = server.next().await;
            match loss {
                Loss::HangUp => asked.hang_up(),
                Loss::HalfJson => {
                    let headers = [("content-type", "application/json"), ("content-length", "99")];
                    asked.begin(200, &headers).say("{\"id\":1").await.cut().await;
                }
                Loss::EventsCut => asked.events().say(format!("data: {NOTE}\n\n")).await.cut().await,
                Loss::EventsEnd => drop(asked.events().say(format!("data: {NOTE}\n\n")).await),
                // An id counts only with its whole event.
                Loss::HalfAnEvent => drop(asked.events().say(format!("id: 1\ndata: {}\n", result(1))).await),
            }
            if matches!(loss, Loss::EventsCut | Loss::EventsEnd) {
                assert_eq!(client.message().await, NOTE);
            }
            let got = client.next().await;
            assert!(
                matches!(&got, Got::Failed(line, Failure::Cut(_)) if *line == call(1)),
                "{loss:?}: {got:?}"
            );
            // It is not sent again, and the next call finds its way.
            client.say(call(2));
            let asked = server.next().await;
            assert_eq!(asked.what(), "POST tools/call 2");
            asked.json(result(2));
            assert_eq!(client.message().await, result(2));
        });
    }
}

#[test]
fn a_cut_stream_goes_on_after_its_last_event() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "s").await;
        client.say(call(1));
        let stream = server.next().await.events();
        stream.say(format!("retry: 10\nid: a-1\ndata: {NOTE}\n\nid: a-2\ndata: {{\"half")).await.cut().await;
        assert_eq!(client.message().await, NOTE);
        // The server comes back slowly.
        let asked = server.next().await;
        assert_eq!((asked.what().as_str(), asked.header("last-event-id")), ("GET", "a-1"));
        asked.reply(503, &[], "");
        let asked = server.next().await;
        assert_eq!((asked.header("last-event-id"), asked.header("mcp-session-id")), ("a-1", "s"));
        asked.events().say(format!("id: a-2\ndata: {NOTE}\n\n")).await.cut().await;
        assert_eq!(client.message().await, NOTE);
        let asked = server.next().await;
        assert_eq!(asked.header("last-event-id"), "a-2");
        let _stream = asked.events().say(format!("data: {}\n\n", result(1))).await;
        assert_eq!(client.message().await, result(1));
    });
}

#[test]
fn a_server_may_close_and_be_asked_again() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "s").await;
        client.say(call(1));
        drop(server.next().await.events().say("id: p\nretry: 10\ndata:\n\n").await);
        for n in 0..3 {
            let asked = server.next().await;
            assert_eq!((asked.what().as_str(), asked.header("last-event-id").len()), ("GET", 1));
            drop(asked.events().say(format!("id: {n}\n\n")).await);
        }
        let asked = server.next().await;
        assert_eq!(asked.header("last-event-id"), "2");
        let _stream = asked.events().say(format!("data: {}\n\n", result(1))).await;
        assert_eq!(client.message().await, result(1));
    });
}

#[test]
fn a_stream_that_cannot_go_on_is_cut() {
    for (status, expired) in [(405, false), (400, false), (404, true)] {
        drive(async move {
            let mut server = Server::start().await;
            let mut client = Client::open(&mut server, "s").await;
            client.say(call(1));
            drop(server.next().await.events().say("id: p\nretry: 10\n\n").await);
            server.next().await.reply(status, &[], "");
            if expired {
                assert_eq!(client.next().await, Got::Expired);
            }
            assert!(matches!(client.failure().await, Failure::Cut(_)), "{status}");
        });
    }
}

#[test]
fn the_server_speaks_by_itself_on_a_stream_that_is_kept_open() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::start(&server);
        let stream = client.introduce(&mut server, "s").await.events();
        let stream = stream.say(format!("retry: 10\nid: 1\ndata: {NOTE}\n\n")).await;
        assert_eq!(client.message().await, NOTE);
        stream.cut().await;
        let asked = server.next().await;
        assert_eq!((asked.what().as_str(), asked.header("last-event-id")), ("GET", "1"));
        drop(asked.events().say(format!("id: 2\ndata: {NOTE}\n\n")).await);
        assert_eq!(client.message().await, NOTE);
        let asked = server.next().await;
        assert_eq!(asked.header("last-event-id"), "2");
        // It has forgotten its events: from the beginning then.
        asked.reply(400, &[], "no such event");
        let asked = server.next().await;
        assert_eq!((asked.what().as_str(), asked.header("last-event-id")), ("GET", ""));
        // Calls do not care.
        client.say(call(1));
        server.next().await.json(result(1));
        assert_eq!(client.message().await, result(1));
    });
}
