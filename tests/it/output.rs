//! What a server may get wrong: its own call is answered by name, and nobody else notices.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, wait_until};
use crate::support::script;

const SECOND: Duration = Duration::from_secs(1);

fn odd_home(more: &str) -> TestHome {
    let home = TestHome::new();
    home.echo_registry(&[("odd", "--test-tools", more), ("other", "", "")]);
    home
}

fn counter(home: &TestHome, name: &str) -> Value {
    home.status()["counters"][name].clone()
}

fn assert_both_work(client: &mut Client) {
    for server in ["other", "odd"] {
        assert_eq!(client.call_text(&format!("{server}__echo"), json!({"message": "well"})), "well");
    }
}

#[test]
fn an_answer_that_is_too_long_is_a_named_error() {
    let home = odd_home("");
    let mut client = home.client();
    let id = client.begin_call("odd__size", json!({"bytes": 65 << 20}));
    let error = client.failure(id);
    assert_eq!((&error["data"]["code"], &error["data"]["server"]), (&json!("TOO_LARGE"), &json!("odd")));
    assert_eq!(counter(&home, "oversized_lines"), 1);
    assert_both_work(&mut client);
}

#[test]
fn an_answer_just_within_the_bound_passes_whole() {
    let home = odd_home("");
    let mut client = home.client();
    let text = client.call_text("odd__size", json!({"bytes": 63 << 20}));
    assert!(text.len() == 63 << 20 && text.ends_with("9abcdef"), "{} bytes", text.len());
}

#[test]
fn a_wrong_id_is_counted_and_its_call_runs_out_of_time() {
    let home = odd_home("tool_timeout: 500ms");
    let mut client = home.client();
    let id = client.begin_call("odd__wrong_id", json!({}));
    let error = client.failure(id);
    assert_eq!((&error["data"]["code"], &error["data"]["server"]), (&json!("TIMEOUT"), &json!("odd")));
    assert_eq!(counter(&home, "late_answers"), 1);
    assert_both_work(&mut client);
}

#[test]
fn a_server_that_never_answers_is_named_and_others_go_on() {
    let home = odd_home("tool_timeout: 500ms");
    let mut client = home.client();
    let id = client.begin_call("odd__silent", json!({}));
    assert_eq!(client.call_text("other__echo", json!({"message": "meanwhile"})), "meanwhile");
    let error = client.failure(id);
    assert_eq!(error["data"]["code"], "TIMEOUT", "{error}");
    assert_eq!(error["message"], "odd did not answer within 0.5 s");
    assert_both_work(&mut client);
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_and_counted() {
    let home = odd_home("");
    let mut client = home.client();
    assert_eq!(client.call_text("odd__bad_utf8", json!({})), "bad \u{fffd} here");
    assert_eq!(counter(&home, "invalid_utf8"), 1);
    assert_both_work(&mut client);
}

#[test]
fn noise_between_answers_is_counted_and_harms_no_answer() {
    let home = odd_home("");
    let mut client = home.client();
    assert_eq!(client.call_text("odd__garbage", json!({"lines": 40})), "after garbage");
    let counters = home.status()["counters"].clone();
    let garbage = counters["garbage_lines"].as_u64().expect("a number");
    assert!(garbage > 0, "{counters}");
    assert_both_work(&mut client);
}

#[test]
fn half_a_line_then_an_exit_fails_that_call_only() {
    let home = odd_home("");
    let mut client = home.client();
    let id = client.begin_call("odd__half_line", json!({}));
    assert_eq!(client.failure_name(id), "SERVER_GONE");
    assert_both_work(&mut client);
}

#[test]
fn a_flood_of_stderr_holds_nothing_up_and_its_log_is_rotated() {
    let mut home = TestHome::new();
    home.set_env("LOOM_LOG_BYTES", "64KiB");
    home.echo_registry(&[("odd", "--flood-stderr", ""), ("other", "", "")]);
    let mut client = home.client();
    assert_both_work(&mut client);
    let logs = home.config_dir().join("logs/servers");
    let size = |name: &str| std::fs::metadata(logs.join(name)).map_or(0, |file| file.len());
    assert!(wait_until(SECOND * 10, || size("odd.log.1") > 0), "no second log file");
    assert!(size("odd.log") <= 128 << 10, "{}", size("odd.log"));
    assert_both_work(&mut client);
}

#[test]
fn what_nobody_can_be_asked_goes_to_no_client() {
    let home = odd_home("");
    let mut client = home.client();
    for (method, want) in
        [("ping", "{}"), ("roots/list", "NOT_ASKED"), ("sampling/createMessage", "NOT_ASKED")]
    {
        let said = client.call_text("odd__ask", json!({"method": method}));
        assert!(said.contains(want), "{method}: {said}");
    }
    // That the server's list is known now may be said at any time.
    let said = client.passed_over().into_iter();
    let questions: Vec<Value> =
        said.filter(|one| one["method"] != "notifications/tools/list_changed").collect();
    assert_eq!(questions, [json!(null); 0]);
}

#[test]
fn an_answer_that_is_no_json_fails_its_own_call() {
    let home = TestHome::new();
    home.script_registry("odd", &script::server(&script::tool("say"), r#"{"content":[],"n":NaN}"#), "");
    let mut client = home.client();
    let id = client.begin_call("odd__say", json!({}));
    let error = client.failure(id);
    assert_eq!((&error["data"]["code"], &error["data"]["server"]), (&json!("BAD_ANSWER"), &json!("odd")));
    assert_eq!(counter(&home, "garbage_lines"), 1);
}

#[test]
fn a_server_that_closes_its_output_and_stays_costs_its_call_no_time() {
    let home = TestHome::new();
    let deaf = script::server(&script::tool("say"), "{}").replace(
        r#"*'"tools/call"'*)"#,
        r#"*'"tools/call"'*) exec >&-; trap '' TERM; sleep 30; exit;; *never*)"#,
    );
    home.script_registry("odd", &deaf, "");
    let mut client = home.client();
    client.tools();
    let began = Instant::now();
    let id = client.begin_call("odd__say", json!({}));
    assert_eq!(client.failure_name(id), "SERVER_GONE");
    assert!(began.elapsed() < SECOND * 2, "{:?}", began.elapsed());
}
