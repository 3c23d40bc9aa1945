use std::time::Duration;

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
    let up = desk.begin(&mut down);
    assert_eq!(desk.go_on(&Arc::new(ours)), b"");
    (String::from_utf8(up).unwrap(), String::from_utf8(down).unwrap())
}

fn stopped() -> Absence {
    Absence { code: code::STOPPED, text: "loom was stopped".into(), hint: Some("loom start".into()) }
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
    for close in [None, Some(stopped())] {
        if let Some(absence) = close {
            desk.close(absence, &mut Vec::new());
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
    let replay = String::from_utf8(desk.session.replay()).unwrap();
    assert!(replay.starts_with(r#"{"jsonrpc":"2.0","id":"loom/replay/0","method":"initialize""#), "{replay}");
    assert_eq!(replay.lines().count(), 2);
    let (up, down) = open(&mut desk);
    assert_eq!(up, format!("{replay}{}\n", line(3, "tools/list")));
    assert!(down.contains("notifications/tools/list_changed"));
    assert!(!desk.daemon_line(br#"{"jsonrpc":"2.0","id":"loom/replay/0","result":{}}"#, now));
}

#[test]
fn the_next_daemon_hears_of_tasks_before_anything_else_and_from_the_proxy_only() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    open(&mut desk);
    feed(&mut desk, &line(1, "initialize"), now);
    desk.daemon_line(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#, now);
    let call = |id: u32, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"s__t",{params}}}}}"#)
    };
    // The second waits for a daemon first. The third is none, whatever its server answers.
    feed(&mut desk, &call(2, r#""task":{}"#), now);
    desk.daemon_line(br#"{"jsonrpc":"2.0","id":2,"result":{"task":{"taskId":"s:2"}}}"#, now);
    desk.daemon_gone(now, &mut Vec::new());
    feed(&mut desk, &call(3, r#""task":{}"#), now);
    open(&mut desk);
    feed(&mut desk, &call(4, r#""arguments":{"task":{}}"#), now);
    for id in [3, 4] {
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"task":{{"taskId":"s:{id}"}}}}}}"#);
        assert!(desk.daemon_line(answer.as_bytes(), now), "{id}");
    }
    let progress = r#"{"taskId":"s:3","given":"g","progressToken":"own"}"#;
    let word = format!(r#"{{"jsonrpc":"2.0","method":"loom/progress","params":{progress}}}"#);
    assert!(!desk.daemon_line(word.as_bytes(), now));
    let ended = r#"{"jsonrpc":"2.0","id":"loom/replay/task/s:2","result":{"status":"completed"}}"#;
    assert!(!desk.daemon_line(ended.as_bytes(), now));
    let claim = r#"{"jsonrpc":"2.0","method":"loom/tasks","params":{"taskIds":["s:7"]}}"#;
    assert_eq!(feed(&mut desk, claim, now), (String::new(), String::new()), "that is not a client's to say");
    desk.daemon_gone(now, &mut Vec::new());
    let up = open(&mut desk).0;
    let lines: Vec<&str> = up.lines().skip(1).collect();
    let params = format!(r#"{{"taskIds":["s:2","s:3"],"progress":[{progress}]}}"#);
    let told = format!(r#"{{"jsonrpc":"2.0","method":"loom/tasks","params":{params}}}"#);
    let asked =
        r#"{"jsonrpc":"2.0","id":"loom/replay/task/s:3","method":"tasks/get","params":{"taskId":"s:3"}}"#;
    assert_eq!(lines, [told.as_str(), asked]);
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
    desk.close(stopped(), &mut down);
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
    for bad in ["hello", "{\"id\":1", "[5", "{\"id\":1,\"id\":2}"] {
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

const DRAINING: &[u8] = br#"{"jsonrpc":"2.0","method":"loom/draining","params":{}}"#;

fn cancel(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#)
}

fn returned(line: &str) -> Vec<u8> {
    format!(r#"{{"jsonrpc":"2.0","method":"loom/returned","params":{line}}}"#).into_bytes()
}

#[test]
fn a_call_cancelled_while_it_was_on_its_way_back_is_not_sent_again() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    open(&mut desk);
    feed(&mut desk, &line(1, "tools/call"), now);
    desk.daemon_line(DRAINING, now);
    assert_eq!(feed(&mut desk, &cancel(1), now).0, format!("{}\n", cancel(1)));
    desk.daemon_line(&returned(&line(1, "tools/call")), now);
    assert!(!desk.expects_answers());
    desk.daemon_gone(now, &mut Vec::new());
    assert_eq!(open(&mut desk).0, "");
}

#[test]
fn a_draining_daemon_hears_what_belongs_to_its_calls_and_nothing_else() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    open(&mut desk);
    feed(&mut desk, &line(1, "tools/call"), now);
    desk.daemon_line(br#"{"jsonrpc":"2.0","id":1,"method":"roots/list","params":{}}"#, now);
    desk.daemon_line(DRAINING, now);
    assert!(desk.way.stream().is_some());
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#;
    for (text, passes) in [
        (line(2, "tools/call").as_str(), false),
        (&line(3, "tools/list"), false),
        (&cancel(2), false),
        (&cancel(1), true),
        (&cancel(9), true),
        (answer, true),
        (progress, true),
    ] {
        let want = if passes { format!("{text}\n") } else { String::new() };
        assert_eq!(feed(&mut desk, text, now), (want, String::new()), "{text}");
    }
    desk.daemon_gone(now, &mut Vec::new());
    assert!(desk.way.stream().is_none());
    for lost in [cancel(9).as_str(), answer, progress] {
        assert_eq!(feed(&mut desk, lost, now).0, "", "{lost}");
    }
    assert_eq!(open(&mut desk).0, format!("{}\n", line(3, "tools/list")));
}

#[test]
fn nothing_overtakes_what_waited() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    feed(&mut desk, &line(1, "tools/call"), now);
    let (stream, _other) = UnixStream::pair().unwrap();
    let stream = Arc::new(stream);
    assert_eq!(desk.begin(&mut Vec::new()), format!("{}\n", line(1, "tools/call")).as_bytes());
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let came = [line(2, "tools/call"), cancel(1), line(3, "tools/list"), cancel(3), initialized.into()];
    for text in &came {
        assert_eq!(feed(&mut desk, text, now), (String::new(), String::new()), "{text}");
    }
    let next = String::from_utf8(desk.go_on(&stream)).unwrap();
    assert_eq!(next, format!("{}\n{}\n{initialized}\n", line(2, "tools/call"), cancel(1)));
    assert!(desk.way.stream().is_none(), "that is to be written first");
    assert_eq!(desk.go_on(&stream), b"");
    assert!(desk.way.stream().is_some());
}

#[test]
fn only_the_absence_of_a_daemon_uses_up_a_requests_time() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    open(&mut desk);
    feed(&mut desk, &line(1, "tools/call"), now);
    feed(&mut desk, &line(2, "tools/list"), now);
    desk.daemon_line(DRAINING, now);
    desk.daemon_line(&returned(&line(1, "tools/call")), now);
    let mut down = Vec::new();
    let gone = now + WAITS.call * 3;
    desk.expire(gone, &mut down);
    desk.daemon_gone(gone, &mut down);
    desk.expire(gone, &mut down);
    assert_eq!(String::from_utf8_lossy(&down), "");
    desk.expire(gone + WAITS.control, &mut down);
    assert!(String::from_utf8_lossy(&down).contains(r#""id":2"#));
    down.clear();
    desk.expire(gone + WAITS.call, &mut down);
    assert!(String::from_utf8_lossy(&down).contains(r#""id":1"#));
    assert!(!desk.expects_answers());
}

#[test]
fn an_id_in_use_is_refused_and_the_first_call_stays_known() {
    let now = Instant::now();
    let usual = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#;
    let odd = r#"{"params":{},"id":1,"method":"tools/call","jsonrpc":"2.0"}"#;
    let refusal = "\"message\":\"id 1 is already in use\"";
    for (first, second) in [(usual, usual), (usual, odd), (odd, usual), (odd, odd)] {
        let mut desk = Desk::new(WAITS);
        open(&mut desk);
        feed(&mut desk, first, now);
        assert!(desk.passes(second.as_bytes()).is_none());
        let (up, down) = feed(&mut desk, second, now);
        assert!(up.is_empty() && down.contains(refusal) && down.contains("-32600"), "{second}: {down}");
        let mut lost = Vec::new();
        desk.daemon_gone(now, &mut lost);
        assert!(String::from_utf8_lossy(&lost).contains("DAEMON_GONE"), "{first} {second}");
        assert_eq!(feed(&mut desk, first, now), (String::new(), String::new()));
        assert!(feed(&mut desk, second, now).1.contains(refusal), "waiting is in use too");
    }
}

#[test]
fn only_requests_are_taken_back() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    open(&mut desk);
    feed(&mut desk, &line(1, "tools/call"), now);
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    desk.take_back(format!("{answer}\n{}\n", cancel(1)).as_bytes(), now);
    let mut down = Vec::new();
    desk.daemon_gone(now, &mut down);
    assert!(String::from_utf8_lossy(&down).contains("DAEMON_GONE"));
}

#[test]
fn a_handshake_repeated_too_late_is_not_repeated_by_hand() {
    let now = Instant::now();
    let mut desk = Desk::new(WAITS);
    open(&mut desk);
    feed(&mut desk, &line(1, "initialize"), now);
    desk.daemon_line(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#, now);
    desk.daemon_gone(now, &mut Vec::new());
    let (replay, _) = open(&mut desk);
    desk.daemon_line(&returned(replay.trim()), now);
    assert!(!desk.expects_answers());
    desk.daemon_gone(now, &mut Vec::new());
    assert_eq!(open(&mut desk).0, replay);
}

#[test]
fn what_is_json_and_no_message_is_refused_and_the_rest_of_a_batch_is_answered() {
    let refused = |id: &str| format!(r#""id":{id},"error":{{"code":-32600"#);
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let pong = r#""id":1,"result":{}"#.to_owned();
    for (line, want) in [
        (format!("[{ping},5]"), vec![pong.clone(), refused("null")]),
        (format!(" [[{ping}],\"x\",{ping}]"), vec![refused("null"), refused("null"), pong]),
        ("[]".into(), vec![refused("null")]),
        ("{}".into(), vec![refused("null")]),
        (r#"{"jsonrpc":"2.0","id":1}"#.into(), vec![refused("1")]),
        (r#"{"jsonrpc":"2.0","id":null}"#.into(), vec![refused("null")]),
    ] {
        let (_, down) = feed(&mut Desk::new(WAITS), &line, Instant::now());
        assert_eq!(down.lines().count(), want.len(), "{line}: {down}");
        for (got, want) in down.lines().zip(&want) {
            assert!(got.contains(want), "{line}: {got}");
        }
    }
}
