//! Questions of servers, and loom's own for roots.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::cast::Sharing;
use super::super::play::Topic;
use super::super::texts::{self, flat};
use super::{Abilities, Actor, Asked, Timer};

/// Settled questions that are remembered: what crosses them may still come.
const SETTLED: usize = 200;
/// Roots that were replaced may still be in use for so long.
const ROOTS_LATE: Duration = Duration::from_secs(3);

#[derive(Deserialize)]
struct Question {
    #[serde(rename = "_meta")]
    meta: Mark,
}

#[derive(Deserialize)]
struct Mark {
    nonce: String,
    step: usize,
}

#[derive(Deserialize)]
struct Cancelled<'a> {
    #[serde(borrow, rename = "requestId")]
    id: &'a RawValue,
}

impl Actor {
    /// Whether this client can be asked about something.
    pub fn can(&self, topic: Topic) -> bool {
        match (self.abilities, topic) {
            (Abilities::All, _) | (_, Topic::Odd) | (Abilities::Sampling, Topic::Sampling) => true,
            (Abilities::Sampling | Abilities::Nothing, _) => false,
        }
    }

    pub fn question(&mut self, id: &str, method: &str, params: &str) {
        if self.asked.contains_key(id) {
            self.differ("a question with the id of an open one");
        }
        // The next daemon begins anew.
        self.settled.retain(|settled| settled != id);
        let Ok(Question { meta: Mark { nonce, step } }) = serde_json::from_str(params) else {
            return self.ask_of_loom(id, method, params);
        };
        let repeats = self.may_repeat(&nonce);
        let Some(course) = self.courses.get_mut(&nonce) else {
            if !self.faded.contains(&nonce) {
                self.differ("a question that belongs to no request of this client");
            }
            // Its request was taken back, which the server does not know yet.
            self.settle(id);
            return self
                .send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-1,"message":"late"}}}}"#));
        };
        let (task, server) = (course.task.clone(), course.server);
        let question = course.questions.get_mut(step.wrapping_sub(1));
        let Some(question) = question.filter(|question| !question.came || repeats) else {
            self.differ("a question that is not in the script, or came before")
        };
        question.came = true;
        let topic = question.topic;
        let has_token = texts::question_has_token(&nonce, step);
        let token = has_token.then_some(id);
        let (want_method, want) = texts::question(topic, &nonce, step, token, task.as_deref());
        if method != want_method || params != flat(&want) {
            self.differ(&format!("another question than the server's: {want_method} {want}"));
        }
        let nobodys = topic == Topic::Roots && self.world.roles[server].sharing != Sharing::Client;
        if !self.can(topic) || (nobodys && !repeats) {
            self.differ("a question that this client cannot be asked");
        }
        let reply = texts::reply(&nonce, step);
        self.asked.insert(id.to_owned(), Asked { nonce, step, progress: reply.progress, has_token });
        self.later(reply.delay_ms, Timer::Reply(id.to_owned()));
    }

    /// loom's own question.
    fn ask_of_loom(&mut self, id: &str, method: &str, params: &str) {
        if method != "roots/list" || params != "{}" || self.abilities != Abilities::All {
            self.differ("a question of nobody's");
        }
        self.settle(id);
        let roots = self.tell_roots();
        self.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{roots}}}"#));
    }

    fn settle(&mut self, id: &str) {
        if self.settled.len() == SETTLED {
            self.settled.pop_front();
        }
        self.settled.push_back(id.to_owned());
    }

    /// A question's time has come.
    pub fn reply(&mut self, id: &str) {
        let Some(Asked { nonce, step, progress, has_token }) = self.asked.remove(id) else { return };
        self.settle(id);
        if has_token {
            for done in 1..=progress {
                let params = format!(r#"{{"progress":{done},"progressToken" : {id},"more":1e400}}"#);
                self.send(&format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#
                ));
            }
        }
        let reply = texts::reply(&nonce, step);
        let (member, text) = match &reply.text {
            Ok(text) => ("result", text),
            Err(text) => ("error", text),
        };
        let progress = if has_token { progress } else { 0 };
        let told = match reply.text {
            Ok(_) => texts::heard_result(text, progress),
            Err(_) => texts::heard_error(text, progress),
        };
        if let Some(question) =
            self.courses.get_mut(&nonce).and_then(|course| course.questions.get_mut(step - 1))
        {
            question.told = Some(flat(&told));
        }
        self.send(&texts::answer(id, member, text, &nonce));
    }

    pub fn question_cancelled(&mut self, params: &str) {
        let Ok(Cancelled { id }) = serde_json::from_str(params) else {
            self.differ("a cancellation of nothing")
        };
        let id = id.get().to_owned();
        match self.asked.remove(&id) {
            Some(_) => self.settle(&id),
            None if self.settled.contains(&id) => {}
            None => self.differ("a cancellation of a question that was never asked"),
        }
    }

    /// Whether a server may have heard this of its `number`th question.
    pub fn may_have_heard(&self, nonce: &str, number: usize, heard: &str) -> Result<(), String> {
        let Some(course) = self.courses.get(nonce) else { return Err("no script".into()) };
        let Some(question) = course.questions.get(number) else { return Err("more than was asked".into()) };
        let role = &self.world.roles[course.server];
        if question.withdrawn && heard == texts::WITHDRAWN {
            return Ok(());
        }
        if question.topic == Topic::Roots && role.sharing == Sharing::Workspace {
            let known =
                self.roots_since(course.began).any(|roots| flat(&texts::heard_result(roots, 0)) == heard);
            return if known { Ok(()) } else { Err(format!("not this client's roots: {:?}", self.roots)) };
        }
        let outlived = role.lasts()
            && course.task.is_some()
            && self.world.ledger.server_lost(&role.name, course.began, Instant::now());
        if outlived && heard == texts::LOST {
            return Ok(());
        }
        if heard == texts::heard_refusal("NOT_ASKED") {
            if question.topic == Topic::Roots && role.sharing == Sharing::Everybody {
                return Ok(());
            }
            let shared = self.may_be_shared(course.server)
                && self.world.is_shared_since(course.server, self.number, course.began);
            return match (question.came, self.can(question.topic)) {
                (true, _) if !self.may_repeat(nonce) => {
                    Err("the question came, and was said to be refused".into())
                }
                (_, true) if !shared => Err("refused, but it was clear who is meant".into()),
                _ => Ok(()),
            };
        }
        match question.told.as_deref() == Some(heard) {
            true => Ok(()),
            false => Err(format!("the answer was {:?}", question.told)),
        }
    }

    /// The roots that held at some time since.
    fn roots_since(&self, since: Instant) -> impl Iterator<Item = &str> {
        let ends =
            self.roots.iter().skip(1).map(|(at, _)| *at + ROOTS_LATE).chain([Instant::now() + ROOTS_LATE]);
        let late = self.roots.iter().zip(ends).filter(move |(_, end)| *end >= since);
        late.flat_map(|((_, spellings), _)| spellings.iter().map(String::as_str))
    }
}
