//! Asking a client itself whether it can use loom, with the command that it has for that.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::sync::machine::Machine;
use crate::sync::target::{Health, Target};

/// How long a client may take. Some never end by themselves.
const PATIENCE: Duration = Duration::from_secs(45);
const POLL: Duration = Duration::from_millis(20);

/// How a client sees loom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sight {
    Connected,
    /// It has read the entry; it starts servers later.
    Read,
    /// A person has to allow it first.
    NeedsTrust,
    Failed,
    /// It is not on PATH.
    NotInstalled,
    /// It has no command that tells.
    Silent,
}

/// What a client says of loom, and the line it says it in.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    pub sight: Sight,
    pub words: String,
}

/// Runs the client's own command; what it says of each of the servers `names`.
pub fn verify(target: &Target, machine: &Machine, names: &[String]) -> io::Result<Vec<(String, Verdict)>> {
    let bare = |sight| {
        Ok(names.iter().map(|name| (name.clone(), Verdict { sight, words: String::new() })).collect())
    };
    let Some(health) = &target.health else { return bare(Sight::Silent) };
    let Some(program) = target.programs.iter().find(|program| machine.has_program(program)) else {
        return bare(Sight::NotInstalled);
    };
    let said = said(program, health, machine)?;
    Ok(names.iter().map(|name| (name.clone(), judge(health, &said, name))).collect())
}

/// What the command prints, on both of its outputs, within its time.
fn said(program: &str, health: &Health, machine: &Machine) -> io::Result<String> {
    let dir = tempfile::tempdir()?;
    let (path, mut command) = (dir.path().join("said"), Command::new(program));
    let file = File::create(&path)?;
    command.args(health.args).current_dir(&machine.cwd).process_group(0);
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let mut child = command.spawn()?;
    let until = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() > until {
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // It may have ended just now.
                let _ = kill_process_group(pid, Signal::KILL);
            }
            child.wait()?;
            break;
        }
        thread::sleep(POLL);
    }
    Ok(String::from_utf8_lossy(&std::fs::read(&path)?).into_owned())
}

/// The verdict from a client's words: the line that names the server, or the one below it.
fn judge(health: &Health, said: &str, name: &str) -> Verdict {
    let plain = without_colours(said);
    let lines: Vec<&str> = plain.lines().map(str::trim).collect();
    let is_end = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'));
    let names_it = |line: &&str| line.split(is_end).any(|word| word == name);
    let Some(at) = lines.iter().position(names_it) else {
        let words = lines.iter().rev().find(|line| !line.is_empty()).copied().unwrap_or("it says nothing");
        return Verdict { sight: Sight::Failed, words: words.to_owned() };
    };
    let near = &lines[at..lines.len().min(at + 2)];
    let has = |word: &str| !word.is_empty() && near.iter().any(|line| line.contains(word));
    let sight = match (has(health.waiting), has(health.good), health.connects) {
        (true, _, _) => Sight::NeedsTrust,
        (false, true, true) => Sight::Connected,
        (false, true, false) => Sight::Read,
        (false, false, _) => Sight::Failed,
    };
    Verdict { sight, words: lines[at].to_owned() }
}

/// A text without what colours it on a terminal.
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::TARGETS;

    fn health(name: &str) -> &'static Health {
        TARGETS.iter().find(|target| target.name == name).and_then(|target| target.health.as_ref()).unwrap()
    }

    #[test]
    fn clients_say_it_in_their_words() {
        for (name, said, want) in [
            ("claude", "Checking…\n\nloom: /l proxy - \u{1b}[32m✔\u{1b}[0m Connected\n", Sight::Connected),
            ("claude", "loom: /l proxy - ✘ Failed to connect — ENOENT\n", Sight::Failed),
            ("claude", "loom: /l proxy - ⏸ Pending approval\n", Sight::NeedsTrust),
            ("gemini", "✓ loom: /l proxy (stdio) - Connected\n", Sight::Connected),
            ("gemini", "○ loom: /l proxy (stdio) - Disabled\n", Sight::NeedsTrust),
            ("opencode", "●  ✓ loom \u{1b}[90mconnected\n│      /l proxy\n", Sight::Connected),
            ("codex", "Name  Command  Status\nloom  /l  proxy  -  enabled\n", Sight::Read),
            ("codex", "Error loading config.toml: invalid transport\n", Sight::Failed),
            ("amp", "loom (user settings): connected (4 tools: a, b)\n", Sight::Connected),
            ("copilot", "User servers:\n  loom (local)\n", Sight::Read),
            ("qwen", "", Sight::Failed),
        ] {
            assert_eq!(judge(health(name), said, "loom").sight, want, "{name}: {said}");
        }
    }
}
