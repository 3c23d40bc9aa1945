//! Answers: each is compared with what its request must bring.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::texts::{self, flat};
use super::super::world::{Outcome, Record, World};
use super::pending::{Ending, Pending, Want};
use super::{Actor, Level};

/// So long a daemon that makes way waits at least for its calls.
const DRAINED: Duration = Duration::from_secs(4);
/// A limit is kept at least this well.
const EARLY: Duration = Duration::from_millis(20);
/// So many requests without an answer are remembered.
const FADED: usize = 1000;
/// Deaths that may make a crash loop are counted for so long.
const CRASHES: Duration = Duration::from_secs(60);

/// The part of loom's own errors that scripts match on.
#[derive(Deserialize)]
struct Named {
    message: String,
    data: NameData,
}

#[derive(Deserialize)]
struct NameData {
    code: String,
    kind: String,
    #[serde(default)]
    server: Option<String>,
}

/// What the server says that it was answered.
#[derive(Deserialize)]
struct Heard<'a> {
    #[serde(borrow)]
    asked: Vec<&'a RawValue>,
}

/// The number of the server that one of loom's errors is about.
fn server_in(error: &str) -> Option<usize> {
    let named: Named = serde_json::from_str(error).ok()?;
    named.data.server?.strip_prefix('s')?.parse().ok()
}

/// The name of one of loom's errors, and its sentence.
pub fn name_of(error: &str) -> Option<(String, String)> {
    let named: Named = serde_json::from_str(error).ok()?;
    let known = ["usage", "unavailable", "not_running", "config"];
    known.contains(&&*named.data.kind).then_some((named.data.code, named.message))
}

impl Actor {
    pub fn answer(&mut self, id: &str, answer: Result<&str, &str>) {
        let Some(mut pending) = self.open.remove(id) else { self.differ("an answer that nobody waits for") };
        if pending.twin && self.is_for_twin(&pending, answer) {
            pending.twin = false;
            if !pending.answered {
                self.open.insert(id.to_owned(), pending);
            }
            return;
        }
        if pending.answered {
            self.differ("a second answer");
        }
        let fault = match (pending.server, answer) {
            (None, _) => self.local_answer(&pending, answer),
            (Some(server), Ok(result)) => self.server_result(server, &pending, result),
            (Some(server), Err(error)) => self.server_error(server, &pending, error),
        };
        if let Err(fault) = fault {
            let course = self.courses.get(&pending.nonce).cloned();
            self.differ(&format!("{fault}\nrequest {id}: {pending:?}\nscript: {course:?}"));
        }
        let outcome = match answer {
            Err(error) => match name_of(error) {
                Some((name, _)) if name == "TIMEOUT" => Outcome::TimedOut,
                Some(_) => Outcome::Refused,
                None => Outcome::Answered,
            },
            Ok(_) => Outcome::Answered,
        };
        self.close(&pending, outcome);
        if pending.twin {
            pending.answered = true;
            self.open.insert(id.to_owned(), pending);
        } else if pending.server.is_none() && pending.method == "completion/complete" {
            self.forget_cancelled(pending.line);
        }
    }

    /// A second request with the same id is refused; when the first was answered just before, it is answered.
    fn is_for_twin(&self, pending: &Pending, answer: Result<&str, &str>) -> bool {
        match answer {
            Ok(result) => pending.answered && result == "{}",
            Err(error) => name_of(error)
                .is_some_and(|(name, text)| name == "INVALID_REQUEST" && text.ends_with("is already in use")),
        }
    }

    /// A request is over.
    pub fn close(&mut self, pending: &Pending, outcome: Outcome) {
        if let Some(mark) = pending.kills {
            self.world.ledger.end(mark);
        }
        let departs = |world: &World, server: usize, client: usize| world.departs(server, client, outcome);
        if matches!(pending.want, Want::TaskList(_)) {
            self.presence(&pending.want, 0, departs);
        }
        let Some(server) = pending.server else { return };
        self.bytes -= pending.size;
        self.presence(&pending.want, server, departs);
        let record = Record {
            server,
            method: pending.method,
            outcome,
            roots: (!self.has_moved_since(pending.began)).then(|| self.roots_now()),
            began: pending.began,
            ended: Instant::now(),
            searches: matches!(pending.want, Want::Search(_)) || self.is_unsettled(server, pending),
            way: match pending.want {
                Want::Search(way) => Some(way),
                _ => None,
            },
        };
        self.world.record(&pending.nonce, record);
        if !self.tasks.contains_key(&pending.nonce) {
            self.forget_course(&pending.nonce);
        }
        if outcome != Outcome::Answered {
            if self.faded.len() == FADED {
                self.faded.pop_front();
            }
            self.faded.push_back(pending.nonce.clone());
        }
    }

