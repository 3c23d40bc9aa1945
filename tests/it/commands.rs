//! The commands against the real daemon: exit codes, and the JSON that scripts read.

use std::fs;

use serde_json::{Value, json};

use crate::support::client::PATIENCE;
use crate::support::home::{TestHome, alive, wait_until};

const ECHO: &[(&str, &str, &str)] =
    &[("echo", "--test-tools", "description: Answers"), ("big", "--tools 30", "")];

fn home() -> TestHome {
    let home = TestHome::new();
    home.echo_registry(ECHO);
    home
}

/// Runs a command: exit code, standard output, standard error.
fn run(home: &TestHome, line: &str) -> (i32, String, String) {
    let words: Vec<&str> = line.split(' ').collect();
    let output = home.loom(&words);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("loom prints UTF-8");
    (output.status.code().expect("it ended by itself"), text(output.stdout), text(output.stderr))
}

fn json(home: &TestHome, line: &str) -> Value {
    home.loom_json(&line.split(' ').collect::<Vec<_>>())
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn a_daemons_days_from_start_to_stop() {
    let home = home();
    for line in ["status", "servers", "health", "reload"] {
        assert_eq!(run(&home, line).0, 3, "{line}: nothing runs");
    }
    let (code, out, err) = run(&home, "start");
    assert_eq!((code, err.as_str()), (0, ""));
    let pid = home.daemon_pid().expect("a daemon runs");
    assert!(out.starts_with(&format!("started loomd (pid {pid}) with 2 servers from ")), "{out}");
    let (code, out, _) = run(&home, "start");
    assert_eq!((code, home.daemon_pid()), (0, Some(pid)), "{out}");
    assert!(out.contains(&format!("runs already (pid {pid})")), "{out}");

    let (code, out, _) = run(&home, "restart");
    let next = home.daemon_pid().expect("a daemon runs");
    assert!(code == 0 && out.starts_with(&format!("restarted loomd (pid {next})")), "{out}");
    assert!(next != pid && !alive(pid));

    assert_eq!(run(&home, "tools call echo__grandchild").0, 0);
    let (code, out, _) = run(&home, "stop");
    assert!(code == 0 && out.starts_with(&format!("stopped loomd (pid {next})")), "{out}");
    assert!(!alive(next) && home.processes().is_empty(), "{:?}", home.processes());
    assert!(!home.config_dir().join("loom.sock").exists());
    let stopped = json(&home, "status --json");
    assert_eq!((&stopped["running"], &stopped["stopped"]), (&json!(false), &json!(true)));
    for line in ["tools list", "tools call echo__echo", "status", "servers", "health"] {
        assert_eq!(run(&home, line).0, 3, "{line}: a person stopped it");
    }
    assert_eq!(run(&home, "start").0, 0);
}

#[test]
fn status_shows_daemon_servers_and_clients() {
    let home = home();
    let mut client = home.proxy(&["--agent-hint", "claude-code"]);
    client.initialize();
    assert_eq!(client.call_text("echo__echo", json!({"message": "x"})), "x");
    let id = client.begin_sleep("echo", 60_000);
    let status = json(&home, "status --json");
    for key in
        ["pid", "version", "uptime_s", "epoch", "started_by", "socket", "registry", "metrics", "counters"]
    {
        assert!(!status[key].is_null(), "{key}: {status}");
    }
    assert_eq!(
        (&status["running"], &status["draining"], &status["active_calls"]),
        (&json!(true), &json!(false), &json!(1))
    );
    assert_eq!(status["registry"]["path"], json!(home.config_dir().join("registry.yaml")));
    let row = &status["clients"][0];
    assert_eq!((&row["agent"], &row["pid"]), (&json!("claude-code"), &json!(client.pid())), "{row}");
    assert_eq!(
        (&row["calls"], &row["in_flight"], &row["cwd"]),
        (&json!(2), &json!(1), &json!(home.path())),
        "{row}"
    );
    let row = &status["servers"][0];
    assert_eq!(
        (&row["name"], &row["state"], &row["calls"]),
        (&json!("echo"), &json!("ready"), &json!(2)),
        "{row}"
    );
    let (code, out, _) = run(&home, "status");
    assert_eq!(code, 0);
    for word in ["echo", "ready", "claude-code"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}));
    assert!(client.close().success());
    let gone = || json(&home, "status --json")["clients"] == json!([]);
    assert!(wait_until(PATIENCE, gone));
}

