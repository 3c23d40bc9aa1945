//! Conversations with the core: lines in, acts out, time given by hand.

use serde_json::{Value, json};

use super::*;
use crate::servers::echo::options::{Asked, parse};

const MS: Duration = Duration::from_millis(1);

fn core(options: &str, now: Instant) -> Core {
    let words: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    let Ok(Asked::Serve(options)) = parse(&words) else { panic!("{options}") };
    let environ = vec![("LANG".to_owned(), "C".to_owned()), ("A".to_owned(), "\"".to_owned())];
    Core::new(*options, Facts { pid: 42, cwd: "/w".into(), environ }, now)
}

fn call(id: u32, name: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{arguments},"_meta":{{"progressToken":"p"}}}}}}"#
    )
}

fn text(id: &str, text: &str) -> Act {
    Act::Line(response(id, &text_result(&quote(text), false)))
}

fn failed(id: &str, text: &str) -> Act {
    Act::Line(response(id, &text_result(&quote(text), true)))
}

#[test]
fn one_line_one_answer() {
    let now = Instant::now();
    let mut core = core("--test-tools --tools 1", now);
    for (name, arguments, want) in [
        (
            "echo",
            r#"{"message":"h\u00fc \n"}"#,
            vec![Act::Line(response("1", &text_result(r#""h\u00fc \n""#, false)))],
        ),
        ("echo", r#"{"message":7}"#, vec![failed("1", "the argument message is missing or of a wrong type")]),
        ("fail", r#"{"message":"no"}"#, vec![failed("1", "no")]),
        ("size", r#"{"bytes":20}"#, vec![text("1", "0123456789abcdef0123")]),
        ("size", r#"{"bytes":0}"#, vec![text("1", "")]),
        ("size", r#"{"bytes":268435457}"#, vec![failed("1", "at most 268435456 bytes")]),
        ("pid", "{}", vec![text("1", "42")]),
        ("cwd", "{}", vec![text("1", "/w")]),
        ("env", r#"{"name":"LANG"}"#, vec![text("1", "C")]),
        ("env", r#"{"name":"X"}"#, vec![failed("1", "X is not set")]),
        ("environ", "{}", vec![text("1", r#"{"A":"\"","LANG":"C"}"#)]),
        ("tool_0001", "{}", vec![text("1", "tool_0001 was called")]),
        ("die", "{}", vec![Act::Exit(1)]),
        ("die", r#"{"code":9}"#, vec![Act::Exit(9)]),
        ("silent", "{}", vec![]),
        ("wrong_id", "{}", vec![text("987654321", "lost")]),
        ("stderr", r#"{"bytes":5}"#, vec![Act::Stderr(5), text("1", "5 bytes")]),
        ("count", r#"{"key":"k"}"#, vec![Act::Count { call: "1".into(), key: "k".into() }]),
        ("grandchild", "{}", vec![Act::Grandchild { call: "1".into() }]),
        ("garbage", r#"{"lines":1}"#, vec![Act::Line(NOISE[0].into()), text("1", "after garbage")]),
    ] {
        assert_eq!(core.on_line(&call(1, name, arguments), now), want, "{name} {arguments}");
    }
    assert_eq!(core.finish("1", Ok("3".into())), [text("1", "3")]);
    assert_eq!(core.next_due(), None);
}

#[test]
fn broken_answers_are_broken_as_named() {
    let now = Instant::now();
    let mut core = core("--test-tools", now);
    let acts = core.on_line(&call(1, "half_line", "{}"), now);
    let [Act::Bytes(half), Act::Exit(1)] = acts.as_slice() else { panic!("{acts:?}") };
    assert!(half.starts_with(b"{\"jsonrpc\"") && !half.contains(&b'\n'));
    let acts = core.on_line(&call(1, "bad_utf8", "{}"), now);
    let [Act::Bytes(line)] = acts.as_slice() else { panic!("{acts:?}") };
    assert!(std::str::from_utf8(line).is_err());
    let mended: Value = serde_json::from_str(&String::from_utf8_lossy(line)).unwrap();
    assert_eq!(mended["result"]["content"][0]["text"], "bad \u{fffd} here");
    assert!(line.ends_with(b"\n"));
}

#[test]
fn methods() {
    let now = Instant::now();
    let mut core = core("--name n", now);
    for (line, want) in [
        (r#"{"id":"a","method":"ping"}"#, json!({"jsonrpc":"2.0","id":"a","result":{}})),
        (
            r#"{"id":1,"method":"server/discover"}"#,
            json!({"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no method server/discover"}}),
        ),
        (
            r#"{"id":1,"method":"tools/call","params":{"name":"die"}}"#,
            json!({"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no tool die"}}),
        ),
        (
            r#"{"id":1,"method":"tools/list","params":{"cursor":"x"}}"#,
            json!({"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such cursor"}}),
        ),
        (
            r#"{"id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#,
            json!({"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}},
                "serverInfo":{"name":"n","version":env!("CARGO_PKG_VERSION")}}}),
        ),
    ] {
        let acts = core.on_line(line, now);
        let [Act::Line(answer)] = acts.as_slice() else { panic!("{line}: {acts:?}") };
        assert_eq!(serde_json::from_str::<Value>(answer).unwrap(), want, "{line}");
    }
    for ignored in [
        "",
        "not json",
        "[]",
        "7",
        r#"{"method":"notifications/initialized"}"#,
        r#"{"id":1,"result":{}}"#,
        "{}",
    ] {
        assert_eq!(core.on_line(ignored, now), [], "{ignored}");
    }
}

#[test]
fn sleeping_calls_run_side_by_side_and_report() {
    let now = Instant::now();
    let mut core = core("", now);
    assert_eq!(core.on_line(&call(1, "sleep", r#"{"ms":100,"progress_ms":40}"#), now), []);
    assert_eq!(core.on_line(&call(2, "sleep", r#"{"ms":10,"message":"up"}"#), now), []);
    assert_eq!(core.on_line(&call(3, "pid", "{}"), now), [text("3", "42")]);
    assert_eq!(core.next_due(), Some(now + 10 * MS));
    assert_eq!(core.on_time(now + 10 * MS), [text("2", "up")]);
    let report = |n: u32| {
        Act::Line(notification(
            "notifications/progress",
            &format!(r#"{{"progressToken":"p","progress":{n},"total":2}}"#),
        ))
    };
    assert_eq!(core.next_due(), Some(now + 40 * MS));
    assert_eq!(core.on_time(now + 40 * MS), [report(1)]);
    assert_eq!(core.on_time(now + 41 * MS), []);
    assert_eq!(core.on_time(now + 80 * MS), [report(2)]);
    assert_eq!(core.on_time(now + 100 * MS), [text("1", "slept 100 ms")]);
    assert_eq!(core.next_due(), None);
}

#[test]
fn a_cancelled_call_ends_without_an_answer() {
    let now = Instant::now();
    let mut core = core("", now);
    core.on_line(&call(7, "sleep", r#"{"ms":100}"#), now);
    let cancel =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"x"}}"#;
    assert_eq!(core.on_line(cancel, now), [Act::Record(r#"{"requestId":7,"ended":true}"#.into())]);
    assert_eq!(core.on_line(cancel, now), [Act::Record(r#"{"requestId":7,"ended":false}"#.into())]);
    assert_eq!((core.next_due(), core.on_time(now + 200 * MS)), (None, vec![]));
}

#[test]
fn a_question_to_the_client_becomes_the_answer() {
    let now = Instant::now();
    let mut core = core("--test-tools", now);
    for (n, reply, want) in [
        (1, r#""result":{"roots":[]}"#, r#"{"result":{"roots":[]}}"#),
        (2, r#""error":{"code":-1}"#, r#"{"error":{"code":-1}}"#),
        (3, r#""result":null"#, r#"{"result":null}"#),
    ] {
        let asked = core.on_line(&call(5, "ask", r#"{"method":"roots/list"}"#), now);
        let want_ask = format!(r#"{{"jsonrpc":"2.0","id":"ask-{n}","method":"roots/list","params":{{}}}}"#);
        assert_eq!(asked, [Act::Line(want_ask)]);
        let reply = format!(r#"{{"jsonrpc":"2.0","id":"ask-{n}",{reply}}}"#);
        assert_eq!(core.on_line(&reply, now), [text("5", want)]);
        assert_eq!(core.on_line(&reply, now), []);
    }
}

#[test]
fn the_list_pages_and_grows() {
    let now = Instant::now();
    let mut core = core("--test-tools --tools 5 --page 10", now);
    let names = |core: &mut Core| {
        let (mut names, mut cursor) = (Vec::new(), json!({}));
        loop {
            let acts = core.on_line(&json!({"id":1,"method":"tools/list","params":cursor}).to_string(), now);
            let [Act::Line(answer)] = acts.as_slice() else { panic!("{acts:?}") };
            let page: Value = serde_json::from_str(answer).unwrap();
            let tools = page["result"]["tools"].as_array().unwrap();
            assert!(tools.len() <= 10);
            names.extend(tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()));
            let Some(next) = page["result"].get("nextCursor") else { return names };
            cursor = json!({"cursor":next});
        }
    };
    assert_eq!(names(&mut core).len(), 24);
    let acts = core.on_line(&call(2, "change_tools", "{}"), now);
    assert_eq!(
        acts,
        [Act::Line(notification("notifications/tools/list_changed", "{}")), text("2", "added_1")]
    );
    assert_eq!(names(&mut core).last().unwrap(), "added_1");
    assert_eq!(core.on_line(&call(3, "added_1", "{}"), now), [text("3", "added_1 was called")]);
}

#[test]
fn whole_server_misbehaviour() {
    let now = Instant::now();
    let pid = |id: u32| call(id, "pid", "{}");
    let mut dying = core("--die-after 2", now);
    assert_eq!(dying.on_line(&pid(1), now), [text("1", "42")]);
    assert_eq!(dying.on_line(&pid(2), now), [text("2", "42"), Act::Exit(1)]);
    let mut crashing = core("--die-on-call 2", now);
    assert_eq!(crashing.on_line(&pid(1), now), [text("1", "42")]);
    assert_eq!(crashing.on_line(&pid(2), now), [Act::Exit(1)]);
    let mut hanging = core("--hang", now);
    assert_eq!(hanging.on_line(&pid(1), now), []);
    assert_eq!(hanging.on_line(r#"{"id":1,"method":"ping"}"#, now).len(), 1);
    let mut noisy = core("--garbage", now);
    assert_eq!(noisy.on_line(&pid(1), now), [Act::Line(NOISE[0].into()), text("1", "42")]);
    let initialize = r#"{"id":1,"method":"initialize","params":{}}"#;
    assert_eq!(core("--no-init", now).on_line(initialize, now), []);
    let acts = core("--version-answer 1999-01-01", now).on_line(initialize, now);
    let [Act::Line(answer)] = acts.as_slice() else { panic!("{acts:?}") };
    assert!(answer.contains(r#""protocolVersion":"1999-01-01""#), "{answer}");
    let mut late = core("--delay-ms 50", now);
    assert_eq!(late.on_line(&pid(1), now), []);
    assert_eq!(late.next_due(), Some(now + 50 * MS));
    assert_eq!(late.on_time(now + 49 * MS), []);
    assert_eq!(late.on_time(now + 50 * MS), [text("1", "42")]);
    assert_eq!(late.on_line(&pid(2), now + 51 * MS), [text("2", "42")]);
}
