//! Memory, descriptors and number of loom's processes and of the servers, at rest.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::cast::{Role, Sharing};
use super::support::home::{TestHome, wait_until};

/// Scenes that count as warm-up.
const WARM_UP: usize = 2;
/// What a daemon may hold beyond the double of the warm-up, and a proxy, in KiB.
const MORE: u64 = 16 * 1024;
/// Descriptors that come and go: a command's connection, the registry's watcher, a catalog being written.
const SOME: usize = 8;
/// Workspaces, and the folder of clients without roots.
const WORKSPACES: usize = 4;
/// What is to be given back is given back in this time.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
pub struct Processes {
    /// Descriptors of a daemon with neither clients nor servers.
    bare: usize,
    /// The most that a daemon and a proxy held in the first scenes, in KiB.
    daemon: u64,
    proxy: u64,
    scenes: usize,
}

impl Processes {
    /// A daemon has just been started.
    pub fn new(home: &TestHome) -> Self {
        let pid = home.daemon_pid().expect("a daemon runs");
        Processes { bare: descriptors(pid), ..Processes::default() }
    }

    /// Nothing is under way; so many clients are there.
    pub fn compare(&mut self, home: &TestHome, roles: &[Role], clients: usize) {
        let mut faults = Vec::new();
        let fine = wait_until(PATIENCE, || {
            faults = self.differences(home, roles, clients);
            faults.is_empty()
        });
        assert!(fine, "at rest: {}", faults.join("\n"));
        self.scenes += 1;
    }

    pub fn summary(&self) -> String {
        format!("daemon {} KiB, proxies {} KiB after the warm-up", self.daemon, self.proxy)
    }

    fn differences(&mut self, home: &TestHome, roles: &[Role], clients: usize) -> Vec<String> {
        let status = home.status();
        let pid = |value: &serde_json::Value| value.as_u64().and_then(|pid| u32::try_from(pid).ok());
        let Some(daemon) = pid(&status["pid"]) else { return vec!["no daemon".into()] };
        let proxies: Vec<u32> =
            status["clients"].as_array().into_iter().flatten().filter_map(|row| pid(&row["pid"])).collect();
        let mut faults = Vec::new();
        if proxies.len() != clients {
            faults.push(format!("{} clients instead of {clients}: {}", proxies.len(), status["clients"]));
        }
        faults.extend(self.memory(daemon, &proxies));
        // Three pipes, and one that tells of its end.
        let children = children(daemon);
        let most = self.bare + 4 * children.len() + proxies.len() + SOME;
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

    fn memory(&mut self, daemon: u32, proxies: &[u32]) -> Vec<String> {
        let held = (resident(daemon), proxies.iter().map(|pid| resident(*pid)).max().unwrap_or_default());
        if self.scenes < WARM_UP {
            (self.daemon, self.proxy) = (self.daemon.max(held.0), self.proxy.max(held.1));
            return Vec::new();
        }
        let rows = [("the daemon", held.0, self.daemon), ("a proxy", held.1, self.proxy)];
        let grown = rows.into_iter().filter(|(_, now, before)| *now > before * 2 + MORE);
        grown.map(|(who, now, before)| format!("{who} holds {now} KiB, after the warm-up {before}")).collect()
    }
}

/// Servers with more processes than clients can need.
fn too_many(home: &TestHome, roles: &[Role], clients: usize) -> Vec<String> {
    let mut running: BTreeMap<String, usize> = BTreeMap::new();
    for pid in home.processes() {
        let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&str> = words.split('\0').collect();
        if let [_, "serve", name, ..] = words[..] {
            *running.entry(name.to_owned()).or_default() += 1;
        }
    }
    let most = |role: &Role| match role.sharing {
        Sharing::Everybody => 1,
        Sharing::Client => clients,
        Sharing::Workspace => clients.min(WORKSPACES),
    };
    let over = roles.iter().filter(|role| running.get(&role.name).is_some_and(|count| *count > most(role)));
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
