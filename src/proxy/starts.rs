//! When a proxy may start a daemon. Looking whether there is one is cheap and done often; a start is a new process,
//! and one that fails must not be repeated as often as one looks. Pure: time comes in.

use std::time::{Duration, Instant};

/// After the first failure.
const FIRST: Duration = Duration::from_millis(300);
const MOST: Duration = Duration::from_secs(5);
/// After one that gave way to a daemon that is ending.
const GAVE_WAY: Duration = Duration::from_millis(100);
const GAVE_WAY_MOST: Duration = Duration::from_secs(1);
/// A daemon that was lost this soon after its start counts as a failed start.
const SHORT_LIFE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub struct Starts {
    pause: Duration,
    not_before: Option<Instant>,
    started: Option<Instant>,
}

impl Starts {
    pub fn may_start(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    /// There is a new daemon.
    pub fn succeeded(&mut self, now: Instant) {
        self.started = Some(now);
    }

    pub fn failed(&mut self, now: Instant) {
        self.wait(now, FIRST, MOST);
    }

    pub fn gave_way(&mut self, now: Instant) {
        self.wait(now, GAVE_WAY, GAVE_WAY_MOST);
    }

    /// The connection to a daemon has ended.
    pub fn lost(&mut self, now: Instant) {
        match self.started.take() {
            Some(started) if now.duration_since(started) < SHORT_LIFE => self.failed(now),
            Some(_) | None => self.reset(),
        }
    }

    /// Whatever was wrong, somebody has done something about it.
    pub fn reset(&mut self) {
        *self = Starts::default();
    }

    fn wait(&mut self, now: Instant, first: Duration, most: Duration) {
        self.pause = (self.pause * 2).clamp(first, most);
        self.not_before = Some(now + self.pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// How long after `now` a start is allowed, in milliseconds.
    fn pause(starts: &Starts, now: Instant) -> u32 {
        (0..20_000).find(|ms| starts.may_start(now + MS * *ms)).unwrap()
    }

    #[test]
    fn failures_are_repeated_ever_less_often() {
        let now = Instant::now();
        let fails: fn(&mut Starts, Instant) = Starts::failed;
        for (what, want) in [
            (fails, &[300, 600, 1_200, 2_400, 4_800, 5_000, 5_000][..]),
            (Starts::gave_way, &[100, 200, 400, 800, 1_000, 1_000]),
        ] {
            let mut starts = Starts::default();
            assert_eq!(pause(&starts, now), 0);
            for want in want {
                what(&mut starts, now);
                assert_eq!(pause(&starts, now), *want);
            }
            starts.reset();
            assert_eq!(pause(&starts, now), 0);
        }
    }

    #[test]
    fn a_daemon_that_dies_young_is_a_failure_and_an_old_one_is_not() {
        let now = Instant::now();
        for (lived, want) in [(0, [300, 600, 1_200]), (4_999, [300, 600, 1_200]), (5_000, [0, 0, 0])] {
            let mut starts = Starts::default();
            for want in want {
                starts.succeeded(now);
                let lost = now + MS * lived;
                starts.lost(lost);
                assert_eq!(pause(&starts, lost), want, "{lived} ms");
            }
        }
        let mut others = Starts::default();
        others.failed(now);
        others.lost(now);
        assert_eq!(pause(&others, now), 0, "a daemon that somebody else had started");
    }
}
