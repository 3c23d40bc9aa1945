//! `loom sync` from outside, in homes full of other people's things.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::home::{TestHome, loom_binary};

/// Every client's file with comments, odd keys, tabs, CRLF and byte order marks of its user's.
const SEEDS: [(&str, &str); 16] = [
    (
        ".codex/config.toml",
        "# mine\r\nmodel = 'x' # odd\r\n[mcp_servers.mine]\r\ncommand = \"a\"\r\n[projects.\"/x\"]\r\ntrust_level = \"trusted\"",
    ),
    (".config/Code/User/mcp.json", "{\n\t// mine\n\t\"servers\": {\n\t},\n\t\"inputs\": [ ],\n}\n"),
    (
        ".config/kilo/kilo.jsonc",
        "\u{feff}{\r\n  \"mcp\": {\"mine\": {\"type\": \"local\", \"command\": [\"a\"]}} /* c */\r\n}\r\n",
    ),
    (
        ".claude.json",
        "{\n  \"numStartups\": 4,\n  \"mcpServers\": {\n    \"mine\": { \"command\":\"a\" }\n  },\n  \"projects\": {}\n}",
    ),
    (".claude/settings.json", "{\"permissions\":{\"allow\":[\"Bash(ls)\"]},\"hooks\":{\"Stop\":[]}}"),
    (".config/Claude/claude_desktop_config.json", "{}"),
    (".gemini/settings.json", "// mine\n{\n    \"ui\": { \"theme\": \"odd\" },\n}\n"),
    (".gemini/config/mcp_config.json", "{\n\t\"mcpServers\": {}\n}\n"),
    (".config/zed/settings.json", "// Zed\n//\n{\n  \"vim_mode\": true, // keep\n  // end\n}\n"),
    (".cursor/mcp.json", "{ \"mcpServers\": { \"mine\": { \"url\": \"https://h/\" } } }"),
    (".codeium/windsurf/mcp_config.json", "\n"),
    (
        ".config/opencode/opencode.json",
        "{\n  \"$schema\": \"https://opencode.ai/config.json\",\n  \"mcp\": {\n    \"mine\": { \"enabled\": false }\n  }\n}\n",
    ),
    (".copilot/mcp-config.json", "{\"mcpServers\": {\r\n}}"),
    (".qwen/settings.json", "{\n  \"$version\": 2, \"mcpServers\": {\"mine\": {\"command\": \"a\"},},\n}\n"),
    (
        ".config/amp/settings.json",
        "{\n  \"amp.url\": \"x\",\n  \"amp.mcpServers\": {\n    // none yet\n  }\n}\n",
    ),
    (
        ".continue/config.yaml",
        "# mine\nname: odd # name\nversion: 0.0.1\nschema: v1\nmcpServers:\n- name: mine\n  command: a\n# end\nmodels: []\n",
    ),
];

