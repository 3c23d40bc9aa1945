//! `loom __detach`: starts the daemon and steps out from between it and its starter.
//!
//! Some clients end everything below their MCP entries when they leave. A daemon that its starter's children led to
//! would go with the first such client; one whose parent has ended belongs to nobody but the system.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Command, ExitStatus, Stdio};

use super::start::own_executable;
use crate::fault::{Fault, Kind, Plain};

/// The hidden first word.
pub const VERB: &str = "__detach";

/// What a daemon that serves says last on its standard error, when that is a pipe: it goes on, nobody need wait for it.
pub const READY: u8 = 0;

/// Runs `loom WORDS`, passes on what it says until it closes its standard error, and returns how it ended; `None` when
/// it goes on.
pub fn run(words: &[OsString]) -> Result<Option<ExitStatus>, Fault> {
    let wrong = |error: io::Error| Plain::new(Kind::Unavailable, format!("loomd cannot be run: {error}"));
    let mut child = Command::new(own_executable().map_err(wrong)?)
        .args(words)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(wrong)?;
    let said = child.stderr.take().expect("standard error is a pipe");
    if pass_on(said, &mut io::stderr()).map_err(wrong)? {
        return Ok(None);
    }
    Ok(Some(child.wait().map_err(wrong)?))
}

/// Copies what a daemon says until it closes the stream; whether its last word was [`READY`], which is kept back. A
/// reader that has left is no reason to leave the daemon.
fn pass_on(mut said: impl Read, onto: &mut impl Write) -> io::Result<bool> {
    let mut chunk = [0; 4096];
    loop {
        match said.read(&mut chunk) {
            Ok(0) => return Ok(false),
            Ok(count) => {
                let text = &chunk[..count];
                let ready = text.ends_with(&[READY]);
                let _ = onto.write_all(text.strip_suffix(&[READY]).unwrap_or(text));
                if ready {
                    return Ok(true);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_daemon_is_told_from_one_that_has_ended() {
        for (said, passed, ready) in [
            (&b"\0"[..], "", true),
            (b"warning: x\n\0", "warning: x\n", true),
            (b"error: x\n", "error: x\n", false),
            (b"", "", false),
        ] {
            let mut onto = Vec::new();
            assert_eq!(pass_on(said, &mut onto).unwrap(), ready, "{said:?}");
            assert_eq!(onto, passed.as_bytes());
        }
    }
}
