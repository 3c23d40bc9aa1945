//! One request at a time over the daemon's socket, each with its own deadline. Messages of the daemon that answer
//! nothing (notifications, late answers) are skipped. A proxy says only its hello this way, then does its own I/O.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::fault::{Explain, Kind};
use crate::link::connect::{ConnectError, dial, read_greeting};
use crate::wire::hello::{Greeting, Hello};

/// Longest answer that is read, in bytes.
const ANSWER_MAX: usize = 256 << 20;

/// A connection after its hello.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    /// Bytes read and not yet used.
    read: Vec<u8>,
    last_id: u64,
    greeting: Greeting,
}

/// An error object of the daemon.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: i64,
    pub message: String,
    /// `data` as it came; `null` without.
    pub data: Value,
}

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("{}", .0.message)]
    Refused(Refusal),
    #[error("loomd did not answer {method} within {}", shown(*.after))]
    TimedOut { method: String, after: Duration },
    #[error("loomd ended before it answered {method}")]
    Closed { method: String },
    #[error("loomd answered {method} with something that is not JSON-RPC")]
    Garbage { method: String, source: serde_json::Error },
    #[error("loomd answered {method} with more than {} MiB", ANSWER_MAX >> 20)]
    TooLong { method: String },
    #[error("cannot talk to loomd")]
    Io(#[from] io::Error),
}

impl Explain for CallError {
    fn kind(&self) -> Kind {
        match self {
            CallError::Refused(refusal) => refusal.kind(),
            CallError::TimedOut { .. } | CallError::Closed { .. } | CallError::Io(_) => Kind::Unavailable,
            CallError::Garbage { .. } | CallError::TooLong { .. } => Kind::Bug,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            CallError::Refused(refusal) => refusal.data["hint"].as_str().map(str::to_owned),
            CallError::TimedOut { .. } | CallError::Closed { .. } => Some("loom status".into()),
            CallError::Garbage { .. } => Some("loom restart".into()),
            CallError::TooLong { .. } | CallError::Io(_) => None,
        }
    }
}

