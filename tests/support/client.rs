//! A scripted client of one process that speaks JSON-RPC in lines: a proxy, or a server without loom.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// How long an answer may take unless the test says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One connection over stdin and stdout. Killed on drop.
pub struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    stderr: Arc<Mutex<String>>,
    /// Lines that arrived while another one was waited for, oldest first.
    passed_over: VecDeque<Vec<u8>>,
    last_id: u64,
    patience: Duration,
}

/// The members of a line that tell what it is; the payload stays as it came.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

impl Client {
    /// Spawns `command` with piped stdio.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take();
        let lines = read_lines(child.stdout.take().expect("stdout is piped"));
        let stderr = gather(child.stderr.take().expect("stderr is piped"));
        Client { child, stdin, lines, stderr, passed_over: VecDeque::new(), last_id: 0, patience: PATIENCE }
    }

    /// Changes how long `recv` and all that builds on it wait.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the process wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().expect("no reader panicked").clone()
    }

    /// Writes bytes as they are; a line needs its own `\n`.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin was not closed");
        stdin.write_all(bytes).and_then(|()| stdin.flush()).expect("the process reads its stdin");
    }

    /// Writes one message as one line.
    pub fn send(&mut self, message: &Value) {
        self.send_raw(format!("{message}\n").as_bytes());
    }

    /// The next line without its end, or None at the end of stdout. Panics when neither comes in time.
    pub fn recv_line(&mut self) -> Option<Vec<u8>> {
        self.passed_over.pop_front().or_else(|| self.fresh_line(Instant::now() + self.patience))
    }

    /// The next message, which must be JSON.
    pub fn recv(&mut self) -> Value {
        let line = self.recv_line().unwrap_or_else(|| panic!("stdout has ended; stderr: {}", self.stderr()));
        serde_json::from_slice(&line)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&line)))
    }

    /// The first line, kept or new, that `wanted` accepts; the others stay for later.
    pub fn recv_where(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let line = self.line_where(|line| serde_json::from_slice(line).is_ok_and(|message| wanted(&message)));
        serde_json::from_slice(&line).expect("the line was parsed before")
    }

    /// Sends a request and returns its id without waiting.
    pub fn begin(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}));
        self.last_id
    }

    /// The whole answer to the request `id`.
    pub fn answer(&mut self, id: u64) -> Value {
        serde_json::from_slice(&self.answer_line(id)).expect("the line was parsed before")
    }

    /// The bytes of the `result` of request `id`, or of its `error`.
    pub fn answer_payload(&mut self, id: u64) -> Result<String, String> {
        let line = self.answer_line(id);
        let envelope: Envelope = serde_json::from_slice(&line).expect("the line was parsed before");
        match (envelope.result, envelope.error) {
            (Some(result), None) => Ok(result.get().to_owned()),
            (None, Some(error)) => Err(error.get().to_owned()),
            _ => panic!("neither result nor error: {}", String::from_utf8_lossy(&line)),
        }
    }

    /// The `result` of a request that must succeed.
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        let mut answer = self.answer(id);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    /// The `result` of a `tools/call`, which may say `isError`.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// Sends a `tools/call` and returns its id without waiting.
    pub fn begin_call(&mut self, tool: &str, arguments: Value) -> u64 {
        self.begin("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// The `error` of request `id`, which must fail.
    pub fn failure(&mut self, id: u64) -> Value {
        let mut answer = self.answer(id);
        assert!(answer.get("error").is_some(), "it did not fail: {answer}");
        answer["error"].take()
    }

    /// The `data.code` of loom's own error to request `id`.
    pub fn failure_name(&mut self, id: u64) -> String {
        let error = self.failure(id);
        error["data"]["code"].as_str().unwrap_or_else(|| panic!("not an error of loom's: {error}")).to_owned()
    }

    /// The text that the tool answered to the call `id`.
    pub fn text(&mut self, id: u64) -> String {
        let answer = self.answer(id);
        let text = answer["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
    }

    /// The text that a tool answers.
    pub fn call_text(&mut self, tool: &str, arguments: Value) -> String {
        let id = self.begin_call(tool, arguments);
        self.text(id)
    }

    /// Calls `sleep` of an echo server and returns the call's id once the server is at it.
    pub fn begin_sleep(&mut self, server: &str, ms: u64) -> u64 {
        let arguments = json!({"ms": ms, "progress_ms": 20});
        let token = format!("sleep-{}", self.last_id + 1);
        let name = format!("{server}__sleep");
        let params = json!({"name": name, "arguments": arguments, "_meta": {"progressToken": token}});
        let id = self.begin("tools/call", params);
        self.recv_where(|message| message["params"]["progressToken"] == json!(token));
        id
    }

    /// The next question to this client, answered with `result`.
    pub fn reply_to(&mut self, method: &str, result: &Value) -> Value {
        let question = self.recv_where(|message| message["method"] == method);
        self.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": result}));
        question
    }

    /// Everything that has come and that nobody waited for, and forgets it. What the other end sent before now is in.
    pub fn passed_over(&mut self) -> Vec<Value> {
        self.request("ping", json!({}));
        let lines = self.passed_over.drain(..);
        lines.map(|line| serde_json::from_slice(&line).expect("the protocol is JSON")).collect()
    }

    /// The handshake of 2025-11-25 without any capability; the result of `initialize`.
    pub fn initialize(&mut self) -> Value {
        self.initialize_with(&json!({}))
    }

    /// The handshake with these capabilities.
    pub fn initialize_with(&mut self, can: &Value) -> Value {
        let who = json!({"name": "test", "version": "0"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": can, "clientInfo": who});
        let result = self.request("initialize", params);
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        result
    }

    /// All listed tools, following cursors.
    pub fn tools(&mut self) -> Vec<Value> {
        let (mut tools, mut params) = (Vec::new(), json!({}));
        loop {
            let mut page = self.request("tools/list", params);
            tools.append(page["tools"].as_array_mut().expect("a list of tools"));
            match page.get("nextCursor") {
                Some(cursor) => params = json!({"cursor": cursor}),
                None => return tools,
            }
        }
    }

    /// Ends stdin, as a client does that goes away.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Ends stdin and waits for the process to end by itself.
    pub fn close(mut self) -> ExitStatus {
        self.close_stdin();
        let deadline = Instant::now() + self.patience;
        while self.fresh_line(deadline).is_some() {}
        // Its stdout has ended, so this can only be short.
        self.child.wait().expect("a child can be waited for")
    }

    fn answer_line(&mut self, id: u64) -> Vec<u8> {
        self.line_where(|line| {
            serde_json::from_slice::<Envelope>(line)
                .is_ok_and(|envelope| envelope.method.is_none() && envelope.id == Some(json!(id)))
        })
    }

    fn line_where(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        if let Some(at) = self.passed_over.iter().position(|line| wanted(line)) {
            return self.passed_over.remove(at).expect("the position was just found");
        }
        let deadline = Instant::now() + self.patience;
        loop {
            let Some(line) = self.fresh_line(deadline) else {
                panic!("stdout has ended; stderr: {}", self.stderr())
            };
            if wanted(&line) {
                return line;
            }
            self.passed_over.push_back(line);
        }
    }

    fn fresh_line(&mut self, deadline: Instant) -> Option<Vec<u8>> {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let kept: Vec<_> =
                    self.passed_over.iter().map(|line| String::from_utf8_lossy(line)).collect();
                panic!("nothing within {:?}; kept lines: {kept:?}; stderr: {}", self.patience, self.stderr())
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stdin = None;
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().and_then(|()| self.child.wait()).expect("a child of ours can be killed");
        }
    }
}

fn read_lines(stdout: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        loop {
            let mut line = Vec::new();
            match stdout.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => line.truncate(line.len() - usize::from(line.ends_with(b"\n"))),
            }
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn gather(stderr: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&text);
    thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n') {
            let Ok(line) = line else { return };
            let mut kept = kept.lock().expect("nobody panics with this lock");
            kept.push_str(&String::from_utf8_lossy(&line));
            kept.push('\n');
        }
    });
    text
}
