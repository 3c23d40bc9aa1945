//! What the echo server answers, as pure decisions: lines and times in, acts out. Reads, writes and waits for nothing.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::mcp::initialize::negotiate;
use crate::mcp::quote::quote;
use crate::servers::echo::line::{notification, response, text_result};
use crate::servers::echo::options::Options;
use crate::servers::echo::perform::Arguments;
use crate::servers::echo::tools::{find, is_inert, texts};

/// Lines that are not messages.
pub const NOISE: [&str; 5] = ["starting up ... done", "{\"half\":", "null", "[1,2]", ""];

/// Something to be done, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    /// Write one line of the protocol.
    Line(String),
    /// Write these bytes as they are.
    Bytes(Vec<u8>),
    /// Write so many bytes to stderr.
    Stderr(usize),
    /// Append a line to the cancel file.
    Record(String),
    /// Append a line to the count file and give the number of such lines to [`Core::finish`].
    Count { call: String, key: String },
    /// Start a process that is hard to end and give its id to [`Core::finish`].
    Grandchild { call: String },
    /// Write what is left and end the process.
    Exit(i32),
}

/// How a call ended: the text of its answer, or of its failure.
pub type Outcome = Result<String, String>;

/// What the process knows about itself.
#[derive(Default)]
pub struct Facts {
    pub pid: u32,
    pub cwd: String,
    pub environ: Vec<(String, String)>,
}

/// The state of one server process.
pub struct Core {
    options: Options,
    pub(super) facts: Facts,
    /// Nothing is answered before.
    ready: Instant,
    /// Lines that came before `ready`.
    held: Vec<String>,
    pub(super) sleeping: Vec<Sleeping>,
    /// Requests to the client that wait for an answer: their number, and the call they belong to.
    pub(super) asked: Vec<(u64, String)>,
    pub(super) next_ask: u64,
    calls: u64,
    answered: u64,
    pub(super) added: usize,
    noise: usize,
}

/// A call of the tool `sleep` under way.
pub(super) struct Sleeping {
    pub(super) call: String,
    pub(super) due: Instant,
    pub(super) answer: String,
    pub(super) progress: Option<Progress>,
}

/// Reports of one sleeping call.
pub(super) struct Progress {
    pub(super) token: String,
    pub(super) every: Duration,
    pub(super) next: Instant,
    pub(super) sent: u64,
    pub(super) total: u64,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CallParams<'a> {
    name: String,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "progressToken")]
    token: Option<&'a RawValue>,
}

impl Core {
    pub fn new(options: Options, facts: Facts, now: Instant) -> Core {
        Core {
            ready: now + options.delay,
            options,
            facts,
            held: Vec::new(),
            sleeping: Vec::new(),
            asked: Vec::new(),
            next_ask: 1,
            calls: 0,
            answered: 0,
            added: 0,
            noise: 0,
        }
    }

    /// A line from the client.
    pub fn on_line(&mut self, line: &str, now: Instant) -> Vec<Act> {
        let mut acts = Vec::new();
        if now < self.ready {
            self.held.push(line.to_owned());
        } else {
            self.answer(line, now, &mut acts);
        }
        acts
    }

    /// What is due at `now`.
    pub fn on_time(&mut self, now: Instant) -> Vec<Act> {
        let mut acts = Vec::new();
        if now >= self.ready {
            for line in std::mem::take(&mut self.held) {
                self.answer(&line, now, &mut acts);
            }
        }
        for sleeping in &mut self.sleeping {
            acts.extend(sleeping.progress.as_mut().and_then(|progress| progress.on_time(now)).map(Act::Line));
        }
        let mut over: Vec<Sleeping> = self.sleeping.extract_if(.., |sleeping| sleeping.due <= now).collect();
        over.sort_by_key(|sleeping| sleeping.due);
        for sleeping in over {
            self.close(&sleeping.call, &text_result(&sleeping.answer, false), &mut acts);
        }
        acts
    }