    /// Whether a script may be played twice: what is no call is asked again after a daemon's death, and of several
    /// servers while the registry changes.
    pub fn may_repeat(&self, nonce: &str) -> bool {
        self.courses.get(nonce).is_some_and(|course| {
            let (from, to) = (course.began, Instant::now());
            let name = &self.world.roles[course.server].name;
            let ledger = &self.world.ledger;
            !course.is_call && (ledger.daemon_deaths(from, to) > 0 || ledger.unsettled(name, from, to))
        })
    }

    /// Whether a script may be played by this server: by its own, or by any while the registry changes.
    pub fn may_play(&self, nonce: &str, server: usize) -> bool {
        self.courses.get(nonce).is_some_and(|course| {
            let name = &self.world.roles[course.server].name;
            course.server == server || self.world.ledger.unsettled(name, course.began, Instant::now())
        })
    }

    /// What was taken back before this line gets no answer any more.
    fn forget_cancelled(&mut self, line: u64) {
        let over = |one: &Pending| one.cancelled.is_some_and(|at| at < line) && !(one.twin && one.answered);
        let ids: Vec<String> =
            self.open.iter().filter(|(_, one)| over(one)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            let Some(mut pending) = self.open.remove(&id) else { continue };
            if !pending.answered {
                self.close(&pending, Outcome::Cancelled);
            }
            // Another request under its id is still to be refused: by the proxy, whose answers are in no order with others.
            if pending.twin {
                pending.answered = true;
                self.open.insert(id, pending);
            }
        }
    }

    fn local_answer(&mut self, pending: &Pending, answer: Result<&str, &str>) -> Result<(), String> {
        match (&pending.want, answer) {
            (Want::Exactly(want), Ok(result)) if result == *want => {
                if pending.method == "logging/setLevel" {
                    let new = pending.uri.as_ref().and_then(|level| level.parse().ok());
                    self.level = new.map_or(self.level, Level::Set);
                }
                Ok(())
            }
            (Want::Refusal(names), Err(error)) => match name_of(error) {
                Some((name, _)) if names.contains(&&*name) => Ok(()),
                Some((name, _)) if name == "DAEMON_GONE" && pending.method == "tools/call" => {
                    match self.world.ledger.daemon_deaths(pending.began, Instant::now()) {
                        0 => Err("the daemon did not die".into()),
                        _ => Ok(()),
                    }
                }
                other => Err(format!("{other:?} instead of {names:?}")),
            },
            (Want::List(kind), Ok(result)) => self.listed(*kind, result),
            (Want::Greeting, Ok(result)) => self.greeted(result),
            (Want::TaskList(due), Ok(result)) => self.tasks_listed(due, result),
            // One of the servers could not be asked.
            (Want::TaskList(_), Err(error)) => match (name_of(error), server_in(error)) {
                (Some((name, _)), Some(server)) => self.may_be_refused(server, pending, &name),
                _ => Err("no error of loom's about a server".into()),
            },
            (want, _) => Err(format!("not {want:?}")),
        }
    }

    fn server_result(&mut self, server: usize, pending: &Pending, result: &str) -> Result<(), String> {
        match &pending.want {
            Want::NewTask => return self.task_begun(server, pending, result),
            Want::Task(nonce) => return self.task_told(nonce, pending, result),
            _ => {}
        }
        // Other clients may go on listening, or the server is busy: then loom answers.
        if pending.method == "resources/unsubscribe" && result == "{}" {
            self.note_subscription(pending);
            return Ok(());
        }
        if pending.ending != Ending::Result {
            return Err(format!("a result, but the script ends with {:?}", pending.ending));
        }
        let heard: Heard<'_> = serde_json::from_str(result).map_err(|error| error.to_string())?;
        for (number, one) in heard.asked.iter().enumerate() {
            let checked = self.may_have_heard(&pending.nonce, number, one.get());
            checked
                .map_err(|why| format!("question {}: the server heard {}: {why}", number + 1, one.get()))?;
        }
        let due = self.courses.get(&pending.nonce).map_or(0, |course| course.questions.len());
        if heard.asked.len() < due {
            return Err(format!("{} of {due} questions were asked", heard.asked.len()));
        }
        let asked: Vec<String> = heard.asked.iter().map(|one| one.get().to_owned()).collect();
        let name = &self.world.roles[server].name;
        let of =
            |name: &str| flat(&texts::result(name, pending.method, &pending.heard, &pending.nonce, &asked));
        let want = of(name);
        if result != want && !self.may_come_from_others(server, pending, |name| of(name) == result) {
            return Err(format!("another result than the server's: {}", difference(&want, result)));
        }
        if let Some(missing) = self.missing(&pending.nonce) {
            return Err(format!("answered, but it lacks {missing}"));
        }
        self.note_subscription(pending);
        Ok(())
    }

