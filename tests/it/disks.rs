//! A home on a disk that takes nothing: read-only, or full. Linux only: mounts of a process's own.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, loom_binary};

/// Nothing may wait for a disk that will not change.
const PROMPT: Duration = Duration::from_secs(20);

const READ_ONLY: &str = r#"mount --bind "$HOME" "$HOME" && mount -o remount,bind,ro "$HOME""#;
/// No byte can be written: files can be made, and stay empty.
const NO_BYTES: &str = r#"cp "$HOME/.config/loom/registry.yaml" "$HOME/kept"
mount -t tmpfs -o size=256k,mode=700 none "$HOME/.config/loom"
cp "$HOME/kept" "$HOME/.config/loom/registry.yaml"
cat /dev/zero > "$HOME/.config/loom/filler" 2> "$HOME/full"
test -s "$HOME/full""#;
/// No file can be made.
const NO_FILES: &str = r#"cp "$HOME/.config/loom/registry.yaml" "$HOME/kept"
mount -t tmpfs -o nr_inodes=6,mode=700 none "$HOME/.config/loom"
cp "$HOME/kept" "$HOME/.config/loom/registry.yaml"
for n in 1 2 3 4 5 6; do touch "$HOME/.config/loom/filler$n" 2> "$HOME/full"; done
test -s "$HOME/full""#;

/// `loom ARGS` with mounts of its own. `None`: this machine lets nobody mount, so there is nothing to test.
fn mounted(home: &TestHome, mount: &str, args: &[&str]) -> Option<Command> {
    let own = |script: &str| {
        let mut command = home.command("unshare");
        let root = rustix::process::geteuid().is_root();
        command.args(if root { &["-m"][..] } else { &["-r", "-m"] });
        command.args(["sh", "-c", script, loom_binary()]);
        command
    };
    let probe = home.finish(&mut own("mount -t tmpfs none \"$HOME\""));
    if !probe.status.success() {
        let why = String::from_utf8_lossy(&probe.stderr);
        assert!(why.contains("unshare") || why.contains("mount"), "{probe:?}");
        return None;
    }
    let mut command = own(&format!("{mount}\nexec \"$0\" \"$@\""));
    command.args(args);
    Some(command)
}

/// `loom ARGS` among the mounts of the process `pid`.
fn inside(home: &TestHome, pid: u32, script: &str) -> Output {
    let mut command = home.command("nsenter");
    command.args(["-t", &pid.to_string(), "-m"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["-U", "--preserve-credentials"]);
    }
    home.finish(command.args(["sh", "-c", script, loom_binary()]))
}

fn echo_home() -> TestHome {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    home
}

#[test]
fn a_read_only_home_is_named_by_every_command() {
    let home = echo_home();
    for args in [&["start"][..], &["tools", "list"], &["daemon"], &["restart"]] {
        let Some(mut command) = mounted(&home, READ_ONLY, args) else { return };
        let began = Instant::now();
        let output = home.finish(&mut command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{args:?}: {said}");
        assert_eq!(said.matches("error:").count(), 1, "{args:?}: {said}");
        assert!(said.contains("Read-only file system"), "{args:?}: {said}");
        assert!(said.contains(".config/loom"), "{args:?}: {said}");
        assert!(began.elapsed() < PROMPT, "{args:?}");
    }
    for args in [&["status"][..], &["registry", "which"]] {
        let Some(mut command) = mounted(&home, READ_ONLY, args) else { return };
        let output = home.finish(&mut command);
        assert!(matches!(output.status.code(), Some(0 | 3)), "only looks: {args:?}: {output:?}");
    }
    let Some(mut command) = mounted(&home, READ_ONLY, &["check"]) else { return };
    let output = home.finish(&mut command);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "it looks, and finds: {said}");
    assert!(said.contains("~/.config/loom: no file can be made in it"), "{said}");
    assert_eq!(home.daemon_pid(), None);
}

#[test]
fn a_proxy_in_a_read_only_home_answers_by_name() {
    let home = echo_home();
    let Some(mut command) = mounted(&home, READ_ONLY, &["proxy"]) else { return };
    let mut client = Client::spawn(&mut command);
    client.set_patience(PROMPT);
    client.initialize();
    for method in ["tools/list", "tools/call", "resources/read"] {
        let id = client.begin(method, json!({"name": "echo__echo", "uri": "loom://tools"}));
        let error = client.failure(id);
        let text = error["message"].as_str().unwrap_or_default();
        assert!(text.contains("Read-only file system"), "{method}: {error}");
    }
    assert_eq!(client.request("ping", json!({})), json!({}));
    assert!(client.close().success());
}

#[test]
fn calls_work_with_a_full_disk_and_no_file_is_half_written() {
    let home = echo_home();
    let Some(mut command) = mounted(&home, NO_BYTES, &["proxy"]) else { return };
    let mut client = Client::spawn(&mut command);
    client.initialize();
    assert_eq!(client.call_text("echo__echo", json!({"message": "x"})), "x");
    assert!(!client.tools().is_empty());
    let look = inside(&home, client.pid(), "\"$0\" status --json");
    let status: Value = serde_json::from_slice(&look.stdout).unwrap_or_else(|_| panic!("{look:?}"));
    assert_eq!(status["servers"][0]["state"], "ready", "{status}");
    assert_eq!(status["metrics"]["listening"], true, "{status}");
    let files = inside(&home, client.pid(), "find \"$HOME/.config/loom\" -name '*.json' -o -name '.loom-*'");
    assert_eq!(String::from_utf8_lossy(&files.stdout), "", "left on a full disk");

    let stop = inside(&home, client.pid(), "\"$0\" stop");
    let said = String::from_utf8_lossy(&stop.stderr);
    assert_eq!((stop.status.code(), said.matches("error:").count()), (Some(69), 1), "{stop:?}");
    assert!(said.contains("No space left on device"), "{said}");
    assert_eq!(client.call_text("echo__echo", json!({"message": "y"})), "y");
    let stop = inside(&home, client.pid(), "rm \"$HOME/.config/loom/filler\" && \"$0\" stop");
    assert!(stop.status.success(), "{stop:?}");
}

#[test]
fn a_disk_without_room_for_a_socket_is_named() {
    let home = echo_home();
    for args in [&["start"][..], &["tools", "list"]] {
        let Some(mut command) = mounted(&home, NO_FILES, args) else { return };
        let output = home.finish(&mut command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.matches("error:").count()), (Some(69), 1), "{args:?}: {said}");
        assert!(said.contains("No space left on device"), "{args:?}: {said}");
    }
    let Some(mut command) = mounted(&home, NO_FILES, &["proxy"]) else { return };
    let mut client = Client::spawn(&mut command);
    client.initialize();
    let id = client.begin_call("echo__echo", json!({"message": "x"}));
    let error = client.failure(id);
    assert!(error["message"].as_str().is_some_and(|text| text.contains("No space left")), "{error}");
    assert!(Path::new(&home.path().join("kept")).exists());
}
