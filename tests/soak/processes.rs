//! Memory and descriptors of loom's own processes, at rest.

use std::fs;
use std::time::Duration;

use super::support::home::{TestHome, wait_until};

#[derive(Default)]
pub struct Processes {
    /// The most that a daemon at rest held in the first scenes, in KiB.
    first: Vec<u64>,
}

/// Scenes that count as warm-up.
const WARM_UP: usize = 2;
/// Beyond the warm-up, in KiB.
const MORE: u64 = 24 * 1024;
const PATIENCE: Duration = Duration::from_secs(20);

impl Processes {
    pub fn compare(&mut self, home: &TestHome) {
        let Some(pid) = home.daemon_pid() else { return };
        let resident = resident(pid);
        if self.first.len() < WARM_UP {
            self.first.push(resident);
            return;
        }
        let most = self.first.iter().max().copied().unwrap_or_default();
        assert!(resident <= most * 2 + MORE, "the daemon holds {resident} KiB, after the warm-up {most}");
    }

    /// All clients have left.
    pub fn compare_end(&self, home: &TestHome) {
        let gone = wait_until(PATIENCE, || home.status()["clients"].as_array().is_some_and(Vec::is_empty));
        assert!(gone, "clients are left: {}", home.status());
    }
}

/// In KiB; 0 for a process that is gone.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
