//! Writes to the daemon's socket: at once where it takes all, and otherwise without waiting longer than the daemon
//! and the client are worth waiting for.

use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

/// A daemon that takes no byte for so long is as good as gone.
const STUCK: Duration = Duration::from_secs(30);

/// The same, once the client is gone, who would otherwise wait for this process to end.
const STUCK_ALONE: Duration = Duration::from_secs(2);

/// Why not all of it was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut {
    /// So many bytes left.
    pub written: usize,
    /// The daemon is only stuck, but nobody is left to wait for it.
    pub alone: bool,
}

/// The client's two ends, as far as their closing can be seen without reading.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'a> {
    pub input: BorrowedFd<'a>,
    pub output: BorrowedFd<'a>,
}

impl Ends<'static> {
    /// Standard input and output.
    pub fn of_client() -> Self {
        Ends { input: rustix::stdio::stdin(), output: rustix::stdio::stdout() }
    }
}

/// Writes all of it. The stream of a stuck daemon is closed in both directions: who reads it sees its end, and nobody
/// goes on in the middle of a line.
pub fn write(stream: &UnixStream, bytes: &[u8], client: Ends<'_>) -> Result<(), Cut> {
    let mut written = 0;
    let mut alone = false;
    while written < bytes.len() {
        let part = &bytes[written..];
        match send(stream, part, SendFlags::DONTWAIT) {
            Ok(n) => {
                written += n;
                if n == part.len() {
                    break;
                }
            }
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN | Errno::NOBUFS) => {}
            Err(_) => return Err(Cut { written, alone: false }),
        }
        if !wait(stream.as_fd(), client, &mut alone) {
            // Fails when the other end is closed already, which is as good.
            let _ = stream.shutdown(Shutdown::Both);
            return Err(Cut { written, alone });
        }
    }
    Ok(())
}

/// Waits until the socket takes more, or has failed. False when it stays as it is for too long. Notes when the client
/// is gone.
fn wait(socket: BorrowedFd<'_>, client: Ends<'_>, alone: &mut bool) -> bool {
    loop {
        let out = PollFd::from_borrowed_fd(socket, PollFlags::OUT);
        let input = PollFd::from_borrowed_fd(client.input, hung_up());
        let output = PollFd::from_borrowed_fd(client.output, PollFlags::empty());
        let mut all = [out, input, output];
        // The client's ends would be reported again at once, and for ever.
        let (fds, patience) = if *alone { (&mut all[..1], STUCK_ALONE) } else { (&mut all[..], STUCK) };
        match poll(fds, Timespec::try_from(patience).ok().as_ref()) {
            Ok(0) => return false,
            Ok(_) if !all[0].revents().is_empty() => return true,
            Ok(_) => *alone = true,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// What must be asked for to hear that the other end of a socket writes no more. `HUP` and `ERR` come unasked.
fn hung_up() -> PollFlags {
    #[cfg(target_os = "linux")]
    return PollFlags::RDHUP;
    #[cfg(not(target_os = "linux"))]
    PollFlags::empty()
}

/// The lines of which no byte left, when so many bytes did.
pub fn unsent(lines: &[u8], written: usize) -> &[u8] {
    let (left, rest) = lines.split_at(written.min(lines.len()));
    match left.last() {
        None | Some(b'\n') => rest,
        // One that left in part may have been read.
        Some(_) => memchr::memchr(b'\n', rest).map_or(&[], |end| &rest[end + 1..]),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_line_that_left_in_part_counts_as_sent() {
        for (written, want) in [
            (0, "one\ntwo\nthree\n"),
            (1, "two\nthree\n"),
            (3, "two\nthree\n"),
            (4, "two\nthree\n"),
            (5, "three\n"),
            (8, "three\n"),
            (13, ""),
            (14, ""),
        ] {
            let left = unsent(b"one\ntwo\nthree\n", written);
            assert_eq!(std::str::from_utf8(left).unwrap(), want, "{written}");
        }
        for (written, want) in [(0, "big"), (1, ""), (3, "")] {
            assert_eq!(unsent(b"big", written), want.as_bytes(), "{written}");
        }
    }

    /// A client whose both ends are this one connection.
    fn client(end: &UnixStream) -> Ends<'_> {
        Ends { input: end.as_fd(), output: end.as_fd() }
    }

    #[test]
    fn a_slow_reader_gets_everything() {
        let (daemon, mut reader) = UnixStream::pair().unwrap();
        let (here, _there) = UnixStream::pair().unwrap();
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let reading = std::thread::spawn(move || {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).map(|_| got)
        });
        assert_eq!(write(&daemon, &bytes, client(&here)), Ok(()));
        drop(daemon);
        assert!(reading.join().unwrap().unwrap() == bytes);
    }

    #[test]
    fn a_stuck_daemon_is_left_when_the_client_goes() {
        let half = |there: &UnixStream| there.shutdown(Shutdown::Write);
        let whole = |there: &UnixStream| there.shutdown(Shutdown::Both);
        let ways: [fn(&UnixStream) -> std::io::Result<()>; 2] = [half, whole];
        for leave in ways.into_iter().skip(usize::from(cfg!(not(target_os = "linux")))) {
            let (daemon, mut mute) = UnixStream::pair().unwrap();
            let (here, there) = UnixStream::pair().unwrap();
            let began = Instant::now();
            let leaving = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                leave(&there).map(|()| there)
            });
            let cut = write(&daemon, &vec![b'x'; 8 << 20], client(&here)).unwrap_err();
            assert!(cut.alone && cut.written > 0 && cut.written < 8 << 20, "{cut:?}");
            assert!(began.elapsed() < STUCK_ALONE * 3, "{:?}", began.elapsed());
            leaving.join().unwrap().unwrap();
            // Nobody can go on in the middle of a line.
            assert!((&daemon).write(b"more").is_err());
            assert_eq!(mute.read_to_end(&mut Vec::new()).unwrap(), cut.written);
        }
    }

    #[test]
    fn a_daemon_that_dies_is_seen_at_once() {
        let (daemon, mute) = UnixStream::pair().unwrap();
        let (here, _there) = UnixStream::pair().unwrap();
        let dying = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            drop(mute);
        });
        let cut = write(&daemon, &vec![b'x'; 8 << 20], client(&here)).unwrap_err();
        assert!(!cut.alone && cut.written > 0, "{cut:?}");
        dying.join().unwrap();
        assert_eq!(write(&daemon, b"more", client(&here)), Err(Cut { written: 0, alone: false }));
    }
}
