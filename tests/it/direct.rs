//! Direct mode of `loom sync` from outside: every server in every client's file, and no secret in any.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::client::Client;
use crate::support::home::TestHome;

const REGISTRY: &str = r#"version: 1
servers:
  - name: echo
    common: { builtin: echo }
  - name: forge
    common: { builtin: echo, env: { FORGE: "${secret:FORGE_TOKEN}", API_KEY: "${env:SHELL_TOKEN}" } }
  - name: ported
    common: { builtin: echo, env: { PORT_TEXT: "${env:PORT_TEXT}" } }
  - name: far
    common: { url: "https://far.example/mcp", headers: { Authorization: "Bearer ${secret:FAR_TOKEN}" } }
"#;

const SECRETS: [&str; 3] = ["s3cr3t-of-forge", "s3cr3t-of-the-shell", "s3cr3t-far-away"];

fn home() -> TestHome {
    let mut home = TestHome::new();
    home.registry(REGISTRY);
    fs::write(home.path().join(".env"), format!("FORGE_TOKEN={}\nFAR_TOKEN={}\n", SECRETS[0], SECRETS[2]))
        .unwrap();
    home.loom_ok(&["secrets", "import", ".env"]);
    fs::remove_file(home.path().join(".env")).unwrap();
    home.set_env("SHELL_TOKEN", SECRETS[1]);
    home.set_env("PORT_TEXT", "not of a shell");
    home
}

/// The content of every file below the home that is not loom's own.
fn files(home: &TestHome) -> BTreeMap<PathBuf, String> {
    fn below(dir: &Path, into: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => below(&path, into),
                false => {
                    drop(into.insert(
                        path.clone(),
                        String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
                    ))
                }
            }
        }
    }
    let mut files = BTreeMap::new();
    below(home.path(), &mut files);
    files.retain(|path, _| {
        !path.starts_with(home.config_dir()) && !path.starts_with(home.path().join(".local"))
    });
    files
}

fn code(home: &TestHome, args: &[&str]) -> i32 {
    home.loom(args).status.code().unwrap()
}

fn servers(home: &TestHome) -> Value {
    let text = fs::read_to_string(home.path().join(".claude.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["mcpServers"].clone()
}

#[test]
fn every_client_has_every_server_and_no_file_a_secret() {
    let home = home();
    let said = home.loom_ok(&["sync", "all", "--all-targets", "--no-loom-mode", "--regen"]);
    assert!(said.contains("claude          note: far is not written: its header Authorization"), "{said}");
    let written = files(&home);
    assert_eq!(written.len(), 30, "fifteen in the home, and as many generated: {:?}", written.keys());
    for (path, text) in &written {
        assert!(
            ["echo", "forge", "ported"].iter().all(|name| text.contains(name)),
            "{}: {text}",
            path.display()
        );
        assert!(text.contains("exec"), "{}: {text}", path.display());
    }
    for secret in SECRETS {
        let found: Vec<_> = everything(&home).into_iter().filter(|(_, text)| text.contains(secret)).collect();
        assert!(found.is_empty(), "{secret}: {:?}", found.iter().map(|(path, _)| path).collect::<Vec<_>>());
    }
    assert_eq!(code(&home, &["sync", "all", "--no-loom-mode", "--check"]), 0);
    assert!(home.loom_ok(&["sync", "all", "--no-loom-mode"]).ends_with("nothing was written\n"));
    assert_eq!(files(&home), written);
}

/// Also loom's own files, but for the encrypted one.
fn everything(home: &TestHome) -> Vec<(PathBuf, String)> {
    let mut folders = vec![home.path().to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found
                    .push((path.clone(), String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned())),
            }
        }
    }
    found
}

