//! Everything of one server's life: its open requests, what is due, what it has asked.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::cast;
use super::super::lists::{self, Kind};
use super::super::play::{Noise, Step, Topic, WITHDRAW_MS};
use super::super::texts;
use super::books::Books;
use super::run::{Envelope, Run};
use super::tasks::Tasks;

pub struct Stage {
    pub name: String,
    /// Its lists may change.
    changing: bool,
    pub books: Books,
    /// By their ids; those that are tasks by another key.
    pub runs: HashMap<String, Run>,
    pub tasks: Tasks,
    /// When, which run, at which of its turns.
    due: BinaryHeap<Reverse<(Instant, String, u64)>>,
    /// Questions that have no answer yet: the run of each, and how much progress was told.
    asked: HashMap<String, (String, usize)>,
    /// Ids that are no longer open.
    pub over: HashSet<String>,
    /// The least urgent log messages that are wanted.
    pub level: usize,
    pub subscribed: HashSet<String>,
    /// It was greeted.
    pub greeted: bool,
}

impl Stage {
    pub fn open(name: &str, folder: &Path) -> io::Result<Self> {
        Ok(Stage {
            name: name.to_owned(),
            changing: cast::roles().iter().any(|role| role.name == name && role.changing),
            books: Books::open(folder, name)?,
            runs: HashMap::new(),
            tasks: Tasks::default(),
            due: BinaryHeap::new(),
            asked: HashMap::new(),
            over: HashSet::new(),
            level: 0,
            subscribed: HashSet::new(),
            greeted: false,
        })
    }

