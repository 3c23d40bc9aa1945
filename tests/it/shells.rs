//! Whose environment servers get: that of the shell in which a person typed `loom start`, and only the part of it
//! that they need. Secrets of it are never on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, kill, loom_binary};

const SECRET: &str = "hunter2-hunter2-hunter2";

/// `loom start` in a shell that has these variables too.
fn start(home: &TestHome, shell: &[(&str, &str)]) {
    let output = home.finish(home.command(loom_binary()).arg("start").envs(shell.iter().copied()));
    assert!(output.status.success(), "{output:?}");
}

/// A client whose proxy was started with these variables too.
fn client(home: &TestHome, env: &[(&str, &str)]) -> Client {
    let mut client = Client::spawn(home.command(loom_binary()).arg("proxy").envs(env.iter().copied()));
    client.initialize();
    client
}

fn environ(client: &mut Client, server: &str) -> BTreeMap<String, String> {
    let text = client.call_text(&format!("{server}__environ"), json!({}));
    serde_json::from_str(&text).expect("an object of texts")
}

fn failure(client: &mut Client, tool: &str) -> Value {
    let id = client.begin_call(tool, json!({}));
    client.failure(id)
}

fn text<'a>(error: &'a Value, pointer: &str) -> &'a str {
    error.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the home can be read").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn servers_see_the_shell_of_loom_start_and_not_the_clients() {
    let home = TestHome::new();
    let entry =
        "env: { SEEN: \"${env:GREETING}\", ELSE: \"${env:NOBODY:-by default}\" }, env_pass: [AWS_PROFILE]";
    home.echo_registry(&[("echo", "--test-tools", entry)]);
    let path = std::env::var("PATH").expect("a PATH");
    let path = format!("/of/the/shell:{path}");
    let shell = [
        ("GREETING", "shell"),
        ("PATH", path.as_str()),
        ("AWS_PROFILE", "dev"),
        ("LC_TIME", "C"),
        ("https_proxy", "http://proxy:1"),
        ("UNRELATED", "x"),
        ("LD_LIBRARY_PATH", "/nowhere"),
    ];
    start(&home, &shell);
    let foreign = [("GREETING", "client"), ("PATH", "/usr/bin:/bin:/of/the/client"), ("AWS_PROFILE", "prod")];
    let mut client = client(&home, &foreign);
    let check = |client: &mut Client| {
        let seen = environ(client, "echo");
        let get = |name: &str| seen.get(name).map(String::as_str);
        assert_eq!((get("SEEN"), get("ELSE")), (Some("shell"), Some("by default")), "{seen:?}");
        assert_eq!((get("PATH"), get("AWS_PROFILE")), (Some(path.as_str()), Some("dev")), "{seen:?}");
        assert_eq!((get("LC_TIME"), get("https_proxy")), (Some("C"), Some("http://proxy:1")), "{seen:?}");
        assert_eq!(get("HOME"), home.path().to_str(), "{seen:?}");
        for name in ["GREETING", "UNRELATED", "LD_LIBRARY_PATH"] {
            assert_eq!(get(name), None, "{seen:?}");
        }
        assert_eq!(seen.keys().find(|name| name.starts_with("LOOM_")), None, "{seen:?}");
    };
    check(&mut client);
    // The next daemon is started by the proxy, and uses what `loom start` recorded.
    assert!(kill(home.daemon_pid().expect("a daemon runs")));
    assert!(!client.tools().is_empty());
    assert!(text(&home.status(), "/started_by").starts_with("loom proxy"), "{}", home.status());
    check(&mut client);
}

#[test]
fn a_secret_is_never_on_disk_and_its_loss_says_how_to_mend_it() {
    let home = TestHome::new();
    let entry = "env: { AUTH: \"Bearer ${env:FORGE_TOKEN}\" }";
    home.echo_registry(&[("forge", "--test-tools", entry), ("echo", "", "")]);
    start(&home, &[("FORGE_TOKEN", SECRET), ("SECRET_URL", "https://me:hunter2-hunter2-hunter2@forge/")]);
    let mut client = client(&home, &[]);
    assert_eq!(environ(&mut client, "forge")["AUTH"], format!("Bearer {SECRET}"));
    home.loom_ok(&["status"]);
    let leaks = |home: &TestHome| -> Vec<PathBuf> {
        let holds = |path: &PathBuf| {
            fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(SECRET))
        };
        files(home.path()).into_iter().filter(holds).collect()
    };
    assert_eq!(leaks(&home), [""; 0].map(PathBuf::from));

    assert!(kill(home.daemon_pid().expect("a daemon runs")));
    assert!(!client.tools().is_empty());
    let error = failure(&mut client, "forge__environ");
    assert_eq!((text(&error, "/data/code"), text(&error, "/data/server")), ("SERVER_UNAVAILABLE", "forge"));
    assert!(text(&error, "/message").contains("FORGE_TOKEN"), "{error}");
    let hint = text(&error, "/data/hint");
    assert!(
        hint.contains("loom proxy") && hint.contains("`loom start`") && hint.contains("on disk"),
        "{hint}"
    );
    assert_eq!(client.call_text("echo__echo", json!({"message": "x"})), "x", "that server only");

    start(&home, &[("FORGE_TOKEN", SECRET)]);
    assert_eq!(environ(&mut client, "forge")["AUTH"], format!("Bearer {SECRET}"));
    assert_eq!(leaks(&home), [""; 0].map(PathBuf::from));
}

#[test]
fn a_missing_variable_is_named_and_a_shell_that_has_it_mends_it() {
    let home = TestHome::new();
    let entry = "env: { A: \"${env:WANTED_HERE}\", B: \"${env:EMPTY_HERE}\" }";
    home.echo_registry(&[
        ("needy", "--test-tools", entry),
        ("keyed", "", "env: { K: \"${keychain:forge}\" }"),
        ("echo", "", ""),
    ]);
    start(&home, &[("EMPTY_HERE", "")]);
    let mut client = client(&home, &[("WANTED_HERE", "of the client"), ("EMPTY_HERE", "of the client")]);
    let error = failure(&mut client, "needy__environ");
    let said = text(&error, "/message");
    assert!(said.contains("WANTED_HERE") && said.contains("EMPTY_HERE"), "{error}");
    assert!(text(&error, "/data/hint").contains("loom start"), "{error}");
    let error = failure(&mut client, "keyed__echo");
    assert!(text(&error, "/message").contains("forge is not among the secrets"), "{error}");
    assert_eq!(client.call_text("echo__echo", json!({"message": "x"})), "x", "those servers only");
    let status = home.loom(&["status"]);
    assert_eq!(status.status.code(), Some(4), "{status:?}");
    assert!(String::from_utf8_lossy(&status.stdout).contains("WANTED_HERE"), "{status:?}");

    start(&home, &[("WANTED_HERE", "one"), ("EMPTY_HERE", "two")]);
    let seen = environ(&mut client, "needy");
    assert_eq!((seen["A"].as_str(), seen["B"].as_str()), ("one", "two"));
}
