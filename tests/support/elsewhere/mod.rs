//! An MCP server over HTTP that does wrong when it is told to, and knows what it was asked.
//!
//! `/mcp` is streamable HTTP, `/sse` the transport before it. Its tool `note` answers the text that it gets, and a
//! tool of any other name does the same. A call that is to become a task becomes one by the name of that text.

pub mod http;
mod talk;
mod tasks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::home::wait_until;
use http::Request;

/// How long a test waits for something to happen at the server.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is done with one request instead of answering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A status, more headers, and a body, without doing what was asked.
    Say(u16, &'static str, &'static str),
    /// It is done, and the connection reset.
    Reset,
    /// It is done, and the stream with the answer cut before that.
    Cut,
    /// The same, but the stream has an event with an id, after which it can be continued.
    CutWithId,
    /// Nothing, for as long as the client waits.
    Silence,
    /// It is done and answered once the test says so.
    Hold,
}

/// What the server knows.
#[derive(Default)]
pub struct Known {
    /// Sessions that have begun, and those that a DELETE ended.
    pub begun: u32,
    pub ended: Vec<String>,
    /// The texts of all calls that were done, each as often as it was.
    pub done: Vec<String>,
    /// All messages that came, and all requests.
    pub messages: Vec<Value>,
    pub requests: Vec<Request>,
    /// How a request is refused whose session is not known.
    pub forgets: (u16, &'static str),
    /// Whether there is a stream for what the server says by itself.
    pub no_stream: bool,
    pub tools: Vec<&'static str>,
    /// The status of each task. They are there whatever becomes of sessions.
    pub tasks: BTreeMap<String, &'static str>,
    sessions: BTreeSet<String>,
    faults: VecDeque<(&'static str, Fault)>,
    streams: Vec<TcpStream>,
    /// Answers of streams that were cut, by the id of the last event.
    kept: BTreeMap<String, String>,
    released: bool,
    /// So many connections are reset before anything is read.
    resets: u32,
    connections: Vec<TcpStream>,
    stopped: bool,
}

#[derive(Default)]
struct Shared {
    known: Mutex<Known>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // A test that failed while it looked has left nothing half done.
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The server. On drop it is gone with all its connections.
pub struct Elsewhere {
    addr: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<thread::JoinHandle<()>>,
}

impl Elsewhere {
    pub fn start() -> Self {
        let listener = unused();
        let addr = listener.local_addr().expect("it is bound");
        let mut server = Elsewhere { addr, shared: Arc::default(), listener: None };
        server.tell(|known| {
            known.forgets = (404, "Session not found");
            known.tools = vec!["note"];
        });
        server.listen(listener);
        server
    }

    /// One that is not there yet.
    pub fn absent() -> Self {
        let mut server = Elsewhere::start();
        server.stop();
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.addr)
    }

    pub fn old_url(&self) -> String {
        format!("http://{}/sse", self.addr)
    }

    /// Listens again where it did before, if it was stopped. It knows no session of before.
    pub fn serve(&mut self) {
        self.listen(TcpListener::bind(self.addr).expect("the port was ours"));
    }

    fn listen(&mut self, listener: TcpListener) {
        self.tell(|known| {
            known.stopped = false;
            known.sessions.clear();
            known.kept.clear();
        });
        let shared = self.shared.clone();
        self.listener = Some(thread::spawn(move || accept(&listener, &shared)));
    }

    /// Gone, with all its connections.
    pub fn stop(&mut self) {
        let Some(listener) = self.listener.take() else { return };
        self.tell(|known| known.stopped = true);
        // Wakes the listener, which hears that it is over, unless another connection has done so.
        drop(TcpStream::connect(self.addr));
        listener.join().expect("the listener does not panic");
        self.cut_all();
        // A process that another test is just starting may hold the listener for a moment.
        assert!(wait_until(PATIENCE, || TcpStream::connect(self.addr).is_err()), "it is still there");
    }

    /// Breaks off every connection.
    pub fn cut_all(&self) {
        let mut known = self.shared.lock();
        known.streams.clear();
        known.connections.drain(..).for_each(|stream| http::cut(&stream));
    }

    /// Does one of the next requests with this method wrong: each fault counts once, in their order.
    pub fn wrong(&self, method: &'static str, fault: Fault) {
        self.tell(|known| known.faults.push_back((method, fault)));
    }

    /// Resets the next connections before anything is read from them.
    pub fn reset_connections(&self, count: u32) {
        self.tell(|known| known.resets = count);
    }

    /// Forgets all sessions, and refuses them so.
    pub fn expire(&self, status: u16, text: &'static str) {
        self.tell(|known| {
            known.sessions.clear();
            known.forgets = (status, text);
        });
    }

    /// Says nothing more on the streams that are open now.
    pub fn forget_streams(&self) {
        self.tell(|known| known.streams.clear());
    }

    /// Answers the calls that are held, and all later ones at once.
    pub fn release(&self) {
        self.tell(|known| known.released = true);
    }

    /// Says something on the stream for it, which is waited for.
    pub fn say(&self, message: &Value) {
        self.wait("a stream", |known| !known.streams.is_empty());
        let known = self.known();
        let stream = known.streams.last().expect("there is one");
        http::say(stream, &event(message)).expect("the stream is open");
    }

    /// Changes what the server knows.
    pub fn tell(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.shared.lock());
        self.shared.changed.notify_all();
    }

    /// Waits until `reached` holds.
    pub fn wait(&self, what: &str, reached: impl Fn(&Known) -> bool) {
        let known = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(known, PATIENCE, |known| !reached(known));
        let (known, late) = waited.expect("nobody panics with this lock");
        assert!(!late.timed_out(), "no {what}: {:?}", known.messages);
    }

    /// What the server knows now.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.shared.lock()
    }

