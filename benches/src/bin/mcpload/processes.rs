//! CPU time of the processes that stand between the client and the servers, from `/proc`.

use std::fs;
use std::time::Duration;

struct Process {
    pid: u32,
    parent: u32,
    program: String,
}

/// CPU time so far of the process trees below `roots`, without processes called `server`.
pub fn cpu_time(roots: &[u32], server: &str) -> Duration {
    Duration::from_nanos(between(&all(), roots, server).into_iter().map(process_nanos).sum())
}

fn between(processes: &[Process], roots: &[u32], server: &str) -> Vec<u32> {
    let (mut todo, mut found) = (roots.to_vec(), Vec::new());
    while let Some(pid) = todo.pop() {
        let known = processes.iter().find(|process| process.pid == pid && process.program != server);
        if known.is_some() && !found.contains(&pid) {
            found.push(pid);
            todo.extend(processes.iter().filter(|process| process.parent == pid).map(|process| process.pid));
        }
    }
    found
}

fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// None when the process has ended meanwhile.
fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let program = head.split_once('(')?.1.to_owned();
    Some(Process { pid, parent: tail.split_whitespace().nth(1)?.parse().ok()?, program })
}

fn process_nanos(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(run_nanos)
        .sum()
}

/// The first field of schedstat: nanoseconds on a CPU.
fn run_nanos(schedstat: String) -> Option<u64> {
    schedstat.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_what_is_below_them_do_not_count() {
        let tree = [
            (1, 0, "proxy"),
            (2, 0, "daemon"),
            (3, 2, "fastecho"),
            (4, 3, "sh"),
            (5, 2, "guard"),
            (6, 0, "other"),
        ];
        let tree = tree.map(|(pid, parent, program)| Process { pid, parent, program: program.into() });
        let mut found = between(&tree, &[1, 2], "fastecho");
        found.sort_unstable();
        assert_eq!(found, [1, 2, 5]);
    }
}