#[test]
fn tools_are_listed_searched_and_shown() {
    let home = home();
    let all = json(&home, "tools list --json --limit 0");
    assert_eq!(
        (&all["server"], &all["totalTools"], &all["totalPages"]),
        (&json!("all"), &json!(55), &json!(1))
    );
    let own = json(&home, "tools list --json --server big --page 2 --limit 20");
    assert_eq!((&own["page"], &own["pageSize"], &own["totalTools"]), (&json!(2), &json!(20), &json!(36)));
    assert_eq!((own["tools"].as_array().map(Vec::len), &own["totalPages"]), (Some(16), &json!(2)));
    assert_eq!(own["tools"], json!(all["tools"].as_array().expect("tools")[19 + 20..]));
    for (line, want) in [
        ("tools list --server ecko", "echo"),
        ("tools list --page 9", "page 9"),
        ("tools get echo__ecko", "echo__echo"),
        ("tools get sleep", "echo__sleep"),
        ("tools search", "WORD"),
    ] {
        let (code, out, err) = run(&home, line);
        assert_eq!((code, out.as_str()), (2, ""), "{line}: {err}");
        assert!(err.contains(want), "{line}: {err}");
    }
    let found = json(&home, "tools search --json grandchild");
    assert_eq!((&found["found"], &found["tools"][0]["name"]), (&json!(1), &json!("echo__grandchild")));
    let (code, out, _) = run(&home, "tools search nothing-like-it");
    assert_eq!((code, out.as_str()), (0, "nothing among 55 tools\n"));
    assert_eq!(json(&home, "tools get --json echo__echo"), all["tools"][0]);
    let (code, out, _) = run(&home, "tools get echo__sleep");
    assert!(code == 0 && out.contains("Arguments") && out.contains("progress_ms"), "{out}");
}

