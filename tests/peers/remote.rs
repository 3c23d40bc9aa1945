//! A Node server over HTTP, for as long as it is held.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::installed::source;
use crate::support::home::TestHome;

/// How long it may take until it listens.
const PATIENCE: Duration = Duration::from_secs(30);

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
    /// Starts `node ARGS` and waits until it says that it listens, on a port that it is given.
    pub fn start(home: &TestHome, args: &[String], transport: Transport) -> Self {
        let mut command = home.command("node");
        command.arg("--import").arg(source("tests/peers/drivers/port.mjs")).args(args).env("PORT", "0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let port = watch(child.stderr.take().expect("stderr is piped"));
        let mut remote = Remote { child, url: String::new() };
        let port = port.recv_timeout(PATIENCE);
        let port = port.unwrap_or_else(|error| panic!("{command:?} does not listen: {error}"));
        remote.url = format!("http://127.0.0.1:{port}/{}", transport.path());
        remote
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("a child of ours can be killed");
    }
}

/// The port, once a line says it; the end of stderr without one ends the channel.
fn watch(stderr: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, port) = channel();
    thread::spawn(move || {
        // Read to the end, or the server could not write any more.
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some(port) = line.strip_prefix("peers: port ") {
                // Nobody waits after the first.
                let _ = sender.send(port.to_owned());
            }
        }
    });
    port
}
