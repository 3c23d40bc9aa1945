//! One client: a thread that writes random requests to a `loom proxy` and compares every line that comes back with the
//! model.

mod answers;
mod asking;
mod course;
mod incoming;
mod lives;
mod notes;
mod params;
mod pending;
mod pipe;
mod questions;
mod requests;
mod rows;
mod script;
mod tasks;
mod wrong;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fs::File;
use std::io::Write;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::chance::Chance;
use super::world::{Phase, World};
use course::Course;
use pending::Pending;
use pipe::{Heard, Pipe};

/// So many lines are kept for a report.
const TRAIL: usize = 300;
/// So much of each, in bytes.
const TRAIL_LINE: usize = 300;
/// A list that lacks servers is asked for again after this.
const LIST_AGAIN_MS: u64 = 100;
/// After the last new request everything comes to its end in this time.
const REST: Duration = Duration::from_secs(60);
/// The longest time between two looks at the world.
const LOOK: Duration = Duration::from_millis(50);

/// What a client can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abilities {
    All,
    /// Sampling only.
    Sampling,
    Nothing,
}

/// What is to happen at a moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A request is taken back.
    Cancel(String),
    /// A question is answered.
    Reply(String),
    /// A task is asked about.
    AskTask(String),
    /// A script is over.
    Forget(String),
    /// A list is asked for, by its kind.
    List(usize),
}

/// The log messages that this client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Unset,
    Set(usize),
    /// Being changed; the least of both.
    Moving(usize),
}

/// A subscription, by the URI used.
#[derive(Clone, Debug)]
struct Subscription {
    server: usize,
    own: String,
    /// The server has said yes, and nothing has been said since.
    certain: bool,
}

/// A question that is open.
#[derive(Clone, Debug)]
struct Asked {
    nonce: String,
    step: usize,
    progress: usize,
    has_token: bool,
}

/// One life of a client.
pub struct Actor {
    world: Arc<World>,
    number: usize,
    life: u64,
    pub abilities: Abilities,
    chance: Chance,
    command: Box<dyn Fn() -> Command + Send>,
    pipe: Pipe,
    trail: VecDeque<String>,
    /// Everything, for whoever looks for a fault: `SOAK_TRACE` names the folder.
    trace: Option<File>,
    start: Instant,
    /// Lines written in this life.
    lines: u64,
    minted: u64,
    open: BTreeMap<String, Pending>,
    courses: BTreeMap<String, Course>,
    /// The nonce of each progress token.
    tokens: BTreeMap<String, String>,
    timers: BinaryHeap<Reverse<(Instant, Timer)>>,
    asked: BTreeMap<String, Asked>,
    /// Questions that were answered here or taken back.
    settled: VecDeque<String>,
    tasks: BTreeMap<String, tasks::Task>,
    /// Nonces of requests that ended without their server's answer: it may not know yet.
    faded: VecDeque<String>,
    /// The errors without an id that are due.
    nameless: VecDeque<&'static str>,
    level: Level,
    subscriptions: BTreeMap<String, Subscription>,
    /// What loom says of it while it has no roots.
    folder_roots: String,
    /// Since when which results of `roots/list` hold; the last are in force.
    roots: Vec<(Instant, Vec<String>)>,
    /// The workspace that it has open.
    workspace: u64,
    /// By the kind of a list: the last one had, and whether loom has said since that it changed.
    lists: [Option<String>; 4],
    told: [bool; 4],
    /// Whether every server was once in it.
    known: [bool; 4],
    /// Servers that it has asked something.
    used: Vec<bool>,
    bytes: usize,
}

impl Actor {
    pub fn begin(
        world: Arc<World>,
        number: usize,
        abilities: Abilities,
        folder: &Path,
        command: Box<dyn Fn() -> Command + Send>,
    ) -> Self {
        let pipe = Pipe::spawn(&mut command());
        let mut actor = Actor {
            chance: Chance::new(world.seed, &format!("client {number}")),
            number,
            life: 0,
            abilities,
            pipe,
            command,
            trail: VecDeque::new(),
            trace: std::env::var_os("SOAK_TRACE").and_then(|folder| {
                let name = format!("{}-{number}", world.seed);
                File::create(Path::new(&folder).join(name)).ok()
            }),
            start: Instant::now(),
            lines: 0,
            minted: 0,
            open: BTreeMap::new(),
            courses: BTreeMap::new(),
            tokens: BTreeMap::new(),
            timers: BinaryHeap::new(),
            asked: BTreeMap::new(),
            settled: VecDeque::new(),
            tasks: BTreeMap::new(),
            faded: VecDeque::new(),
            nameless: VecDeque::new(),
            level: Level::Unset,
            subscriptions: BTreeMap::new(),
            roots: vec![(Instant::now(), vec![lives::folder_roots(folder)])],
            folder_roots: lives::folder_roots(folder),
            workspace: 0,
            lists: [const { None }; 4],
            told: [false; 4],
            known: [false; 4],
            used: vec![false; world.roles.len()],
            bytes: 0,
            world,
        };
        actor.greet();
        actor
    }