    /// When [`Core::on_time`] has something to do next.
    pub fn next_due(&self) -> Option<Instant> {
        let held = (!self.held.is_empty()).then_some(self.ready);
        let progress = self.sleeping.iter().filter_map(|sleeping| sleeping.progress.as_ref()).map(|p| p.next);
        self.sleeping.iter().map(|sleeping| sleeping.due).chain(progress).chain(held).min()
    }

    /// A call ended that an act was needed for.
    pub fn finish(&mut self, call: &str, outcome: Outcome) -> Vec<Act> {
        let mut acts = Vec::new();
        self.outcome(call, outcome, &mut acts);
        acts
    }

    fn answer(&mut self, line: &str, now: Instant, acts: &mut Vec<Act>) {
        // Anything that is not a message has nobody to be answered to.
        let Ok(message) = serde_json::from_str::<Message>(line) else { return };
        let params = message.params.map_or("{}", RawValue::get);
        match (message.id.map(RawValue::get), message.method.as_deref()) {
            (Some(id), Some("initialize")) if !self.options.no_init => self.initialize(id, params, acts),
            (Some(_), Some("initialize")) => {}
            (Some(id), Some("ping")) => self.reply(id, "{}", acts),
            (Some(id), Some("tools/list")) => self.list(id, params, acts),
            (Some(id), Some("tools/call")) => self.call(id, params, now, acts),
            (Some(id), Some(method)) => self.refuse(id, -32601, &format!("no method {method}"), acts),
            (None, Some("notifications/cancelled")) => self.cancel(params, acts),
            (None, Some(_)) => {}
            (Some(id), None) => self.heard(id, &message, acts),
            (None, None) => {}
        }
    }

    fn initialize(&mut self, id: &str, params: &str, acts: &mut Vec<Act>) {
        #[derive(Deserialize)]
        struct Params {
            #[serde(rename = "protocolVersion")]
            version: String,
        }
        let asked = serde_json::from_str::<Params>(params).ok().map(|params| params.version);
        let version = self.options.version_answer.as_deref().unwrap_or_else(|| negotiate(asked.as_deref()));
        let result = format!(
            "{{\"protocolVersion\":{},\"capabilities\":{{\"tools\":{{\"listChanged\":true}}}},\"serverInfo\":{{\"name\":{},\"version\":{}}}}}",
            quote(version),
            quote(self.options.name.as_deref().unwrap_or("loom-echo")),
            quote(env!("CARGO_PKG_VERSION"))
        );
        self.reply(id, &result, acts);
    }

    /// One page, whose cursor is the place of its first tool.
    fn list(&mut self, id: &str, params: &str, acts: &mut Vec<Act>) {
        #[derive(Deserialize)]
        struct Params {
            cursor: Option<String>,
        }
        let all = texts(self.options.test_tools, self.options.tools, self.added);
        let cursor = serde_json::from_str::<Params>(params).ok().and_then(|params| params.cursor);
        let from = cursor.map_or(Some(0), |cursor| cursor.parse().ok().filter(|from| *from < all.len()));
        let Some(from) = from else {
            return self.refuse(id, -32602, "no such cursor", acts);
        };
        let end = self.options.page.map_or(all.len(), |page| (from + page).min(all.len()));
        let next = if end < all.len() { format!(",\"nextCursor\":\"{end}\"") } else { String::new() };
        let result = format!("{{\"tools\":[{}]{next}}}", all[from..end].join(","));
        self.reply(id, &result, acts);
    }

