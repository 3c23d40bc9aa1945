use std::os::unix::net::UnixStream;

use super::*;

const WAITS: Waits = Waits { call: Duration::from_secs(60), control: Duration::from_secs(30) };

fn line(id: u32, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{}}}}"#)
}

/// Feeds a line; returns what goes to the daemon and to the client.
fn feed(desk: &mut Desk, line: &str, now: Instant) -> (String, String) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    desk.client_line(line.as_bytes(), now, &mut up, &mut down);
    (String::from_utf8(up).unwrap(), String::from_utf8(down).unwrap())
}

fn open(desk: &mut Desk) -> (String, String) {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let mut down = Vec::new();
    let up = desk.open(Arc::new(ours), &mut down);
    (String::from_utf8(up).unwrap(), String::from_utf8(down).unwrap())
}

#[test]
fn requests_wait_for_a_daemon_and_go_in_order() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    for text in [line(1, "initialize"), line(2, "tools/list"), line(3, "tools/call")] {
        assert_eq!(feed(&mut desk, &text, now), (String::new(), String::new()));
    }
    let (up, down) = open(&mut desk);
    assert_eq!(
        up,
        format!("{}\n{}\n{}\n", line(1, "initialize"), line(2, "tools/list"), line(3, "tools/call"))
    );
    assert_eq!(down, "");
    assert!(desk.expects_answers());
}

#[test]
fn a_probe_before_the_handshake_waits_for_no_daemon() {
    let mut desk = Desk::new(WAITS);
    let stopped = (code::STOPPED, "stopped", None);
    for close in [None, Some(stopped)] {
        if let Some((code, text, hint)) = close {
            desk.close(code, text, hint, &mut Vec::new());
        }
        for method in ["server/discover", "tools/cal", "x"] {
            let (up, down) = feed(&mut desk, &line(1, method), Instant::now());
            assert!(up.is_empty() && down.contains("-32601"), "{method}: {down}");
        }
    }
    for method in METHODS {
        let (_, down) = feed(&mut desk, &line(2, method), Instant::now());
        assert!(!down.contains("-32601"), "{method}: {down}");
    }
}

#[test]
fn a_lost_daemon_fails_calls_and_asks_the_rest_again() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    open(&mut desk);
    for text in [line(1, "initialize"), line(2, "tools/call"), line(3, "tools/list")] {
        feed(&mut desk, &text, now);
    }
    assert!(desk.daemon_line(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#, now));
    feed(&mut desk, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, now);
    let mut down = Vec::new();
    desk.daemon_gone(now, &mut down);
    let down = String::from_utf8(down).unwrap();
    assert!(down.contains(r#""id":2"#) && down.contains("DAEMON_GONE"), "{down}");
    assert_eq!(down.lines().count(), 1);
    let replay = String::from_utf8(desk.replay()).unwrap();
    assert!(replay.starts_with(r#"{"jsonrpc":"2.0","id":"loom/replay","method":"initialize""#), "{replay}");
    assert_eq!(replay.lines().count(), 2);
    let (up, down) = open(&mut desk);
    assert_eq!(up, format!("{}\n", line(3, "tools/list")));
    assert!(down.contains("notifications/tools/list_changed"));
    assert!(!desk.daemon_line(br#"{"jsonrpc":"2.0","id":"loom/replay","result":{}}"#, now));
}

#[test]
fn lines_that_never_left_wait_instead_of_failing() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    open(&mut desk);
    let (up, _) = feed(&mut desk, &line(7, "tools/call"), now);
    desk.take_back(up.as_bytes(), now);
    let mut down = Vec::new();
    desk.daemon_gone(now, &mut down);
    assert_eq!(down, b"");
    assert_eq!(open(&mut desk).0, format!("{}\n", line(7, "tools/call")));
}

#[test]
fn a_draining_daemon_returns_what_it_does_not_begin() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    open(&mut desk);
    feed(&mut desk, &line(1, "tools/call"), now);
    assert!(!desk.daemon_line(br#"{"jsonrpc":"2.0","method":"loom/draining","params":{}}"#, now));
    let returned =
        format!(r#"{{"jsonrpc":"2.0","method":"loom/returned","params":{}}}"#, line(1, "tools/call"));
    assert!(!desk.daemon_line(returned.as_bytes(), now));
    assert_eq!(feed(&mut desk, &line(2, "tools/call"), now).0, "");
    assert_eq!(open(&mut desk).0, format!("{}\n{}\n", line(1, "tools/call"), line(2, "tools/call")));
}

#[test]
fn after_a_stop_everything_says_so_but_the_handshake_stands() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    feed(&mut desk, &line(1, "initialize"), now);
    let mut down = Vec::new();
    desk.close(code::STOPPED, "loom was stopped", Some("loom start".into()), &mut down);
    let down = String::from_utf8(down).unwrap();
    assert!(down.contains(r#""id":1,"result""#) && down.contains("loom start"), "{down}");
    let (_, down) = feed(&mut desk, &line(2, "tools/call"), now);
    assert!(down.contains("STOPPED") && down.contains("loom start"), "{down}");
    let (_, down) = feed(&mut desk, &line(3, "ping"), now);
    assert_eq!(down, "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}\n");
}

#[test]
fn waiting_ends_by_cancel_and_by_time() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    feed(&mut desk, &line(1, "tools/call"), now);
    feed(&mut desk, &line(2, "tools/call"), now);
    feed(&mut desk, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#, now);
    let mut down = Vec::new();
    desk.expire(now + WAITS.call, &mut down);
    let down = String::from_utf8(down).unwrap();
    assert!(down.contains(r#""id":2"#) && down.contains("TIMEOUT") && down.lines().count() == 1, "{down}");
    assert!(!desk.expects_answers());
}

#[test]
fn garbage_is_answered_at_once() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    for bad in ["hello", "{\"id\":1", "[]", "{\"id\":1,\"id\":2}"] {
        let (up, down) = feed(&mut desk, bad, now);
        assert_eq!(up, "");
        assert!(down.contains("PARSE_ERROR") && down.contains(r#""id":null"#), "{down}");
    }
}

#[test]
fn a_request_whose_id_is_none_is_answered_here_and_owes_nothing() {
    let mut desk = Desk::new(WAITS);
    for opened in [false, true] {
        if opened {
            open(&mut desk);
        }
        for id in ["null", "true", "{}", "[1]"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#);
            let (up, down) = feed(&mut desk, &text, Instant::now());
            assert!(up.is_empty() && down.contains("\"id\":null") && down.contains("-32600"), "{id}: {down}");
            assert!(!desk.expects_answers(), "{id}");
        }
    }
}
