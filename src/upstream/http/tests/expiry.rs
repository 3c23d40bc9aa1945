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
        assert!(matches!(client.next().await, Got::Failed(line, Failure::Forgotten(_)) if line == call(1)));
        // Until the next handshake nothing is sent.
        client.say(call(4));
        assert!(matches!(client.next().await, Got::Failed(line, Failure::Forgotten(_)) if line == call(4)));
        let get = client.introduce(&mut server, "new").await;
        assert_eq!(get.header("mcp-session-id"), "new");
        // What was under the old session expires without a word about the new one, or goes on.
        two.reply(404, &[], "");
        assert!(matches!(client.next().await, Got::Failed(line, Failure::Forgotten(_)) if line == call(2)));
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
        (400, r#"{"id":1,"error":{"code":-1,"message":"no such session in my database"}}"#, false),
        (400, r#"{"id":7,"error":{"code":-1,"message":"Invalid session"}}"#, true),
        (401, "Unauthorized: Session not found", true),
        (401, "your session has no token", false),
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
fn a_server_without_a_stream_may_say_so_as_it_likes() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::start(&server);
        client.introduce(&mut server, "s").await.reply(404, &[], "Cannot GET /mcp");
        client.say(call(1));
        let asked = server.next().await;
        assert_eq!(asked.header("mcp-session-id"), "s");
        asked.json(result(1));
        assert_eq!(client.message().await, result(1));
    });
}

#[test]
fn a_new_handshake_over_a_live_session_ends_the_old_one() {
    drive(async {
        let mut server = Server::start().await;
        let client = Client::open(&mut server, "old").await;
        client.say(super::client::INITIALIZE);
        let mut asked = [server.next().await, server.next().await];
        asked.sort_by_key(|asked| asked.what());
        assert_eq!(asked.each_ref().map(|asked| asked.what()), ["DELETE", "POST initialize 0"]);
        assert_eq!(asked.each_ref().map(|asked| asked.header("mcp-session-id")), ["old", ""]);
    });
}

#[test]
fn a_stream_that_cannot_be_opened_again_is_told_of() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::start(&server);
        let stream = client.introduce(&mut server, "s").await.events();
        let stream = stream.say("retry: 10\n\n").await;
        let addr = server.stop().await;
        drop(stream);
        let Got::Away(Some(text)) = client.next().await else { panic!("not away") };
        assert!(text.contains("cannot connect"), "{text}");
        let mut server = Server::at(addr, None).await;
        let _stream = server.next().await.events().say(": hello\n\n").await;
        assert_eq!(client.next().await, Got::Away(None));
    });
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
