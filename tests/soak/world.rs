//! What all threads of a run share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::cast::{Role, SERVERS, roles};
use super::ledger::Ledger;
use super::lists::Way;

/// Another client's request counts as being there at the same time for so long after its end.
const NEAR: Duration = Duration::from_secs(2);
/// And so long when it was taken back: the server may still be at it.
const LATE: Duration = Duration::from_secs(33);

/// So many tasks are remembered.
const TASKS: usize = 50;

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Everything.
    Traffic,
    /// Nothing new; what is open comes to its end.
    Calm,
    /// They compare their lists with the model.
    Compare,
    /// They leave for good.
    Leave,
}

/// How a request came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With its server's own result or error.
    Answered,
    /// With an error of loom's.
    Refused,
    /// With loom's TIMEOUT.
    TimedOut,
    /// Its client took it back.
    Cancelled,
    /// Its client went away.
    Left,
}

/// A request that is over, to be compared with what servers have seen.
#[derive(Clone, Debug)]
pub struct Record {
    pub server: usize,
    pub method: &'static str,
    pub outcome: Outcome,
    pub began: Instant,
    pub ended: Instant,
    /// Any server may have been asked.
    pub searches: bool,
    /// What its server was looked for by.
    pub way: Option<Way>,
    /// The roots of its client, if they were the same all the time.
    pub roots: Option<String>,
}

/// The clients with open requests at one server.
#[derive(Clone, Debug, Default)]
struct Crowd {
    open: BTreeMap<usize, usize>,
    /// Clients that had one, and until when that counts.
    left: BTreeMap<usize, Instant>,
}

pub struct World {
    pub seed: u64,
    pub folder: PathBuf,
    pub roles: Vec<Role>,
    pub ledger: Ledger,
    /// By nonce.
    pub records: Mutex<BTreeMap<String, Record>>,
    pub messages: AtomicU64,
    /// The first difference that was found.
    failure: Mutex<Option<String>>,
    crowds: Mutex<Vec<Crowd>>,
    /// The last tasks that were begun, by the ids that their clients know.
    tasks: Mutex<VecDeque<String>>,
    phase: Mutex<(Phase, u64)>,
    /// Clients that have done what the phase asks for.
    done: Mutex<BTreeSet<usize>>,
    changed: Condvar,
}

impl World {
    pub fn new(seed: u64, folder: PathBuf) -> Self {
        World {
            seed,
            folder,
            roles: roles(),
            ledger: Ledger::default(),
            records: Mutex::default(),
            messages: AtomicU64::new(0),
            failure: Mutex::default(),
            crowds: Mutex::new(vec![Crowd::default(); SERVERS]),
            tasks: Mutex::default(),
            phase: Mutex::new((Phase::Traffic, 0)),
            done: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Notes a difference; others that follow from it do not count.
    pub fn fail(&self, text: String) {
        self.failure.lock().expect("nobody panics with this lock").get_or_insert(text);
    }

    pub fn failure(&self) -> Option<String> {
        self.failure.lock().expect("nobody panics with this lock").clone()
    }

    /// The phase, and its number.
    pub fn phase(&self) -> (Phase, u64) {
        *self.phase.lock().expect("nobody panics with this lock")
    }

    pub fn enter(&self, phase: Phase) {
        let mut now = self.phase.lock().expect("nobody panics with this lock");
        self.done.lock().expect("nobody panics with this lock").clear();
        *now = (phase, now.1 + 1);
    }

    /// A client has done what the phase asks for.
    pub fn report_done(&self, client: usize) {
        self.done.lock().expect("nobody panics with this lock").insert(client);
        self.changed.notify_all();
    }

    /// Waits for so many clients; those that are there in time.
    pub fn wait_done(&self, clients: usize, patience: Duration) -> BTreeSet<usize> {
        let done = self.done.lock().expect("nobody panics with this lock");
        let waited = self.changed.wait_timeout_while(done, patience, |done| done.len() < clients);
        waited.expect("nobody panics with this lock").0.clone()
    }

    pub fn record(&self, nonce: &str, record: Record) {
        self.records.lock().expect("nobody panics with this lock").insert(nonce.to_owned(), record);
    }

    pub fn count_message(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// A client has a task.
    pub fn note_task(&self, id: String) {
        let mut tasks = self.tasks.lock().expect("nobody panics with this lock");
        if tasks.len() == TASKS {
            tasks.pop_front();
        }
        tasks.push_back(id);
    }

    /// The tasks that are not those of the client whose nonces begin so.
    pub fn tasks_of_others(&self, tag: &str) -> Vec<String> {
        let tasks = self.tasks.lock().expect("nobody panics with this lock");
        let is_own = |id: &str| id.split_once(':').is_some_and(|(_, nonce)| nonce.starts_with(tag));
        tasks.iter().filter(|id| !is_own(id)).cloned().collect()
    }

    /// A client's request is open at a server.
    pub fn arrives(&self, server: usize, client: usize) {
        let mut crowds = self.crowds.lock().expect("nobody panics with this lock");
        *crowds[server].open.entry(client).or_default() += 1;
    }

    pub fn departs(&self, server: usize, client: usize, outcome: Outcome) {
        let near = match outcome {
            Outcome::Answered | Outcome::Refused => NEAR,
            Outcome::TimedOut | Outcome::Cancelled | Outcome::Left => LATE,
        };
        let mut crowds = self.crowds.lock().expect("nobody panics with this lock");
        if let Some(open) = crowds[server].open.get_mut(&client) {
            *open -= 1;
            if *open == 0 {
                crowds[server].open.remove(&client);
            }
        }
        let until = crowds[server].left.entry(client).or_insert_with(Instant::now);
        *until = (*until).max(Instant::now() + near);
    }

    /// Whether another client had a request there at some time since.
    pub fn is_shared_since(&self, server: usize, client: usize, since: Instant) -> bool {
        let crowds = self.crowds.lock().expect("nobody panics with this lock");
        let crowd = &crowds[server];
        crowd.open.keys().any(|other| *other != client)
            || crowd.left.iter().any(|(other, until)| *other != client && *until >= since)
    }
}