    /// Another session begins: what was asked in the one before is over, but for tasks, which go on.
    pub fn begin_anew(&mut self) -> io::Result<()> {
        let mut over = self.take_waiting();
        over.extend(self.runs.extract_if(|_, run| !run.is_task).map(|(_, run)| run.nonce));
        over.iter().try_for_each(|nonce| self.books.note("ended", nonce))?;
        self.due.retain(|Reverse((_, key, _))| self.runs.contains_key(key));
        self.asked.clear();
        self.over.clear();
        self.subscribed.clear();
        self.level = 0;
        let mut asking = Vec::new();
        for (key, run) in &mut self.runs {
            if run.waits_for.take().is_some() {
                run.asked.push(texts::LOST.into());
                asking.push(key.clone());
            }
        }
        asking.iter().try_for_each(|key| self.go_on(key).map(drop))
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, ..))| *at)
    }

    /// Goes on with what is due. False: the life is over.
    pub fn due(&mut self, now: Instant) -> io::Result<bool> {
        while self.next_due().is_some_and(|at| at <= now) {
            let Some(Reverse((_, id, turn))) = self.due.pop() else { break };
            let is_now = self.runs.get(&id).is_some_and(|run| run.turn == turn);
            if is_now && !self.go_on(&id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One line of input. False: the life is over.
    pub fn line(&mut self, line: &[u8]) -> io::Result<bool> {
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(line) else {
            self.books.note("garbage", &String::from_utf8_lossy(&line[..line.len().min(200)]))?;
            return Ok(true);
        };
        let id = envelope.id.map(|id| id.get().to_owned());
        let params = envelope.params.map_or("{}", |params| params.get());
        match (envelope.method, id) {
            (Some(method), Some(id)) => self.request(&id, &method, params),
            (Some(method), None) => {
                match method.as_str() {
                    "notifications/cancelled" => self.cancelled(params)?,
                    "notifications/progress" => self.progress(params)?,
                    _ => {}
                }
                Ok(true)
            }
            (None, Some(id)) => match (envelope.result, envelope.error) {
                (Some(result), _) => self.answered(&id, |told| texts::heard_result(result.get(), told)),
                (None, Some(error)) => self.answered(&id, |told| heard_error(error.get(), told)),
                (None, None) => Ok(true),
            },
            (None, None) => Ok(true),
        }
    }

    fn request(&mut self, id: &str, method: &str, params: &str) -> io::Result<bool> {
        let Some(run) = Run::parse(id, method, params) else {
            self.errand(id, method, params)?;
            return Ok(true);
        };
        self.books.note("saw", &format!("{} {}", run.nonce, std::process::id()))?;
        if let Some(uri) = &run.uri {
            match method {
                "resources/subscribe" => drop(self.subscribed.insert(uri.clone())),
                "resources/unsubscribe" => drop(self.subscribed.remove(uri)),
                _ => {}
            }
        }
        let key = match method == "tools/call" && run.is_task {
            true => self.begin_task(&run)?,
            false => id.to_owned(),
        };
        self.runs.insert(key.clone(), run);
        self.go_on(&key)
    }

    fn cancelled(&mut self, params: &str) -> io::Result<()> {
        let Ok(GivenUp { id }) = serde_json::from_str(params) else {
            return self.books.note("stray", "cancellation-of-nothing");
        };
        let id = id.get().to_owned();
        let nonce = match self.runs.remove(&id) {
            Some(run) => run.nonce,
            // A task outlives its request.
            None if self.over.contains(&id) => return Ok(()),
            None => match self.cancel_waiting(&id) {
                Some(nonce) => nonce,
                None => return self.books.note("stray", &id),
            },
        };
        self.books.note("cancelled", &nonce)?;
        if !texts::is_cancellation(params, &id, &nonce) {
            self.books.note("reworded", &format!("{nonce} {params}"))?;
        }
        self.over.insert(id);
        Ok(())
    }

    /// Progress on a question of ours, whose token differs from its id in one character.
    fn progress(&mut self, params: &str) -> io::Result<()> {
        let Ok(Told { token }) = serde_json::from_str(params) else {
            return self.books.note("stray", "progress-without-token");
        };
        // It may cross the end of its question, but the question must have been ours.
        match self.asked.get_mut(&token.get().replace('!', "?")) {
            Some((_, told)) => *told += 1,
            None if token.get().contains('!') => {}
            None => self.books.note("stray", token.get())?,
        }
        Ok(())
    }

    /// A question of ours has its answer.
    fn answered(&mut self, question: &str, text: impl Fn(usize) -> String) -> io::Result<bool> {
        let Some((id, told)) = self.asked.remove(question) else { return Ok(true) };
        let waits = self.runs.get_mut(&id).filter(|run| run.waits_for.as_deref() == Some(question));
        let Some(run) = waits else { return Ok(true) };
        run.waits_for = None;
        run.asked.push(text(told));
        self.go_on(&id)
    }

    /// Plays a run's steps until it waits for something. False: the life is over.
    fn go_on(&mut self, id: &str) -> io::Result<bool> {
        loop {
            let Some(run) = self.runs.get_mut(id) else { return Ok(true) };
            if let Some(question) = run.waits_for.take() {
                self.withdraw(id, &question)?;
                continue;
            }
            run.turn += 1;
            match run.steps.pop_front() {
                None => {
                    self.finish(id)?;
                    return Ok(true);
                }
                Some(Step::Die) => return Ok(false),
                Some(Step::Wait(ms)) => {
                    self.later(id, ms);
                    return Ok(true);
                }
                Some(Step::Silence) => return Ok(true),
                Some(Step::Ask(topic)) => {
                    self.ask(id, topic)?;
                    return Ok(true);
                }
                Some(Step::Withdraw(topic)) => {
                    self.ask(id, topic)?;
                    self.later(id, WITHDRAW_MS);
                    return Ok(true);
                }
                Some(Step::Fail) => {
                    self.fail(id)?;
                    return Ok(true);
                }
                Some(Step::Broken) => {
                    self.broken(id)?;
                    return Ok(true);
                }
                Some(step) => self.tell(id, &step)?,
            }
        }
    }

    fn later(&mut self, id: &str, ms: u64) {
        let turn = self.runs.get(id).map_or(0, |run| run.turn);
        self.due.push(Reverse((Instant::now() + Duration::from_millis(ms), id.to_owned(), turn)));
    }

    /// A step that only says something.
    fn tell(&mut self, id: &str, step: &Step) -> io::Result<()> {
        let Some(run) = self.runs.get_mut(id) else { return Ok(()) };
        let nonce = run.nonce.clone();
        let (method, params) = match step {
            Step::Progress => {
                let Some(token) = &run.token else { return Ok(()) };
                run.counts.progress += 1;
                ("notifications/progress", texts::progress(token, run.counts.progress, &nonce))
            }
            Step::Log(level) => {
                run.counts.logs += 1;
                if *level < self.level {
                    return Ok(());
                }
                ("notifications/message", texts::log(&self.name, &nonce, run.counts.logs, *level))
            }
            Step::Updated(uri) => {
                run.counts.updates += 1;
                // It tells of whatever begins like something that was subscribed to.
                if !self.subscribed.iter().any(|whole| uri.starts_with(whole.as_str())) {
                    return Ok(());
                }
                let uri = serde_json::to_string(uri).expect("texts are JSON");
                ("notifications/resources/updated", texts::updated(&uri, &nonce, run.counts.updates))
            }
            // A script that strayed here changes nothing: others of this server would not say so.
            Step::Changed(_) if !self.changing => return Ok(()),
            Step::Changed(kind) => {
                let kind = Kind::ALL[*kind];
                self.books.lengthen(kind)?;
                (kind.changed(), "{}".into())
            }
            Step::Noise(noise) => return self.noise(*noise, &nonce),
            _ => return Ok(()),
        };
        self.write(&texts::notification(method, &params, &nonce))
    }

    fn noise(&mut self, noise: Noise, nonce: &str) -> io::Result<()> {
        match noise {
            Noise::Garbage => self.write(&format!("starting {nonce} ... \u{fc}\r")),
            Noise::Half => self.write(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"lev"#),
            Noise::Notification => {
                let params = format!("{{\"n\":1e400,\"nonce\":\"{nonce}\"}}");
                self.write(&texts::notification("notifications/soak", &params, nonce))
            }
            Noise::Answer => self.write(r#"{"jsonrpc":"2.0","id":99999999999999999999,"result":{}}"#),
            Noise::Bytes => self.write_bytes(b"\xff\xfe {\"jsonrpc\":\"2.0\"} \xc3\n"),
        }
    }

    fn ask(&mut self, id: &str, topic: Topic) -> io::Result<()> {
        let Some(run) = self.runs.get_mut(id) else { return Ok(()) };
        run.counts.asks += 1;
        let (nonce, step) = (run.nonce.clone(), run.counts.asks);
        let question = format!("\"{nonce}?{step}\"");
        let token = texts::question_has_token(&nonce, step).then(|| format!("\"{nonce}!{step}\""));
        let task = run.is_task.then_some(nonce.as_str());
        run.waits_for = Some(question.clone());
        let (method, params) = texts::question(topic, &nonce, step, token.as_deref(), task);
        self.asked.insert(question.clone(), (id.to_owned(), 0));
        self.write(&format!(r#"{{"jsonrpc":"2.0","id":{question},"method":"{method}","params":{params}}}"#))
    }

    /// Takes a question back.
    fn withdraw(&mut self, id: &str, question: &str) -> io::Result<()> {
        self.asked.remove(question);
        if let Some(run) = self.runs.get_mut(id) {
            run.asked.push(texts::WITHDRAWN.into());
        }
        let params = format!(r#"{{"requestId":{question},"reason":"\u00fc","more":1e400}}"#);
        self.write(&texts::notification("notifications/cancelled", &params, question))
    }

    fn finish(&mut self, id: &str) -> io::Result<()> {
        let Some(run) = self.runs.remove(id) else { return Ok(()) };
        if run.is_task {
            return self.end_task(&run, "completed");
        }
        let uri = run.uri.as_deref().filter(|_| run.method == "resources/read");
        if uri.is_some_and(|uri| !lists::has(&self.name, uri)) {
            return self.send_answer(&run, "error", &texts::no_resource(&self.name, &run.nonce));
        }
        match run.method.as_str() {
            "tasks/get" | "tasks/cancel" | "tasks/result" => self.answer_task(run),
            _ => {
                let text = texts::result(&self.name, &run.method, &run.heard, &run.nonce, &run.asked);
                self.send_answer(&run, "result", &text)
            }
        }
    }

    fn fail(&mut self, id: &str) -> io::Result<()> {
        let Some(run) = self.runs.remove(id) else { return Ok(()) };
        if run.is_task {
            return self.end_task(&run, "failed");
        }
        self.send_answer(&run, "error", &texts::error(&self.name, &run.nonce))
    }

    fn broken(&mut self, id: &str) -> io::Result<()> {
        let Some(run) = self.runs.remove(id) else { return Ok(()) };
        self.over.insert(id.to_owned());
        self.books.note("answered", &run.nonce)?;
        self.write(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[}}}}"#))
    }

    pub fn send_answer(&mut self, run: &Run, member: &str, text: &str) -> io::Result<()> {
        self.over.insert(run.id.clone());
        self.books.note("answered", &run.nonce)?;
        self.write(&texts::answer(&run.id, member, text, &run.nonce))
    }

    pub fn write(&mut self, line: &str) -> io::Result<()> {
        self.write_bytes(format!("{line}\n").as_bytes())
    }

    fn write_bytes(&mut self, line: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(line)?;
        out.flush()
    }
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, rename = "progressToken")]
    token: &'a RawValue,
}

#[derive(Deserialize)]
struct GivenUp<'a> {
    #[serde(borrow, rename = "requestId")]
    id: &'a RawValue,
}

/// An error that is loom's own says so in its data.
fn heard_error(error: &str, progress: usize) -> String {
    let value: serde_json::Value = serde_json::from_str(error).unwrap_or_default();
    match value["data"]["code"].as_str() {
        Some(name) => texts::heard_refusal(name),
        None => texts::heard_error(error, progress),
    }
}
