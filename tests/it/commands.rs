//! The verbs with a real daemon: exit codes and what `--json` holds.

use serde_json::{Value, json};

use crate::support::home::TestHome;

#[test]
fn verbs_end_with_the_code_that_says_how_it_went() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    for (line, want) in [
        ("status", 3),
        ("health", 3),
        ("reload", 3),
        ("start", 0),
        ("start", 0),
        ("status", 0),
        ("health", 0),
        ("servers", 0),
        ("reload", 0),
        ("check", 0),
        ("restart", 0),
        ("registry which", 0),
        ("servers restart ecko", 2),
        ("registry use /no/such", 78),
        ("tools call echo__echo --args {\"message\":\"x\"}", 0),
        ("tools call echo__fail --args {\"message\":\"x\"}", 1),
        ("tools call echo__echo --args [1]", 2),
        ("tools get echo__ecko", 2),
        ("tools search message", 0),
        ("stop", 0),
        ("status", 3),
        ("tools list", 3),
    ] {
        check(&home, line, want);
    }
}

#[test]
fn a_broken_registry_ends_with_78_and_names_the_place() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    home.loom_ok(&["start"]);
    home.registry("version: 1\nservers:\n  - name: a__b\n    common: { builtin: echo }\n");
    let output = home.loom(&["reload"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(text.contains("registry.yaml:3:"), "{text}");
    let report = json_of(&home, "reload --json", 78);
    assert_eq!(report["reloaded"], false, "{report}");
    check(&home, "check", 1);
    check(&home, "restart", 78);
    assert_eq!(home.server("echo")["name"], "echo");
}

#[test]
fn an_unwell_server_ends_with_4() {
    let home = TestHome::new();
    home.script_registry("dud", "exit 3", "description: dud");
    check(&home, "tools call dud__x", 69);
    for line in ["status", "health", "servers"] {
        check(&home, line, 4);
    }
    assert_eq!(json_of(&home, "health --json", 4)["status"], "unhealthy");
}

#[test]
fn tools_list_pages_as_it_is_asked() {
    let home = TestHome::new();
    home.echo_registry(&[("many", "--tools 1000", ""), ("few", "", "")]);
    for (line, size, pages, total) in [
        ("tools list --json --limit 1", 10, 102, 1012),
        ("tools list --json --limit 9999", 500, 3, 1012),
        ("tools list --json --server many --page 2 --limit 500", 500, 3, 1006),
        ("tools list --json --server few --limit 10", 10, 1, 6),
    ] {
        let page = json_of(&home, line, 0);
        let got = (&page["pageSize"], &page["totalPages"], &page["totalTools"]);
        assert_eq!(got, (&json!(size), &json!(pages), &json!(total)), "{line}");
        assert!(page["tools"].as_array().is_some_and(|tools| tools.len() == size.min(total)), "{line}");
    }
    check(&home, "tools list --page 9 --limit 500", 2);
    check(&home, "tools list --server fwe", 2);
    assert_eq!(json_of(&home, "tools get few__echo --json", 0)["name"], "few__echo");
    assert_eq!(json_of(&home, "tools search few__echo --json", 0)["tools"][0]["name"], "few__echo");
    let status = home.status();
    assert!(status["pid"].is_u64() && status["clients"].is_array() && status["servers"].is_array());
}

#[test]
fn a_chosen_registry_is_in_force_until_the_home_one_is_chosen() {
    let home = TestHome::new();
    let text = home.echo_registry(&[("chosen", "", "")]);
    let other = home.path().join("other.yaml");
    std::fs::rename(text, &other).expect("the home can be written");
    let file = home.echo_registry(&[("echo", "", "")]);
    home.loom_ok(&["start"]);
    assert_eq!(json_of(&home, "registry which --json", 0), json!({"path": file, "source": "home"}));
    check(&home, "registry use other.yaml", 0);
    assert_eq!(json_of(&home, "registry which --json", 0), json!({"path": other, "source": "chosen"}));
    let reloaded = json_of(&home, "reload --json", 0);
    assert_eq!(
        (&reloaded["added"], &reloaded["removed"]),
        (&json!(["chosen"]), &json!(["echo"])),
        "{reloaded}"
    );
    let status = home.status();
    assert_eq!(status["registry"], json!({"path": other, "source": "chosen", "error": null}));
    check(&home, "registry use --home", 0);
    check(&home, "reload", 0);
    assert_eq!(home.status()["registry"]["source"], "home");
}

fn check(home: &TestHome, line: &str, want: i32) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').collect();
    let output = home.loom(&words);
    assert_eq!(output.status.code(), Some(want), "loom {line}: {output:?}");
    output.stdout
}

fn json_of(home: &TestHome, line: &str, want: i32) -> Value {
    serde_json::from_slice(&check(home, line, want)).expect("--json prints JSON")
}