#[test]
fn a_calls_exit_code_tells_how_it_went() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "--test-tools", "tool_timeout: 300ms"), ("bad", "--version-answer 1", "")]);
    for (line, code, out, err) in [
        (r#"tools call echo__echo --args {"message":"hi"}"#, 0, "hi\n", ""),
        (r#"tools call echo__fail --args {"message":"no"}"#, 1, "no\n", ""),
        ("tools call echo__nothing", 2, "", "unknown tool"),
        ("tools call echo__echo --args [1]", 2, "", "object"),
        ("tools call echo__echo --args {", 2, "", "arguments:1:"),
        ("tools call echo__echo {} --args {}", 2, "", "given twice"),
        ("tools call echo__die", 69, "", "echo ended"),
        ("tools call echo__silent", 69, "", "did not answer within 0.3 s"),
        ("tools call bad__echo", 69, "", "bad does not start: "),
    ] {
        let said = run(&home, line);
        assert_eq!((said.0, said.1.as_str()), (code, out), "{line}: {}", said.2);
        assert!(said.2.contains(err) && (said.2.is_empty() == err.is_empty()), "{line}: {}", said.2);
    }
    let result = json(&home, r#"tools call echo__echo --json --args {"message":"hi"}"#);
    assert_eq!(result["content"], json!([{"type": "text", "text": "hi"}]));
    let error = json(&home, "tools call echo__silent --json");
    assert_eq!(
        (&error["error"]["code"], &error["error"]["data"]["code"]),
        (&json!(-32054), &json!("TIMEOUT")),
        "{error}"
    );
    home.loom_ok(&["stop"]);
    assert_eq!(run(&home, "tools call echo__echo").0, 3);
}

#[test]
fn servers_and_health_name_what_ails() {
    let home = TestHome::new();
    home.echo_registry(&[("good", "", ""), ("bad", "--version-answer 1", "")]);
    home.loom_ok(&["start"]);
    for line in ["servers", "health", "status"] {
        assert_eq!(run(&home, line).0, 0, "{line}: nothing was tried yet");
    }
    assert_eq!(run(&home, "tools call bad__echo").0, 69);
    for line in ["servers", "health", "status"] {
        let (code, out, err) = run(&home, line);
        assert_eq!((code, err.as_str()), (4, ""), "{line}");
        assert!(out.contains("bad") && out.contains("failed"), "{line}: {out}");
    }
    let health = json(&home, "health --json");
    assert_eq!(
        (&health["status"], &health["summary"]["failed"]),
        (&json!("degraded"), &json!(1)),
        "{health}"
    );
    let servers = json(&home, "servers --json");
    let states: Vec<_> =
        servers["servers"].as_array().expect("rows").iter().map(|row| &row["state"]).collect();
    assert_eq!(states[1], "failed", "{servers}");
    assert_eq!(json(&home, "servers restart good --json"), json!({"restarted": true}));
    let (code, _, err) = run(&home, "servers restart goof");
    assert!(code == 2 && err.contains("loom servers restart good"), "{err}");
}

#[test]
fn reload_says_what_changed_or_where_it_is_wrong() {
    let home = home();
    home.loom_ok(&["start"]);
    let (code, out, _) = run(&home, "reload");
    assert_eq!((code, out.as_str()), (0, "nothing changed; 2 servers\n"));
    let path = home.echo_registry(&[("echo", "", ""), ("more", "", "")]);
    let reloaded = json(&home, "reload --json");
    assert_eq!(keys(&reloaded), ["reloaded", "servers", "added", "removed", "changed", "unchanged"]);

    fs::write(&path, "version: 1\nservers:\n  - name: echo\n    common: { builtin: ecko }\n").expect("ours");
    let (code, out, err) = run(&home, "reload");
    assert_eq!((code, out.as_str()), (78, ""));
    assert!(err.contains("registry.yaml:4:24: error:") && err.contains("echo"), "{err}");
    let broken = json(&home, "reload --json");
    assert_eq!(
        (&broken["reloaded"], broken["findings"].as_array().map(Vec::len)),
        (&json!(false), Some(1)),
        "{broken}"
    );
    let names: Vec<Value> = json(&home, "servers --json")["servers"]
        .as_array()
        .map(|rows| rows.iter().map(|row| row["name"].clone()).collect())
        .unwrap_or_default();
    assert_eq!(names, ["echo", "more"], "what was in force stays");
    assert!(home.loom_json(&["status", "--json"])["registry"]["error"].is_string());
    for (line, want) in [("check", 1), ("restart", 78), ("start", 78)] {
        let (code, out, err) = run(&home, line);
        assert_eq!(code, want, "{line}");
        assert!(format!("{out}{err}").contains("registry.yaml:4:24"), "{line}: {out}{err}");
    }
    home.echo_registry(ECHO);
    assert_eq!(json(&home, "reload --json")["removed"], json!(["more"]));
}

#[test]
fn check_prints_what_is_in_force() {
    let home = home();
    let (code, out, err) = run(&home, "check");
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("~/.config/loom/registry.yaml"), "{out}");
    let report = json(&home, "check --json");
    assert!(report["daemon"].is_null(), "{report}");
    home.loom_ok(&["start"]);
    let report = json(&home, "check --json");
    assert_eq!(report["daemon"]["pid"], json!(home.daemon_pid()), "{report}");
    let settings = json(&home, "check --settings --json").to_string();
    assert!(settings.contains("LOOM_PROXY_TOOL_PAGE_SIZE"), "{settings}");
}

#[test]
fn a_chosen_registry_is_read_after_a_reload() {
    let home = home();
    home.loom_ok(&["start"]);
    let other = home.path().join("other.yaml");
    fs::write(&other, "version: 1\nservers:\n  - name: elsewhere\n    common: { builtin: echo }\n")
        .expect("ours");
    let (code, out, _) = run(&home, "registry use other.yaml");
    assert!(code == 0 && out.contains("loom reload"), "{out}");
    let which = json(&home, "registry which --json");
    assert_eq!(
        (&which["source"], &which["path"]),
        (&json!("chosen"), &json!(other.canonicalize().expect("it exists")))
    );
    assert_eq!(json(&home, "reload --json")["added"], json!(["elsewhere"]));
    assert_eq!(json(&home, "status --json")["registry"]["source"], "chosen");
    assert_eq!(run(&home, "tools call elsewhere__pid").0, 0);
    home.loom_ok(&["registry", "use", "--home"]);
    assert_eq!(json(&home, "reload --json")["removed"], json!(["elsewhere"]));
    assert_eq!(json(&home, "status --json")["registry"]["source"], "home");
}

#[test]
fn the_file_that_is_in_force_is_the_one_that_is_watched() {
    let home = home();
    let one = |name: &str| format!("version: 1\nservers:\n  - {{ name: {name}, builtin: echo }}\n");
    let names = || {
        let rows = json(&home, "servers --json")["servers"].take();
        rows.as_array().map(|rows| rows.iter().map(|row| row["name"].clone()).collect::<Vec<_>>())
    };
    let follows = |file: &std::path::Path, name: &str| {
        fs::write(file, one(name)).expect("the home can be written");
        assert!(wait_until(PATIENCE, || names() == Some(vec![json!(name)])), "{name}: {:?}", names());
    };
    // As people keep their files in a repository: the home registry is a link into another folder.
    let behind = home.path().join("dotfiles/registry.yaml");
    fs::create_dir_all(home.path().join("dotfiles")).expect("the home can be written");
    fs::write(&behind, one("linked")).expect("the home can be written");
    fs::remove_file(home.config_dir().join("registry.yaml")).expect("it is there");
    std::os::unix::fs::symlink(&behind, home.config_dir().join("registry.yaml")).expect("a link can be made");
    home.loom_ok(&["start"]);
    follows(&behind, "edited");
    // The link is led to a file of yet another folder.
    let farther = home.path().join("farther/registry.yaml");
    fs::create_dir_all(home.path().join("farther")).expect("the home can be written");
    fs::write(&farther, one("farther")).expect("the home can be written");
    let link = home.config_dir().join("registry.new");
    std::os::unix::fs::symlink(&farther, &link).expect("a link can be made");
    fs::rename(&link, home.config_dir().join("registry.yaml")).expect("it can be put in its place");
    assert!(wait_until(PATIENCE, || names() == Some(vec![json!("farther")])), "{:?}", names());
    follows(&farther, "farther-edited");

    let other = home.path().join("other.yaml");
    fs::write(&other, one("chosen")).expect("the home can be written");
    home.loom_ok(&["registry", "use", "other.yaml"]);
    home.loom_ok(&["reload"]);
    follows(&other, "edited-too");
    home.loom_ok(&["registry", "use", "--home"]);
    home.loom_ok(&["reload"]);
    follows(&farther, "home-again");
}

#[test]
fn who_is_new_is_led_to_the_first_server() {
    let home = TestHome::new();
    for line in ["start", "restart", "tools call echo__echo {}"] {
        let (code, _, err) = run(&home, line);
        assert_eq!(code, 78, "{line}: {err}");
        assert!(err.contains("there is no registry at "), "{line}: {err}");
        assert!(err.ends_with("hint:  loom add NAME -- COMMAND\n"), "{line}: {err}");
    }
    let overview = run(&home, "help").1;
    assert!(
        overview.contains("New here: `loom import`") && overview.contains("`loom add NAME"),
        "{overview}"
    );
    let own = home.path().join("own.yaml");
    fs::write(&own, "servers: []\n").expect("the home can be written");
    home.loom_ok(&["registry", "use", own.to_str().expect("UTF-8")]);
    fs::remove_file(&own).expect("it is there");
    let (code, _, err) = run(&home, "start");
    assert!(code == 78 && err.ends_with("hint:  loom registry use --home\n"), "{err}");
    assert!(run(&home, "check").1.contains("loom registry use --home"));
}

#[test]
fn settings_that_are_wrong_keep_nobody_from_stopping_or_calling() {
    let home = home();
    home.loom_ok(&["start"]);
    let config = home.config_dir().join("config.toml");
    fs::write(&config, "list_wait = \n").expect("the home can be written");
    let (code, _, err) = run(&home, "status");
    assert!(code == 78 && err.contains("config.toml:1:") && err.ends_with("hint:  loom check\n"), "{err}");
    let mut client = home.proxy(&[]);
    client.initialize();
    assert_eq!(client.call_text("echo__echo", json!({"message": "x"})), "x");
    drop(client);
    let (code, out, err) = run(&home, "stop");
    assert!(code == 0 && out.starts_with("stopped loomd"), "{out}{err}");
    assert!(err.starts_with("warning: ") && err.contains("config.toml:1:"), "{err}");

    // Without a daemon every request is told why there is none.
    let home = self::home();
    fs::write(home.config_dir().join("config.toml"), "list_wait = \n").expect("the home can be written");
    let mut client = home.proxy(&[]);
    client.initialize();
    let id = client.begin_call("echo__echo", json!({}));
    let error = client.failure(id);
    assert!(error["message"].as_str().is_some_and(|text| text.contains("config.toml:1:")), "{error}");
}
