//! Lines on their way to a server elsewhere. What has been handed over counts until nothing needs it any more: its
//! server has answered, or it has failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::body::Bytes;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Where lines are handed over. There is no bound here: whoever hands over looks at `held` first.
#[derive(Clone)]
pub struct Outgoing {
    lines: UnboundedSender<Bytes>,
    held: Arc<AtomicUsize>,
}

impl Outgoing {
    /// Both ends.
    pub fn new() -> (Outgoing, UnboundedReceiver<Bytes>) {
        let (lines, taken) = mpsc::unbounded_channel();
        (Outgoing { lines, held: Arc::default() }, taken)
    }

    /// False when nobody takes lines any more.
    pub fn hand_over(&self, line: &[u8]) -> bool {
        self.held.fetch_add(line.len(), Ordering::Relaxed);
        let line = Line { text: line.into(), held: self.held.clone() };
        self.lines.send(Bytes::from_owner(line)).is_ok()
    }

    /// Bytes of all lines that are still needed.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// One line. Its copies share it, and it counts until the last of them is gone.
struct Line {
    text: Box<[u8]>,
    held: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Line {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.held.fetch_sub(self.text.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_until_its_last_copy_is_gone() {
        let (outgoing, mut taken) = Outgoing::new();
        assert!(outgoing.hand_over(b"12345") && outgoing.hand_over(b"678"));
        let copy = taken.try_recv().unwrap().slice(1..2);
        assert_eq!((&copy[..], outgoing.held()), (&b"2"[..], 8));
        drop(copy);
        assert_eq!(outgoing.held(), 3);
        drop(taken);
        assert_eq!(outgoing.held(), 0);
        assert!(!outgoing.hand_over(b"9"));
        assert_eq!(outgoing.held(), 0);
    }
}
