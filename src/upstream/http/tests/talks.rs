//! The usual course: sessions, order, calls at once, large messages, giving up.

use super::client::{Client, Got, INITIALIZE, INITIALIZED};
use super::server::Server;
use super::{call, drive, result, taken_back};
use crate::upstream::http::Failure;
use crate::wire::LINE_MAX;

#[test]
fn every_request_says_what_the_protocol_wants() {
    drive(async {
        let mut server = Server::start().await;
        let given = [("Authorization", "Bearer tok-123456"), ("Accept", "text/html")];
        let mut client = Client::with(&server.url(), &given, &[]);
        let get = client.introduce(&mut server, "s-1").await;
        assert_eq!(get.header("accept"), "text/event-stream");
        client.say(call(1));
        let post = server.next().await;
        assert_eq!(post.header("accept"), "application/json, text/event-stream");
        assert_eq!(post.header("content-type"), "application/json");
        assert_eq!(post.body, call(1));
        post.json(result(1));
        assert_eq!(client.message().await, result(1));
        let closing = tokio::task::spawn_local(client.close());
        let delete = server.next().await;
        assert_eq!(delete.what(), "DELETE");
        for asked in [&get, &delete] {
            assert_eq!(asked.header("mcp-session-id"), "s-1");
            assert_eq!(asked.header("mcp-protocol-version"), "2025-06-18");
            assert_eq!(asked.header("authorization"), "Bearer tok-123456");
            assert_eq!((asked.header("host"), asked.uri.path()), (server.addr.to_string().as_str(), "/mcp"));
        }
        delete.reply(405, &[], "");
        assert_eq!(closing.await.unwrap(), Ok(()));
        get.abandoned().await;
    });
}

#[test]
fn without_a_session_nothing_is_ended_and_404_is_a_plain_refusal() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "").await;
        client.say(call(1));
        let asked = server.next().await;
        assert_eq!(asked.header("mcp-session-id"), "");
        asked.reply(404, &[], "no such page");
        let refused = Failure::Refused { status: 404, text: "no such page".into(), retry_after: None };
        assert_eq!(client.next().await, Got::Failed(call(1), refused));
        assert_eq!(client.close().await, Ok(()));
        assert!(server.is_quiet());
    });
}

#[test]
fn what_is_no_request_keeps_its_place() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "s").await;
        client.say(r#"{"jsonrpc":"2.0","method":"notifications/a"}"#);
        client.say(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
        client.say(call(1));
        client.say(call(2));
        for what in ["POST notifications/a", "POST  7"] {
            let asked = server.next().await;
            assert_eq!(asked.what(), what);
            assert!(server.is_quiet());
            asked.accept();
        }
        // The two calls are under way at once, in any order; answers come as the server likes.
        let (one, two) = (server.next().await, server.next().await);
        let (one, two) = if one.body == call(1) { (one, two) } else { (two, one) };
        let stream = two.events();
        let stream = stream.say(format!("data: {}\n\n", result(2))).await;
        assert_eq!(client.message().await, result(2));
        one.json(result(1));
        assert_eq!(client.message().await, result(1));
        drop(stream);
    });
}

#[test]
fn a_notification_that_is_not_accepted_holds_nothing_back_for_ever() {
    drive(async {
        let mut server = Server::start().await;
        let client = Client::open(&mut server, "s").await;
        client.say(r#"{"jsonrpc":"2.0","method":"notifications/a"}"#);
        client.say(call(1));
        let stuck = server.next().await;
        assert_eq!(server.next().await.what(), "POST tools/call 1");
        stuck.accept();
    });
}

#[test]
fn a_stream_may_carry_other_messages_first_and_an_answer_may_take_its_time() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "s").await;
        client.say(call(1));
        let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
        let split = ": hello\r\n\r\nevent: other\ndata: {}\n\ndata: ";
        let stream = server.next().await.events().say(split).await;
        let stream = stream.say(ping[..9].to_owned()).await.say(format!("{}\n\n", &ping[9..])).await;
        assert_eq!(client.message().await, ping);
        // A batch, on several lines, with our answer in it.
        let batch = format!("data: [{},\ndata: {}]\n\n", ping, result(1));
        let stream = stream.say(batch).await;
        assert_eq!(client.message().await, ping);
        assert_eq!(client.message().await, result(1));
        drop(stream);
        // The connection of the stream is used again.
        client.say(call(2));
        server.next().await.json(format!("[{}]", result(2)));
        assert_eq!(client.message().await, result(2));
    });
}

#[test]
fn a_request_that_is_taken_back_is_dropped_and_the_server_told_after_it() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "s").await;
        client.say(call(1));
        client.say(call(2));
        let (one, two) = (server.next().await, server.next().await);
        let (one, two) = if one.body == call(1) { (one, two) } else { (two, one) };
        client.take_back("1");
        client.take_back("99");
        let other = server.next().await;
        assert_eq!(other.body, taken_back("99"));
        other.accept();
        one.abandoned().await;
        let told = server.next().await;
        assert_eq!(told.body, taken_back("1"));
        told.accept();
        two.json(result(2));
        assert_eq!(client.message().await, result(2));
        assert!(client.events.is_empty());
    });
}