/// A home with all of them, one of them private and one a link.
fn seeded() -> TestHome {
    let home = TestHome::new();
    for (path, text) in SEEDS {
        put(&home.path().join(path), text);
    }
    let private = home.path().join(".claude.json");
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
    let (link, real) = (home.path().join(".config/zed/settings.json"), home.path().join("dotfiles/zed.json"));
    fs::create_dir_all(real.parent().unwrap()).unwrap();
    fs::rename(&link, &real).unwrap();
    symlink("../../dotfiles/zed.json", &link).unwrap();
    home.echo_registry(&[("echo", "", "always_allow: [\"*\"], env: { A: \"${env:VERY_SECRET}\" }")]);
    home
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn texts(home: &TestHome) -> Vec<String> {
    SEEDS.iter().map(|(path, _)| fs::read_to_string(home.path().join(path)).unwrap()).collect()
}

fn seeds() -> Vec<String> {
    SEEDS.iter().map(|(_, text)| (*text).to_owned()).collect()
}

/// Whether all of `seed` stands in `text`, in its order: something was added only.
fn is_within(seed: &str, text: &str) -> bool {
    let mut rest = text.chars();
    seed.chars().all(|wanted| rest.any(|found| found == wanted))
}

fn code(home: &TestHome, args: &[&str]) -> i32 {
    home.loom(args).status.code().unwrap()
}

fn inodes(home: &TestHome) -> Vec<u64> {
    SEEDS.iter().map(|(path, _)| fs::metadata(home.path().join(path)).unwrap().ino()).collect()
}

#[test]
fn every_client_is_configured_and_every_byte_comes_back() {
    let home = seeded();
    assert_eq!(code(&home, &["sync", "all", "--check"]), 1);
    assert_eq!(texts(&home), seeds(), "--check writes nothing");
    home.loom_ok(&["sync", "all", "--regen", "--loom-mode"]);
    let written = texts(&home);
    for (at, (path, seed)) in SEEDS.iter().enumerate() {
        assert!(written[at].contains("loom"), "{path}");
        assert!(is_within(seed, &written[at]), "{path}: {}", written[at]);
    }
    assert_eq!(home.loom_ok(&["sync", "all", "--check"]).matches("unchanged").count(), SEEDS.len());
    let before = inodes(&home);
    let said = home.loom_ok(&["sync", "all"]);
    assert!(said.ends_with("nothing was written\n"), "{said}");
    assert_eq!((texts(&home), inodes(&home)), (written, before));
    home.loom_ok(&["sync", "--undo"]);
    assert_eq!(texts(&home), seeds());
    let mode = |path: &str| fs::symlink_metadata(home.path().join(path)).unwrap();
    assert_eq!(mode(".claude.json").permissions().mode() & 0o777, 0o600);
    assert!(mode(".config/zed/settings.json").is_symlink());
}

#[test]
fn removal_leaves_what_others_wrote() {
    let home = seeded();
    home.loom_ok(&["sync", "all"]);
    home.loom_ok(&["sync", "all", "--remove"]);
    for (at, text) in texts(&home).iter().enumerate() {
        // A map that was empty may be so on one line, and a file of blanks has become one.
        let bare = |text: &str| text.split_whitespace().collect::<String>().replace("{}", "");
        assert_eq!(bare(text), bare(SEEDS[at].1), "{}", SEEDS[at].0);
    }
    let status = home.loom_json(&["sync", "status", "--json"]);
    assert_eq!(status["clients"]["codex"]["state"], "not configured");
}

#[test]
fn a_home_without_clients_gets_files_and_loses_them_again() {
    let home = TestHome::new();
    assert!(home.loom_ok(&["sync", "all"]).starts_with("no client was found on this machine"));
    home.loom_ok(&["sync", "all", "--all-targets"]);
    let files = |home: &TestHome| SEEDS.iter().filter(|(path, _)| home.path().join(path).exists()).count();
    assert_eq!(files(&home), SEEDS.len() - 1, "no permission is given, so no settings of claude are needed");
    assert_eq!(code(&home, &["sync", "all", "--check"]), 0);
    home.loom_ok(&["sync", "--undo"]);
    assert_eq!(files(&home), 0);
    let mut left: Vec<String> = fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [".config"]);
}