    fn note_subscription(&mut self, pending: &Pending) {
        let Some(uri) = &pending.uri else { return };
        match pending.method {
            "resources/subscribe" => {
                if let Some(one) = self.subscriptions.get_mut(uri) {
                    one.certain = true;
                }
            }
            "resources/unsubscribe" => drop(self.subscriptions.remove(uri)),
            _ => {}
        }
    }

    fn server_error(&mut self, server: usize, pending: &Pending, error: &str) -> Result<(), String> {
        if let Some((name, text)) = name_of(error) {
            match &pending.want {
                // The registry has lost its server.
                Want::Task(nonce) if name == "INVALID_PARAMS" => self.end_task(nonce),
                Want::Task(nonce) => self.ask_again(nonce, pending.method),
                _ => {}
            }
            return self
                .may_be_refused(server, pending, &name)
                .map_err(|why| format!("{name} ({text}): {why}"));
        }
        let says = |name: &str| {
            let no_resource = || pending.uri.is_some() && error == texts::no_resource(name, &pending.nonce);
            error == flat(&texts::error(name, &pending.nonce)) || no_resource()
        };
        let own = says(&self.world.roles[server].name) || self.may_come_from_others(server, pending, says);
        match &pending.want {
            // Every server has said no: the one that has it was not to be had.
            Want::Search(_) if self.world.roles.iter().any(|role| says(&role.name)) => {
                self.may_be_refused(server, pending, "SERVER_UNAVAILABLE")
            }
            Want::Task(nonce) if own => self.task_unknown(nonce, pending),
            _ if !own => Err("another error than the server's".into()),
            _ if self.may_come_from_others(server, pending, says) => Ok(()),
            _ if pending.ending != Ending::Fail => Err("an error, but the script ends otherwise".into()),
            _ => match self.missing(&pending.nonce) {
                Some(missing) => Err(format!("answered, but it lacks {missing}")),
                None => Ok(()),
            },
        }
    }

    /// What the registry has just lost is looked for at other servers.
    fn may_come_from_others(&self, server: usize, pending: &Pending, is: impl Fn(&str) -> bool) -> bool {
        let by_uri = pending.method == "completion/complete" || pending.uri.is_some();
        by_uri && self.is_unsettled(server, pending) && self.world.roles.iter().any(|role| is(&role.name))
    }

    /// Whether the registry may not have had its server all the time.
    fn is_unsettled(&self, server: usize, pending: &Pending) -> bool {
        self.world.ledger.unsettled(&self.world.roles[server].name, pending.began, Instant::now())
    }

    /// What a script should have brought and has not.
    pub fn missing(&mut self, nonce: &str) -> Option<String> {
        let deaths = |from| self.world.ledger.daemon_deaths(from, Instant::now());
        let course = self.courses.get_mut(nonce)?;
        if deaths(course.began) + self.world.ledger.restarts(course.began, Instant::now()) > 0 {
            course.updates.iter_mut().for_each(|due| due.must = false);
        }
        course.missing()
    }

    /// Whether one of loom's own errors is in order.
    fn may_be_refused(&self, server: usize, pending: &Pending, name: &str) -> Result<(), String> {
        let (from, to) = (pending.began, Instant::now());
        let (ledger, role) = (&self.world.ledger, &self.world.roles[server]);
        let unsettled = ledger.unsettled(&role.name, from, to);
        let allowed = match name {
            // A daemon that makes way waits for calls, but not for ever.
            "SERVER_GONE" | "DAEMON_GONE" if ledger.restarts(from, to) > 0 && from.elapsed() > DRAINED => {
                true
            }
            "SERVER_GONE" => ledger.server_killed(&role.name, from, to),
            "SERVER_UNAVAILABLE" => {
                let deaths = ledger.server_deaths(&role.name, from.checked_sub(CRASHES).unwrap_or(from), to);
                unsettled || deaths > 0
            }
            "DAEMON_GONE" => pending.method == "tools/call" && ledger.daemon_deaths(from, to) > 0,
            "TIMEOUT" => role.tool_timeout.is_some_and(|limit| from.elapsed() + EARLY >= limit),
            "BAD_ANSWER" => pending.ending == Ending::Broken,
            "TOOL_NOT_FOUND" | "INVALID_PARAMS" | "RESOURCE_NOT_FOUND" => unsettled,
            _ => false,
        };
        if allowed { Ok(()) } else { Err("no fault explains it".into()) }
    }
}

/// Where two texts begin to differ.
fn difference(want: &str, got: &str) -> String {
    let same = want.bytes().zip(got.bytes()).take_while(|(a, b)| a == b).count();
    let part = |text: &str| {
        let bytes = &text.as_bytes()[same.saturating_sub(40).min(text.len())..(same + 120).min(text.len())];
        String::from_utf8_lossy(bytes).into_owned()
    };
    format!("from byte {same} on: want …{}… got …{}…", part(want), part(got))
}