    fn call(&mut self, id: &str, params: &str, now: Instant, acts: &mut Vec<Act>) {
        let call: CallParams = match serde_json::from_str(params) {
            Ok(call) => call,
            Err(error) => return self.refuse(id, -32602, &format!("not a tool call: {error}"), acts),
        };
        self.calls += 1;
        if self.options.die_on_call.is_some_and(|nth| self.calls.is_multiple_of(nth)) {
            return acts.push(Act::Exit(1));
        }
        if self.options.hang {
            return;
        }
        if is_inert(&call.name, self.options.tools, self.added) {
            return self.outcome(id, Ok(format!("{} was called", call.name)), acts);
        }
        let Some(what) = find(&call.name, self.options.test_tools) else {
            return self.refuse(id, -32602, &format!("no tool {}", call.name), acts);
        };
        let arguments = match call.arguments.map(RawValue::get) {
            None => Ok(Arguments::default()),
            Some(raw) if raw.starts_with('{') => serde_json::from_str(raw).map_err(|error| error.to_string()),
            Some(_) => Err("`arguments` must be an object".to_owned()),
        };
        let token = call.meta.as_ref().and_then(|meta| meta.token);
        let outcome = match arguments {
            Ok(arguments) => self.perform(what, id, &arguments, token, now, acts),
            Err(error) => Some(Err(format!("wrong arguments: {error}"))),
        };
        if let Some(outcome) = outcome {
            self.outcome(id, outcome, acts);
        }
    }

    /// The client answered a request of ours, or sent something nobody asked for.
    fn heard(&mut self, id: &str, message: &Message, acts: &mut Vec<Act>) {
        let Some(at) = self.asked.iter().position(|(number, _)| id == format!("\"ask-{number}\"")) else {
            return;
        };
        let (_, call) = self.asked.remove(at);
        let text = match (message.result, message.error) {
            (_, Some(error)) => format!("{{\"error\":{error}}}"),
            (result, None) => format!("{{\"result\":{}}}", result.map_or("null", RawValue::get)),
        };
        self.outcome(&call, Ok(text), acts);
    }

    /// Ends a sleeping or asking call without an answer, and records that the cancellation came.
    fn cancel(&mut self, params: &str, acts: &mut Vec<Act>) {
        #[derive(Deserialize)]
        struct Params<'a> {
            #[serde(borrow, rename = "requestId")]
            id: &'a RawValue,
        }
        let Ok(params) = serde_json::from_str::<Params>(params) else { return };
        let id = params.id.get();
        let open = self.sleeping.len() + self.asked.len();
        self.sleeping.retain(|sleeping| sleeping.call != id);
        self.asked.retain(|(_, call)| call != id);
        let ended = self.sleeping.len() + self.asked.len() < open;
        acts.push(Act::Record(format!("{{\"requestId\":{id},\"ended\":{ended}}}")));
    }

    fn outcome(&mut self, id: &str, outcome: Outcome, acts: &mut Vec<Act>) {
        let (text, failed) = match outcome {
            Ok(text) => (text, false),
            Err(text) => (text, true),
        };
        self.close(id, &text_result(&quote(&text), failed), acts);
    }

    /// Answers a call, and counts it.
    pub(super) fn close(&mut self, id: &str, result: &str, acts: &mut Vec<Act>) {
        self.reply(id, result, acts);
        self.answered += 1;
        if self.options.die_after.is_some_and(|most| self.answered >= most) {
            acts.push(Act::Exit(1));
        }
    }

    fn reply(&mut self, id: &str, result: &str, acts: &mut Vec<Act>) {
        self.say(response(id, result), acts);
    }

    fn refuse(&mut self, id: &str, code: i32, message: &str, acts: &mut Vec<Act>) {
        let message = quote(message);
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":{code},\"message\":{message}}}}}"
        );
        self.say(line, acts);
    }

    fn say(&mut self, line: String, acts: &mut Vec<Act>) {
        if self.options.garbage {
            acts.push(Act::Line(NOISE[self.noise % NOISE.len()].to_owned()));
            self.noise += 1;
        }
        acts.push(Act::Line(line));
    }
}

impl Progress {
    fn on_time(&mut self, now: Instant) -> Option<String> {
        if self.next > now {
            return None;
        }
        self.next += self.every;
        self.sent += 1;
        let params = format!(
            "{{\"progressToken\":{},\"progress\":{},\"total\":{}}}",
            self.token, self.sent, self.total
        );
        Some(notification("notifications/progress", &params))
    }
}

#[cfg(test)]
mod tests;
