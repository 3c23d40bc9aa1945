//! `loom import`: from homes with configured clients to a registry whose servers start, and back to the clients.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::home::{TestHome, loom_binary};

/// What must stand in no file but the encrypted one and the clients' own.
pub const SECRETS: [&str; 3] = ["ghp_abcdefghij0123456789", "s3cr3t-of-forge", "s3cr3t-in-a-header"];

/// Eight clients, each with servers in its own words. `LOOM` is the program with the test server.
pub fn seeds() -> Vec<(&'static str, String)> {
    let seeds = [
        (
            ".codex/config.toml",
            "# mine\n[mcp_servers.files]\ncommand = \"LOOM\"\nargs = [\"mcp\", \"echo\"]\nenv = { GITHUB_TOKEN = \"ghp_abcdefghij0123456789\" }\n\n[mcp_servers.named]\ncommand = \"LOOM\"\nargs = [\"mcp\", \"echo\", \"--delay-ms\", \"1\"]\nenv_vars = [\"PORT_TEXT\"]\n",
        ),
        (
            ".claude.json",
            r#"{"numStartups": 3, "mcpServers": {
                "files": {"command": "LOOM", "args": ["mcp", "echo"], "env": {"GITHUB_TOKEN": "ghp_abcdefghij0123456789"}},
                "ported": {"command": "LOOM", "args": ["mcp", "echo"], "env": {"PORT_TEXT": "${PORT_TEXT}"}}}}"#,
        ),
        (
            ".gemini/settings.json",
            "{\n  // mine\n  \"mcpServers\": {\"also ported\": {\"command\": \"LOOM\", \"args\": [\"mcp\", \"echo\"], \"env\": {\"PORT_TEXT\": \"$PORT_TEXT\"}, \"excludeTools\": [\"fail\"]},},\n}\n",
        ),
        (
            ".cursor/mcp.json",
            r#"{"mcpServers": {"files": {"command": "LOOM", "args": ["mcp", "echo", "--delay-ms", "2"]}, "literal": {"command": "LOOM", "args": ["mcp", "echo"], "env": {"A": "${env:PORT_TEXT} b"}}}}"#,
        ),
        (
            ".config/opencode/opencode.json",
            r#"{"mcp": {"forge": {"type": "local", "command": ["LOOM", "mcp", "echo"], "environment": {"FORGE_TOKEN": "s3cr3t-of-forge", "P": "{env:PORT_TEXT}"}}, "toggled": {"enabled": false}}}"#,
        ),
        (
            ".config/Code/User/mcp.json",
            "{\"servers\": {\"my Server!\": {\"type\": \"stdio\", \"command\": \"LOOM\", \"args\": [\"mcp\", \"echo\"], \"cwd\": \"${userHome}\"}}}",
        ),
        (
            ".continue/config.yaml",
            "name: mine\nversion: 1.0.0\nschema: v1\nmcpServers:\n  # keep\n  - name: listed\n    command: LOOM\n    args: [mcp, echo]\n    env:\n      PORT_TEXT: \"x${{ secrets.PORT_TEXT }}\"\n",
        ),
        (
            ".config/Claude/claude_desktop_config.json",
            r#"{"mcpServers": {"dollar": {"command": "LOOM", "args": ["mcp", "echo"], "env": {"NOTE": "${NOT_A_REFERENCE}"}}}}"#,
        ),
    ];
    seeds.map(|(path, text)| (path, text.replace("LOOM", loom_binary()))).into()
}

pub fn put(home: &TestHome, path: &str, text: &str) {
    let path = home.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub fn home() -> TestHome {
    let mut home = TestHome::new();
    for (path, text) in seeds() {
        put(&home, path, &text);
    }
    home.set_env("PORT_TEXT", "80");
    home
}

pub fn text(home: &TestHome, path: &str) -> String {
    fs::read_to_string(home.path().join(path)).unwrap()
}

pub fn registry(home: &TestHome) -> String {
    fs::read_to_string(home.config_dir().join("registry.yaml")).unwrap()
}

fn names(value: &Value) -> Vec<&str> {
    value["servers"].as_array().unwrap().iter().map(|server| server["name"].as_str().unwrap()).collect()
}

/// Every file below a folder that has `text` in it.
pub fn with(dir: &Path, text: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let has =
        |path: &PathBuf| fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text));
    entries
        .flat_map(|path| {
            if path.is_dir() { with(&path, text) } else { vec![path].into_iter().filter(has).collect() }
        })
        .collect()
}

