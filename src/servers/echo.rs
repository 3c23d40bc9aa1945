//! `loom mcp echo`: a small MCP server to try loom with, and the scripted upstream of its tests. One thread and one
//! `poll`: it never blocks on a client that does not read, so it never stops listening. What to answer is decided in
//! `core`; this file reads, writes and waits. Standard output carries protocol only (and noise when asked to).

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::signal::unix::{SignalKind, signal};

use crate::fault::{Fault, Kind, Plain};
use crate::servers::echo::core::{Act, Core, Facts, Outcome};
use crate::servers::echo::options::{Asked, HELP, Options};

mod core;
mod line;
mod options;
mod perform;
mod tools;

/// A writable pipe takes this much without blocking.
const WRITE_BYTES: usize = 4096;

const READ_BYTES: usize = 64 << 10;

/// How long a stubborn server outlives its client, so that a failed test leaves nothing for ever.
const STUBBORN: Duration = Duration::from_secs(600);

/// Ignores TERM, HUP and INT, and ends by itself after ten minutes.
const GRANDCHILD: &str = "trap '' TERM HUP INT; echo ready >&2; exec sleep 600 2>/dev/null";

/// Serves until stdin ends, or prints the help.
pub fn run(args: &[String]) -> Result<(), Fault> {
    let options = match options::parse(args)? {
        Asked::Help => {
            return io::stdout().write_all(HELP.as_bytes()).map_err(|error| broken("stdout", error));
        }
        Asked::Serve(options) => *options,
    };
    if options.stubborn {
        ignore_signals().map_err(|error| broken("signals", error))?;
    }
    if options.flood_stderr {
        thread::spawn(flood_stderr);
    }
    let core = Core::new(options.clone(), facts(), Instant::now());
    let mut shell = Shell {
        core,
        options,
        out: Vec::new(),
        sent: 0,
        line: Vec::new(),
        stdin: true,
        stdout: true,
        end: None,
    };
    shell.serve().map_err(|error| broken("stdin or stdout", error))
}

/// The pipes of the process around its core.
struct Shell {
    core: Core,
    options: Options,
    /// What is still to be written begins at `sent`.
    out: Vec<u8>,
    sent: usize,
    /// What was read of a line that has no end yet.
    line: Vec<u8>,
    /// Whether each pipe is open.
    stdin: bool,
    stdout: bool,
    /// When a stubborn server whose client is gone ends.
    end: Option<Instant>,
}

