//! One session: a process, and the streams on which its lines leave.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::director::program;
use super::stream::Stream;

/// The stream of what belongs to no request.
pub const OWN: u64 = 0;

/// A client that has its stream cut comes back sooner than this.
const ABANDONED: Duration = Duration::from_secs(30);

/// A line as far as it says whose it is.
#[derive(Default, Deserialize)]
pub struct Head<'a> {
    #[serde(borrow, default)]
    pub id: Option<&'a RawValue>,
    #[serde(default)]
    pub method: Option<String>,
}

/// The stream of one request.
struct Request {
    number: u64,
    nonce: Option<String>,
    stream: Arc<Stream>,
}

struct Inner {
    input: Option<ChildStdin>,
    child: Child,
    /// By the ids of requests, raw JSON.
    open: BTreeMap<String, Request>,
    /// By their numbers; those that have been read to their end are forgotten.
    streams: BTreeMap<u64, Arc<Stream>>,
    minted: u64,
    dead: bool,
    /// What the process says is of a session that is over, until it greets.
    rests: bool,
    /// When it was last seen to be in use.
    used: Instant,
}

pub struct Session {
    inner: Mutex<Inner>,
}

impl Session {
    pub fn begin(name: &str, folder: &Path, home: &Path) -> (Arc<Self>, ChildStdout) {
        let mut command = Command::new(program());
        command.args(["serve", name]).arg(folder).arg("0").current_dir(home);
        command.env_clear().env("HOME", home).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a server can be started");
        let lines = child.stdout.take().expect("a pipe");
        let input = child.stdin.take();
        let streams = BTreeMap::from([(OWN, Arc::default())]);
        let inner = Inner {
            input,
            child,
            open: BTreeMap::new(),
            streams,
            minted: OWN,
            dead: false,
            rests: false,
            used: Instant::now(),
        };
        (Arc::new(Session { inner: Mutex::new(inner) }), lines)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics with this lock")
    }

    /// A line of the client's. A process that is gone does not hear it.
    pub fn tell(&self, line: &str) {
        let mut inner = self.lock();
        inner.used = Instant::now();
        if let Some(input) = &mut inner.input {
            let _ = input.write_all(format!("{}\n", line.trim_end()).as_bytes());
        }
    }

    /// A request has come: the number of the stream for it, and that.
    pub fn expect(&self, id: &str, line: &str) -> (u64, Arc<Stream>) {
        let mut inner = self.lock();
        inner.minted += 1;
        let (number, stream) = (inner.minted, Arc::<Stream>::default());
        // Something to continue after, before the first message.
        stream.say(b"");
        if inner.dead {
            stream.die();
        }
        inner.streams.insert(number, stream.clone());
        let request = Request { number, nonce: own_nonce(line).map(str::to_owned), stream: stream.clone() };
        inner.open.insert(id.to_owned(), request);
        (number, stream)
    }

    /// Nobody waits for this request any more.
    pub fn give_up(&self, id: &str) {
        let mut inner = self.lock();
        if let Some(request) = inner.open.remove(id) {
            request.stream.end();
        }
    }

    pub fn stream(&self, number: u64) -> Option<Arc<Stream>> {
        self.lock().streams.get(&number).cloned()
    }

    /// A stream was read to its end.
    pub fn forget(&self, number: u64) {
        self.lock().streams.remove(&number);
    }

    pub fn cut(&self) {
        self.lock().streams.values().for_each(|stream| stream.cut());
    }

    /// This session is over; its process may have another.
    pub fn rest(&self) {
        let mut inner = self.lock();
        inner.rests = true;
        inner.open.clear();
        let over = std::mem::replace(&mut inner.streams, BTreeMap::from([(OWN, Arc::default())]));
        over.values().for_each(|stream| stream.die());
    }

    /// Whether nobody has asked or listened for a while.
    pub fn is_abandoned(&self) -> bool {
        let mut inner = self.lock();
        if inner.streams.values().any(|stream| stream.is_read()) {
            inner.used = Instant::now();
        }
        inner.used.elapsed() > ABANDONED
    }

    /// Reads what the process says, until it ends.
    pub fn hear(&self, lines: ChildStdout) {
        for line in BufReader::new(lines).split(b'\n') {
            let Ok(line) = line else { break };
            self.lock().route(&line);
        }
    }

    /// Its process has ended: all streams end in the middle.
    pub fn bury(&self) {
        let mut inner = self.lock();
        inner.dead = true;
        inner.input = None;
        // It has closed its output, so it ends.
        let _ = inner.child.kill();
        let _ = inner.child.wait();
        inner.streams.values().for_each(|stream| stream.die());
    }

    /// Ends its process, as when a client says that it is over.
    pub fn end(&self) {
        let _ = self.lock().child.kill();
    }
}

impl Inner {
    /// Answers leave on the stream of their request, and what is said of a request before that as well.
    fn route(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        self.rests &= !is_greeting(&text);
        if self.rests {
            return;
        }
        let head: Head<'_> = serde_json::from_str(&text).unwrap_or_default();
        let answers = head.id.filter(|_| head.method.is_none()).map(RawValue::get).or_else(|| broken(&text));
        if let Some(request) = answers.and_then(|id| self.open.remove(id)) {
            request.stream.say(line);
            request.stream.end();
            return;
        }
        let of = nonce(&text);
        let mut with_nonce = self.open.values().filter(|request| request.nonce.as_deref() == of);
        let number = of.and_then(|_| with_nonce.next()).map_or(OWN, |request| request.number);
        if let Some(stream) = self.streams.get(&number) {
            stream.say(line);
        }
    }
}

/// Whether a line is the answer that begins a session.
fn is_greeting(text: &str) -> bool {
    text.contains("\"serverInfo\":")
}

/// The id of an answer that is no JSON.
fn broken(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(r#"{"jsonrpc":"2.0","id":"#)?;
    rest.split_once(r#","result":"#).map(|(id, _)| id)
}

/// The nonce of a request, which may also name that of a task.
fn own_nonce(line: &str) -> Option<&str> {
    line.split_once("\"nonce\":\"").and_then(|(_, rest)| nonce(rest))
}

/// The first nonce in a text: `c01.2-3`.
fn nonce(text: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    text.match_indices('c').find_map(|(at, _)| {
        let rest = &text[at + 1..];
        let client = digits(rest);
        let life = rest[client..].strip_prefix('.').map(digits)?;
        let number = rest[client + 1 + life..].strip_prefix('-').map(digits)?;
        (client > 0 && life > 0 && number > 0).then(|| &text[at..at + 3 + client + life + number])
    })
}
