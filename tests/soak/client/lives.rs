//! How a client comes and goes: handshake, roots, leave-taking.

use std::path::Path;
use std::time::{Duration, Instant};

use super::super::lists::Kind;
use super::super::world::Outcome;
use super::pending::Want;
use super::pipe::{Heard, Pipe};
use super::{Abilities, Actor, Level, params};

/// After a client has closed its end the proxy ends in this time.
const ENDS: Duration = Duration::from_secs(20);
/// After a change of its roots a client's servers are settled in this time.
const MOVED: Duration = Duration::from_secs(4);
const WORKSPACES: u64 = 3;
/// The number of a workspace without any root.
const NONE: u64 = WORKSPACES;

/// What loom says of a client without roots, whether it cannot have any or has none now: the folder that it was started
/// in.
pub fn folder_roots(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    format!(r#"{{"roots":[{{"uri":"file://{}","name":"{name}"}}]}}"#, folder.display())
}

/// One of the workspaces as a client tells it, in one of several spellings.
fn spelled(number: u64, spelling: u64) -> String {
    match spelling {
        0 => format!(
            r#"{{"_meta":{{"odd":1e400,"\u0061":"ü"}},"roots" : [ {{"name":"x","uri":"file:///tmp"}},{{"uri":"file:///w{number}"}} ]}}"#
        ),
        1 => format!(r#"{{"roots":[{{"uri":"file:///w{number}/"}},{{"uri":"file:///tmp","more":1e400}}]}}"#),
        _ => format!(
            r#"{{"roots":[{{"uri":"file:///tmp/"}},{{"uri":"file:///tmp"}},{{"uri":"file:\u002f//w{number}"}}]}}"#
        ),
    }
}

/// No roots as a client tells it, in one of several spellings.
fn none_spelled(spelling: u64) -> &'static str {
    match spelling {
        0 => r#"{"roots":[]}"#,
        1 => "{ \"roots\" :\r[ ] ,\"more\":[1e400]}",
        _ => r#"{"_meta":{"roots":[{"uri":"file:///tmp"}]},"r\u006fots":[]}"#,
    }
}

/// So many spellings there are.
const SPELLINGS: u64 = 3;

impl Actor {
    /// The handshake.
    pub fn greet(&mut self) {
        let capabilities = match self.abilities {
            Abilities::All => {
                r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},"experimental":{"x":{"n":1e400}}}"#
            }
            Abilities::Sampling => r#"{"sampling":{},"experimental":{"big":123456789012345678901234567890}}"#,
            Abilities::Nothing => "{}",
        };
        if self.abilities == Abilities::All {
            self.open_workspace();
        }
        let params = format!(
            r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"clientInfo":{{"name":"soak","version":"{}"}}}}"#,
            self.number
        );
        let id = self.mint();
        let line = params::request(&mut self.chance, &id, "initialize", &params);
        self.open_local(&id, "initialize", Want::Greeting);
        self.send(&line);
    }

    pub fn greeted(&mut self, result: &str) -> Result<(), String> {
        let value: serde_json::Value = serde_json::from_str(result).map_err(|error| error.to_string())?;
        if value["protocolVersion"] != "2025-11-25" || value["serverInfo"]["name"] != "loom" {
            return Err("not loom's handshake".into());
        }
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        // Before a server was listed, what it has is looked for elsewhere.
        Kind::ALL.into_iter().for_each(|kind| self.ask_list(kind));
        Ok(())
    }

    fn open_workspace(&mut self) {
        self.workspace = self.chance.below(WORKSPACES + 1);
        let spellings = match self.workspace {
            NONE => vec![self.folder_roots.clone()],
            number => (0..SPELLINGS).map(|spelling| spelled(number, spelling)).collect(),
        };
        self.roots.push((Instant::now(), spellings));
    }

    /// The result of `roots/list`.
    pub fn tell_roots(&mut self) -> String {
        let spelling = self.chance.below(SPELLINGS);
        match self.workspace {
            NONE => none_spelled(spelling).to_owned(),
            number => spelled(number, spelling),
        }
    }

    /// Another folder is opened.
    pub fn move_roots(&mut self) {
        if self.abilities == Abilities::All {
            self.open_workspace();
            self.loosen(|course| {
                let dues = course.logs.iter_mut().chain(course.updates.iter_mut());
                dues.for_each(|due| due.must = false);
            });
            self.send(r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#);
        }
    }

    /// Which instances serve it may not be settled yet.
    pub fn has_moved_lately(&self) -> bool {
        self.roots.last().is_some_and(|(at, _)| at.elapsed() < MOVED)
    }

    /// Its servers may have become others since.
    pub fn has_moved_since(&self, when: Instant) -> bool {
        self.roots.last().is_some_and(|(at, _)| *at + MOVED >= when)
    }

    pub fn roots_now(&self) -> String {
        self.roots.last().and_then(|(_, spellings)| spellings.first().cloned()).unwrap_or_default()
    }

    /// Goes away, in one of two ways, and comes back as somebody new.
    pub fn leave(&mut self) {
        match self.chance.percent(50) {
            true => self.pipe.close(),
            false => self.pipe.kill(),
        }
        self.hear_the_end();
        self.life += 1;
        self.pipe = Pipe::spawn(&mut (self.command)());
        self.start = Instant::now();
        self.lines = 0;
        self.timers.clear();
        self.asked.clear();
        self.nameless.clear();
        self.settled.clear();
        self.forget_tasks();
        self.courses.clear();
        self.tokens.clear();
        self.subscriptions.clear();
        self.level = Level::Unset;
        self.lists = [const { None }; 4];
        self.told = [false; 4];
        self.known = [false; 4];
        self.used.fill(false);
        self.greet();
    }

    pub fn leave_for_good(&mut self) {
        self.pipe.close();
        self.hear_the_end();
    }

    /// What still comes is compared, too.
    fn hear_the_end(&mut self) {
        let until = Instant::now() + ENDS;
        loop {
            match self.pipe.receive(until.saturating_duration_since(Instant::now())) {
                Heard::Line(line) => self.hear(&line),
                Heard::Nothing => self.differ("the proxy does not end"),
                Heard::End => break,
            }
        }
        for pending in std::mem::take(&mut self.open).into_values() {
            if !pending.answered {
                self.close(&pending, Outcome::Left);
            }
        }
    }
}