impl Shell {
    /// Ends when stdin does, unless stubborn.
    fn serve(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; READ_BYTES];
        loop {
            let (readable, writable) = self.wait()?;
            if readable {
                self.read(&mut chunk)?;
            }
            let due = self.core.on_time(Instant::now());
            self.perform(due)?;
            if writable {
                self.write(WRITE_BYTES)?;
            }
            if self.over(Instant::now()) {
                return self.write_all();
            }
        }
    }

    /// Whether the client is gone, and the time that a stubborn server stays after it too.
    fn over(&mut self, now: Instant) -> bool {
        let gone = !self.stdin || !self.stdout;
        gone && (!self.options.stubborn || now >= *self.end.get_or_insert(now + STUBBORN))
    }

    /// Waits for a pipe or for the next time the core has something due.
    fn wait(&self) -> io::Result<(bool, bool)> {
        let pending = self.stdout && self.sent < self.out.len();
        let left = self
            .core
            .next_due()
            .into_iter()
            .chain(self.end)
            .min()
            .map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| {
            // One more millisecond, so that a rounded-down wait does not spin.
            let left = left + Duration::from_millis(u64::from(!left.is_zero()));
            Timespec::try_from(left).ok()
        });
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let mut fds = Vec::with_capacity(2);
        if self.stdin {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        if pending {
            fds.push(PollFd::new(&stdout, PollFlags::OUT));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {
                let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
                Ok((self.stdin && ready(0), pending && ready(usize::from(self.stdin))))
            }
            Err(Errno::INTR) => Ok((false, false)),
            Err(error) => Err(error.into()),
        }
    }

    /// One read, and every line that it completes.
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<()> {
        let n = match rustix::io::read(io::stdin(), &mut *chunk) {
            Ok(n) => n,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.stdin = n > 0;
        let mut rest = &chunk[..n];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            let acts = self.core.on_line(&String::from_utf8_lossy(&line), Instant::now());
            self.perform(acts)?;
        }
        self.line.extend_from_slice(rest);
        Ok(())
    }

    fn perform(&mut self, acts: Vec<Act>) -> io::Result<()> {
        let mut acts = VecDeque::from(acts);
        while let Some(act) = acts.pop_front() {
            match act {
                Act::Line(line) => {
                    self.out.extend_from_slice(line.as_bytes());
                    self.out.push(b'\n');
                }
                Act::Bytes(bytes) => self.out.extend_from_slice(&bytes),
                Act::Stderr(bytes) => io::stderr().write_all(&stderr_text(bytes))?,
                Act::Record(line) => {
                    if let Some(path) = &self.options.cancel_file {
                        append(path, &line)?;
                    }
                }
                Act::Count { call, key } => {
                    let outcome = count(self.options.count_file.as_deref(), &key);
                    acts.extend(self.core.finish(&call, outcome));
                }
                Act::Grandchild { call } => {
                    let outcome = grandchild().map_err(|error| error.to_string());
                    acts.extend(self.core.finish(&call, outcome));
                }
                Act::Exit(code) => {
                    self.write_all()?;
                    exit(code);
                }
            }
        }
        Ok(())
    }

    /// Writes at most `most` bytes. A client that closed its end is gone, which is no error.
    fn write(&mut self, most: usize) -> io::Result<()> {
        let end = self.out.len().min(self.sent + most);
        match rustix::io::write(io::stdout(), &self.out[self.sent..end]) {
            Ok(n) => self.sent += n,
            Err(Errno::INTR) => {}
            Err(Errno::PIPE) => {
                self.stdout = false;
                self.sent = self.out.len();
            }
            Err(error) => return Err(error.into()),
        }
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        Ok(())
    }

    fn write_all(&mut self) -> io::Result<()> {
        while self.stdout && self.sent < self.out.len() {
            self.write(usize::MAX - self.sent)?;
        }
        Ok(())
    }
}

fn broken(what: &str, error: io::Error) -> Fault {
    Plain::new(Kind::Unavailable, format!("loom mcp echo: {what}: {error}")).into()
}

/// The whole environment is read here, since showing it is what the tools `env` and `environ` are for.
fn facts() -> Facts {
    let cwd =
        std::env::current_dir().map_or_else(|error| error.to_string(), |path| path.display().to_string());
    let environ = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    Facts { pid: std::process::id(), cwd, environ }
}

/// Takes the signals that ask for an end away from their default. A handler once installed stays, and nobody listens
/// to what it reports.
fn ignore_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        drop(signal(kind)?);
    }
    Ok(())
}

/// About 1.6 MB a second until nobody reads.
fn flood_stderr() {
    let text = stderr_text(16 << 10);
    while io::stderr().write_all(&text).is_ok() {
        thread::sleep(Duration::from_millis(10));
    }
}

/// So many bytes in lines of 80.
fn stderr_text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| if at % 80 == 79 { b'\n' } else { b'e' }).collect()
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}

fn count(path: Option<&Path>, key: &str) -> Outcome {
    let path = path.ok_or("this server was started without --count-file")?;
    let told = |error: io::Error| format!("{}: {error}", path.display());
    append(path, key).map_err(told)?;
    let lines = fs::read_to_string(path).map_err(told)?;
    Ok(lines.lines().filter(|line| *line == key).count().to_string())
}

/// Starts it in this process group, with this stdout, and answers when its signals are ignored.
fn grandchild() -> io::Result<String> {
    let mut child =
        Command::new("sh").args(["-c", GRANDCHILD]).stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    if let Some(stderr) = child.stderr.take() {
        BufReader::new(stderr).read_line(&mut String::new())?;
    }
    Ok(child.id().to_string())
}

#[expect(clippy::exit, reason = "dying at once, with any code, is what this test server is asked for")]
fn exit(code: i32) -> ! {
    std::process::exit(code)
}
