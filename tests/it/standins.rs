//! A proxy whose daemon the test plays: one that is stuck, one that answers at the last moment, one that closes on what
//! it is told.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::home::{TestHome, loom_binary, terminate, wait_until};

const SECOND: Duration = Duration::from_secs(1);

/// A home in which nobody serves the socket but the test.
struct Stage {
    home: TestHome,
    listener: UnixListener,
}

/// `loom proxy` with ends that nobody reads or writes unasked. Killed on drop.
struct Proxy {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
}

/// The daemon's end of a connection.
struct Daemon {
    lines: BufReader<UnixStream>,
}

impl Stage {
    fn new() -> Self {
        let home = TestHome::new();
        let listener = UnixListener::bind(home.config_dir().join("loom.sock")).expect("a fresh home");
        Stage { home, listener }
    }

    fn proxy(&self) -> Proxy {
        let mut command = self.home.command(loom_binary());
        command.arg("proxy").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("loom can be run");
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Proxy { child, stdin, stdout }
    }

    /// Takes the proxy in, up to the greeting.
    fn daemon(&self) -> Daemon {
        let (stream, _) = self.listener.accept().expect("a proxy comes");
        stream.set_read_timeout(Some(SECOND * 20)).expect("a socket");
        let mut daemon = Daemon { lines: BufReader::new(stream) };
        let hello = daemon.hear();
        let greeting = json!({"protocol": 1, "version": "0", "pid": 1, "epoch": 1});
        daemon.say(&json!({"jsonrpc": "2.0", "id": hello["id"], "result": greeting}).to_string());
        daemon
    }

    /// At its end a home looks for its daemon and for processes that are left: there must be none.
    fn end(self, proxy: Proxy) {
        drop(proxy);
        drop(self.listener);
        std::fs::remove_file(self.home.config_dir().join("loom.sock")).expect("the socket is there");
    }
}

impl Proxy {
    fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin was not closed");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("the proxy reads its stdin");
    }

    /// Sends calls until the proxy takes no more: all the way to the daemon is full.
    fn fill(&mut self, line_bytes: usize) {
        let stdin = self.stdin.as_mut().expect("stdin was not closed");
        rustix::io::ioctl_fionbio(&*stdin, true).expect("a pipe");
        let bytes: String = (0..4_000_000 / line_bytes).map(|id| call(id, line_bytes) + "\n").collect();
        let mut rest = bytes.as_bytes();
        let full = || match stdin.write(rest) {
            Ok(n) => {
                rest = &rest[n..];
                false
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(error) => panic!("{error}"),
        };
        assert!(stays(full), "somebody takes it all");
    }

    fn ends_within(&mut self, patience: Duration) -> bool {
        wait_until(patience, || self.child.try_wait().expect("a child of ours").is_some())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("a child of ours");
    }
}

impl Daemon {
    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("the proxy speaks");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn say(&mut self, line: &str) {
        let mut stream = self.lines.get_ref();
        stream.write_all(format!("{line}\n").as_bytes()).expect("the proxy is there");
    }
}

/// Whether it comes to be, and is so for a while.
fn stays(mut reached: impl FnMut() -> bool) -> bool {
    let mut since = None;
    wait_until(SECOND * 10, || {
        since = reached().then(|| since.unwrap_or_else(Instant::now));
        since.is_some_and(|since| since.elapsed() > SECOND / 4)
    })
}

fn call(id: usize, bytes: usize) -> String {
    let arguments = json!({"fill": "x".repeat(bytes)});
    let params = json!({"name": "a__b", "arguments": arguments});
    // The order in which clients write it.
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{params}}}"#)
}

#[test]
fn a_stuck_daemon_does_not_keep_a_proxy_whose_client_is_gone() {
    for (line_bytes, with_output) in [(1_000, false), (1_000, true), (100_000, false)] {
        let stage = Stage::new();
        let mut proxy = stage.proxy();
        let daemon = stage.daemon();
        proxy.fill(line_bytes);
        assert!(!proxy.ends_within(SECOND / 2), "it waits for its daemon");
        proxy.stdin = None;
        if with_output {
            proxy.stdout = None;
        }
        assert!(proxy.ends_within(SECOND * 6), "lines of {line_bytes} bytes, killed: {with_output}");
        drop(daemon);
        stage.end(proxy);
    }
}