#[test]
fn what_is_written_starts_each_server() {
    let home = home();
    home.loom_ok(&["sync", "claude", "--no-loom-mode"]);
    let servers = servers(&home);
    let entries = servers.as_object().unwrap();
    assert_eq!(entries.keys().collect::<Vec<_>>(), ["echo", "forge", "ported"]);
    for (name, entry) in entries {
        let args = entry["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
        let mut command = home.command(entry["command"].as_str().unwrap());
        command.args(args).current_dir("/");
        let mut client = Client::spawn(&mut command);
        client.initialize();
        assert!(!client.tools().is_empty(), "{name}");
    }
}

#[test]
fn a_client_stays_in_its_mode_until_told_and_leaves_nothing() {
    let home = home();
    home.loom_ok(&["sync", "claude", "codex", "--no-loom-mode"]);
    for args in [&["sync", "all", "--check"][..], &["sync", "claude"], &["sync", "codex", "--check"]] {
        assert_eq!(code(&home, args), 0, "{args:?}");
    }
    let status = home.loom_json(&["sync", "status", "--json"]);
    assert_eq!(
        (&status["clients"]["codex"]["state"], &status["clients"]["codex"]["mode"]),
        (&"configured".into(), &"direct".into())
    );
    assert_eq!(code(&home, &["sync", "claude", "--loom-mode", "--check"]), 1);
    home.loom_ok(&["sync", "claude", "codex", "--loom-mode"]);
    assert_eq!(servers(&home).as_object().unwrap().keys().collect::<Vec<_>>(), ["loom"]);
    home.loom_ok(&["sync", "--undo"]);
    assert_eq!(servers(&home).as_object().unwrap().len(), 3);
    home.loom_ok(&["sync", "all", "--check"]);
    home.loom_ok(&["sync", "all", "--remove"]);
    assert_eq!(files(&home), BTreeMap::new());
}

#[test]
fn a_server_that_goes_or_changes_goes_or_changes_in_the_files() {
    let home = home();
    home.loom_ok(&["sync", "claude", "--no-loom-mode"]);
    home.registry(
        "version: 1\nservers:\n  - name: echo\n    common: { builtin: echo, args: [--delay-ms, 1] }\n",
    );
    assert_eq!(code(&home, &["sync", "claude", "--check"]), 1);
    home.loom_ok(&["sync", "claude"]);
    let servers = servers(&home);
    assert_eq!(servers.as_object().unwrap().keys().collect::<Vec<_>>(), ["echo"]);
    assert_eq!(servers["echo"]["args"][2], "--delay-ms");
    home.registry("version: 1\nservers: []\n");
    home.loom_ok(&["sync", "claude"]);
    assert_eq!(files(&home), BTreeMap::new(), "what is not needed any more is not left");
}

#[test]
fn the_users_own_server_of_the_same_name_is_reported_and_stays() {
    let home = home();
    let path = home.path().join(".claude.json");
    let own =
        "{\"mcpServers\": {\"forge\": {\"command\": \"mine\", \"env\": {\"TOKEN\": \"hunter2hunter2\"}}}}";
    fs::write(&path, own).unwrap();
    let output = home.loom(&["sync", "claude", "--no-loom-mode"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("mcpServers.forge is not loom's") && !said.contains("hunter2"), "{said}");
    assert_eq!(
        (&servers(&home)["forge"]["command"], servers(&home).as_object().unwrap().len()),
        (&"mine".into(), 3)
    );
    home.loom_ok(&["sync", "claude", "--remove"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), own);
}

#[test]
fn edits_are_reported_accepted_or_overwritten() {
    let home = home();
    home.loom_ok(&["sync", "cursor", "--no-loom-mode"]);
    let path = home.path().join(".cursor/mcp.json");
    let written = fs::read_to_string(&path).unwrap();
    let edited = written.replace("\"mcp\", \"echo\"", "\"mcp\", \"echo\", \"--delay-ms\", \"5\"");
    assert_ne!(edited, written);
    fs::write(&path, &edited).unwrap();
    assert_eq!(code(&home, &["sync", "cursor"]), 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), edited);
    home.loom_ok(&["sync", "cursor", "--accept"]);
    assert_eq!(code(&home, &["sync", "cursor", "--check"]), 0);
    home.loom_ok(&["sync", "cursor", "--force"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
}

#[test]
fn what_contradicts_itself_or_has_no_registry_is_refused() {
    let home = TestHome::new();
    assert_eq!(code(&home, &["sync", "codex", "--loom-mode", "--no-loom-mode"]), 2);
    assert_eq!(code(&home, &["generate", "configs", "--loom-mode", "--no-loom-mode"]), 2);
    assert_eq!(code(&home, &["sync", "codex", "--no-loom-mode"]), 78);
    assert_eq!(files(&home), BTreeMap::new());
}

/// A client's `loom exec` reads the daemon's registry; another one is named to it.
#[test]
fn another_registry_is_named_in_the_entry() {
    let home = home();
    let other = home.path().join("other.yaml");
    fs::copy(home.config_dir().join("registry.yaml"), &other).unwrap();
    home.loom_ok(&["sync", "claude", "--no-loom-mode", "--registry", "other.yaml"]);
    let text = servers(&home)["forge"].to_string();
    assert!(text.contains(&format!("\"--registry\",\"{}\"", other.display())), "{text}");
}
