use super::*;
use crate::cli::values::Limit;

fn call(more: Value) -> Value {
    let mut call = json!({
        "n": 1, "at": 1_767_225_600_123_u64, "client": "claude", "session": 3,
        "server": "files", "method": "tools/call", "tool": "read_file",
        "queue_ms": 0.004, "server_ms": 12.34, "total_ms": 12.344, "bytes_in": 180, "bytes_out": 2150,
        "outcome": "ok", "code": null, "error": null,
    });
    for (key, value) in more.as_object().unwrap() {
        call[key] = value.clone();
    }
    call
}

#[test]
fn calls_as_a_table() {
    let calls = [
        call(json!({})),
        call(
            json!({ "outcome": "error", "code": -32602, "error": "INVALID_PARAMS", "tool": null, "method": "prompts/get" }),
        ),
        call(json!({ "outcome": "timeout", "code": -32054, "error": "TIMEOUT", "total_ms": 600_000.0 })),
        call(
            json!({ "outcome": "refused", "code": -32602, "error": "TOOL_NOT_FOUND", "server": "", "tool": "a\u{1b}[2Jb\nc" }),
        ),
        call(json!({ "outcome": "tool_error", "bytes_out": 5_000_000 })),
    ];
    let mut out = Out::new(false, false);
    list(&calls, "", &mut out).unwrap();
    list(&[], "", &mut out).unwrap();
    list(&[], " --client nope", &mut out).unwrap();
    insta::assert_snapshot!(out.text(), @r"
    TIME           CLIENT  SERVER  TOOL           WAITED    SERVED     TOTAL         IN        OUT  RESULT
    00:00:00.123Z  claude  files   read_file     0.00 ms     12 ms     12 ms      180 B    2.1 KiB  ok
    00:00:00.123Z  claude  files   prompts/get   0.00 ms     12 ms     12 ms      180 B    2.1 KiB  error -32602 INVALID_PARAMS
    00:00:00.123Z  claude  files   read_file     0.00 ms     12 ms     600 s      180 B    2.1 KiB  timed out
    00:00:00.123Z  claude  -       a�[2Jb        0.00 ms     12 ms     12 ms      180 B    2.1 KiB  refused TOOL_NOT_FOUND
    00:00:00.123Z  claude  files   read_file     0.00 ms     12 ms     12 ms      180 B    4.8 MiB  tool error
    no calls yet
    no calls match --client nope
    ");
}

#[test]
fn a_watched_call_shows_its_arguments_on_its_line() {
    let mut out = Out::new(false, false);
    let widths = Widths::of_any();
    show(&call(json!({ "args": "{\"path\":\"/a\\n\u{9b}b\"}" })), false, &widths, &mut out).unwrap();
    show(&call(json!({ "args": null })), true, &widths, &mut out).unwrap();
    let lines: Vec<&str> = out.text().lines().collect();
    assert!(lines[0].ends_with("  ok  {\"path\":\"/a\\n\u{fffd}b\"}"), "{}", lines[0]);
    assert_eq!(serde_json::from_str::<Value>(lines[1]).unwrap(), call(json!({ "args": null })));
}

#[test]
fn a_summary_as_a_table() {
    let row = |tool: &str, calls: u64, errors: u64, p50: Option<f64>| {
        json!({ "server": "files", "method": "tools/call", "tool": tool, "calls": calls, "errors": errors,
            "p50_ms": p50, "p95_ms": p50.map(|ms| ms * 20.0), "p99_ms": p50.map(|ms| ms * 2000.0) })
    };
    let tools = json!({ "tools": [row("read_file", 1200, 3, Some(0.81)), row("never_answers", 1, 1, None)] });
    let mut out = Out::new(false, false);
    summary::render(&serde_json::from_value(tools).unwrap(), "", &mut out);
    let empty = serde_json::from_value(json!({ "tools": [] })).unwrap();
    summary::render(&empty, "", &mut out);
    summary::render(&empty, " --server nope", &mut out);
    insta::assert_snapshot!(out.text(), @r"
    SERVER  TOOL              CALLS   ERRORS       P50       P95       P99
    files   read_file          1200        3   0.81 ms     16 ms     1.6 s
    files   never_answers         1        1         -         -         -
    no calls yet
    no calls match --server nope
    ");
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let none = || CallsArgs {
        follow: false,
        summary: false,
        args: false,
        server: None,
        client: None,
        limit: None,
        json: false,
    };
    assert!(check(&none()).is_ok());
    assert!(check(&CallsArgs { follow: true, args: true, limit: Some(Limit(3)), ..none() }).is_ok());
    assert!(check(&CallsArgs { args: true, ..none() }).is_err());
    assert!(check(&CallsArgs { summary: true, server: Some("a".into()), json: true, ..none() }).is_ok());
    assert!(check(&CallsArgs { summary: true, limit: Some(Limit(3)), ..none() }).is_err());
}
