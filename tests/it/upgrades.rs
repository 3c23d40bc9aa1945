//! A new loom under connected clients, as `make dev-upgrade` and `make dev-reload` bring it, and the end of it all.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, loom_binary, wait_until};

const PROXIES: usize = 20;
const SECOND: Duration = Duration::from_secs(1);

/// A loom that is another file than the one before, and does the same.
fn build(home: &TestHome, number: usize) -> PathBuf {
    let path = home.path().join("built");
    fs::copy(loom_binary(), &path).expect("the home can be written");
    let mut file = fs::File::options().append(true).open(&path).expect("it was just made");
    file.write_all(format!("build {number}").as_bytes()).expect("the home can be written");
    path
}

fn script(home: &TestHome, name: &str, args: &[&str]) -> Output {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
    home.finish(home.command(path).args(args))
}

fn installed(home: &TestHome) -> PathBuf {
    home.path().join(".local/bin/loom")
}

fn install(home: &TestHome) {
    let output = script(home, "install.sh", &[&build(home, 0).to_string_lossy()]);
    assert!(output.status.success(), "{output:?}");
}

fn upgrade(home: &TestHome, number: usize, how: &str) -> Output {
    script(home, "upgrade.sh", &[&build(home, number).to_string_lossy(), how])
}

fn client(home: &TestHome) -> Client {
    let mut client = Client::spawn(home.command(installed(home)).arg("proxy"));
    client.initialize();
    client
}

/// Whether the daemon runs the installed file.
fn is_current(home: &TestHome) -> bool {
    let pid = home.daemon_pid().expect("a daemon runs");
    fs::read_link(format!("/proc/{pid}/exe")).expect("it lives") == installed(home)
}

#[test]
fn an_upgrade_waits_for_twenty_busy_proxies() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    fs::create_dir(home.path().join(".codex")).expect("a fresh home");
    install(&home);
    home.loom_ok(&["start"]);
    let before = home.daemon_pid();
    let mut clients: Vec<Client> = (0..PROXIES).map(|_| client(&home)).collect();
    let open: Vec<u64> = clients.iter_mut().map(|client| client.begin_sleep("echo", 4_000)).collect();
    let began = Instant::now();
    let output = thread::scope(|scope| {
        let upgrade = scope.spawn(|| upgrade(&home, 1, "when-idle"));
        for (client, id) in clients.iter_mut().zip(&open) {
            assert_eq!(client.text(*id), "slept 4000 ms");
        }
        upgrade.join().expect("it does not panic")
    });
    assert!(output.status.success() && began.elapsed() > SECOND * 3, "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("restarted loomd") && said.contains("loom proxy answers"), "{said}");
    assert!(home.daemon_pid() != before && is_current(&home), "{said}");
    assert!(installed(&home).with_file_name("loom.prev").exists());
    let codex = fs::read_to_string(home.path().join(".codex/config.toml")).expect("it was synced");
    assert!(codex.contains(&installed(&home).display().to_string()), "{codex}");
    for client in &mut clients {
        assert_eq!(client.call_text("echo__echo", json!({"message": "on"})), "on");
    }
}

#[test]
fn a_busy_daemon_is_left_and_a_forced_one_answers_every_open_call() {
    let mut home = TestHome::new();
    home.set_env("LOOM_DRAIN_TIMEOUT", "1s");
    home.set_env("UPGRADE_WAIT", "300ms");
    home.echo_registry(&[("echo", "", "")]);
    install(&home);
    home.loom_ok(&["start"]);
    let before = home.daemon_pid();
    let mut clients: Vec<Client> = (0..PROXIES).map(|_| client(&home)).collect();
    let long: Vec<u64> = clients.iter_mut().map(|client| client.begin_sleep("echo", 60_000)).collect();
    assert!(wait_until(SECOND * 10, || home.status()["active_calls"] == json!(PROXIES)));
    assert_eq!(home.status()["drain_ready"], false);
    let output = upgrade(&home, 1, "when-idle");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("20 calls open now") && said.contains("make dev-reload"), "{said}");
    assert!(home.daemon_pid() == before && !is_current(&home));
    assert_eq!(home.status()["active_calls"], json!(PROXIES), "nothing was cut off");

    let output = upgrade(&home, 2, "now");
    assert!(output.status.success(), "{output:?}");
    for (client, id) in clients.iter_mut().zip(long) {
        assert_eq!(client.failure_name(id), "SERVER_GONE");
        assert_eq!(client.call_text("echo__echo", json!({"message": "on"})), "on");
    }
    assert!(home.daemon_pid() != before && is_current(&home));
}

/// What upgrades could leave behind: processes, descriptors of proxies and daemon, files beside their own.
fn litter(home: &TestHome, clients: &[Client]) -> (usize, Vec<usize>, BTreeSet<PathBuf>) {
    let daemon = home.daemon_pid().expect("a daemon runs");
    let pids = clients.iter().map(Client::pid).chain([daemon]);
    let descriptors =
        pids.map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").count()).collect();
    let mut files = BTreeSet::new();
    for folder in [
        ".local/bin",
        ".config/loom",
        ".config/loom/state",
        ".config/loom/state/catalog",
        ".config/loom/logs",
    ] {
        let entries = fs::read_dir(home.path().join(folder)).into_iter().flatten().flatten();
        files.extend(entries.map(|entry| entry.path()));
    }
    (home.processes().len(), descriptors, files)
}

