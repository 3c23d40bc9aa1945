//! The guardian: a process that outlives a killed daemon just long enough to end its servers.
//!
//! It reads process groups from its standard input (`+N` begun, `-N` gone). When the last writer is gone it
//! ends every group that is left: TERM, then KILL. It works where the kernel offers no parent-death signal,
//! and reaches grandchildren, which such a signal would not.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::{Child, Command};

use crate::fault::Fault;

/// The hidden first word.
pub const VERB: &str = "__guard";

/// How long a group has between TERM and KILL.
const GRACE: Duration = Duration::from_millis(300);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// `loom __guard`.
pub fn run() -> Result<(), Fault> {
    // A group leader cannot begin a session; it then already stands apart from the daemon's terminal.
    let _ = rustix::process::setsid();
    let mut groups = BTreeSet::new();
    for line in BufReader::new(std::io::stdin().lock()).lines() {
        let Ok(line) = line else { break };
        note(&mut groups, &line);
    }
    end(&groups);
    Ok(())
}

fn note(groups: &mut BTreeSet<i32>, line: &str) {
    let number = |text: &str| text.parse::<i32>().ok().filter(|number| *number > 1);
    match line.split_at_checked(1) {
        Some(("+", group)) => groups.extend(number(group)),
        Some(("-", group)) => {
            number(group).map(|group| groups.remove(&group));
        }
        _ => {}
    }
}

/// Ends process groups: TERM to all, a moment, KILL to what is left.
fn end(groups: &BTreeSet<i32>) {
    let pids: Vec<Pid> = groups.iter().filter_map(|group| Pid::from_raw(*group)).collect();
    let alive = |pid: &Pid| test_kill_process_group(*pid).is_ok();
    for pid in &pids {
        let _ = kill_process_group(*pid, Signal::TERM);
    }
    let deadline = Instant::now() + GRACE;
    while pids.iter().any(alive) && Instant::now() < deadline {
        std::thread::sleep(LOOK_AGAIN);
    }
    for pid in &pids {
        let _ = kill_process_group(*pid, Signal::KILL);
    }
}

/// The daemon's end of the guardian.
pub struct Guard {
    pid: Option<u32>,
    pipe: OwnedFd,
}

impl Guard {
    /// Starts a guardian and tells it the groups that live already. The caller waits for the process's end.
    pub fn start(
        exe: &std::path::Path,
        groups: impl Iterator<Item = i32>,
    ) -> std::io::Result<(Guard, Child)> {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let process = Command::new(exe)
            .arg(VERB)
            .env_clear()
            .stdin(Stdio::from(read))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let guard = Guard { pid: process.id(), pipe: write };
        for group in groups {
            guard.write(&format!("+{group}\n"));
        }
        Ok((guard, process))
    }

    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// A group has ended.
    pub fn gone(&self, group: i32) {
        self.write(&format!("-{group}\n"));
    }

    /// Runs `spawn` with the pipe open for the child that it starts. Only the daemon's one thread starts
    /// processes, so no other child can inherit it meanwhile.
    pub fn lend<T>(&self, spawn: impl FnOnce(RawFd) -> std::io::Result<T>) -> std::io::Result<T> {
        fcntl_setfd(self.pipe.as_fd(), FdFlags::empty())?;
        let result = spawn(self.pipe.as_raw_fd());
        fcntl_setfd(self.pipe.as_fd(), FdFlags::CLOEXEC)?;
        result
    }

    /// A dead guardian cannot be told anything: the daemon notices its end by itself and starts another.
    fn write(&self, line: &str) {
        if let Ok(pipe) = self.pipe.try_clone() {
            let _ = File::from(pipe).write_all(line.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_groups_are_noted() {
        let mut groups = BTreeSet::new();
        for line in ["+100", "+200", "-100", "+1", "+0", "+-5", "+x", "", "é", "-999"] {
            note(&mut groups, line);
        }
        assert_eq!(groups.into_iter().collect::<Vec<_>>(), [200]);
    }
}