#[test]
fn messages_up_to_the_limit_pass_and_longer_ones_fail_their_call() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "s").await;
        let large = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{}"}}"#, "x".repeat(3 << 20));
        client.say(large.replace("result", "method"));
        let asked = server.next().await;
        assert_eq!(asked.body.len(), large.len());
        asked.json(large.clone());
        assert_eq!(client.message().await.len(), large.len());

        client.say(call(2));
        let length = (LINE_MAX + 1).to_string();
        let headers = [("content-type", "application/json"), ("content-length", length.as_str())];
        let body = server.next().await.begin(200, &headers);
        assert!(matches!(client.failure().await, Failure::TooLarge(_)));
        drop(body);

        client.say(call(3));
        let mut stream = server
            .next()
            .await
            .events()
            .say("data: {\"id\":8,\"result\":{}}\n\ndata: {\"id\":3,\"result\":{\"x\":\"")
            .await;
        assert_eq!(client.message().await, r#"{"id":8,"result":{}}"#);
        let part = "x".repeat(1 << 20);
        for _ in 0..=LINE_MAX >> 20 {
            stream = stream.say(part.clone()).await;
        }
        let _stream = stream.say("\"}}\n\n").await;
        assert!(matches!(client.failure().await, Failure::TooLarge(_)));
    });
}

#[test]
fn an_answer_for_which_there_is_no_room_fails_and_the_next_is_well() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "s").await;
        let large = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":"{}"}}}}"#, "x".repeat(1000));
        for streamed in [false, true] {
            client.room.set(500);
            client.say(call(1));
            let asked = server.next().await;
            match streamed {
                false => asked.json(large.clone()),
                true => drop(asked.events().say(format!("data: {large}\n\n")).await),
            }
            assert!(matches!(client.failure().await, Failure::NoRoom(_)), "{streamed}");
            client.room.set(LINE_MAX);
            client.say(call(1));
            server.next().await.json(large.clone());
            assert_eq!(client.message().await, large);
        }
    });
}

#[test]
fn an_answer_is_known_by_its_id_in_other_words() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "s").await;
        for id in ["1", "1.0", "\"1\""] {
            let answer = |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
            client.say(call(1));
            server.next().await.json(answer(id));
            assert_eq!(client.message().await, answer("1"));
            client.say(call(1));
            // The stream goes on; that the call is answered is known all the same.
            let events = server.next().await.events().say(format!("data: {}\n\n", answer(id))).await;
            assert_eq!(client.message().await, answer("1"));
            drop(events);
        }
        client.say(call(2));
        let error = r#"{"jsonrpc":"2.0","id":2.0,"error":{"code":1,"message":"no"}}"#;
        server.next().await.reply(400, &[("content-type", "application/json")], error);
        assert_eq!(client.message().await, error.replace("2.0,", "2,"));
    });
}

#[test]
fn an_unreachable_server_is_tried_anew_with_each_line() {
    drive(async {
        let server = Server::start().await;
        let url = server.url();
        let addr = server.stop().await;
        let mut client = Client::with(&url, &[], &[]);
        for _ in 0..2 {
            client.say(INITIALIZE);
            let Failure::Unsent(text) = client.failure().await else { panic!("not unsent") };
            assert!(text.starts_with(&format!("cannot connect to http://{addr}: ")), "{text}");
            assert!(text.contains("refused"), "{text}");
        }
        client.say(call(1));
        assert!(matches!(client.failure().await, Failure::Forgotten(_)));
        let mut server = Server::at(addr, None).await;
        client.introduce(&mut server, "s").await.reply(405, &[], "");
        client.say(call(2));
        server.next().await.json(result(2));
        assert_eq!(client.message().await, result(2));
    });
}

#[test]
fn a_server_that_restarts_between_calls_loses_none() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::open(&mut server, "s").await;
        client.say(call(1));
        server.next().await.json(result(1));
        assert_eq!(client.message().await, result(1));
        let addr = server.stop().await;
        client.say(call(2));
        assert!(matches!(client.failure().await, Failure::Unsent(_)));
        let mut server = Server::at(addr, None).await;
        client.say(call(3));
        server.next().await.json(result(3));
        assert_eq!(client.message().await, result(3));
    });
}

#[test]
fn the_answer_to_initialize_may_come_on_a_stream() {
    drive(async {
        let mut server = Server::start().await;
        let mut client = Client::start(&server);
        client.say(INITIALIZE);
        let headers = [("content-type", "text/event-stream"), ("mcp-session-id", "s-2")];
        let stream = server.next().await.begin(200, &headers).say(format!("data: {INITIALIZED}\n\n")).await;
        assert_eq!(client.message().await, INITIALIZED);
        client.say(call(1));
        assert_eq!(server.next().await.header("mcp-session-id"), "s-2");
        drop(stream);
    });
}
