//! Waits for the end of a process that is not our child.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Somebody else's process, held so that its number cannot come to mean another one while we wait.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    #[cfg(target_os = "linux")]
    handle: Option<std::os::fd::OwnedFd>,
}

impl Process {
    /// The process with this number; `None` when there is none.
    pub fn open(pid: u32) -> Option<Process> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
        rustix::process::test_kill_process(pid).ok()?;
        Some(Process {
            pid,
            #[cfg(target_os = "linux")]
            handle: rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok(),
        })
    }

    /// Whether it runs this very program, or one that has taken its place. Only Linux tells; elsewhere it is believed.
    pub fn is_this_program(&self) -> bool {
        if cfg!(not(target_os = "linux")) {
            return true;
        }
        let name = |link: String| {
            let path = std::fs::read_link(link).ok()?;
            let name = path.file_name()?.to_str()?.trim_end_matches(" (deleted)").to_owned();
            Some(name)
        };
        let other = name(format!("/proc/{}/exe", self.pid.as_raw_nonzero()));
        other.is_some() && other == name("/proc/self/exe".to_owned())
    }

    /// Asks it to end.
    pub fn terminate(&self) -> io::Result<()> {
        kill_process(self.pid, Signal::TERM).map_err(io::Error::from)
    }

    /// Waits until it has ended; false when `deadline` came first. A process that ended but that nobody has waited
    /// for counts as ended on Linux.
    pub fn wait(&self, deadline: Duration) -> bool {
        let until = std::time::Instant::now() + deadline;
        loop {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if self.is_over(left) {
                return true;
            }
            if left.is_zero() {
                return false;
            }
        }
    }

    /// Looks for at most `left`, perhaps for less.
    fn is_over(&self, left: Duration) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(handle) = &self.handle {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            let wait = Timespec::try_from(left).ok();
            return matches!(poll(&mut [PollFd::new(handle, PollFlags::IN)], wait.as_ref()), Ok(1..));
        }
        // Elsewhere there is nothing to wait on but time.
        std::thread::sleep(left.min(Duration::from_millis(20)));
        rustix::process::test_kill_process(self.pid).is_err()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn an_end_is_seen_even_before_anybody_waited_for_it() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let process = Process::open(child.id()).unwrap();
        assert!(!process.wait(Duration::from_millis(10)));
        process.terminate().unwrap();
        if cfg!(target_os = "linux") {
            assert!(process.wait(Duration::from_secs(20)));
        }
        child.wait().unwrap();
        assert!(process.wait(Duration::from_secs(20)));
    }
}
