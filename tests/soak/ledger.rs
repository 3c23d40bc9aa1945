//! The faults that were made, and when: what they allow is allowed only near them.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long after a fault its consequences may show. The machine may be busy.
const GRACE: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process of this server ends.
    Server(String),
    Daemon,
    /// A person has another daemon take over.
    Restart,
    /// The registry loses, gets back or changes this server.
    Registry(String),
}

#[derive(Clone, Debug)]
struct Entry {
    fault: Fault,
    begin: Instant,
    /// `None`: it may still happen.
    end: Option<Instant>,
}

#[derive(Debug, Default)]
pub struct Ledger {
    entries: Mutex<Vec<Entry>>,
}

/// A fault whose time is not over.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Ledger {
    /// Something is about to happen.
    pub fn begin(&self, fault: Fault) -> Mark {
        let mut entries = self.entries.lock().expect("nobody panics with this lock");
        entries.push(Entry { fault, begin: Instant::now(), end: None });
        Mark(entries.len() - 1)
    }

    /// It has happened by now.
    pub fn end(&self, mark: Mark) {
        let mut entries = self.entries.lock().expect("nobody panics with this lock");
        entries[mark.0].end.get_or_insert_with(Instant::now);
    }

    fn count(&self, from: Instant, to: Instant, which: impl Fn(&Fault) -> bool) -> usize {
        let entries = self.entries.lock().expect("nobody panics with this lock");
        let near = |entry: &&Entry| {
            which(&entry.fault) && entry.begin <= to && entry.end.is_none_or(|end| end + GRACE >= from)
        };
        entries.iter().filter(near).count()
    }

    /// Processes of this server ended in this time, whatever ended them.
    pub fn server_lost(&self, server: &str, from: Instant, to: Instant) -> bool {
        self.count(from, to, |fault| match fault {
            Fault::Server(name) | Fault::Registry(name) => name == server,
            Fault::Daemon | Fault::Restart => true,
        }) > 0
    }

    /// The same, without what lets calls end first.
    pub fn server_killed(&self, server: &str, from: Instant, to: Instant) -> bool {
        self.count(from, to, |fault| match fault {
            Fault::Server(name) | Fault::Registry(name) => name == server,
            Fault::Daemon => true,
            Fault::Restart => false,
        }) > 0
    }

    /// The same, without what ends all servers.
    pub fn server_lost_alone(&self, server: &str, from: Instant, to: Instant) -> bool {
        self.count(from, to, |fault| match fault {
            Fault::Server(name) | Fault::Registry(name) => name == server,
            Fault::Daemon | Fault::Restart => false,
        }) > 0
    }

    pub fn restarts(&self, from: Instant, to: Instant) -> usize {
        self.count(from, to, |fault| *fault == Fault::Restart)
    }

    /// How often processes of this server ended in this time.
    pub fn server_deaths(&self, server: &str, from: Instant, to: Instant) -> usize {
        self.count(from, to, |fault| matches!(fault, Fault::Server(name) if name == server))
    }

    pub fn daemon_deaths(&self, from: Instant, to: Instant) -> usize {
        self.count(from, to, |fault| *fault == Fault::Daemon)
    }

    /// Whether the registry has this server is not certain in this time.
    pub fn unsettled(&self, server: &str, from: Instant, to: Instant) -> bool {
        self.count(from, to, |fault| matches!(fault, Fault::Registry(name) if name == server)) > 0
    }

    pub fn registry_changes(&self, from: Instant, to: Instant) -> usize {
        self.count(from, to, |fault| matches!(fault, Fault::Registry(_)))
    }

    /// What happened around a moment, for a report.
    pub fn around(&self, now: Instant) -> Vec<String> {
        let entries = self.entries.lock().expect("nobody panics with this lock");
        let recent = entries.iter().rev().take(12);
        let ago = |at: Instant| format!("{:.3} s ago", now.saturating_duration_since(at).as_secs_f64());
        recent.map(|one| format!("{:?} {} .. {:?}", one.fault, ago(one.begin), one.end.map(ago))).collect()
    }
}
