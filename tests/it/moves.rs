//! `loom import --move`: what leaves the clients' files, what stays there, and what is kept of it.

use std::fs;

use crate::import::{SECRETS, home, put, registry, seeds, text, with};
use crate::support::home::{TestHome, loom_binary};

#[test]
fn what_is_moved_is_gone_from_the_clients_and_comes_back_whole() {
    let home = home();
    let shown = home.loom(&["import", "--move", "--dry-run"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("-    \"literal\"") || shown.status.success());
    home.loom(&["import", "--move"]);
    for (path, text) in seeds() {
        let now = fs::read_to_string(home.path().join(path)).unwrap();
        assert_ne!(now, text, "{path}");
        assert!(!now.contains(loom_binary()), "{path}: {now}");
    }
    assert!(fs::read_to_string(home.path().join(".codex/config.toml")).unwrap().contains("# mine"));
    home.loom_ok(&["sync", "--undo"]);
    for (path, text) in seeds() {
        assert_eq!(fs::read_to_string(home.path().join(path)).unwrap(), text, "{path}");
    }
}

#[test]
fn only_what_was_taken_over_is_moved_from_each_file_of_a_client() {
    let home = TestHome::new();
    let code = r#"{"servers": {"files": {"type": "stdio", "command": "x"}}}"#;
    let insiders = r#"{"servers": {"files": {"type": "stdio", "command": "x", "envFile": "/e"}}}"#;
    put(&home, ".config/Code/User/mcp.json", code);
    put(&home, ".config/Code - Insiders/User/mcp.json", insiders);
    let output = home.loom(&["import", "--move"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("files of vscode is left out"), "{said}");
    assert!(!text(&home, ".config/Code/User/mcp.json").contains("files"));
    assert_eq!(text(&home, ".config/Code - Insiders/User/mcp.json"), insiders);
}

#[test]
fn an_entry_that_is_not_what_was_read_stays_and_the_exit_code_says_so() {
    // Of two with one name the client means the first, and only the second starts something.
    let seed = "name: mine\nversion: 1.0.0\nschema: v1\nmcpServers:\n  - name: twice\n    enabled: false\n  - name: twice\n    command: x\n";
    for json in [false, true] {
        let home = TestHome::new();
        put(&home, ".continue/config.yaml", seed);
        let words = ["import", "--move", "--json"];
        let output = home.loom(&words[..if json { 3 } else { 2 }]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let want = if json {
            "\"kind\": \"rewritten\""
        } else {
            "mcpServers[twice] is not what was read there, and stays"
        };
        assert!(said.contains(want), "{said}");
        assert_eq!(text(&home, ".continue/config.yaml"), seed);
    }
}

#[test]
fn what_a_client_shows_of_a_known_server_is_not_lost_by_a_move() {
    let home = TestHome::new();
    home.registry(
        "version: 1\nservers:\n  - name: shown\n    common:\n      command: x\n  - name: narrow\n    common: { command: y }\n    \
         targets:\n      gemini:\n        disabled_tools: [a, b]\n  - name: wide\n    common:\n      command: z\n      \
         disabled_tools: [other]\n  - { name: line, common: { command: w } }\n",
    );
    put(
        &home,
        ".gemini/settings.json",
        r#"{"mcpServers": {
            "shown": {"command": "x", "includeTools": ["read"], "excludeTools": ["write"]},
            "narrow": {"command": "y", "excludeTools": ["a"]},
            "wide": {"command": "z", "excludeTools": ["write"]},
            "line": {"command": "w", "excludeTools": ["write"]}}}"#,
    );
    let shown = home.loom(&["import", "--dry-run", "--move"]);
    let said = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(said.contains("1 server would be changed in ~/.config/loom/registry.yaml"), "{said}");
    let output = home.loom(&["import", "--move"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for want in [
        "wide of gemini is left out: the registry has other tools of `wide` for gemini than it shows",
        "line of gemini is left out: its list of tools has no room at `line` of the registry",
        "which of its tools gemini shows becomes `targets.gemini` there",
    ] {
        assert!(said.contains(want), "{want}: {said}");
    }
    let made = registry(&home);
    assert!(
        made.contains("enabled_tools: [\"read\"]") && made.contains("disabled_tools: [\"write\"]"),
        "{made}"
    );
    let left = text(&home, ".gemini/settings.json");
    assert!(left.contains("wide") && left.contains("line"), "{left}");
    assert!(!left.contains("shown") && !left.contains("narrow"), "{left}");
}

#[test]
fn what_is_switched_off_somewhere_is_not_moved_into_something_else() {
    let home = TestHome::new();
    home.registry("version: 1\nservers:\n  - name: off\n    disabled: true\n    common: { command: x }\n");
    let cursor = r#"{"mcpServers": {"off": {"command": "x"}, "half": {"command": "y"}}}"#;
    let claude = r#"{"mcpServers": {"half": {"command": "y", "disabled": true}, "mine": {"command": "x", "disabled": true}}}"#;
    put(&home, ".cursor/mcp.json", cursor);
    put(&home, ".claude.json", claude);
    let output = home.loom(&["import", "--move"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for want in [
        "off of cursor is left out: `off` of the registry is the same, and disabled: loom enable off",
        "claude has it switched off: its entry there stays",
    ] {
        assert!(said.contains(want), "{want}: {said}");
    }
    let (cursor, claude) = (text(&home, ".cursor/mcp.json"), text(&home, ".claude.json"));
    assert!(cursor.contains("off") && !cursor.contains("half"), "{cursor}");
    assert!(claude.contains("half") && !claude.contains("mine"), "off here and there: {claude}");
}

#[test]
fn moved_secrets_stay_for_an_undo_until_that_run_is_forgotten() {
    let home = home();
    let history = home.config_dir().join("state/sync/history");
    let said = String::from_utf8_lossy(&home.loom(&["import", "--move"]).stdout).into_owned();
    assert!(said.contains("until `loom sync history --forget 1`\n"), "{said}");
    assert!(!with(&history, SECRETS[0]).is_empty(), "for an undo");
    for words in [
        &["sync", "history", "--forget", "7"][..],
        &["sync", "history", "--forget", "1,x"],
        &["sync", "codex", "--forget", "1"],
        &["sync", "history", "--forget", "1", "--undo"],
    ] {
        assert_eq!(home.loom(words).status.code(), Some(2), "{words:?}");
    }
    let said = home.loom_ok(&["sync", "history", "--forget", "1"]);
    assert!(said.contains("run 1 is forgotten") && said.contains("cannot be undone"), "{said}");
    for secret in SECRETS {
        let found = with(&home.config_dir(), secret);
        assert!(found.is_empty(), "{secret}: {found:?}");
    }
    assert_eq!(home.loom(&["sync", "--undo"]).status.code(), Some(2));
}

#[test]
fn a_move_without_secrets_says_nothing_of_them_and_earlier_runs_are_named_too() {
    let home = home();
    let said = home.loom_ok(&["import", "--from", "gemini", "--move"]);
    assert!(!said.contains("--forget"), "{said}");
    home.loom_ok(&["sync", "claude"]);
    let said = home.loom_json(&["import", "--from", "claude", "--move", "--json"]);
    assert_eq!(
        (&said["moved"]["run"], &said["moved"]["runs_with_secrets"]),
        (&3.into(), &serde_json::json!([3, 2]))
    );
    let said = home.loom_json(&["sync", "history", "--forget", "2,3", "--json"]);
    assert_eq!(said["forgotten"], serde_json::json!([2, 3]));
    assert!(with(&home.config_dir(), SECRETS[0]).is_empty());
}
