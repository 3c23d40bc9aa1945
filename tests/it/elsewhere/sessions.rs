//! Sessions: a server that was restarted or forgot its clients, and the end of a session that nobody needs.

use super::{BOUND, Place, SECOND, assert_failed, begin, done};
use crate::support::elsewhere::{Elsewhere, Fault};
use crate::support::home::{TestHome, wait_until};

#[test]
fn a_server_restarted_between_calls_is_called_once_for_each() {
    let mut server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    for text in ["a", "b", "c"] {
        assert_eq!(place.call(text).as_deref(), Ok(text));
        server.stop();
        server.serve();
    }
    assert_eq!(done(&server), ["a", "b", "c"]);
    assert_eq!(place.client.tools().len(), 7);
}

#[test]
fn a_server_restarted_during_a_call_fails_it_by_name_and_comes_back() {
    let mut server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    assert_eq!(place.call("first").as_deref(), Ok("first"));
    server.wrong("tools/call", Fault::Hold);
    let held = place.begin("held");
    server.called("held");
    server.stop();
    assert_failed(place.outcome(held), "SERVER_GONE", "broke the connection off");
    assert_failed(place.call("nobody there"), "SERVER_UNAVAILABLE", "cannot connect");
    let row = place.row();
    assert!(row["state"] == "failed" && row["error"].as_str().unwrap().contains("cannot connect"), "{row}");
    server.serve();
    let text = place.call_until_well("later");
    assert_eq!(done(&server), ["first", "held", &text]);
}

#[test]
fn calls_under_an_expired_session_all_go_through_once() {
    for (status, text) in [
        (404, "Session not found"),
        (400, "Bad Request: No valid session ID provided"),
        (400, "Bad Request: Server not initialized"),
        (401, "Unauthorized: Session not found"),
    ] {
        let server = Elsewhere::start();
        let mut place = Place::new(&server.url(), "");
        let mut other = place.home.client();
        assert_eq!(place.call("0").as_deref(), Ok("0"));
        server.expire(status, text);
        let texts: Vec<String> = (10..40).map(|n| n.to_string()).collect();
        let ids: Vec<[u64; 2]> =
            texts.iter().map(|text| [place.begin(text), begin(&mut other, &format!("{text} too"))]).collect();
        for ([one, two], text) in ids.into_iter().zip(&texts) {
            assert_eq!(place.outcome(one).as_ref(), Ok(text));
            assert_eq!(other.text(two), format!("{text} too"));
        }
        let mut want: Vec<String> =
            texts.iter().flat_map(|text| [text.clone(), format!("{text} too")]).collect();
        want.insert(0, "0".to_owned());
        assert_eq!((done(&server), server.known().begun), (want, 2), "{status} {text}");
    }
}

#[test]
fn a_session_that_expires_at_every_call_fails_by_name() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    for _ in 0..9 {
        server.wrong("tools/call", Fault::Say(400, "", "this tool wants another session"));
    }
    assert_failed(place.call("x"), "SERVER_UNAVAILABLE", "this tool wants another session");
    let begun = server.known().begun;
    assert!(begun <= 5, "{begun} sessions for one call");
    server.tell(|known| known.done.clear());
    place.call_until_well("y");
    assert_eq!(server.known().done.len(), 1);
}

#[test]
fn a_server_without_a_stream_keeps_its_session() {
    let server = Elsewhere::start();
    // As web frameworks answer for a method that nothing serves.
    server.tell(|known| known.no_stream = true);
    let mut place = Place::new(&server.url(), "");
    for text in ["a", "b", "c"] {
        assert_eq!(place.call(text).as_deref(), Ok(text));
    }
    server.wait("GET", |known| known.requests.iter().any(|request| request.method == "GET"));
    assert_eq!(place.call("d").as_deref(), Ok("d"));
    assert_eq!(server.known().begun, 1);
}

#[test]
fn a_call_does_not_wait_for_a_new_session_beyond_its_time() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "tool_timeout: 1s, startup_timeout: 3s");
    assert_eq!(place.call("a").as_deref(), Ok("a"));
    server.expire(404, "Session not found");
    server.wrong("initialize", Fault::Silence);
    assert_failed(place.call("b"), "TIMEOUT", "did not answer within 1 s");
    assert!(wait_until(BOUND, || place.state() == "failed"), "{}", place.row());
    place.call_until_well("c");
    assert!(!done(&server).contains(&"b".to_owned()));
}

#[test]
fn a_failed_new_session_does_not_deny_that_calls_under_the_old_one_may_have_run() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    assert_eq!(place.client.tools().len(), 7);
    server.wrong("tools/call", Fault::Hold);
    let held = place.begin("held");
    server.wait("held", |known| known.done.iter().any(|text| text == "held"));
    server.expire(404, "Session not found");
    server.wrong("initialize", Fault::Say(500, "", "no room"));
    assert_failed(place.call("late"), "SERVER_UNAVAILABLE", "no room");
    assert_failed(place.outcome(held), "SERVER_GONE", "no room");
    place.call_until_well("again");
}

#[test]
fn an_idle_servers_session_is_ended_and_the_next_call_begins_another() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "idle_timeout: 200ms");
    assert_eq!(place.call("a").as_deref(), Ok("a"));
    server.wait("DELETE", |known| !known.ended.is_empty());
    assert_eq!(server.known().ended, ["s1"]);
    assert!(wait_until(BOUND, || place.state() == "idle"), "{}", place.row());
    assert_eq!(place.call("b").as_deref(), Ok("b"));
    assert_eq!(place.row()["restarts"], 0);
}

#[test]
fn a_session_ends_with_the_daemon_and_a_silent_server_does_not_hold_it_up() {
    let server = Elsewhere::start();
    let home = TestHome::new();
    let mut place = Place::with(home, &server.url(), "");
    assert_eq!(place.call("a").as_deref(), Ok("a"));
    place.calm.take().expect("it is there").end();
    place.home.loom_ok(&["stop"]);
    assert_eq!(server.known().ended, ["s1"]);

    place.home.loom_ok(&["start"]);
    place.call_until_well("b");
    server.wrong("DELETE", Fault::Silence);
    let began = std::time::Instant::now();
    place.home.loom_ok(&["stop"]);
    assert!(began.elapsed() < SECOND * 6, "{:?}", began.elapsed());
}