    /// Waits for a call with this text; the whole message.
    pub fn called(&self, text: &str) -> Value {
        let is_it = |message: &&Value| message["params"]["arguments"]["text"] == text;
        self.wait(text, |known| known.messages.iter().any(|message| is_it(&message)));
        self.known().messages.iter().find(is_it).cloned().expect("it was just there")
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.stop();
        }
    }
}

/// A port that nobody gets by chance while a server is gone: systems give out higher ones.
fn unused() -> TcpListener {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let from = u16::try_from(std::process::id() % 200).expect("it is small") * 100;
    loop {
        let port = 10_000 + (from + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener;
        }
    }
}

fn event(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let stream = stream.expect("connections can be taken");
        let mut known = shared.lock();
        if known.stopped {
            return;
        }
        if known.resets > 0 {
            known.resets -= 1;
            http::reset(&stream);
            continue;
        }
        known.connections.push(stream.try_clone().expect("a socket can be shared"));
        drop(known);
        let shared = shared.clone();
        // Ends with its connection.
        thread::spawn(move || talk::while_open(&stream, &shared));
    }
}

impl Known {
    pub fn forget_faults(&mut self) {
        self.faults.clear();
    }

    /// What is held from here on waits for the next [`Elsewhere::release`].
    pub fn hold_again(&mut self) {
        self.released = false;
    }

    fn refusal(&self, request: &Request) -> Option<(u16, &'static str)> {
        (!self.sessions.contains(request.header("mcp-session-id"))).then_some(self.forgets)
    }

    fn result(&mut self, message: &Value) -> Value {
        match message["method"].as_str().unwrap_or_default() {
            "initialize" => {
                self.begun += 1;
                let tasks = json!({"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}});
                let can = json!({"tools": {"listChanged": true}, "logging": {}, "tasks": tasks});
                let info = json!({"name": "elsewhere", "version": "1"});
                json!({"protocolVersion": "2025-11-25", "capabilities": can, "serverInfo": info})
            }
            "tools/list" => {
                let schema = json!({"type": "object"});
                let tool = |name: &&str| json!({"name": name, "inputSchema": schema});
                json!({"tools": self.tools.iter().map(tool).collect::<Vec<_>>()})
            }
            "tools/call" => {
                let text = message["params"]["arguments"]["text"].as_str().unwrap_or_default().to_owned();
                self.done.push(text.clone());
                json!({"content": [{"type": "text", "text": text}]})
            }
            _ => json!({}),
        }
    }
}
