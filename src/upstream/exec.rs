//! `loom __exec`: runs between the daemon's fork and a server's own program.
//!
//! It tells the guardian its process group before the server's first instruction, so that no moment exists in
//! which a killed daemon would leave a child that nobody knows. While it holds the guardian's pipe open, the
//! guardian cannot take the daemon's death for the end.

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::fault::{Fault, Kind, Plain};

/// The hidden first word.
pub const VERB: &str = "__exec";

/// `args`: the guardian pipe's descriptor number, the program, its arguments. Returns only on failure.
pub fn run(args: &[OsString]) -> Result<(), Fault> {
    let [number, program, rest @ ..] = args else {
        return Err(Plain::new(Kind::Usage, "usage: loom __exec FD PROGRAM [ARG ...]").into());
    };
    let number = number.to_str().and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| Plain::new(Kind::Usage, "no descriptor number"))?;
    match register(number) {
        // The daemon is about to begin another guardian, which it tells of every group.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        told => told.map_err(|error| Plain::new(Kind::Unavailable, format!("no guardian: {error}")))?,
    }
    let error = Command::new(program).args(rest).exec();
    Err(Plain::new(Kind::Unavailable, format!("cannot run {}: {error}", program.display())).into())
}

/// Writes `+GROUP` into the guardian's pipe and closes it.
fn register(number: i32) -> std::io::Result<()> {
    #[expect(
        unsafe_code,
        reason = "the daemon left exactly this descriptor open for us and names it in argv"
    )]
    let pipe = unsafe { OwnedFd::from_raw_fd(number) };
    let group = rustix::process::getpgrp();
    std::fs::File::from(pipe).write_all(format!("+{}\n", group.as_raw_nonzero()).as_bytes())
}