#[test]
fn an_edit_is_reported_kept_accepted_or_overwritten() {
    let home = seeded();
    home.loom_ok(&["sync", "codex", "claude"]);
    let path = home.path().join(".codex/config.toml");
    let written = fs::read_to_string(&path).unwrap();
    let edited = written.replace("tool_timeout_sec = 600", "tool_timeout_sec = 30");
    fs::write(&path, &edited).unwrap();
    for args in [&["sync", "all"][..], &["sync", "codex", "--check"]] {
        let output = home.loom(args);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("mcp_servers.loom.tool_timeout_sec was changed by you or the client, to 30"),
            "{said}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), edited);
    }
    home.loom_ok(&["sync", "codex", "--accept"]);
    home.loom_ok(&["sync", "codex", "--check"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), edited);
    home.loom_ok(&["sync", "codex", "--force"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
}

#[test]
fn a_deleted_entry_stays_deleted_until_told() {
    let home = seeded();
    home.loom_ok(&["sync", "cursor"]);
    let path = home.path().join(".cursor/mcp.json");
    let seed = SEEDS.iter().find(|(name, _)| *name == ".cursor/mcp.json").unwrap().1;
    fs::write(&path, seed).unwrap();
    let output = home.loom(&["sync", "cursor"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stdout)
            .contains("mcpServers.loom was taken out by you or the client")
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), seed);
    home.loom_ok(&["sync", "cursor", "--force"]);
    assert!(fs::read_to_string(&path).unwrap().contains("proxy"));
}

#[test]
fn a_file_that_is_broken_is_left_and_the_others_are_written() {
    let home = seeded();
    let path = home.path().join(".gemini/settings.json");
    fs::write(&path, "{\n  \"a\": 1,\n  \"b\" 2\n}").unwrap();
    let output = home.loom(&["sync", "all"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(
        said.contains("~/.gemini/settings.json:3:7: a colon is wanted here; the file was left alone"),
        "{said}"
    );
    assert!(fs::read_to_string(home.path().join(".codex/config.toml")).unwrap().contains("loom"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\n  \"a\": 1,\n  \"b\" 2\n}");
}

#[test]
fn a_diff_shows_no_secret_and_writes_nothing() {
    let home = seeded();
    let path = home.path().join(".codex/config.toml");
    fs::write(&path, "[mcp_servers.mine.env]\nTOKEN = \"hunter2hunter2\"\n").unwrap();
    let said = home.loom_ok(&["sync", "codex", "--dry-run"]);
    assert!(said.contains("+[mcp_servers.loom]") && said.contains("TOKEN = \"***\""), "{said}");
    assert!(!said.contains("hunter2"));
    assert!(!fs::read_to_string(&path).unwrap().contains("loom"));
}

#[test]
fn no_resolved_value_is_in_any_file() {
    let mut home = seeded();
    home.set_env("VERY_SECRET", "s3cr3t-value-of-mine");
    home.loom_ok(&["sync", "all", "--all-targets", "--regen"]);
    let with = files_below(home.path()).into_iter().filter(|path| {
        fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("s3cr3t-value"))
    });
    assert_eq!(with.collect::<Vec<_>>(), [""; 0].map(PathBuf::from));
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Killed at many moments: each file is old or new and whole, and the next run finishes the job.
#[test]
fn a_run_killed_anywhere_is_finished_by_the_next() {
    let home = seeded();
    home.loom_ok(&["sync", "all"]);
    let want = texts(&home);
    home.loom_ok(&["sync", "--undo"]);
    for step in 0..40 {
        let mut command = home.command(loom_binary());
        command.args(["sync", "all"]).stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        thread::sleep(Duration::from_micros(1_500 * step));
        child.kill().unwrap();
        child.wait().unwrap();
        for (at, text) in texts(&home).into_iter().enumerate() {
            assert!(text == want[at] || text == SEEDS[at].1, "{}: {text}", SEEDS[at].0);
        }
        home.loom_ok(&["sync", "all"]);
        assert_eq!(texts(&home), want, "killed at step {step}");
        while code(&home, &["sync", "--undo"]) == 0 {}
        assert_eq!(texts(&home), seeds(), "undone after step {step}");
    }
}

#[test]
fn a_sync_that_changes_nothing_is_quick() {
    let home = seeded();
    home.loom_ok(&["sync", "all"]);
    let times: Vec<Duration> = (0..5)
        .map(|_| {
            let began = Instant::now();
            home.loom_ok(&["sync", "all"]);
            began.elapsed()
        })
        .collect();
    // An unoptimized build on a busy machine; the release build takes a tenth of this.
    assert!(times.iter().min().unwrap() < &Duration::from_millis(150), "{times:?}");
}

#[test]
fn a_configured_path_and_a_socket_are_written_where_they_are_said_to_be() {
    let mut home = TestHome::new();
    fs::write(home.config_dir().join("config.toml"), "[clients]\ncodex = \"~/else/codex.toml\"\n").unwrap();
    let socket = home.path().join("s.sock");
    home.set_env("LOOM_SOCKET", socket.clone());
    home.loom_ok(&["sync", "codex"]);
    let text = fs::read_to_string(home.path().join("else/codex.toml")).unwrap();
    assert!(text.contains(&format!("\"--socket\", \"{}\"", socket.display())), "{text}");
}

#[test]
fn the_history_names_runs_and_any_of_them_can_be_undone() {
    let home = seeded();
    home.loom_ok(&["sync", "codex"]);
    home.loom_ok(&["sync", "amp", "qwen"]);
    let runs = home.loom_json(&["sync", "history", "--json"]);
    let whats: Vec<&str> = runs.as_array().unwrap().iter().map(|run| run["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["sync amp qwen", "sync codex"]);
    home.loom_ok(&["sync", "--undo", "1"]);
    assert!(!fs::read_to_string(home.path().join(".codex/config.toml")).unwrap().contains("loom"));
    assert!(fs::read_to_string(home.path().join(".qwen/settings.json")).unwrap().contains("loom"));
    assert_eq!(code(&home, &["sync", "--undo", "7"]), 2);
    let status: Value = home.loom_json(&["sync", "status", "--json"]);
    assert_eq!(status["clients"]["qwen"]["state"], "configured");
}

#[test]
fn generated_files_are_those_of_an_empty_home() {
    let home = TestHome::new();
    home.loom_ok(&["generate", "configs", "--target", "all", "--loom-mode"]);
    home.loom_ok(&["sync", "all", "--all-targets"]);
    for (path, _) in SEEDS.iter().filter(|(path, _)| *path != ".claude/settings.json") {
        let text = fs::read(home.path().join(path)).unwrap();
        let name = Path::new(path).file_name().unwrap();
        let generated = fs::read_dir(home.path().join("generated/mcp")).unwrap();
        let same = |dir: PathBuf| fs::read(dir.join(name)).is_ok_and(|other| other == text);
        assert!(generated.map(|entry| entry.unwrap().path()).any(same), "{path}");
    }
}

#[test]
fn words_that_name_no_client_are_refused() {
    let home = TestHome::new();
    for args in [
        &["sync"][..],
        &["sync", "codx"],
        &["sync", "codex", "--accept", "--force"],
        &["sync", "--undo", "x"],
    ] {
        assert_eq!(code(&home, args), 2, "{args:?}");
    }
}

#[test]
fn an_uninstall_that_cannot_read_a_file_writes_none() {
    let home = TestHome::new();
    let (codex, cursor) = (home.path().join(".codex/config.toml"), home.path().join(".cursor/mcp.json"));
    put(&codex, "a = 1\n");
    put(&cursor, "{}\n");
    home.loom_ok(&["sync", "all"]);
    let (written, whole) = (fs::read_to_string(&codex).unwrap(), fs::read_to_string(&cursor).unwrap());
    fs::write(&cursor, format!("{whole}}}\n")).unwrap();
    let refused = home.loom(&["uninstall"]);
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(refused.status.code() == Some(78) && said.contains("mcp.json:"), "{refused:?}");
    assert!(!said.contains("taken out"), "{said}");
    assert_eq!(fs::read_to_string(&codex).unwrap(), written);
    fs::write(&cursor, whole).unwrap();
    let said = home.loom_ok(&["uninstall"]);
    assert!(said.contains("taken out") && !said.contains("nothing was written"), "{said}");
    assert_eq!(fs::read_to_string(&codex).unwrap(), "a = 1\n");
}

#[test]
fn what_is_no_regular_file_is_named_and_nobody_waits_for_it() {
    let home = TestHome::new();
    let pipe = home.path().join(".codex/config.toml");
    fs::create_dir_all(pipe.parent().unwrap()).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let refused = home.loom(&["sync", "codex"]);
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(refused.status.code() == Some(78) && said.contains("not a regular file"), "{refused:?}");
}
