//! A server's standard error: into its own log file, without secrets that are known, never faster than the disk
//! deserves.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::log::Rotating;
use crate::secret::mask::{Mask, Stream};

/// More than this in one second is read, counted and thrown away, in bytes.
const PER_SECOND: usize = 1 << 20;

/// The end of the last complete line that is kept for error messages, in bytes.
const LAST_LINE_MAX: usize = 300;

/// Reads until the pipe closes. Returns the last line that was not blank. What `mask` knows appears nowhere.
pub async fn keep(mut pipe: pipe::Receiver, path: PathBuf, rotate_at: u64, mask: Mask) -> String {
    let mut kept =
        Kept { log: Rotating::new(path, rotate_at), meter: Meter::new(Instant::now()), last: String::new() };
    let mut chunk = vec![0; 16 << 10];
    let mut stream = Stream::new(mask);
    while let Ok(n) = pipe.read(&mut chunk).await {
        if n == 0 {
            break;
        }
        kept.take(&stream.feed(&chunk[..n]));
        tokio::task::yield_now().await;
    }
    kept.take(&stream.finish());
    kept.last
}

struct Kept {
    log: Rotating,
    meter: Meter,
    last: String,
}

impl Kept {
    fn take(&mut self, bytes: &[u8]) {
        remember_line(&mut self.last, bytes);
        let (take, note) = self.meter.admit(bytes.len(), Instant::now());
        // A log that cannot be written (a full disk) must not disturb the server.
        if let Some(note) = note {
            let _ = self.log.write_all(note.as_bytes());
        }
        let _ = self.log.write_all(&bytes[..take]);
    }
}

fn remember_line(last: &mut String, chunk: &[u8]) {
    let line = chunk.split(|byte| *byte == b'\n').rev().find(|line| !line.trim_ascii().is_empty());
    if let Some(line) = line {
        let line = &line[line.len().saturating_sub(LAST_LINE_MAX)..];
        *last = String::from_utf8_lossy(line.trim_ascii()).chars().filter(|c| !c.is_control()).collect();
    }
}

/// Lets so many bytes through in each second.
struct Meter {
    since: Instant,
    used: usize,
    dropped: usize,
}

impl Meter {
    fn new(now: Instant) -> Self {
        Meter { since: now, used: 0, dropped: 0 }
    }

    /// How many of `n` bytes to keep, and a note about what was dropped in the second before.
    fn admit(&mut self, n: usize, now: Instant) -> (usize, Option<String>) {
        let mut note = None;
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            if self.dropped > 0 {
                note = Some(format!("\n[loom] {} bytes within one second were not kept\n", self.dropped));
            }
            *self = Meter::new(now);
        }
        let take = n.min(PER_SECOND - self.used);
        self.used += take;
        self.dropped += n - take;
        (take, note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_said() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        assert_eq!(meter.admit(PER_SECOND, start), (PER_SECOND, None));
        assert_eq!(meter.admit(10, start), (0, None));
        let (take, note) = meter.admit(5, start + Duration::from_secs(2));
        assert_eq!((take, note.unwrap().trim()), (5, "[loom] 10 bytes within one second were not kept"));
    }

    #[test]
    fn the_last_line_is_short_and_printable() {
        let mut last = String::new();
        remember_line(&mut last, b"first\nModuleNotFoundError: \x1b[1mx\n\n  \n");
        assert_eq!(last, "ModuleNotFoundError: [1mx");
        remember_line(&mut last, b"\n\n");
        assert_eq!(last, "ModuleNotFoundError: [1mx");
    }
}
