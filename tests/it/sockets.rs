//! Where the daemon listens: a path that is too long, a place that is taken, a port that is busy.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::home::{TestHome, wait_until};

/// What the system allows for the path of a socket, in bytes.
const PATH_MAX: usize = if cfg!(target_os = "macos") { 103 } else { 107 };

#[test]
fn a_socket_path_that_is_too_long_is_named_with_both_lengths() {
    let mut home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let path = format!("/tmp/{}.sock", "long".repeat(30));
    home.set_env("LOOM_SOCKET", &path);
    for args in [&["start"][..], &["proxy"], &["daemon"], &["status"], &["tools", "list"], &["stop"]] {
        let output = home.loom(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{args:?}: {said}");
        assert!(said.contains(&format!("{} bytes", path.len())), "{args:?}: {said}");
        assert!(said.contains(&PATH_MAX.to_string()), "{args:?}: {said}");
        assert!(said.contains("hint:"), "{args:?}: {said}");
    }
    home.set_env("LOOM_SOCKET", "");
}

#[test]
fn a_second_daemon_names_the_first() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    home.loom_ok(&["start"]);
    let pid = home.daemon_pid().expect("a daemon runs");
    let elsewhere = home.path().join("s").display().to_string();
    for args in [&["daemon"][..], &["daemon", "--socket", &elsewhere]] {
        let output = home.loom(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{args:?}: {said}");
        assert!(said.contains(&format!("pid {pid}")), "{args:?}: {said}");
        assert!(said.contains("started by loom start"), "{args:?}: {said}");
    }
    assert_eq!(home.daemon_pid(), Some(pid), "the first daemon goes on");
    let mut client = home.client();
    assert_eq!(client.call_text("echo__echo", json!({"message": "x"})), "x");
}

#[test]
fn many_who_start_at_once_get_one_daemon() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut clients: Vec<_> = (0..8).map(|_| home.proxy(&[])).collect();
    for client in &mut clients {
        client.initialize();
        assert_eq!(client.call_text("echo__echo", json!({"message": "x"})), "x");
    }
    assert_eq!(home.status()["clients"].as_array().map(Vec::len), Some(8));
}

#[test]
fn a_busy_port_is_said_and_the_socket_works() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("it is bound").to_string();
    for (addr, why) in [(addr.as_str(), "in use"), ("0.0.0.0:0", "loopback")] {
        let mut home = TestHome::new();
        home.set_env("LOOM_METRICS_ADDR", addr);
        home.echo_registry(&[("echo", "", "")]);
        home.loom_ok(&["start"]);
        let mut client = home.client();
        assert_eq!(client.call_text("echo__echo", json!({"message": "x"})), "x");
        let mut metrics = Value::Null;
        let said = wait_until(Duration::from_secs(10), || {
            metrics = home.status()["metrics"].take();
            metrics["error"].is_string()
        });
        assert!(said, "{addr}: {metrics}");
        assert_eq!(metrics["listening"], false, "{metrics}");
        let error = metrics["error"].as_str().unwrap_or_default();
        assert!(error.contains(addr) && error.contains(why), "{addr}: {error}");
        assert!(home.loom_ok(&["status"]).contains(why), "a person sees it too");
    }
}

#[test]
fn a_socket_elsewhere_serves_who_is_told() {
    let mut home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let elsewhere = home.path().join("other.sock");
    home.set_env("LOOM_SOCKET", elsewhere.as_os_str());
    home.loom_ok(&["start"]);
    let mut client = home.client();
    assert_eq!(client.call_text("echo__echo", json!({"message": "x"})), "x");
    assert_eq!(home.status()["socket"], json!(elsewhere));
    assert!(!home.config_dir().join("loom.sock").exists());
}

#[test]
fn a_file_where_the_socket_would_be_stays_as_it_is() {
    let mut home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let path = home.path().join("precious");
    fs::write(&path, "mine").expect("the home can be written");
    home.set_env("LOOM_SOCKET", &path);
    let output = home.loom(&["start"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("precious") && said.contains("another file is there"), "{said}");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "mine");
    home.set_env("LOOM_SOCKET", "");
}