    /// Plays until the world ends.
    pub fn run(mut self) {
        let mut seen = 0;
        let mut rest_by = Instant::now();
        loop {
            let (phase, number) = self.world.phase();
            let is_open = !self.open.is_empty() || !self.asked.is_empty() || !self.nameless.is_empty();
            if phase == Phase::Traffic {
                rest_by = Instant::now() + REST;
            } else if Instant::now() > rest_by && is_open {
                let text =
                    format!("no rest: {:?} {:?} {:?} {:?}", self.open, self.timers, self.asked, self.tasks);
                self.differ(&text);
            }
            match phase {
                Phase::Traffic => self.traffic(),
                _ if is_open
                    || self.timers.iter().any(|Reverse((_, timer))| !matches!(timer, Timer::List(_))) =>
                {
                    self.wait(LOOK);
                }
                Phase::Leave => return self.leave_for_good(),
                _ if seen == number => self.wait(LOOK),
                Phase::Calm => {
                    seen = number;
                    self.world.report_done(self.number);
                }
                Phase::Compare => {
                    self.compare_lists();
                    seen = number;
                    self.world.report_done(self.number);
                }
            }
        }
    }

    fn traffic(&mut self) {
        if self.is_ready() && self.has_room() {
            self.act();
        }
        let think = match self.chance.below(10) {
            0 => self.chance.between(20, 120),
            _ => self.chance.between(0, 12),
        };
        self.wait(Duration::from_millis(think));
    }

    /// It has had every list once.
    fn is_ready(&self) -> bool {
        self.known.iter().all(|known| *known)
    }

    /// Handles what comes, and what is due, for so long.
    fn wait(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        loop {
            let now = Instant::now();
            self.play_timers(now);
            self.check_deadlines(now);
            let due = self.timers.peek().map_or(until, |Reverse((at, _))| (*at).min(until));
            match self.pipe.receive(due.saturating_duration_since(now)) {
                Heard::Line(line) => self.hear(&line),
                Heard::Nothing => {}
                Heard::End => self.differ("the proxy has ended"),
            }
            if Instant::now() >= until {
                return;
            }
        }
    }

    fn play_timers(&mut self, now: Instant) {
        while self.timers.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((_, timer))) = self.timers.pop() else { return };
            match timer {
                Timer::Cancel(id) => self.cancel(&id),
                Timer::Reply(question) => self.reply(&question),
                Timer::List(kind) if self.world.phase().0 == Phase::Traffic => {
                    self.ask_list(super::lists::Kind::ALL[kind]);
                }
                Timer::List(kind) => self.later(LIST_AGAIN_MS, Timer::List(kind)),
                Timer::AskTask(nonce) => self.ask_about_task(&nonce),
                Timer::Forget(nonce) => self.forget_course(&nonce),
            }
        }
    }

    fn later(&mut self, ms: u64, timer: Timer) {
        self.timers.push(Reverse((Instant::now() + Duration::from_millis(ms), timer)));
    }

    fn check_deadlines(&mut self, now: Instant) {
        let late = self.open.iter().find(|(_, pending)| pending.deadline <= now);
        if let Some((id, pending)) = late {
            let text =
                format!("no answer to {id}: {pending:?}, course {:?}", self.courses.get(&pending.nonce));
            self.differ(&text);
        }
    }

    fn send(&mut self, line: &str) {
        self.lines += 1;
        self.note("->", line.as_bytes());
        self.world.count_message();
        self.pipe.send(line);
    }

    fn note(&mut self, way: &str, line: &[u8]) {
        if self.trail.len() == TRAIL {
            self.trail.pop_front();
        }
        let cut = String::from_utf8_lossy(&line[..line.len().min(TRAIL_LINE)]).into_owned();
        let line = format!("{:9.3} {way} {cut}", self.start.elapsed().as_secs_f64());
        if let Some(file) = &mut self.trace {
            // A trace that is not written is no difference.
            let _ = writeln!(file, "{line}");
        }
        self.trail.push_back(line);
    }

    /// How this client is called in nonces.
    fn tag(&self) -> String {
        format!("c{:02}.{}-", self.number, self.life)
    }

    /// The model and what came differ: the end of the run.
    fn differ(&self, text: &str) -> ! {
        let now = Instant::now();
        self.world.fail(format!(
            "seed {}, client {} (life {}, {:?}, proxy {}) at {:.3} s: {text}\nlevel {:?}, roots {:?}, subscriptions {:?}\ntimers {:?}, asked {:?}, phase {:?}\nlast messages:\n{}\nfaults:\n{}",
            self.world.seed,
            self.number,
            self.life,
            self.abilities,
            self.pipe.pid(),
            self.start.elapsed().as_secs_f64(),
            self.level,
            self.roots,
            self.subscriptions,
            self.timers,
            self.asked,
            self.world.phase(),
            self.trail.iter().cloned().collect::<Vec<_>>().join("\n"),
            self.world.ledger.around(now).join("\n"),
        ));
        // The director tells it.
        resume_unwind(Box::new("a difference"));
    }
}
