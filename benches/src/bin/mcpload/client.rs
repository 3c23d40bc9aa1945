//! One connection: a child process spoken to by lines of JSON-RPC.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Fallible;
use crate::answer::{self, Received};
use crate::options::Options;

const EXIT_PATIENCE: Duration = Duration::from_secs(2);

/// A started endpoint. Killed when dropped without [`Client::stop`].
pub struct Client {
    pub options: Options,
    /// Just before the spawn.
    pub started: Instant,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    line: Vec<u8>,
    last_id: u64,
}

/// One whole tool list.
pub struct ToolList {
    pub names: Vec<String>,
    pub bytes: usize,
    pub took: Duration,
}

impl Client {
    pub fn start(options: &Options) -> Fallible<Self> {
        let started = Instant::now();
        let mut child = Command::new(&options.command[0])
            .args(&options.command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", options.command[0]))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or("the child has no stdout")?;
        let stdout = BufReader::with_capacity(1 << 18, stdout);
        let line = Vec::with_capacity(1 << 16);
        Ok(Client { options: options.clone(), started, child, stdin, stdout, line, last_id: 0 })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The text of the last answer.
    pub fn body(&self) -> &[u8] {
        &self.line
    }

    /// The first of `count` ids that nobody used.
    pub fn reserve_ids(&mut self, count: usize) -> u64 {
        let first = self.last_id + 1;
        self.last_id += count as u64;
        first
    }

    pub fn send(&mut self, message: &str) -> Fallible<()> {
        let mut line = Vec::with_capacity(message.len() + 1);
        line.extend_from_slice(message.as_bytes());
        line.push(b'\n');
        Ok(self.stdin.as_mut().ok_or("stdin is closed")?.write_all(&line)?)
    }

    /// The next answer and the moment its line was complete.
    pub fn next_answer(&mut self) -> Fallible<(u64, Instant)> {
        loop {
            self.line.clear();
            if self.stdout.read_until(b'\n', &mut self.line)? == 0 {
                return Err("the endpoint closed its stdout".into());
            }
            let complete = Instant::now();
            match answer::classify(&self.line) {
                Received::Answer(id, Ok(())) => return Ok((id, complete)),
                Received::Answer(_, Err(text)) => return Err(text.into()),
                Received::Request(id, method) => self.send(&answer::reply(&id, &method))?,
                Received::Other => {}
            }
        }
    }

    /// Sends one prepared request and waits for its answer.
    pub fn exchange(&mut self, id: u64, message: &str) -> Fallible<Duration> {
        let sent = Instant::now();
        self.send(message)?;
        loop {
            let (answered, complete) = self.next_answer()?;
            if answered == id {
                return Ok(complete - sent);
            }
        }
    }

    pub fn ask(&mut self, method: &str, params: &str) -> Fallible<Duration> {
        let id = self.reserve_ids(1);
        self.exchange(id, &request(id, method, params))
    }

    pub fn initialize(&mut self) -> Fallible<()> {
        let who = r#""clientInfo":{"name":"mcpload","version":"0.1.0"}"#;
        let params = format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{{}},{who}}}"#);
        self.ask("initialize", &params)?;
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
    }

    /// All pages of `tools/list`; the time is that of the round trips alone.
    pub fn tools(&mut self) -> Fallible<ToolList> {
        let mut list = ToolList { names: Vec::new(), bytes: 0, took: Duration::ZERO };
        let mut params = String::from("{}");
        loop {
            list.took += self.ask("tools/list", &params)?;
            list.bytes += self.line.len();
            let page: Value = serde_json::from_slice(&self.line)?;
            let tools = page["result"]["tools"].as_array().ok_or("tools/list has no tools")?;
            list.names.extend(tools.iter().filter_map(|tool| tool["name"].as_str()).map(String::from));
            match page["result"]["nextCursor"].as_str() {
                Some(cursor) => params = json!({ "cursor": cursor }).to_string(),
                None => return Ok(list),
            }
        }
    }

    /// Lists until all expected tools are there; the names then.
    pub fn wait_for_tools(&mut self) -> Fallible<Vec<String>> {
        let deadline = Instant::now() + self.options.patience;
        loop {
            let names = self.tools()?.names;
            if names.len() >= self.options.expect_tools {
                return Ok(names);
            }
            if Instant::now() > deadline {
                return Err(format!("only {} of {} tools", names.len(), self.options.expect_tools).into());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Closes stdin and waits for the child to end by itself; one that does not is a failure.
    pub fn stop(mut self) -> Fallible<()> {
        self.stdin = None;
        let deadline = Instant::now() + EXIT_PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err("the endpoint did not end at the end of its stdin".into());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Only after a failure; a child that has ended already cannot be killed, and need not be.
        if let Ok(None) = self.child.try_wait()
            && self.child.kill().and_then(|()| self.child.wait()).is_err()
        {
            eprintln!("mcpload: process {} could not be killed", self.child.id());
        }
    }
}

/// One request line; `params` is a JSON object.
pub fn request(id: u64, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}
