//! The client's end: raw reads and writes on standard input and output, whatever the client made of them
//! (pipes, sockets, non-blocking or not).

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Asks for wide pipes to the client: a megabyte then passes in a few steps instead of sixteen.
pub fn widen() {
    #[cfg(target_os = "linux")]
    for fd in [rustix::stdio::stdin(), rustix::stdio::stdout()] {
        // Refused for what is no pipe, and by a used-up quota; then it stays as narrow as the client made it.
        let _ = rustix::pipe::fcntl_setpipe_size(fd, 256 << 10);
    }
}

/// Waits until something has come, and then lets the client go on: on a busy core it was interrupted in the middle
/// of what it writes, and reading each line by itself costs more than the line.
pub fn gather() {
    if wait(rustix::stdio::stdin(), PollFlags::IN).is_ok() {
        std::thread::yield_now();
    }
}

/// Reads what there is. 0: the client closed its end.
pub fn read(buf: &mut [u8]) -> io::Result<usize> {
    let stdin = rustix::stdio::stdin();
    loop {
        match rustix::io::read(stdin, &mut *buf) {
            Ok(n) => return Ok(n),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait(stdin, PollFlags::IN)?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Nothing comes from the client for a second.
pub fn is_quiet() -> bool {
    quiet(rustix::stdio::stdin())
}

/// Nothing comes on this descriptor for a second.
pub fn quiet(fd: BorrowedFd<'_>) -> bool {
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&second)) == Ok(0)
}

/// Waits on a descriptor that the client has made non-blocking.
fn wait(fd: BorrowedFd<'_>, what: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::from_borrowed_fd(fd, what)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Standard output, for whole lines.
#[derive(Default)]
pub struct Out {
    turn: Mutex<()>,
}

impl Out {
    /// Writes complete lines. A client that is gone cannot be told anything; its closed input ends the proxy.
    pub fn write(&self, lines: &[u8]) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        put(lines);
    }

    /// Writes one line that lacks its newline.
    pub fn write_line(&self, line: &[u8]) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        put(line);
        put(b"\n");
    }
}

fn put(mut bytes: &[u8]) {
    let stdout = rustix::stdio::stdout();
    while !bytes.is_empty() {
        match rustix::io::write(stdout, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if wait(stdout, PollFlags::OUT).is_ok() => {}
            Err(_) => return,
        }
    }
}
