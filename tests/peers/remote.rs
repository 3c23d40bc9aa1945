//! A Node server over HTTP, for as long as it is held.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::support::home::TestHome;

/// How long it may take until it listens.
const PATIENCE: Duration = Duration::from_secs(30);
/// Somebody else may take a port between our look and the server's.
const ATTEMPTS: u32 = 5;

/// The two ways over HTTP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Streamable,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

impl Transport {
    /// What server-everything calls it.
    pub fn argument(self) -> &'static str {
        match self {
            Transport::Streamable => "streamableHttp",
            Transport::Sse => "sse",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Transport::Streamable => "mcp",
            Transport::Sse => "sse",
        }
    }
}

/// A server that listens; killed on drop.
pub struct Remote {
    child: Child,
    pub url: String,
}

impl Remote {
    /// Starts `node ARGS` and waits until it says that it listens.
    pub fn start(home: &TestHome, args: &[String], transport: Transport) -> Self {
        for _ in 0..ATTEMPTS {
            let port = free_port();
            let mut command = home.command("node");
            command.args(args).env("PORT", port.to_string());
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
            let listens = watch(child.stderr.take().expect("stderr is piped"));
            let url = format!("http://127.0.0.1:{port}/{}", transport.path());
            let remote = Remote { child, url };
            if listens.recv_timeout(PATIENCE).is_ok() {
                return remote;
            }
        }
        panic!("node {args:?} does not listen after {ATTEMPTS} attempts");
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("a child of ours can be killed");
    }
}

/// Tells when a line says that it listens; the end of stderr without one ends the channel.
fn watch(stderr: impl Read + Send + 'static) -> Receiver<()> {
    let (sender, listens) = channel();
    thread::spawn(move || {
        // Read to the end, or the server could not write any more.
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if line.contains(" on port ") {
                // Nobody waits after the first.
                let _ = sender.send(());
            }
        }
    });
    listens
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}
