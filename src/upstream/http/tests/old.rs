//! Servers of 2024-11-05.

use super::client::{Client, Got, INITIALIZE, INITIALIZED};
use super::server::{Server, Stream};
use super::{call, drive, result};
use crate::upstream::http::Failure;

/// Goes as far as the accepted `initialize`.
async fn introduce(server: &mut Server, client: &mut Client, status: u16, endpoint: &str) -> Stream {
    client.say(INITIALIZE);
    let asked = server.next().await;
    assert_eq!((asked.what().as_str(), asked.uri.path()), ("POST initialize 0", "/mcp"));
    asked.reply(status, &[], "");
    let asked = server.next().await;
    assert_eq!((asked.what().as_str(), asked.header("accept")), ("GET", "text/event-stream"));
    let stream = asked.events().say(format!("event: endpoint\r\ndata: {endpoint}\r\n\r\n")).await;
    let asked = server.next().await;
    assert_eq!(
        (asked.what().as_str(), asked.uri.to_string()),
        ("POST initialize 0", "/messages?id=7".into())
    );
    asked.reply(202, &[], "Accepted");
    let stream = stream.say(format!("event: message\ndata: {INITIALIZED}\n\n")).await;
    assert_eq!(client.message().await, INITIALIZED);
    stream
}

#[test]
fn the_old_transport_is_found_and_spoken() {
    for status in [400, 404, 405] {
        drive(async move {
            let mut server = Server::start().await;
            let mut client = Client::start(&server);
            let stream = introduce(&mut server, &mut client, status, "/messages?id=7").await;
            client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
            client.say(call(1));
            client.say(call(2));
            let asked = server.next().await;
            assert_eq!(asked.what(), "POST notifications/initialized");
            asked.accept();
            // One answer comes before its request was accepted.
            let (one, two) = (server.next().await, server.next().await);
            let stream = stream.say(format!("data: {}\n\ndata: {}\n\n", result(2), result(1))).await;
            assert_eq!(client.message().await, result(2));
            assert_eq!(client.message().await, result(1));
            one.accept();
            two.reply(500, &[], "late");
            client.say(call(3));
            server.next().await.reply(500, &[], "no");
            let refused = Failure::Refused { status: 500, text: "no".into(), retry_after: None };
            assert_eq!(client.next().await, Got::Failed(call(3), refused));
            assert_eq!(client.close().await, Ok(()));
            drop(stream);
        });
    }
}

#[test]
fn the_end_of_the_stream_is_the_end_of_all() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::start(&server);
        let full = format!("http://{}/messages?id=7", server.addr);
        let stream = introduce(&mut server, &mut client, 405, &full).await;
        client.say(call(1));
        client.say(call(2));
        let (one, two) = (server.next().await, server.next().await);
        client.take_back("2");
        let (one, two) = if one.body == call(1) { (one, two) } else { (two, one) };
        two.abandoned().await;
        server.next().await.accept();
        one.accept();
        drop(stream);
        assert!(matches!(client.next().await, Got::Failed(line, Failure::Cut(_)) if line == call(1)));
        assert!(client.events.is_empty());
        assert!(client.ended().await.unwrap_err().contains("ended its stream"));
    });
}

#[test]
fn a_server_that_speaks_neither_refuses() {
    for (headers, body) in [
        (&[("content-type", "text/html")][..], "<html>"),
        (&[("content-type", "text/event-stream")], "event: endpoint\ndata: http://evil.example/m\n\n"),
        (&[("content-type", "text/event-stream")], "data: {}\n\n"),
    ] {
        drive(async move {
            let mut server = Server::start().await;
            let mut client = Client::start(&server);
            client.say(INITIALIZE);
            server.next().await.reply(405, &[], "POST? no");
            server.next().await.reply(200, headers, body);
            let refused = Failure::Refused { status: 405, text: "POST? no".into(), retry_after: None };
            assert_eq!(client.next().await, Got::Failed(INITIALIZE.into(), refused));
        });
    }
}

#[test]
fn a_server_that_once_spoke_the_new_transport_is_not_asked_for_the_old() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "s").await;
        client.say(call(1));
        server.next().await.reply(404, &[], "");
        assert_eq!(client.next().await, Got::Expired);
        assert!(matches!(client.failure().await, Failure::Forgotten(_)));
        client.say(INITIALIZE);
        server.next().await.reply(404, &[], "");
        assert!(matches!(client.failure().await, Failure::Refused { status: 404, .. }));
        assert!(server.is_quiet());
    });
}