impl Refusal {
    /// The kind named in `data.kind`; a code without one tells whether the request or the server was wrong.
    pub fn kind(&self) -> Kind {
        match self.data["kind"].as_str() {
            Some("found") => Kind::Found,
            Some("usage") => Kind::Usage,
            Some("not_running") => Kind::NotRunning,
            Some("unhealthy") => Kind::Unhealthy,
            Some("unavailable") => Kind::Unavailable,
            Some("bug") => Kind::Bug,
            Some("config") => Kind::Config,
            _ if matches!(self.code, -32602 | -32601) => Kind::Usage,
            _ => Kind::Unavailable,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<&'a RawValue>,
    #[serde(default, borrow)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: i64,
    message: String,
    #[serde(default)]
    data: Value,
}

impl Client {
    /// Dials `socket` and says `hello`, all within `deadline`.
    pub fn connect(socket: &Path, hello: &Hello, deadline: Duration) -> Result<Client, ConnectError> {
        let began = Instant::now();
        let stream = dial(socket, deadline)?;
        Client::greet(stream, socket, hello, deadline.saturating_sub(began.elapsed()))
    }

    /// Says `hello` on a fresh connection to `socket`; the answer must be there within `deadline`.
    pub fn greet(
        stream: UnixStream,
        socket: &Path,
        hello: &Hello,
        deadline: Duration,
    ) -> Result<Client, ConnectError> {
        let params = serde_json::to_value(hello).expect("a hello is JSON");
        let greeting = Greeting { protocol: 0, version: String::new(), pid: 0, epoch: 0, commit: None };
        let mut client = Client { stream, read: Vec::new(), last_id: 0, greeting };
        let result = client.call("loom/hello", &params, deadline).map_err(|error| match error {
            // The daemon was just ending: as good as not there.
            CallError::Closed { .. } => ConnectError::Refused { path: socket.into() },
            CallError::Io(error) => ConnectError::Dial { path: socket.into(), source: error },
            CallError::Refused(refusal) if refusal.data["code"] == "VERSION_MISMATCH" => {
                ConnectError::Hello {
                    text: refusal.message,
                    kind: Kind::Unhealthy,
                    hint: Some("loom restart".into()),
                }
            }
            error => ConnectError::Hello { text: error.to_string(), kind: error.kind(), hint: error.hint() },
        })?;
        client.greeting = read_greeting(result.get())?;
        Ok(client)
    }

    /// The connection, for a caller that goes on by itself, without any deadline set; and what was read of it but
    /// belongs to no answer.
    pub fn into_parts(self) -> io::Result<(UnixStream, Vec<u8>)> {
        self.stream.set_read_timeout(None)?;
        self.stream.set_write_timeout(None)?;
        Ok((self.stream, self.read))
    }

    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Sends one request and waits at most `deadline` for its result.
    pub fn call(
        &mut self,
        method: &str,
        params: &Value,
        deadline: Duration,
    ) -> Result<Box<RawValue>, CallError> {
        self.call_raw(method, &params.to_string(), deadline)
    }

    /// As `call`, with `params` as JSON text on one line, passed on as it is.
    pub fn call_raw(
        &mut self,
        method: &str,
        params: &str,
        deadline: Duration,
    ) -> Result<Box<RawValue>, CallError> {
        let until = Instant::now() + deadline;
        self.last_id += 1;
        let method_text = json!(method).to_string();
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":{method_text},\"params\":{params}}}\n",
            self.last_id
        );
        let timed_out = |error: CallError| match error {
            CallError::Io(error) if is_timeout(&error) => {
                CallError::TimedOut { method: method.to_owned(), after: deadline }
            }
            CallError::Io(error) if is_gone(&error) => CallError::Closed { method: method.to_owned() },
            error => error,
        };
        self.send(line.as_bytes(), until).map_err(|error| timed_out(error.into()))?;
        loop {
            let line = self.next_line(method, until).map_err(timed_out)?;
            if let Some(answer) = answer_to(&line, self.last_id, method)? {
                return answer.map_err(CallError::Refused);
            }
        }
    }

    /// Waits until the daemon has closed the connection; false when `deadline` came first.
    pub fn wait_closed(&mut self, deadline: Duration) -> bool {
        let until = Instant::now() + deadline;
        loop {
            match self.next_line("", until) {
                Ok(_) => {}
                Err(CallError::Io(error)) if is_timeout(&error) => return false,
                Err(_) => return true,
            }
        }
    }

    fn send(&mut self, mut bytes: &[u8], until: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(left(until)?))?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::BrokenPipe.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn next_line(&mut self, method: &str, until: Instant) -> Result<Vec<u8>, CallError> {
        let mut searched = 0;
        let mut chunk = vec![0; 64 << 10];
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read[searched..]) {
                let rest = self.read.split_off(searched + end + 1);
                return Ok(std::mem::replace(&mut self.read, rest));
            }
            searched = self.read.len();
            if searched > ANSWER_MAX {
                return Err(CallError::TooLong { method: method.to_owned() });
            }
            self.stream.set_read_timeout(Some(left(until)?))?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(CallError::Closed { method: method.to_owned() }),
                Ok(count) => self.read.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The answer in `line`, when it answers request `id`.
fn answer_to(
    line: &[u8],
    id: u64,
    method: &str,
) -> Result<Option<Result<Box<RawValue>, Refusal>>, CallError> {
    let garbage = |source| CallError::Garbage { method: method.to_owned(), source };
    let envelope: Envelope<'_> = serde_json::from_slice(line).map_err(garbage)?;
    if envelope.method.is_some() || envelope.id.and_then(|got| got.as_u64()) != Some(id) {
        return Ok(None);
    }
    Ok(Some(match (envelope.error, envelope.result) {
        (Some(ErrorObject { code, message, data }), _) => Err(Refusal { code, message, data }),
        (None, Some(result)) => Ok(result.to_owned()),
        (None, None) => Ok(RawValue::NULL.to_owned()),
    }))
}

/// Time until `until`, or the error that says there is none.
fn left(until: Instant) -> io::Result<Duration> {
    match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

fn shown(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

#[cfg(test)]
mod tests;
