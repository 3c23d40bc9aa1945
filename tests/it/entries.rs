//! `loom add`, `remove`, `enable` and `disable`: what becomes of the registry's text, and of a running daemon.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;

use crate::support::home::TestHome;

const REGISTRY: &str = "\
# mine
version: 1
servers:
  # the first
  - name: echo   # keep
    common: { builtin: echo }

routing: []
";

fn text(home: &TestHome) -> String {
    fs::read_to_string(home.config_dir().join("registry.yaml")).unwrap()
}

#[test]
fn a_server_comes_and_goes_and_comments_stay() {
    let home = TestHome::new();
    home.registry(REGISTRY);
    home.loom_ok(&[
        "add",
        "files",
        "--env",
        "A=1",
        "--env",
        "K_TOKEN=${env:K}",
        "--",
        "npx",
        "-y",
        "server",
        "--flag",
    ]);
    let added = "  - name: files\n    common:\n      command: npx\n      args: [\"-y\", \"server\", \"--flag\"]\n      env:\n        A: \"1\"\n        K_TOKEN: \"${env:K}\"\n";
    let want = REGISTRY.replace("builtin: echo }\n", &format!("builtin: echo }}\n{added}"));
    assert_eq!(text(&home), want);
    home.loom_ok(&["disable", "files"]);
    assert!(text(&home).contains("\"${env:K}\"\n    disabled: true\n"), "{}", text(&home));
    home.loom_ok(&["enable", "files"]);
    assert!(text(&home).contains("    disabled: false\n"));
    home.loom_ok(&["remove", "files"]);
    assert_eq!(text(&home), REGISTRY);
    home.loom_ok(&["check"]);
}

#[test]
fn many_at_once_all_succeed() {
    let home = TestHome::new();
    home.registry(REGISTRY);
    let names: Vec<String> = (0..12).map(|number| format!("s{number}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| home.loom_ok(&["add", name, "--", "sh"]));
        }
    });
    for name in &names {
        assert!(text(&home).contains(&format!("- name: {name}\n")), "{name}: {}", text(&home));
    }
}

#[test]
fn a_command_that_is_not_there_is_told_of() {
    let home = TestHome::new();
    let said = home.loom_ok(&["add", "x", "--", "no-such-program"]);
    assert!(said.contains("warning: its command `no-such-program` is not on PATH"), "{said}");
    let said = home.loom_ok(&["add", "y", "--", "sh"]);
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn the_first_server_makes_the_registry() {
    let home = TestHome::new();
    home.loom_ok(&["add", "forge", "--url", "https://h/mcp", "--header", "Authorization=Bearer ${env:T}"]);
    let want = "version: 1\nservers:\n  - name: forge\n    common:\n      url: \"https://h/mcp\"\n      headers:\n        Authorization: \"Bearer ${env:T}\"\n";
    assert_eq!(text(&home), want);
}

#[test]
fn what_others_wrote_on_one_line_is_in_nobodys_way() {
    let home = TestHome::new();
    let others = "servers:\n- {name: one, common: {builtin: echo}}\n";
    home.registry(&format!("{others}- name: three\n  common: {{ builtin: echo }}\n"));
    home.loom_ok(&["remove", "three"]);
    assert_eq!(text(&home), others);
}

#[test]
fn a_running_daemon_has_it_at_once() {
    let home = TestHome::new();
    home.registry(REGISTRY);
    home.loom_ok(&["start"]);
    let said = home.loom_ok(&["add", "second", "--", "true"]);
    assert!(said.contains("second is in ~/.config/loom/registry.yaml"), "{said}");
    assert_eq!(home.server("second")["name"], "second");
}

#[test]
fn what_would_be_wrong_is_refused_and_nothing_is_written() {
    let home = TestHome::new();
    home.registry(REGISTRY);
    for (args, code) in [
        (&["add", "echo", "--", "x"][..], 2),
        (&["add", "new"], 2),
        (&["add", "new", "--url", "https://h/", "--", "x"], 2),
        (&["add", "new", "--env", "API_KEY=abc", "--", "x"], 2),
        (&["add", "new", "--env", "novalue", "--", "x"], 2),
        (&["add", "a__b", "--", "x"], 2),
        (&["add", "bad name", "--", "x"], 2),
        (&["add", "new", "--", "x", "--token", "abc"], 2),
        (&["add", "new", "--", "x", "--token=abc"], 2),
        (&["add", "new", "--", "x", "postgres://u:pw@h/d"], 2),
        (&["add", "new", "--", "x", "--token", "${secret:T}"], 2),
        (&["add", "new", "--env", "DATABASE_URL=postgres://u:pw@h/d", "--", "x"], 2),
        (&["add", "new", "--url", "https://u:pw@h/"], 2),
        (&["add", "new", "--url", "https://u@h/"], 2),
        (&["add", "new", "--url", "https://h/?token=abc"], 2),
        (&["remove", "ecko"], 2),
        (&["disable", "nobody"], 2),
    ] {
        let output = home.loom(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        assert_eq!(text(&home), REGISTRY, "{args:?}");
    }
    home.registry("servers:\n  - name: [\n");
    assert_eq!(home.loom(&["add", "new", "--", "x"]).status.code(), Some(78));
}
