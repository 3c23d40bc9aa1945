//! `loom check`: planted faults are found, and what it proposes mends them.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::home::{TestHome, kill, loom_binary, wait_until};

/// The name of the check, and how to plant a fault that it must find.
type Fault = (&'static str, fn(&mut TestHome));

/// Each is planted into a healthy home of its own, found, and mended by the command that is proposed.
const MENDED: [Fault; 29] = [
    ("no_registry", |home| {
        fs::remove_file(home.config_dir().join("registry.yaml")).unwrap();
        put(&home.path().join(".cursor/mcp.json"), r#"{"mcpServers": {"mine": {"command": "sh"}}}"#);
    }),
    ("server_command", |home| registry(home, "  - name: gone\n    common: { command: no-such-program }\n")),
    ("server_command", |home| registry(home, "  - name: gone\n    common: { command: ./nothing }\n")),
    ("server_command", |home| {
        put(&home.config_dir().join("plain.sh"), "#!/bin/sh\n");
        registry(home, "  - name: gone\n    common: { command: ./plain.sh }\n");
    }),
    ("server_command", |home| {
        registry(home, "  - name: gone\n    optional: true\n    common: { command: no-such-program }\n");
    }),
    ("server_folder", |home| {
        let cwd = home.path().join("not here/yet");
        registry(home, &format!("  - name: far\n    common: {{ command: sh, cwd: {cwd:?} }}\n"));
    }),
    ("secrets", |home| {
        registry(
            home,
            "  - name: forge\n    common: { command: sh, env: { T: \"${secret:FORGE_TOKEN}\" } }\n",
        );
    }),
    ("secrets", |home| {
        registry(home, "  - name: forge\n    common: { command: sh, env: { T: \"${env:FORGE_TOKEN}\" } }\n");
    }),
    ("shell_only", |home| {
        registry(home, "  - name: forge\n    common: { command: sh, env: { T: \"${env:FORGE_TOKEN}\" } }\n");
        home.set_env("FORGE_TOKEN", "of-this-shell");
    }),
    ("client_sync", |home| put(&home.path().join(".codex/config.toml"), "model = \"x\"\n")),
    ("client_sync", |home| {
        put(&home.path().join(".cursor/mcp.json"), "{}\n");
        home.loom_ok(&["sync", "cursor"]);
        home.set_env("LOOM_SOCKET", home.path().join("other.sock"));
    }),
    ("client_drift", |home| edited(home, "\"command\"", "\"command\": \"/usr/bin/other\", \"was\"")),
    ("client_drift", |home| edited(home, "\"loom\"", "\"not-loom\"")),
    ("client_conflict", |home| {
        put(&home.path().join(".cursor/mcp.json"), "{\"mcpServers\": {\"loom\": {\"command\": \"mine\"}}}\n");
    }),
    ("plain_secrets", |home| {
        let server =
            r#"{"mcpServers": {"forge": {"command": "sh", "env": {"T": "ghp_abcdefghij0123456789"}}}}"#;
        put(&home.path().join(".cursor/mcp.json"), server);
    }),
    ("plain_secrets", |home| {
        let server = "[mcp_servers.forge]\ncommand = \"sh\"\nenv = { FORGE_TOKEN = \"s3cr3t-of-forge\" }\n";
        put(&home.path().join(".codex/config.toml"), server);
    }),
    ("client_drift", |home| {
        edited_in(home, "codex", ".codex/config.toml", "# mine\n", "command = ", "command = \"x\" # ");
    }),
    ("client_drift", |home| {
        let seed = "name: mine\nversion: 0.0.1\nschema: v1\n";
        edited_in(
            home,
            "continue",
            ".continue/config.yaml",
            seed,
            "connectionTimeout: 60000",
            "connectionTimeout: 1",
        );
    }),
    ("client_sync", |home| {
        let old = r#"{"mcpServers": {"loom": {"command": "/x/loom", "args": ["proxy"]}}}"#;
        put(&home.path().join(".gemini/antigravity/mcp_config.json"), old);
    }),
    ("client_file", |home| put(&home.path().join(".cursor/mcp.json"), "{ \"mcpServers\": ")),
    ("settings", |home| put(&home.config_dir().join("config.toml"), "list_wait = \"soon\"\n")),
    ("sync_unfinished", |home| {
        put(&home.path().join(".cursor/mcp.json"), "{}\n");
        home.loom_ok(&["sync", "cursor"]);
        broken_off(&home.config_dir().join("state/sync/history"));
    }),
    ("daemon", |home| {
        home.loom_ok(&["start"]);
        home.loom_ok(&["stop"]);
    }),
    ("socket", |home| drop(UnixListener::bind(home.config_dir().join("loom.sock")).unwrap())),
    ("file_modes", |home| {
        put(&home.config_dir().join("secrets.enc"), "");
        mode(&home.config_dir().join("secrets.enc"), 0o640);
    }),
    ("file_modes", |home| mode(&home.config_dir(), 0o755)),
    ("file_modes", |home| {
        put(&home.config_dir().join("config.toml"), "");
        mode(&home.config_dir().join("config.toml"), 0o644);
    }),
    ("log_size", |home| {
        let log = home.config_dir().join("logs/servers/echo.log");
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        mode(&home.config_dir().join("logs"), 0o700);
        File::create(&log).unwrap().set_len(65 << 20).unwrap();
    }),
    ("socket", |home| put(&home.config_dir().join("loom.sock"), "no socket")),
];

/// These concern a daemon, or need a person.
const FOUND: [Fault; 17] = [
    ("installed", |home| installed(home, &home.path().join("gone/loom"))),
    ("installed", |home| {
        let other = program(home, "loom");
        installed(home, &other);
    }),
    ("installed", |home| {
        let first = program(home, "loom");
        let path = format!("{}:{}", first.parent().unwrap().display(), std::env::var("PATH").unwrap());
        home.set_env("PATH", path);
        installed(home, Path::new(loom_binary()));
    }),
    ("settings", |home| put(&home.config_dir().join("config.toml"), "no_such_setting = 1\n")),
    ("plain_secrets", |home| cursor(home, r#""command": "sh", "args": ["--token", "s3cr3t-of-mine"]"#)),
    ("plain_secrets", |home| {
        cursor(home, r#""command": "sh", "envFile": "/e", "env": {"FORGE_TOKEN": "s3cr3t-of-mine"}"#);
    }),
    ("plain_secrets", |home| {
        let headers = r#""headers": {"Authorization": "Bearer s3cr3t-of-mine"}"#;
        cursor(home, &format!(r#""url": "https://h.example/", "auth": {{"CLIENT_ID": "a"}}, {headers}"#));
    }),
    ("no_registry", |home| fs::remove_file(home.config_dir().join("registry.yaml")).unwrap()),
    ("docker", |home| boxed(home, "unix:///nowhere/docker.sock")),
    ("kubeconfig", |home| {
        let kubectl = program(home, "kubectl");
        registry(home, &format!("  - name: cluster\n    common: {{ command: {kubectl:?} }}\n"));
    }),
    ("docker", |home| boxed(home, &format!("tcp://127.0.0.1:{CLOSED_PORT}"))),
    ("docker", |home| boxed(home, "nowhere")),
    ("kubeconfig", |home| cluster(home, "contexts: s3cr3t-of-mine\n")),
    ("kubernetes", |home| cluster(home, &kubeconfig(&format!("https://127.0.0.1:{CLOSED_PORT}")))),
    ("kubernetes", |home| cluster(home, &kubeconfig("nowhere://x"))),
    ("registry_reload", |home| {
        home.loom_ok(&["start"]);
        put(&home.config_dir().join("registry.yaml"), "servers: 7\n");
        home.loom(&["reload"]);
    }),
    ("metrics_port", |home| {
        // The listener is the test's, and lives as long as that.
        let taken = Box::leak(Box::new(TcpListener::bind("127.0.0.1:0").unwrap()));
        home.set_env("LOOM_METRICS_ADDR", taken.local_addr().unwrap().to_string());
    }),
];

fn registry(home: &TestHome, more: &str) {
    home.registry(&format!("version: 1\nservers:\n{more}"));
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A server of Cursor's own.
fn cursor(home: &TestHome, members: &str) {
    let text = format!("{{\"mcpServers\": {{\"forge\": {{{members}}}}}}}");
    put(&home.path().join(".cursor/mcp.json"), &text);
}

/// At which nobody listens; no program is given it by chance.
const CLOSED_PORT: u16 = 1;

fn kubeconfig(server: &str) -> String {
    format!(
        "current-context: mine\ncontexts: [{{ name: mine, context: {{ cluster: c, user: u }} }}]\n\
         clusters: [{{ name: c, cluster: {{ server: \"{server}\" }} }}]\n\
         users: [{{ name: u, user: {{ token: s3cr3t }} }}]\n"
    )
}

/// A server that works with the Docker engine at this address.
fn boxed(home: &mut TestHome, host: &str) {
    let docker = program(home, "docker");
    registry(home, &format!("  - name: boxed\n    common: {{ command: {docker:?} }}\n"));
    home.set_env("DOCKER_HOST", host);
}

/// A server that works with the cluster of this configuration.
fn cluster(home: &TestHome, config: &str) {
    let kubectl = program(home, "kubectl");
    registry(home, &format!("  - name: cluster\n    common: {{ command: {kubectl:?} }}\n"));
    put(&home.path().join(".kube/config"), config);
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A program that does nothing.
fn program(home: &TestHome, name: &str) -> PathBuf {
    let path = home.path().join("bin").join(name);
    put(&path, "#!/bin/sh\n");
    mode(&path, 0o755);
    path
}

/// What `make install-core` writes down.
fn installed(home: &TestHome, program: &Path) {
    let note = home.config_dir().join("state/binary");
    put(&note, &format!("{}\n", program.display()));
}

/// Cursor's file as sync wrote it, with one thing changed.
fn edited(home: &mut TestHome, from: &str, to: &str) {
    edited_in(home, "cursor", ".cursor/mcp.json", "{}\n", from, to);
}

/// A client's file as sync wrote it, with one thing changed.
fn edited_in(home: &TestHome, client: &str, file: &str, seed: &str, from: &str, to: &str) {
    let file = home.path().join(file);
    put(&file, seed);
    home.loom_ok(&["sync", client]);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&file, text.replacen(from, to, 1)).unwrap();
}

/// The only run of a history, as if it had died in the middle.
fn broken_off(history: &Path) {
    let files = files_below(history);
    let done = |path: &&PathBuf| fs::read_to_string(path).is_ok_and(|text| text.contains("\"done\""));
    let run = files.iter().find(done).unwrap_or_else(|| panic!("{files:?}"));
    let text = fs::read_to_string(run).unwrap();
    fs::write(run, text.replacen("\"done\"", "\"writing\"", 1)).unwrap();
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Nothing is wrong with it.
fn healthy() -> TestHome {
    let home = TestHome::new();
    registry(&home, "  - name: shell\n    common: { command: sh }\n");
    mode(&home.config_dir(), 0o700);
    home
}

fn checks(home: &TestHome) -> Vec<Value> {
    let output = home.loom(&["check", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let checks = report["checks"].as_array().unwrap().clone();
    let errors = checks.iter().any(|check| check["severity"] == "error");
    if report["ok"] == false {
        assert_eq!(output.status.code(), Some(1), "{report:#}");
    } else {
        assert!(!errors && output.status.success(), "{report:#}");
    }
    checks
}

fn named<'a>(checks: &'a [Value], name: &str) -> Option<&'a Value> {
    checks.iter().find(|check| check["name"] == name)
}

/// Types the proposed command into a shell.
fn follow(home: &TestHome, fix: &str) {
    let folder = Path::new(loom_binary()).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    // There is no terminal that would ask for a value.
    let typed = if fix.starts_with("loom secrets set") { " --from-stdin <<<typed" } else { "" };
    let mut shell = home.command("bash");
    shell.args(["-c", &format!("{fix}{typed}")]).env("PATH", format!("{}:{path}", folder.display()));
    let output = home.finish(&mut shell);
    assert!(output.status.success(), "{fix}: {output:?}");
}

#[test]
fn a_healthy_home_has_no_findings() {
    let home = healthy();
    assert_eq!(checks(&home), [Value::Null; 0]);
    home.loom_ok(&["start"]);
    assert_eq!(checks(&home), [Value::Null; 0]);
    let said = home.loom_ok(&["check"]);
    assert!(said.ends_with("no errors\n"), "{said}");
}

#[test]
fn an_engine_that_answers_is_no_finding() {
    let mut home = healthy();
    let engine = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = engine.local_addr().unwrap().port();
    cluster(&home, &kubeconfig(&format!("127.0.0.1:{port}")));
    assert_eq!(checks(&home), [Value::Null; 0]);
    boxed(&mut home, &format!("tcp://127.0.0.1:{port}"));
    assert_eq!(checks(&home), [Value::Null; 0]);
}

#[test]
fn what_is_proposed_mends_each_fault() {
    for (at, (name, plant)) in MENDED.into_iter().enumerate() {
        let mut home = healthy();
        plant(&mut home);
        let before = checks(&home);
        let found = named(&before, name).unwrap_or_else(|| panic!("{at}: no {name}: {before:#?}"));
        follow(&home, found["fix"].as_str().unwrap_or_else(|| panic!("{at}: no fix: {found:#}")));
        let after = checks(&home);
        assert_eq!(named(&after, name), None, "{at}: {name}, after {}", found["fix"]);
        home.set_env("LOOM_SOCKET", "");
    }
}

#[test]
fn what_only_a_person_can_mend_is_found_and_explained() {
    for (at, (name, plant)) in FOUND.into_iter().enumerate() {
        let mut home = healthy();
        plant(&mut home);
        let found = checks(&home);
        let found = named(&found, name).unwrap_or_else(|| panic!("{at}: no {name}: {found:#?}"));
        assert!(found["message"].as_str().is_some_and(|text| text.len() > 10), "{at}: {found:#}");
        assert!(!found.to_string().contains("s3cr3t"), "{at}: {found:#}");
        home.set_env("LOOM_METRICS_ADDR", "");
        fs::remove_file(home.config_dir().join("config.toml")).unwrap_or_default();
    }
}

#[test]
fn safe_fixes_are_run_when_asked_for() {
    let home = healthy();
    home.loom_ok(&["start"]);
    let daemon = home.daemon_pid().unwrap();
    assert!(kill(daemon) && wait_until(Duration::from_secs(10), || home.daemon_pid().is_none()));
    let socket = home.config_dir().join("loom.sock");
    fs::remove_file(&socket).unwrap_or_default();
    drop(UnixListener::bind(&socket).unwrap());
    mode(&home.config_dir(), 0o755);
    let said = home.loom_ok(&["check", "--fix"]);
    for fixed in ["chmod 700", "loom start"] {
        assert!(said.contains(&format!("fixed     {fixed}")), "{said}");
    }
    assert_eq!(checks(&home), [Value::Null; 0]);
    assert!(home.daemon_pid().is_some());
}

#[test]
fn fifty_servers_are_checked_at_once() {
    let home = healthy();
    let server = |n: usize| format!("  - name: s{n}\n    common: {{ command: sh, args: [\"-c\", \"x\"] }}\n");
    registry(&home, &(0..50).map(server).collect::<String>());
    let began = Instant::now();
    assert_eq!(checks(&home), [Value::Null; 0]);
    // No figure of the product's: that is in `make bench`. Only that nothing is started and waited for.
    assert!(began.elapsed() < Duration::from_secs(5));
}
