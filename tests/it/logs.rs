//! `loom logs` while things are written, and what else a build tells of itself.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::support::home::{TestHome, loom_binary};

#[test]
fn logs_are_shown_followed_and_found_by_server() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    home.loom_ok(&["start"]);
    let said = home.loom_ok(&["logs"]);
    assert!(said.contains("client came"), "{said}");
    assert_eq!(home.loom_ok(&["logs", "--lines", "1"]).lines().count(), 1);
    assert_eq!(home.loom_ok(&["logs", "--errors"]), "");

    let mut following = home
        .command(loom_binary())
        .args(["logs", "--follow", "--lines", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("loom runs");
    let mut lines = BufReader::new(following.stdout.take().expect("a pipe")).lines();
    let mut next = |wanted: &str| lines.by_ref().any(|line| line.is_ok_and(|line| line.contains(wanted)));
    assert!(next("serving"), "the whole log to begin with");
    let log = home.config_dir().join("logs/daemon.log");
    fs::rename(&log, log.with_extension("log.1")).expect("the home can be written");
    fs::write(&log, "after the rotation\n").expect("the home can be written");
    assert!(next("after the rotation"));
    following.kill().and_then(|()| following.wait()).expect("a child of ours can be killed");

    let folder = home.config_dir().join("logs/servers");
    fs::create_dir_all(&folder).expect("the home can be written");
    fs::write(folder.join("files.log"), "one\ntwo\n").expect("the home can be written");
    assert_eq!(home.loom_ok(&["logs", "--server", "files", "--lines", "1"]), "two\n");
    for (name, hint) in [
        ("file", "loom logs --server files"),
        ("../daemon", "loom servers"),
        ("nothing-like-it", "loom servers"),
    ] {
        let output = home.loom(&["logs", "--server", name]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains(hint), "{output:?}");
    }
}

#[test]
fn a_server_that_has_written_nothing_is_no_unknown_server() {
    let home = TestHome::new();
    home.script_registry("quiet", "exit 3", "");
    let output = home.loom(&["logs", "--server", "quiet"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(69) && told.contains("quiet has written nothing"), "{output:?}");
    // Nor is there a file to look at when it fails.
    let output = home.loom(&["tools", "call", "quiet__x"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("ended (exit status: 3)") && !told.contains("quiet.log"), "{output:?}");
}

#[test]
fn a_build_tells_what_it_is_made_of() {
    let home = TestHome::new();
    let version = home.loom_json(&["version", "--json"]);
    assert_eq!(version["protocol"], 1, "{version}");
    assert_eq!(version["features"], json!(["keychain"]), "{version}");
    assert!(version["mcp"].as_array().is_some_and(|known| known.contains(&json!("2025-11-25"))), "{version}");
    assert!(version.get("commit").is_some(), "{version}");
}
