//! What each tool of the echo server does. Decides only, like the rest of the core.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::mcp::quote::quote;
use crate::servers::echo::core::{Act, Core, NOISE, Outcome, Progress, Sleeping};
use crate::servers::echo::line::{notification, response, text_result};
use crate::servers::echo::tools::What;

/// The largest text the tool `size` makes.
const SIZE_MAX: usize = 256 << 20;

/// The longest the tool `sleep` sleeps.
const SLEEP_MAX_MS: u64 = 24 * 3600 * 1000;

/// The arguments of every tool together.
#[derive(Default, Deserialize)]
pub struct Arguments<'a> {
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    pub(super) ms: Option<u64>,
    pub(super) progress_ms: Option<u64>,
    pub(super) bytes: Option<usize>,
    pub(super) code: Option<i32>,
    pub(super) lines: Option<usize>,
    pub(super) name: Option<String>,
    pub(super) key: Option<String>,
    pub(super) method: Option<String>,
    #[serde(borrow)]
    pub(super) params: Option<&'a RawValue>,
}

impl Core {
    /// Runs one tool; `None` when the answer comes otherwise, or never.
    pub(super) fn perform(
        &mut self,
        what: What,
        id: &str,
        arguments: &Arguments,
        token: Option<&RawValue>,
        now: Instant,
        acts: &mut Vec<Act>,
    ) -> Option<Outcome> {
        match what {
            What::Echo => self.message(id, arguments, false, acts),
            What::Fail => self.message(id, arguments, true, acts),
            What::Sleep => self.sleep(id, arguments, token, now),
            What::Size => Some(size(arguments.bytes)),
            What::Pid => Some(Ok(self.facts.pid.to_string())),
            What::Cwd => Some(Ok(self.facts.cwd.clone())),
            What::Env => Some(self.env(arguments.name.as_deref())),
            What::Environ => Some(Ok(self.environ())),
            What::ChangeTools => {
                self.added += 1;
                acts.push(Act::Line(notification("notifications/tools/list_changed", "{}")));
                Some(Ok(format!("added_{}", self.added)))
            }
            What::Ask => self.ask(id, arguments, acts),
            What::Count => match &arguments.key {
                Some(key) => {
                    acts.push(Act::Count { call: id.to_owned(), key: key.clone() });
                    None
                }
                None => Some(missing("key")),
            },
            What::Grandchild => {
                acts.push(Act::Grandchild { call: id.to_owned() });
                None
            }
            What::Stderr => match arguments.bytes {
                Some(bytes) => {
                    acts.push(Act::Stderr(bytes));
                    Some(Ok(format!("{bytes} bytes")))
                }
                None => Some(missing("bytes")),
            },
            What::Die => misbehave(acts, [Act::Exit(arguments.code.unwrap_or(1))]),
            What::Silent => None,
            What::WrongId => {
                misbehave(acts, [Act::Line(response("987654321", &text_result("\"lost\"", false)))])
            }
            What::HalfLine => {
                let whole = response(id, &text_result("\"cut off\"", false));
                misbehave(acts, [Act::Bytes(whole.as_bytes()[..whole.len() / 2].to_vec()), Act::Exit(1)])
            }
            What::BadUtf8 => {
                let line = response(id, &text_result("\"bad \u{1} here\"", false)) + "\n";
                misbehave(
                    acts,
                    [Act::Bytes(line.bytes().map(|byte| if byte == 1 { 0xff } else { byte }).collect())],
                )
            }
            What::Garbage => {
                let lines = (0..arguments.lines.unwrap_or(3)).map(|n| NOISE[n % NOISE.len()].to_owned());
                acts.extend(lines.map(Act::Line));
                Some(Ok("after garbage".to_owned()))
            }
        }
    }

    /// Answers the message as the JSON string it came in.
    fn message(
        &mut self,
        id: &str,
        arguments: &Arguments,
        failed: bool,
        acts: &mut Vec<Act>,
    ) -> Option<Outcome> {
        match arguments.message.map(RawValue::get).filter(|raw| raw.starts_with('"')) {
            Some(message) => {
                self.close(id, &text_result(message, failed), acts);
                None
            }
            None => Some(missing("message")),
        }
    }

    fn sleep(
        &mut self,
        id: &str,
        arguments: &Arguments,
        token: Option<&RawValue>,
        now: Instant,
    ) -> Option<Outcome> {
        let Some(ms) = arguments.ms.map(|ms| ms.min(SLEEP_MAX_MS)) else {
            return Some(missing("ms"));
        };
        let message = arguments.message.map(RawValue::get).filter(|raw| raw.starts_with('"'));
        let every = arguments.progress_ms.filter(|every| *every > 0);
        let progress = token.zip(every).map(|(token, every)| Progress {
            token: token.get().to_owned(),
            every: Duration::from_millis(every),
            next: now + Duration::from_millis(every),
            sent: 0,
            total: ms / every,
        });
        self.sleeping.push(Sleeping {
            call: id.to_owned(),
            due: now + Duration::from_millis(ms),
            answer: message.map_or_else(|| format!("\"slept {ms} ms\""), str::to_owned),
            progress,
        });
        None
    }

    fn env(&self, name: Option<&str>) -> Outcome {
        let name = name.ok_or("the argument name is missing")?;
        let found = self.facts.environ.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).ok_or_else(|| format!("{name} is not set"))
    }

    fn environ(&self) -> String {
        let mut pairs: Vec<String> = self
            .facts
            .environ
            .iter()
            .map(|(key, value)| format!("{}:{}", quote(key), quote(value)))
            .collect();
        pairs.sort();
        format!("{{{}}}", pairs.join(","))
    }

    fn ask(&mut self, id: &str, arguments: &Arguments, acts: &mut Vec<Act>) -> Option<Outcome> {
        let Some(method) = &arguments.method else {
            return Some(missing("method"));
        };
        let (number, method) = (self.next_ask, quote(method));
        let params = arguments.params.map_or("{}", RawValue::get);
        self.next_ask += 1;
        self.asked.push((number, id.to_owned()));
        acts.push(Act::Line(format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":\"ask-{number}\",\"method\":{method},\"params\":{params}}}"
        )));
        None
    }
}

fn misbehave<const N: usize>(acts: &mut Vec<Act>, more: [Act; N]) -> Option<Outcome> {
    acts.extend(more);
    None
}

fn missing(argument: &str) -> Outcome {
    Err(format!("the argument {argument} is missing or of a wrong type"))
}

fn size(bytes: Option<usize>) -> Outcome {
    match bytes {
        Some(bytes) if bytes <= SIZE_MAX => Ok("0123456789abcdef".repeat(bytes / 16 + 1)[..bytes].to_owned()),
        Some(_) => Err(format!("at most {SIZE_MAX} bytes")),
        None => missing("bytes"),
    }
}
