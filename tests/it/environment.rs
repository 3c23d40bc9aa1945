//! What servers see of the environment: a person's shell, never the client that happened to start the daemon.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, alive, kill, wait_until};

const SECOND: Duration = Duration::from_secs(1);
const SECRET: &str = "hunter2-hunter2";

#[test]
fn path_and_values_come_from_the_start_and_survive_a_killed_daemon() {
    let mut home = TestHome::new();
    home.echo_registry(&[("echo", "--test-tools", "env: { GOT: '${env:PLACE}' }")]);
    let path = format!("{}:/opt/of-a-person", home.env()["PATH"].to_string_lossy());
    home.set_env("PATH", &path);
    home.set_env("PLACE", "here");
    home.loom_ok(&["start"]);
    // From here on everything is a client's environment.
    home.set_env("PATH", "/usr/bin:/bin:/opt/of-a-client");
    home.set_env("PLACE", "elsewhere");
    let mut client = home.client();
    let seen = |environ: Value| (environ["PATH"].clone(), environ["GOT"].clone());
    assert_eq!(seen(environ(&mut client, "echo")), (json!(path), json!("here")));

    drop(client);
    kill_daemon(&home);
    let mut client = home.client();
    assert_eq!(seen(environ(&mut client, "echo")), (json!(path), json!("here")));
    let started_by = home.status()["started_by"].clone();
    assert!(started_by.as_str().is_some_and(|by| by.contains("proxy")), "{started_by}");
}

#[test]
fn a_secret_is_nowhere_on_disk_and_its_absence_says_what_to_do() {
    let mut home = TestHome::new();
    home.echo_registry(&[("echo", "--test-tools", "env: { GOT: '${env:X_TOKEN}' }"), ("other", "", "")]);
    home.set_env("X_TOKEN", SECRET);
    home.loom_ok(&["start"]);
    let mut client = home.client();
    assert_eq!(environ(&mut client, "echo")["GOT"], SECRET);
    assert_eq!(files_with(home.path(), SECRET), Vec::<String>::new());

    drop(client);
    home.set_env("X_TOKEN", "");
    kill_daemon(&home);
    let mut client = home.client();
    let id = client.begin_call("echo__pid", json!({}));
    let error = client.failure(id);
    assert_eq!(error["data"]["code"], "SERVER_UNAVAILABLE", "{error}");
    let text = error.to_string();
    assert!(text.contains("X_TOKEN") && text.contains("loom start"), "{error}");
    assert_eq!(client.call_text("other__echo", json!({"message": "fine"})), "fine");

    home.set_env("X_TOKEN", SECRET);
    home.loom_ok(&["start"]);
    assert_eq!(environ(&mut client, "echo")["GOT"], SECRET);
    assert_eq!(files_with(home.path(), SECRET), Vec::<String>::new());
}

#[test]
fn a_missing_value_fails_its_own_server_by_name_until_a_shell_has_it() {
    let mut home = TestHome::new();
    home.echo_registry(&[("echo", "--test-tools", "env: { GOT: '${env:PLACE}' }"), ("other", "", "")]);
    home.loom_ok(&["start"]);
    let mut client = home.client();
    let id = client.begin_call("echo__pid", json!({}));
    let error = client.failure(id);
    assert_eq!(error["data"]["server"], "echo", "{error}");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("PLACE")), "{error}");
    assert_eq!(client.call_text("other__echo", json!({"message": "fine"})), "fine");
    let row = home.server("echo");
    assert_eq!(row["state"], "failed", "{row}");
    assert!(row["error"].as_str().is_some_and(|text| text.contains("PLACE")), "{row}");
    assert_eq!(home.server("other")["state"], "ready");

    home.set_env("PLACE", "here");
    home.loom_ok(&["start"]);
    assert_eq!(environ(&mut client, "echo")["GOT"], "here");
}

#[test]
fn a_child_gets_the_allowed_names_what_is_passed_and_its_own() {
    let mut home = TestHome::new();
    home.echo_registry(&[("echo", "--test-tools", "env_pass: [PASSED], env: { OWN: '1', LANG: xx }")]);
    for (name, value) in [("RANDOM_NAME", "r"), ("PASSED", "p"), ("LC_ALL", "C"), ("https_proxy", "h")] {
        home.set_env(name, value);
    }
    home.loom_ok(&["start"]);
    let environ = environ(&mut home.client(), "echo");
    for (name, want) in [("PASSED", "p"), ("OWN", "1"), ("LANG", "xx"), ("LC_ALL", "C"), ("https_proxy", "h")]
    {
        assert_eq!(environ[name], want, "{name}: {environ}");
    }
    assert_eq!(environ["HOME"], json!(home.path()));
    for name in ["RANDOM_NAME", "LOOM_METRICS_ADDR"] {
        assert!(environ.get(name).is_none(), "{name}: {environ}");
    }
}

fn environ(client: &mut Client, server: &str) -> Value {
    let text = client.call_text(&format!("{server}__environ"), json!({}));
    serde_json::from_str(&text).expect("environ answers JSON")
}

fn kill_daemon(home: &TestHome) {
    let daemon = home.daemon_pid().expect("a daemon runs");
    assert!(kill(daemon) && wait_until(SECOND * 5, || !alive(daemon)));
}

/// The files below `dir` that hold `needle`.
fn files_with(dir: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("the home can be read").flatten() {
        let kind = entry.file_type().expect("an entry has a kind");
        if kind.is_dir() {
            found.extend(files_with(&entry.path(), needle));
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                found.push(entry.path().display().to_string());
            }
        }
    }
    found
}
