//! Sessions that the server has forgotten.

use super::client::{Client, Got};
use super::server::Server;
use super::{call, drive, result};
use crate::upstream::http::Failure;

#[test]
fn an_expired_session_is_said_once_and_the_next_one_works() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "old").await;
        for id in 1..=3 {
            client.say(call(id));
        }
        let mut asked = [server.next().await, server.next().await, server.next().await];
        asked.sort_by_key(|asked| asked.what());
        let [one, two, three] = asked;
        let stream = three.events().say(": working\n\n").await;
        one.reply(404, &[], r#"{"error":{"message":"Session not found"}}"#);
        assert_eq!(client.next().await, Got::Expired);
        assert!(matches!(client.next().await, Got::Failed(line, Failure::Unsent(_)) if line == call(1)));
        // Until the next handshake nothing is sent.
        client.say(call(4));
        assert!(matches!(client.next().await, Got::Failed(line, Failure::Unsent(_)) if line == call(4)));
        let get = client.introduce(&mut server, "new").await;
        assert_eq!(get.header("mcp-session-id"), "new");
        // What was under the old session expires without a word about the new one, or goes on.
        two.reply(404, &[], "");
        assert!(matches!(client.next().await, Got::Failed(line, Failure::Unsent(_)) if line == call(2)));
        let _stream = stream.say(format!("data: {}\n\n", result(3))).await;
        assert_eq!(client.message().await, result(3));
        client.say(call(5));
        let asked = server.next().await;
        assert_eq!(asked.header("mcp-session-id"), "new");
        asked.json(result(5));
        assert_eq!(client.message().await, result(5));
    });
}

#[test]
fn what_counts_as_expired() {
    for (status, body, expired) in [
        (404, "", true),
        (400, r#"{"error":{"message":"Bad Request: No valid session ID provided"}}"#, true),
        (400, "Bad Request: Server not initialized", true),
        (400, "unknown tool", false),
        (410, "session", false),
    ] {
        drive(async move {
            let mut server = Server::start().await;
            let mut client = Client::open(&mut server, "s").await;
            client.say(call(1));
            server.next().await.reply(status, &[], body);
            let first = client.next().await;
            assert_eq!(first == Got::Expired, expired, "{status} {body}: {first:?}");
        });
    }
}

#[test]
fn the_servers_own_stream_shows_it_without_any_call() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::start(&server);
        let stream = client.introduce(&mut server, "s").await.events();
        drop(stream.say("retry: 10\n\n").await);
        server.next().await.reply(404, &[], "");
        assert_eq!(client.next().await, Got::Expired);
        // The next session has a stream of its own.
        let get = client.introduce(&mut server, "t").await;
        assert_eq!(get.header("mcp-session-id"), "t");
    });
}