#[test]
fn a_stuck_daemon_does_not_keep_a_proxy_that_has_calls_waiting_for_it() {
    let stage = Stage::new();
    let mut proxy = stage.proxy();
    for id in 0..450 {
        proxy.send(&call(id, 1_000));
    }
    let daemon = stage.daemon();
    assert!(!proxy.ends_within(SECOND / 2), "it waits for its daemon");
    proxy.stdin = None;
    assert!(proxy.ends_within(SECOND * 9));
    drop(daemon);
    stage.end(proxy);
}

#[test]
fn the_last_answer_is_whole_however_slowly_it_is_read() {
    for bytes in [40_000, 4 << 20] {
        let stage = Stage::new();
        let mut proxy = stage.proxy();
        let mut daemon = stage.daemon();
        proxy.send(&call(1, 1));
        assert_eq!(daemon.hear()["id"], 1);
        let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"fill": "x".repeat(bytes)}}).to_string();
        // The id stands where a daemon writes it.
        assert!(answer.starts_with(r#"{"jsonrpc":"2.0","id":1"#));
        daemon.say(&answer);
        // Once some of it has come, the proxy is in the middle of writing it.
        let mut read = vec![0; 1];
        let stdout = proxy.stdout.as_mut().expect("stdout is piped");
        stdout.read_exact(&mut read).expect("the answer comes");
        proxy.stdin = None;
        assert!(bytes < 64 << 10 || !proxy.ends_within(SECOND / 2), "it has more to say");
        let stdout = proxy.stdout.as_mut().expect("stdout is piped");
        stdout.read_to_end(&mut read).expect("a pipe");
        assert!(read == format!("{answer}\n").as_bytes(), "{} of {} bytes", read.len(), answer.len() + 1);
        assert!(proxy.ends_within(SECOND * 5));
        stage.end(proxy);
    }
}

#[test]
fn a_daemon_that_dies_over_what_waited_gets_no_call_twice() {
    let stage = Stage::new();
    let mut proxy = stage.proxy();
    // Too much for the socket, so that some of it is still here when the daemon dies.
    for id in 0..450 {
        proxy.send(&call(id, 1_000));
    }
    let mut first = stage.daemon();
    let began: Vec<Value> = (0..10).map(|_| first.hear()["id"].take()).collect();
    drop(first);
    let mut second = stage.daemon();
    proxy.send(&call(1_000, 1));
    let mut again = Vec::new();
    while again.last() != Some(&json!(1_000)) {
        again.push(second.hear()["id"].take());
    }
    assert!(again.len() > 1 && again.len() < 450, "{}", again.len());
    assert!(began.iter().all(|id| !again.contains(id)), "{began:?} {again:?}");
    let mut told = BufReader::new(proxy.stdout.take().expect("not taken yet")).lines();
    for _ in 0..450 - (again.len() - 1) {
        let error: Value = serde_json::from_str(&told.next().expect("a line").expect("UTF-8")).expect("JSON");
        assert_eq!(error["error"]["data"]["code"], "DAEMON_GONE", "{error}");
        assert!(!again.contains(&error["id"]), "{error}");
    }
    stage.end(proxy);
}

#[test]
fn a_draining_daemon_is_told_that_a_call_was_cancelled() {
    let mut home = TestHome::new();
    home.set_env("LOOM_DRAIN_TIMEOUT", "25s");
    home.echo_registry(&[("echo", "", "")]);
    let mut client = home.client();
    let long = client.begin_sleep("echo", 30_000);
    let daemon = home.daemon_pid().expect("a daemon runs");
    assert!(terminate(daemon));
    assert!(wait_until(SECOND, || home.daemon_pid().is_none()), "it does not drain");
    let held = client.begin_call("echo__echo", json!({"message": "next"}));
    let began = Instant::now();
    let params = json!({"requestId": long});
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
    assert_eq!(client.text(held), "next");
    assert!(began.elapsed() < SECOND * 10, "the old daemon waited for a call that nobody wanted");
}