/// `UPGRADES=100` makes it a hundred.
#[test]
#[cfg(target_os = "linux")]
fn many_upgrades_leave_nothing_behind() {
    let rounds = std::env::var("UPGRADES").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    install(&home);
    home.loom_ok(&["start"]);
    let mut clients: Vec<Client> = (0..3).map(|_| client(&home)).collect();
    let mut first = None;
    for round in 1..=rounds {
        let how = if round % 2 == 0 { "now" } else { "when-idle" };
        let output = upgrade(&home, round, how);
        assert!(output.status.success(), "round {round}: {output:?}");
        for client in &mut clients {
            assert_eq!(client.call_text("echo__echo", json!({"message": "on"})), "on", "round {round}");
        }
        // The command before this has left a connection that the daemon has yet to close.
        let wanted = first.get_or_insert_with(|| litter(&home, &clients)).clone();
        assert!(
            wait_until(SECOND * 5, || litter(&home, &clients) == wanted),
            "round {round}: {:?}, {wanted:?}",
            litter(&home, &clients)
        );
    }
}

/// As loom 0.1.0 said it, before there was any other.
const OLD_HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"loom/hello","params":{"protocol":1,"version":"0.0.9","role":"proxy","agent_hint":"claude","cwd":"/","git_top":null,"pid":1,"profile":null,"max_tools":null,"page_size":100,"max_result_bytes":null,"of_another_time":[]}}"#;

#[test]
fn a_proxy_of_another_version_is_served() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    home.loom_ok(&["start"]);
    let mut stream = UnixStream::connect(home.config_dir().join("loom.sock")).expect("a daemon serves");
    stream.set_read_timeout(Some(SECOND * 20)).expect("a socket has timeouts");
    let initialize = json!({"jsonrpc": "2.0", "id": 2, "method": "initialize", "params":
        {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}});
    let call = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params":
        {"name": "echo__echo", "arguments": {"message": "still"}}});
    stream.write_all(format!("{OLD_HELLO}\n{initialize}\n{call}\n").as_bytes()).expect("the daemon reads");
    let mut said = String::new();
    let mut chunk = [0; 4096];
    while !said.contains("\"still\"") {
        let count = stream.read(&mut chunk).expect("an answer in time");
        assert!(count > 0, "{said}");
        said.push_str(&String::from_utf8_lossy(&chunk[..count]));
    }
    let greeting: Value = serde_json::from_str(said.lines().next().expect("a line")).expect("JSON");
    assert_eq!(greeting["result"]["protocol"], 1, "{greeting}");
    assert_eq!(home.status()["clients"][0]["version"], "0.0.9");
}

/// Every file below the home, without what a test itself has put there.
fn files(home: &TestHome) -> BTreeSet<String> {
    let output = home.finish(Command::new("find").args([".", "-not", "-type", "d"]).current_dir(home.path()));
    let text = String::from_utf8(output.stdout).expect("our own names");
    text.lines().filter(|line| *line != "./built").map(str::to_owned).collect()
}

#[test]
fn an_uninstalled_loom_leaves_the_users_own() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    fs::create_dir(home.path().join(".codex")).expect("a fresh home");
    fs::write(home.path().join(".codex/config.toml"), "# mine\n").expect("a fresh home");
    install(&home);
    home.loom_ok(&["start"]);
    let set = "printf x | \"$0\" secrets set K --from-stdin --backend file";
    let kept = home.finish(home.command("sh").args(["-c", set, loom_binary()]));
    assert!(kept.status.success(), "{kept:?}");
    home.loom_ok(&["sync", "all"]);
    let mut client = client(&home);
    assert_eq!(client.call_text("echo__echo", json!({"message": "x"})), "x");

    let output = script(&home, "uninstall.sh", &[]);
    assert!(output.status.success(), "{output:?}");
    assert!(wait_until(SECOND * 5, || home.processes().is_empty()), "{:?} {output:?}", home.processes());
    while client.recv_line().is_some() {}
    let yours = [
        "./.codex/config.toml",
        "./.config/loom/registry.yaml",
        "./.config/loom/secrets.enc",
        "./.local/share/loom/secrets.key",
    ];
    assert_eq!(files(&home), yours.map(str::to_owned).into(), "{output:?}");
    assert_eq!(fs::read_to_string(home.path().join(".codex/config.toml")).expect("it is kept"), "# mine\n");

    // As if it had never been away.
    install(&home);
    let found = home.finish(home.command(installed(&home)).args(["secrets", "get", "K", "--reveal"]));
    assert_eq!(String::from_utf8_lossy(&found.stdout).trim(), "x", "{found:?}");
    home.loom_ok(&["start"]);
    let output = script(&home, "uninstall.sh", &["--purge"]);
    assert!(output.status.success() && home.processes().is_empty(), "{output:?}");
    assert_eq!(files(&home), ["./.codex/config.toml".to_owned()].into(), "{output:?}");
    assert!(!home.config_dir().exists());
}

#[test]
fn a_client_file_that_cannot_be_read_keeps_everything_installed() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    fs::create_dir(home.path().join(".codex")).expect("a fresh home");
    install(&home);
    home.loom_ok(&["start"]);
    home.loom_ok(&["sync", "codex"]);
    fs::write(home.path().join(".codex/config.toml"), "[mcp_servers.loom\n")
        .expect("the home can be written");
    let output = script(&home, "uninstall.sh", &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(78) && said.contains("--keep-clients"), "{output:?}");
    assert!(installed(&home).exists() && home.daemon_pid().is_some());
    let output = script(&home, "uninstall.sh", &["--keep-clients"]);
    assert!(output.status.success() && !installed(&home).exists(), "{output:?}");
}
