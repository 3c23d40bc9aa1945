//! Servers that are not there: at the start, and while nobody calls them.

use std::net::UdpSocket;
use std::time::Instant;

use serde_json::json;

use super::{BOUND, Place, assert_failed, done, hear_of};
use crate::support::elsewhere::{Elsewhere, Fault};
use crate::support::home::{TestHome, loom_binary, wait_until};

#[test]
fn a_server_that_comes_later_is_found_without_anybody_asking() {
    let mut server = Elsewhere::absent();
    let mut place = Place::new(&server.url(), "");
    assert_eq!(place.client.tools().len(), 6, "the other server's");
    assert_failed(place.call("a"), "SERVER_UNAVAILABLE", "cannot connect");
    assert!(place.row()["error"].as_str().unwrap().contains("cannot connect"), "{}", place.row());
    server.serve();
    hear_of(&mut place.client, "far__note");
    assert_eq!(place.call("b").as_deref(), Ok("b"));
    assert_eq!(done(&server), ["b"]);
}

#[test]
fn a_server_that_nobody_calls_is_seen_to_go_and_to_come_back() {
    let mut server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    assert_eq!(place.call("a").as_deref(), Ok("a"));
    server.wait("GET", |known| known.requests.iter().any(|request| request.method == "GET"));
    server.stop();
    let says = |place: &Place| place.row()["error"].as_str().unwrap_or_default().contains("cannot connect");
    assert!(wait_until(BOUND, || says(&place)), "{}", place.row());
    server.tell(|known| known.tools.push("more"));
    server.serve();
    assert!(wait_until(BOUND * 2, || place.row()["error"].is_null()), "{}", place.row());
    assert!(wait_until(BOUND, || place.client.tools().iter().any(|tool| tool["name"] == "far__more")));
    assert_eq!(place.call("b").as_deref(), Ok("b"));
    assert_eq!(done(&server), ["a", "b"]);
}

#[test]
fn a_call_waits_for_a_server_that_is_being_restarted() {
    let mut server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    assert_eq!(place.call("a").as_deref(), Ok("a"));
    server.stop();
    let call = place.begin("b");
    assert_eq!(place.client.call_text("near__sleep", json!({"ms": 500, "message": "later"})), "later");
    server.serve();
    assert_eq!(place.outcome(call).as_deref(), Ok("b"));
    assert_eq!((done(&server), place.row()["restarts"].as_u64()), (vec!["a".into(), "b".into()], Some(0)));
}

#[test]
fn a_server_that_takes_connections_and_says_nothing_is_given_up() {
    let server = Elsewhere::start();
    for _ in 0..9 {
        server.wrong("initialize", Fault::Silence);
    }
    let mut place = Place::new(&server.url(), "startup_timeout: 1s");
    assert_failed(place.call("a"), "SERVER_UNAVAILABLE", "no answer to initialize within 1 s");
    server.tell(|known| known.forget_faults());
    place.call_until_well("b");
}

/// Linux only, and as root: a resolver and mounts of our own.
#[test]
fn a_name_that_is_being_looked_up_keeps_no_daemon_from_ending() {
    if !cfg!(target_os = "linux") || !rustix::process::geteuid().is_root() {
        return;
    }
    // Takes every question and answers none.
    let resolver = UdpSocket::bind(("127.77.1.53", 53)).expect("root may listen there");
    resolver.set_read_timeout(Some(BOUND * 4)).expect("it is a time");
    let home = TestHome::new();
    home.registry("version: 1\nservers:\n  - name: far\n    common: { url: \"http://far.example/mcp\" }\n");
    let start = r#"echo "nameserver 127.77.1.53" > "$HOME/resolver"
mount --bind "$HOME/resolver" "$(readlink -f /etc/resolv.conf)" && exec "$0" start"#;
    let started = home.finish(home.command("unshare").args(["-m", "sh", "-ec", start, loom_binary()]));
    assert!(started.status.success(), "{started:?}");
    let client = home.client();
    resolver.recv(&mut [0; 512]).expect("the name is looked up");
    assert!(client.close().success());
    let began = Instant::now();
    home.loom_ok(&["stop"]);
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
}
