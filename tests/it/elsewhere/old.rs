//! Servers that know only the transport of 2024-11-05.

use serde_json::json;

use super::{BOUND, Place, assert_failed, done};
use crate::support::elsewhere::{Elsewhere, Fault};
use crate::support::home::wait_until;

#[test]
fn an_old_server_whose_stream_is_cut_fails_its_calls_by_name_and_comes_back() {
    let mut server = Elsewhere::start();
    let mut place = Place::new(&server.old_url(), "");
    assert_eq!(place.call("a").as_deref(), Ok("a"));
    for text in ["b", "c", "d", "e", "f", "g"] {
        server.wrong("tools/call", Fault::Hold);
        let held = place.begin(text);
        server.called(text);
        server.cut_all();
        assert_failed(place.outcome(held), "SERVER_GONE", "broke the connection off");
        // It is done all the same; that nobody hears of it must not do harm.
        server.release();
        server.tell(|known| known.hold_again());
    }
    let text = place.call_until_well("y");
    server.stop();
    assert!(wait_until(BOUND, || place.state() != "ready"), "{}", place.row());
    assert_failed(place.call("nobody there"), "SERVER_UNAVAILABLE", "cannot connect");
    server.serve();
    let last = place.call_until_well("z");
    let mut want = vec!["a", "b", "c", "d", "e", "f", "g", &text, &last];
    want.sort();
    assert_eq!(done(&server), want);
}

#[test]
fn an_old_server_refuses_is_silent_and_speaks_by_itself() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.old_url(), "tool_timeout: 1s");
    assert_eq!(place.call("a").as_deref(), Ok("a"));
    server.wrong("tools/call", Fault::Say(500, "", "it broke"));
    assert_failed(place.call("b"), "REFUSED", "HTTP 500: it broke");
    server.wrong("tools/call", Fault::Say(429, "Retry-After: 3\r\n", "slow down"));
    assert_failed(place.call("c"), "BUSY", "slow down (try again in 3 s)");
    server.wrong("tools/call", Fault::Say(202, "", "Accepted"));
    assert_failed(place.call("d"), "TIMEOUT", "did not answer within 1 s");
    server.wrong("tools/call", Fault::Silence);
    assert_failed(place.call("e"), "TIMEOUT", "did not answer within 1 s");
    server.tell(|known| known.tools.push("more"));
    place.client.tools();
    server.say(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
    assert!(wait_until(BOUND, || place.client.tools().iter().any(|tool| tool["name"] == "far__more")));
    assert_eq!(place.call("f").as_deref(), Ok("f"));
    assert_eq!((done(&server), place.row()["restarts"].as_u64()), (vec!["a".into(), "f".into()], Some(0)));
}
