//! The switch: every session, every server instance and the calls between them, in one place.
//!
//! One thread owns it. Tasks borrow it for the length of one plain function and never across an await, so there
//! is no lock and no order of locks. The task that has read bytes hands them to the switch, and the switch
//! writes what they lead to before it returns (`flush`): a call costs no channel, no task and no timer.

use foldhash::HashMap;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::Instant;

use tokio::sync::{Notify, watch};

use super::clock::Clock;
use super::environment::Environment;
use super::guardian::Guardian;
use super::metrics::Metrics;
use super::secrets::Vault;
use super::session::{CHUNK, Session, SessionId};
use super::tap::Tap;
use super::views::Views;
use crate::mcp::catalog::Item;
use crate::paths::Paths;
use crate::registry::Registry;
use crate::registry::find::Found;
use crate::settings::Settings;
use crate::settings::file::Profile;
use crate::upstream::instance::{Instance, InstanceId};

/// The switch as tasks hold it.
pub type Shared = Rc<RefCell<Switch>>;

/// How far the daemon is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Phase {
    Run,
    /// No new calls; those under way may finish.
    Drain,
    /// At once.
    Kill,
}

/// Things that are the same for the daemon's whole life.
pub struct Context {
    pub paths: Paths,
    pub settings: Settings,
    /// loom's own binary, as children are started from it.
    pub exe: PathBuf,
    pub socket: PathBuf,
    /// `--registry`, when it was given.
    pub registry_flag: Option<PathBuf>,
    pub started_by: String,
    pub began: Instant,
    /// Differs from boot to boot.
    pub epoch: u64,
}

/// The registry in force.
pub struct Loaded {
    pub registry: Rc<Registry>,
    pub found: Found,
    /// What the file held when it was last read, in force or not.
    pub bytes: Option<Vec<u8>>,
    /// The tool profiles of `config.toml`.
    pub profiles: Rc<BTreeMap<String, Profile>>,
    /// Why the file as it is now is not in force.
    pub error: Option<String>,
}

/// The address of `/health` and `/metrics`, or why there is none.
#[derive(Clone, Debug, Default)]
pub struct HttpState {
    pub listening: Option<String>,
    pub error: Option<String>,
}

/// What went wrong and was survived, since the daemon began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    pub invalid_utf8: u64,
    pub garbage_lines: u64,
    pub oversized_lines: u64,
    pub dropped_notifications: u64,
    pub late_answers: u64,
}

/// Whoever has something to write. Few at a time, and mostly the same one again and again.
#[derive(Debug, Default)]
pub struct Dirty(Vec<u32>);

impl Dirty {
    pub fn insert(&mut self, id: u32) {
        if !self.0.contains(&id) {
            self.0.push(id);
        }
    }

    fn take(&mut self) -> Option<u32> {
        self.0.pop()
    }
}

/// By [`Kind`](crate::mcp::catalog::Kind).
pub type LastLists = [Option<Rc<[Item]>>; 4];

pub struct Switch {
    pub me: Weak<RefCell<Switch>>,
    pub context: Rc<Context>,
    pub environment: Environment,
    pub vault: Vault,
    pub loaded: Loaded,
    pub http: HttpState,
    pub sessions: HashMap<SessionId, Session>,
    pub instances: HashMap<InstanceId, Instance>,
    pub views: Views,
    /// By server: the last lists that one of its instances had, which say where names lead.
    pub last_lists: HashMap<Box<str>, LastLists>,
    pub guardian: Guardian,
    pub clock: Clock,
    pub metrics: Metrics,
    pub tap: Tap,
    pub counters: Counters,
    pub phase: watch::Sender<Phase>,
    /// A request is looked at again that has waited for a list.
    pub on_the_way: bool,
    /// The phase is no longer `Run`; looked at for every line.
    pub draining: bool,
    /// Woken when the last open call or the last instance goes.
    pub calmer: Rc<Notify>,
    /// Woken when another registry file came into force.
    pub moved: Rc<Notify>,
    /// Whoever has something to write since the last flush.
    pub dirty_sessions: Dirty,
    pub dirty_instances: Dirty,
    /// Where all readers read to; see `session`.
    pub scratch: Rc<RefCell<Vec<u8>>>,
    last_session: SessionId,
    last_instance: InstanceId,
    last_ask: u64,
}

impl Switch {
    pub fn new(
        context: Rc<Context>,
        environment: Environment,
        vault: Vault,
        loaded: Loaded,
        phase: watch::Sender<Phase>,
    ) -> Shared {
        let epoch = context.epoch;
        Rc::new_cyclic(|me| {
            RefCell::new(Switch {
                me: me.clone(),
                context,
                environment,
                vault,
                loaded,
                http: HttpState::default(),
                sessions: HashMap::default(),
                instances: HashMap::default(),
                views: Views::default(),
                last_lists: HashMap::default(),
                guardian: Guardian::default(),
                clock: Clock::default(),
                metrics: Metrics::default(),
                tap: Tap::default(),
                counters: Counters::default(),
                phase,
                on_the_way: false,
                draining: false,
                calmer: Rc::default(),
                moved: Rc::default(),
                dirty_sessions: Dirty::default(),
                dirty_instances: Dirty::default(),
                scratch: Rc::new(RefCell::new(vec![0; CHUNK])),
                last_session: 0,
                last_instance: 0,
                // A late answer to an earlier daemon's question must not look like one to ours.
                last_ask: (epoch & 0xff_ffff) << 24,
            })
        })
    }

    /// A later phase begins.
    pub fn enter(&mut self, phase: Phase) {
        self.draining = phase != Phase::Run;
        self.phase.send_replace(phase);
    }

    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    pub fn next_session_id(&mut self) -> SessionId {
        self.last_session += 1;
        self.last_session
    }

    pub fn next_instance_id(&mut self) -> InstanceId {
        self.last_instance += 1;
        self.last_instance
    }

    pub fn next_ask(&mut self) -> u64 {
        self.last_ask += 1;
        self.last_ask
    }

    /// Calls of clients that have no answer yet.
    pub fn active_calls(&self) -> usize {
        self.sessions.values().map(|session| session.calls.len()).sum()
    }

    /// Whether ending now would cut nothing off: no call and no task is under way.
    pub fn is_idle(&self) -> bool {
        let now = Instant::now();
        self.active_calls() == 0 && !self.instances.values().any(|instance| instance.has_open_tasks(now))
    }

    /// Writes everything that the last lines led to.
    pub fn flush(&mut self) {
        while let Some(id) = self.dirty_instances.take() {
            if let Some(instance) = self.instances.get_mut(&id) {
                instance.flush();
            }
        }
        while let Some(id) = self.dirty_sessions.take() {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.flush();
            }
        }
    }
}
