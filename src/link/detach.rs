//! `loom __detach`: starts the daemon and steps out from between it and its starter.
//!
//! Some clients end everything below their MCP entries when they leave. A daemon that its starter's children led to
//! would go with the first such client; one whose parent has ended belongs to nobody but the system.

use std::ffi::OsString;
use std::fs::File;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::start::own_executable;
use crate::fault::{Fault, Kind, Plain};

/// The hidden first word.
pub const VERB: &str = "__detach";

/// A daemon that fails closes its standard error a moment before it can be waited for.
const LAST_MOMENT: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Runs `loom WORDS`, passes on what it says until it closes its standard error, and returns how it ended; `None` when
/// it goes on.
pub fn run(words: &[OsString]) -> Result<Option<ExitStatus>, Fault> {
    let wrong =
        |error: std::io::Error| Plain::new(Kind::Unavailable, format!("loomd cannot be run: {error}"));
    let mut child = Command::new(own_executable().map_err(wrong)?)
        .args(words)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(wrong)?;
    if let Some(mut said) = child.stderr.take() {
        std::io::copy(&mut said, &mut std::io::stderr()).map_err(wrong)?;
    }
    // Whoever waits for the end of our standard error need not wait for ours.
    let null = File::options().write(true).open("/dev/null").map_err(wrong)?;
    rustix::stdio::dup2_stderr(&null).map_err(|error| wrong(error.into()))?;
    let until = Instant::now() + LAST_MOMENT;
    loop {
        match child.try_wait().map_err(wrong)? {
            None if Instant::now() < until => std::thread::sleep(LOOK_AGAIN),
            status => return Ok(status),
        }
    }
}