#[test]
fn eight_clients_become_one_registry_whose_servers_all_start() {
    let home = home();
    let said = home.loom_json(&["import", "--from", "all", "--json"]);
    let all =
        ["files", "named", "ported", "files-cursor", "literal", "forge", "my-Server", "listed", "dollar"];
    let mut found = names(&said);
    found.sort_unstable();
    let mut want = all.to_vec();
    want.sort_unstable();
    assert_eq!(found, want, "{said}");
    assert_eq!((&said["left_out"], &said["files"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    for (path, text) in seeds() {
        assert_eq!(fs::read_to_string(home.path().join(path)).unwrap(), text, "{path} is its client's");
    }
    home.loom_ok(&["check"]);
    home.loom_ok(&["start"]);
    for name in all {
        let tool = format!("{name}__echo");
        let answer = home.loom_ok(&["tools", "call", &tool, "--args", "{\"message\":\"hi\"}"]);
        assert!(answer.contains("hi"), "{name}: {answer}");
    }
    for secret in SECRETS {
        let found = with(&home.config_dir(), secret);
        assert!(found.is_empty(), "{secret}: {found:?}");
    }
    assert_eq!(home.loom_ok(&["secrets", "get", "GITHUB_TOKEN", "--reveal"]).trim_end(), SECRETS[0]);
}

#[test]
fn the_way_from_the_clients_and_back_is_whole_in_both_modes() {
    let home = home();
    home.loom_ok(&["import"]);
    home.loom_ok(&["sync", "all"]);
    home.loom_ok(&["sync", "all", "--check"]);
    home.loom_ok(&["sync", "--undo"]);
    for (path, text) in seeds() {
        assert_eq!(fs::read_to_string(home.path().join(path)).unwrap(), text, "{path}");
    }
    // Where a client has a server of that name by itself, in another way, it stays and is named.
    let output = home.loom(&["sync", "all", "--no-loom-mode"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("mcpServers.files is not loom's"), "{text}");
    assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
    // Without those the files hold loom's entries only, and no secret.
    home.loom_ok(&["sync", "all", "--no-loom-mode", "--force"]);
    home.loom_ok(&["sync", "all", "--check"]);
    let again = home.loom_json(&["import", "--json"]);
    let new: Vec<&Value> =
        again["servers"].as_array().unwrap().iter().filter(|server| server["state"] == "new").collect();
    assert!(new.is_empty(), "what loom wrote is no news: {new:?}");
}

#[test]
fn a_second_import_finds_nothing_new_and_writes_nothing() {
    let home = home();
    home.loom_ok(&["import"]);
    let before = registry(&home);
    let said = home.loom_ok(&["import"]);
    assert!(said.contains("nothing new for ~/.config/loom/registry.yaml"), "{said}");
    assert!(home.loom_ok(&["import", "--dry-run"]).contains("nothing new"));
    assert_eq!(registry(&home), before);
}

#[test]
fn imports_and_additions_at_once_lose_nothing() {
    let home = home();
    home.registry("version: 1\nservers: []\n");
    std::thread::scope(|scope| {
        for client in ["codex", "claude", "cursor", "vscode"] {
            let home = &home;
            scope.spawn(move || home.loom_ok(&["import", "--from", client]));
            scope.spawn(move || {
                home.loom_ok(&["add", &format!("own-{client}"), "--", loom_binary(), "mcp", "echo"])
            });
        }
    });
    let text = registry(&home);
    let own = ["codex", "claude", "cursor", "vscode"].map(|client| format!("own-{client}"));
    let imported = ["files", "named", "ported", "literal", "my-Server"].map(str::to_owned);
    for name in own.iter().chain(&imported) {
        assert!(text.contains(&format!("- name: {name}\n")), "{name}: {text}");
    }
    home.loom_ok(&["check"]);
}

#[test]
fn comments_and_order_of_the_registry_stay_and_a_running_daemon_knows_at_once() {
    let home = home();
    let before = "# mine\nversion: 1\nservers:\n  # the first\n  - name: echo   # keep\n    common: { builtin: echo }\n\nrouting: []\n";
    home.registry(before);
    home.loom_ok(&["start"]);
    let said = home.loom_ok(&["import", "--from", "claude,gemini"]);
    assert!(
        said.contains("2 servers added to ~/.config/loom/registry.yaml") && said.contains("1 secret is kept"),
        "{said}"
    );
    let text = registry(&home);
    for line in before.lines() {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.contains("GITHUB_TOKEN: \"${secret:GITHUB_TOKEN}\""), "{text}");
    assert!(text.contains("targets:\n      gemini:\n        disabled_tools: [\"fail\"]"), "{text}");
    assert!(home.loom_ok(&["tools", "list"]).contains("ported__echo"));
}

#[test]
fn a_dry_run_shows_a_diff_without_secrets_and_writes_nothing() {
    let home = home();
    let said = home.loom_ok(&["import", "--dry-run"]);
    for want in [
        "files                from codex, claude\n",
        "ported               from claude, gemini (also ported)\n",
        "files-cursor         from cursor (files)\n",
        "`files` is another server\n",
        "vscode calls it `my Server!`, which is no name for loom\n",
        "--- /dev/null\n+++ ~/.config/loom/registry.yaml\n",
        "9 servers would be added to ~/.config/loom/registry.yaml\n",
        "+        GITHUB_TOKEN: \"${secret:GITHUB_TOKEN}\"\n",
        "2 secrets would be kept: FORGE_TOKEN, GITHUB_TOKEN\n",
    ] {
        assert!(said.contains(want), "{want}: {said}");
    }
    assert!(SECRETS.iter().all(|secret| !said.contains(secret)), "{said}");
    assert!(!home.config_dir().join("registry.yaml").exists());
    assert!(!home.config_dir().join("secrets.enc").exists());
}

#[test]
fn without_a_store_for_secrets_nothing_is_written() {
    let home = home();
    fs::write(home.config_dir().join("secrets.enc"), "broken").unwrap();
    let output = home.loom(&["import"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("secrets cannot be kept, so nothing was written"), "{said}");
    assert!(!home.config_dir().join("registry.yaml").exists());
    assert_eq!(fs::read(home.config_dir().join("secrets.enc")).unwrap(), b"broken");
    home.loom_ok(&["import", "--from", "gemini"]);
}

#[test]
fn a_registry_that_cannot_be_written_leaves_no_secret_behind() {
    let home = home();
    // In a list on one line no server can be put.
    home.registry("version: 1\nservers: [{ name: echo, common: { builtin: echo } }]\n");
    let output = home.loom(&["import"]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(!home.config_dir().join("secrets.enc").exists());
}

#[test]
fn a_file_that_is_broken_is_named_and_the_others_are_read() {
    let home = home();
    put(&home, ".codex/config.toml", "[mcp_servers.x]\ncommand = \n");
    let output = home.loom(&["import", "--from", "codex,claude"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("codex: ~/.codex/config.toml:2:"), "{said}");
    assert!(registry(&home).contains("name: ported"));
}

#[test]
fn what_cannot_be_taken_over_is_said_and_the_rest_is() {
    let home = TestHome::new();
    put(
        &home,
        ".cursor/mcp.json",
        r#"{"mcpServers": {
            "argued": {"command": "x", "args": ["--token", "s3cr3t-of-forge"]},
            "login": {"url": "https://h.example/", "auth": {"CLIENT_ID": "a"}},
            "far": {"url": "https://h.example/mcp", "headers": {"Authorization": "Bearer s3cr3t-in-a-header"}}}}"#,
    );
    put(
        &home,
        ".config/Code/User/mcp.json",
        r#"{"inputs": [{"id": "key", "type": "promptString", "password": true}], "servers": {"asking": {"command": "x", "env": {"K": "${input:key}"}}}}"#,
    );
    let output = home.loom(&["import"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for want in [
        "argued of cursor is left out: a secret seems to stand in its arguments",
        "login of cursor is left out: the client logs in to it (`auth`)",
        "needs a value: loom secrets set KEY",
        "1 secret is kept in the encrypted file",
    ] {
        assert!(said.contains(want), "{want}: {said}");
    }
    assert!(!said.contains("s3cr3t"), "{said}");
    let text = registry(&home);
    assert!(text.contains("Authorization: \"Bearer ${secret:FAR_AUTHORIZATION}\""), "{text}");
    assert!(!text.contains("s3cr3t") && !text.contains("argued"), "{text}");
    assert_eq!(
        home.loom_ok(&["secrets", "get", "FAR_AUTHORIZATION", "--reveal"]).trim_end(),
        "s3cr3t-in-a-header"
    );
}

#[test]
fn a_client_that_is_unknown_is_refused() {
    let home = TestHome::new();
    assert_eq!(home.loom(&["import", "--from", "codx"]).status.code(), Some(2));
    assert!(home.loom_ok(&["import"]).contains("nothing new"));
    assert!(!home.config_dir().join("registry.yaml").exists());
}

#[test]
fn the_times_of_clients_come_along() {
    let home = TestHome::new();
    put(
        &home,
        ".codex/config.toml",
        "[mcp_servers.slow]\ncommand = \"slow\"\nstartup_timeout_sec = 120\ntool_timeout_sec = 900\n",
    );
    put(
        &home,
        ".gemini/settings.json",
        r#"{"mcpServers": {"slow": {"command": "slow", "timeout": 1000500}}}"#,
    );
    home.loom_ok(&["import"]);
    let registry = fs::read_to_string(home.config_dir().join("registry.yaml")).unwrap();
    for line in ["  timeout: \"1000500ms\"", "tool_timeout: \"1000500ms\"", "startup_timeout: \"120s\""] {
        assert!(registry.contains(line), "{registry}");
    }
}

#[test]
fn an_address_with_a_password_in_it_is_left_out() {
    let home = TestHome::new();
    let entry = r#"{"mcpServers": {"u": {"url": "http://me:s3cr3t-in-a-url@127.0.0.1:1/mcp"}}}"#;
    put(&home, ".cursor/mcp.json", entry);
    let output = home.loom(&["import", "--move"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("Authorization header"), "{output:?}");
    assert!(!said.contains("s3cr3t"), "{said}");
    assert_eq!(fs::read_to_string(home.path().join(".cursor/mcp.json")).unwrap(), entry);
}
