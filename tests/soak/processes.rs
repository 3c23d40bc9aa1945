//! Memory, descriptors and number of loom's processes and of the servers, at rest.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::cast::{Role, Sharing};
use super::remote::Remote;
use super::support::home::{TestHome, wait_until};

/// Scenes that count as warm-up.
const WARM_UP: usize = 2;
/// What a process may hold beyond the double of its warm-up, and altogether, in KiB.
const MORE: u64 = 8 * 1024;
const MOST: u64 = 96 * 1024;
/// Descriptors that come and go: a command's connection, the registry's watcher, a catalog being written.
const SOME: usize = 8;
/// Connections to one server over HTTP that are kept.
const FAR: usize = 33;
/// Workspaces, and the folder of clients without roots.
const WORKSPACES: usize = 4;
/// What is to be given back is given back in this time.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
pub struct Processes {
    /// Descriptors of a daemon with neither clients nor servers.
    bare: usize,
    /// The daemon, and after how many scenes of its life which memory counts as its usual, in KiB.
    daemon: Usual,
    /// The same of the proxies: of the largest.
    proxies: Usual,
}

/// The most that is held at rest during the first scenes.
#[derive(Default)]
struct Usual {
    pid: u32,
    scenes: usize,
    most: u64,
}

impl Usual {
    /// What is held now, and whether that is too much. Another process begins anew.
    fn look(&self, pid: u32, held: u64) -> Option<String> {
        if held > MOST {
            return Some(format!("process {pid} holds {held} KiB"));
        }
        let is_warm = self.pid == pid && self.scenes >= WARM_UP;
        (is_warm && held > self.most * 2 + MORE)
            .then(|| format!("process {pid} holds {held} KiB, after its warm-up {}", self.most))
    }

    fn note(&mut self, pid: u32, held: u64) {
        if self.pid != pid {
            *self = Usual { pid, ..Usual::default() };
        }
        if self.scenes < WARM_UP {
            self.most = self.most.max(held);
        }
        self.scenes += 1;
    }
}

impl Processes {
    /// A daemon has just been started.
    pub fn new(home: &TestHome) -> Self {
        let pid = home.daemon_pid().expect("a daemon runs");
        Processes { bare: descriptors(pid), ..Processes::default() }
    }

    /// Nothing is under way; so many clients are there.
    pub fn compare(&mut self, home: &TestHome, roles: &[Role], clients: usize, remotes: &[Remote]) {
        let mut faults = Vec::new();
        let fine = wait_until(PATIENCE, || {
            remotes.iter().for_each(Remote::forget_abandoned);
            faults = self.differences(home, roles, clients);
            faults.is_empty()
        });
        assert!(fine, "at rest: {}", faults.join("\n"));
        let (daemon, proxies) = held(home);
        self.daemon.note(daemon.0, daemon.1);
        self.proxies.note(0, proxies);
    }

    pub fn summary(&self) -> String {
        let Usual { scenes, most, .. } = self.daemon;
        format!(
            "the last daemon lived {scenes} scenes and began with {most} KiB, proxies {} KiB",
            self.proxies.most
        )
    }

    fn differences(&self, home: &TestHome, roles: &[Role], clients: usize) -> Vec<String> {
        let status = home.status();
        let pid = |value: &serde_json::Value| value.as_u64().and_then(|pid| u32::try_from(pid).ok());
        let Some(daemon) = pid(&status["pid"]) else { return vec!["no daemon".into()] };
        let proxies: Vec<u32> =
            status["clients"].as_array().into_iter().flatten().filter_map(|row| pid(&row["pid"])).collect();
        let mut faults = Vec::new();
        if proxies.len() != clients {
            faults.push(format!("{} clients instead of {clients}: {}", proxies.len(), status["clients"]));
        }
        let (daemon_held, proxies_held) = held(home);
        faults.extend(self.daemon.look(daemon_held.0, daemon_held.1));
        faults.extend(self.proxies.look(0, proxies_held));
        // Three pipes, and one that tells of its end.
        let children = children(daemon);
        let is_remote = |name: &str| roles.iter().any(|role| role.remote && role.name == name);
        let far = servers(home).iter().filter(|(name, _)| is_remote(name)).count();
        let most = self.bare + 4 * children.len() + FAR * far + proxies.len() + SOME;
        if descriptors(daemon) > most {
            faults
                .push(format!("the daemon has {} descriptors, at most {most} are due", descriptors(daemon)));
        }
        if let Some((dead, _)) = children.iter().find(|(_, is_dead)| *is_dead) {
            faults.push(format!("process {dead} has ended, and nobody has taken note of it"));
        }
        faults.extend(too_many(home, roles, clients));
        faults
    }
}

/// The daemon and the memory that it holds, and that of the largest proxy, in KiB.
fn held(home: &TestHome) -> ((u32, u64), u64) {
    let status = home.status();
    let pid = |value: &serde_json::Value| value.as_u64().and_then(|pid| u32::try_from(pid).ok());
    let daemon = pid(&status["pid"]).unwrap_or_default();
    let proxies = status["clients"].as_array().into_iter().flatten().filter_map(|row| pid(&row["pid"]));
    ((daemon, resident(daemon)), proxies.map(resident).max().unwrap_or_default())
}

/// The servers that run: name and process.
pub fn servers(home: &TestHome) -> Vec<(String, u32)> {
    let name_of = |pid: u32| {
        let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let words: Vec<&str> = words.split('\0').collect();
        match words[..] {
            [_, "serve", name, ..] => Some((name.to_owned(), pid)),
            _ => None,
        }
    };
    home.processes().into_iter().filter_map(name_of).collect()
}

/// Servers with more processes than clients can need.
fn too_many(home: &TestHome, roles: &[Role], clients: usize) -> Vec<String> {
    let mut running: BTreeMap<String, usize> = BTreeMap::new();
    for (name, _) in servers(home) {
        *running.entry(name).or_default() += 1;
    }
    let most = |role: &Role| match role.sharing {
        Sharing::Everybody => 1,
        Sharing::Client => clients,
        Sharing::Workspace => clients.min(WORKSPACES),
    };
    // The sessions of a daemon that was killed are there for a while.
    let roles = roles.iter().filter(|role| !role.remote);
    let over = roles.filter(|role| running.get(&role.name).is_some_and(|count| *count > most(role)));
    over.map(|role| format!("{} processes of {}", running[&role.name], role.name)).collect()
}

/// In KiB; 0 for a process that is gone.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// The children of a process: which, and whether each has ended without being waited for.
fn children(parent: u32) -> Vec<(u32, bool)> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of_parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, its_parent) = (rest.next()?, rest.next()?.parse::<u32>().ok()?);
        (its_parent == parent).then_some((pid, state == "Z"))
    };
    pids.filter_map(of_parent).collect()
}
