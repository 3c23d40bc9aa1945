//! What servers have seen, compared with what clients asked and were answered.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::cast::{Role, Sharing};
use super::server;
use super::support::home::wait_until;
use super::world::{Outcome, Record, World};

/// Servers have written down the last of it in this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Deaths that may make a crash loop are counted for so long.
const CRASHES: Duration = Duration::from_secs(60);

/// What one server noted of one request.
#[derive(Clone, Debug, Default)]
struct Seen {
    saw: usize,
    answered: usize,
    cancelled: usize,
    /// It was open when its session ended.
    ended: usize,
    /// The processes that saw it.
    processes: Vec<u32>,
}

#[derive(Default)]
pub struct Audit {
    /// How far each server's book was read, in bytes.
    read: BTreeMap<String, usize>,
    checked: u64,
    calls_seen: u64,
}

impl Audit {
    pub fn summary(&self, world: &World) -> String {
        let messages = world.messages.load(Ordering::Relaxed);
        format!("{messages} messages, {} requests checked, {} seen by servers", self.checked, self.calls_seen)
    }

    /// Compares everything since the last time. Nothing is under way.
    pub fn compare(&mut self, world: &World) {
        let records = std::mem::take(&mut *world.records.lock().expect("nobody panics with this lock"));
        let mut faults = Vec::new();
        let settled = wait_until(PATIENCE, || {
            let seen: Vec<_> = world.roles.iter().map(|role| self.seen_of(world, &role.name)).collect();
            faults = differences(world, &records, &seen);
            faults.is_empty()
        });
        assert!(settled, "seed {}: servers have seen something else:\n{}", world.seed, faults.join("\n"));
        self.checked += records.len() as u64;
        for role in &world.roles {
            self.calls_seen +=
                self.seen_of(world, &role.name).values().map(|seen| seen.saw as u64).sum::<u64>();
            let end = server::seen(&world.folder, &role.name).len();
            self.read.insert(role.name.clone(), end);
        }
    }

    fn seen_of(&self, world: &World, name: &str) -> BTreeMap<String, Seen> {
        let text = server::seen(&world.folder, name);
        let from = self.read.get(name).copied().unwrap_or_default();
        let is_remote = world.roles.iter().any(|role| role.remote && role.name == name);
        let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
        for line in text[from..].lines() {
            let mut words = line.split(' ');
            let (what, nonce) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let entry = match what {
                "life" => continue,
                // Over HTTP a request that is taken back at once may not arrive at all.
                "stray" if is_remote => continue,
                _ => seen.entry(nonce.to_owned()).or_default(),
            };
            match what {
                "saw" => {
                    entry.saw += 1;
                    entry.processes.extend(words.next().and_then(|pid| pid.parse::<u32>().ok()));
                }
                "answered" => entry.answered += 1,
                "cancelled" => entry.cancelled += 1,
                "ended" => entry.ended += 1,
                _ => panic!("seed {}: {name} noted: {line}\n{}", world.seed, &text[from..]),
            }
        }
        seen
    }
}

/// A process of a server for one client, or for one workspace, must have seen nobody else's requests.
fn strangers(role: &Role, records: &BTreeMap<String, Record>, seen: &BTreeMap<String, Seen>) -> Vec<String> {
    let whose = |nonce: &str| match role.sharing {
        Sharing::Everybody => None,
        Sharing::Client => nonce.split_once('-').map(|(client, _)| client.to_owned()),
        Sharing::Workspace => records.get(nonce)?.roots.clone(),
    };
    let mut owners: BTreeMap<u32, (String, String)> = BTreeMap::new();
    let mut faults = Vec::new();
    for (nonce, seen) in seen {
        for process in &seen.processes {
            let Some(own) = whose(nonce) else { continue };
            let (first, owner) = owners.entry(*process).or_insert_with(|| (nonce.clone(), own.clone()));
            if *owner != own {
                faults.push(format!("one process of {} saw {first} and {nonce}: {owner}, {own}", role.name));
            }
        }
    }
    faults
}

fn differences(
    world: &World,
    records: &BTreeMap<String, Record>,
    seen: &[BTreeMap<String, Seen>],
) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, of_server) in seen.iter().enumerate() {
        faults.extend(strangers(&world.roles[number], records, of_server));
        for (nonce, seen) in of_server {
            let Some(record) = records.get(nonce) else {
                faults
                    .push(format!("{} saw {nonce}, which nobody asked: {seen:?}", world.roles[number].name));
                continue;
            };
            if record.server != number && !record.searches {
                faults.push(format!(
                    "{} saw {nonce}, which is for another: {record:?}",
                    world.roles[number].name
                ));
            }
            if strays(world, record, number) {
                faults.push(format!(
                    "{} saw {nonce}, but others come first: {record:?}",
                    world.roles[number].name
                ));
            }
            if let Some(fault) = overdone(world, record, seen) {
                faults
                    .push(format!("{} and {nonce}: {fault}: {seen:?}, {record:?}", world.roles[number].name));
            }
        }
    }
    for (nonce, record) in records {
        let none = Seen::default();
        let seen = seen[record.server].get(nonce).unwrap_or(&none);
        if let Some(fault) = lacking(world, record, seen) {
            faults.push(format!(
                "{} and {nonce}: {fault}: {seen:?}, {record:?}",
                world.roles[record.server].name
            ));
        }
    }
    faults
}

/// Whether a server was asked for what another has, which must have been asked before it and was there.
fn strays(world: &World, record: &Record, number: usize) -> bool {
    let owner = &world.roles[record.server].name;
    let from = record.began.checked_sub(CRASHES).unwrap_or(record.began);
    let was_there = !world.ledger.server_lost_alone(owner, from, record.ended);
    record.way.is_some_and(|way| was_there && !way.leads_to(number, record.server))
}

/// What was done too often.
fn overdone(world: &World, record: &Record, seen: &Seen) -> Option<&'static str> {
    let again = match record.method {
        "tools/call" => 0,
        _ => world.ledger.daemon_deaths(record.began, record.ended),
    };
    // A search begins anew when the server that it waits for goes, and with the next daemon.
    let (from, to) = (record.began, record.ended);
    let again = match record.searches {
        true => again + world.ledger.registry_changes(from, to) + world.ledger.restarts(from, to),
        false => again,
    };
    if seen.saw > 1 + again {
        return Some("seen more than once");
    }
    let taken_back = matches!(record.outcome, Outcome::Cancelled | Outcome::TimedOut | Outcome::Left);
    (seen.cancelled > 0 && !taken_back && !record.searches).then_some("cancelled by nobody")
}

/// What was not done.
fn lacking(world: &World, record: &Record, seen: &Seen) -> Option<&'static str> {
    let role = &world.roles[record.server];
    // The end of a client's own session tells a server over HTTP all that there is to tell.
    let may_end = role.remote && role.sharing == Sharing::Client;
    let lost = may_end || world.ledger.server_lost(&role.name, record.began, record.ended);
    match record.outcome {
        Outcome::Answered if record.searches || record.method == "resources/unsubscribe" => None,
        Outcome::Answered if seen.saw == 0 => Some("answered, but not seen"),
        Outcome::Answered if seen.answered == 0 => Some("answered, but not by the server"),
        Outcome::Cancelled | Outcome::TimedOut
            if seen.saw > seen.answered + seen.cancelled + seen.ended && !lost =>
        {
            Some("taken back, but the server was not told")
        }
        _ => None,
    }
}
