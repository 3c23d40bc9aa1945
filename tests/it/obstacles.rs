//! What is not what it should be where loom's own files and folders are: named at once, and never waited for.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::home::TestHome;

const IRREGULAR: &str = "it is not a regular file";
const CONFIG: &str = ".config/loom/config.toml";

fn fifo(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn folder(path: &Path) {
    fs::create_dir_all(path).unwrap();
}

fn endless(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink("/dev/zero", path).unwrap();
}

fn empty(path: &Path) {
    fs::write(path, "").unwrap();
}

fn home() -> TestHome {
    let home = TestHome::new();
    home.echo_registry(&[]);
    home
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn refused(home: &TestHome, args: &[&str], code: i32, what: &str) {
    let output = home.loom(args);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    assert!(text.contains(what), "{args:?}: {what}: {text}");
}

#[test]
fn settings_that_are_no_file_are_refused_by_every_command() {
    for plant in [fifo, endless, folder] {
        let home = home();
        plant(&home.path().join(CONFIG));
        for args in [&["status"][..], &["start"], &["secrets", "list"], &["check", "--settings"]] {
            refused(&home, args, 78, IRREGULAR);
        }
        refused(&home, &["check"], 1, IRREGULAR);
        let stopped = home.loom(&["stop"]);
        assert!(stopped.status.success() && said(&stopped).contains(IRREGULAR), "{stopped:?}");
        assert!(said(&home.loom(&["proxy"])).contains(IRREGULAR));
    }
}

#[test]
fn secrets_that_are_no_file_are_refused() {
    for plant in [fifo, endless, folder] {
        let home = home();
        plant(&home.config_dir().join("secrets.enc"));
        refused(&home, &["secrets", "list"], 78, IRREGULAR);
        refused(&home, &["secrets", "set", "A", "--backend", "file", "--from-stdin"], 2, "");
        refused(&home, &["secrets", "doctor"], 1, IRREGULAR);
        refused(&home, &["check"], 1, "secrets.enc: a regular file is to be here");
        let given = home.path().join("given");
        plant(&given);
        refused(&home, &["secrets", "import", given.to_str().unwrap()], 78, IRREGULAR);
    }
}

#[test]
fn a_key_that_is_no_file_is_refused() {
    for plant in [fifo, endless, folder] {
        let home = home();
        plant(&home.path().join(".local/share/loom/secrets.key"));
        let given = home.path().join("given");
        fs::write(&given, "A_TOKEN=value\n").unwrap();
        let args = ["secrets", "import", given.to_str().unwrap(), "--backend", "file"];
        refused(&home, &args, 78, IRREGULAR);
        refused(&home, &["secrets", "doctor"], 1, IRREGULAR);
        refused(&home, &["check"], 1, "secrets.key: a regular file is to be here");
    }
}

/// Where something is, what it is, how `loom start` ends, and what `loom check` says of it.
type Obstacle = (&'static str, fn(&Path), i32, &'static str);

const OBSTACLES: [Obstacle; 7] = [
    ("logs/daemon.log", fifo, 78, "logs/daemon.log: the daemon cannot write this log"),
    ("logs/daemon.log", folder, 78, "logs/daemon.log: the daemon cannot write this log"),
    ("logs/daemon.err", fifo, 78, "logs/daemon.err: the daemon cannot write this log"),
    ("logs/daemon.err", folder, 78, "logs/daemon.err: the daemon cannot write this log"),
    ("logs", empty, 69, "loom/logs: a folder is to be here"),
    ("loomd.lock", folder, 69, "loomd.lock: a regular file is to be here"),
    ("loomd.lock", fifo, 69, "loomd.lock: a regular file is to be here"),
];

#[test]
fn what_keeps_a_daemon_from_starting_is_named_by_check_and_goes_by_its_fix() {
    for (place, plant, code, told) in OBSTACLES {
        let home = home();
        let path = home.config_dir().join(place);
        plant(&path);
        refused(&home, &["start"], code, path.to_str().unwrap());
        refused(&home, &["check"], 1, told);
        let checks = home.loom_json(&["check", "--json"]);
        let checks = checks["checks"].as_array().unwrap();
        let fix = checks.iter().find(|check| check["name"] == "places").unwrap()["fix"].as_str().unwrap();
        assert!(home.finish(home.command("sh").args(["-c", fix])).status.success(), "{fix}");
        home.loom_ok(&["start"]);
    }
}

#[test]
fn a_socket_where_nothing_can_be_made_is_named_by_check() {
    let mut home = home();
    home.set_env("LOOM_SOCKET", home.path().join("none/loom.sock"));
    refused(&home, &["check"], 1, "~/none: the daemon is to listen in this folder, which is not there");
    if cfg!(target_os = "linux") {
        home.set_env("LOOM_SOCKET", "/proc/x");
        refused(&home, &["start"], 69, "/proc/x");
        refused(&home, &["check"], 1, "/proc: no file can be made in it");
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux has a /proc")]
fn a_folder_in_which_nothing_can_be_made_is_named_by_check() {
    let home = home();
    symlink("/proc", home.config_dir().join("logs")).unwrap();
    refused(&home, &["check"], 1, "~/.config/loom/logs: no file can be made in it");
}

#[test]
fn a_log_that_would_be_silent_is_refused() {
    let mut home = home();
    fs::write(home.path().join(CONFIG), "log = \"nonsense\"\n").unwrap();
    refused(&home, &["start"], 78, "config.toml:1:7: log: `nonsense` is no level; write `off`, `error`");
    home.set_env("LOOM_LOG", "inf0");
    refused(&home, &["start"], 78, "LOOM_LOG: log: `inf0` is no level");
    home.set_env("LOOM_LOG", "info,loom::upstream=debug");
    home.loom_ok(&["start"]);
}

#[test]
fn a_variable_that_is_no_text_is_refused() {
    for name in ["LOOM_LOG", "LOOM_PASSPHRASE"] {
        let mut home = home();
        home.set_env(name, OsString::from_vec(vec![b'a', 0xff]));
        for args in [&["start"][..], &["secrets", "list"], &["check", "--settings"]] {
            refused(&home, args, 78, &format!("{name}: not UTF-8 text"));
        }
        refused(&home, &["check"], 1, &format!("{name}: not UTF-8 text"));
    }
}

#[test]
fn a_setting_is_shown_within_its_bounds() {
    let home = home();
    fs::write(home.path().join(CONFIG), "[proxy]\ntool_page_size = 3\n").unwrap();
    let shown = home.loom_ok(&["check", "--settings"]);
    assert!(shown.contains("proxy.tool_page_size = 10  (config.toml)"), "{shown}");
}

#[test]
fn many_starts_at_once_all_succeed() {
    let home = home();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| home.loom_ok(&["start"]));
        }
    });
}
