//! The states of a server process, and when it may start again. Pure: time comes in.

use std::time::{Duration, Instant};

/// So many lives in a row that ended before they were of use make a crash loop.
pub const CRASHES_MAX: u32 = 5;
/// A life at least this long was of use, even if nobody called.
const STEADY: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why a server does not run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    pub text: String,
    /// The last line of its standard error. For its own user's eyes: it may hold anything.
    pub said: Option<String>,
    pub hint: Option<String>,
}

impl Trouble {
    pub fn new(text: impl Into<String>) -> Self {
        Trouble { text: text.into(), ..Trouble::default() }
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Trouble { hint: Some(hint.into()), ..self }
    }

    /// With what the server said.
    pub fn full(&self) -> String {
        match &self.said {
            Some(said) => format!("{}; it said: {said}", self.text),
            None => self.text.clone(),
        }
    }
}

/// Where a server stands. What a person sees in `loom status`.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerState {
    /// Not running; the next call starts it.
    Idle,
    /// The process runs and the handshake is under way, or a start is about to happen.
    Starting,
    Ready {
        pid: i32,
    },
    /// It could not be started, or it ended; another start is allowed from `retry_at`.
    Failed {
        trouble: Trouble,
        retry_at: Instant,
    },
    /// It ended again and again; only a person's `loom servers restart` starts it anew.
    CrashLoop {
        trouble: Trouble,
    },
}

impl ServerState {
    /// The word in `loom status`.
    pub fn word(&self) -> &'static str {
        match self {
            ServerState::Idle => "idle",
            ServerState::Starting => "starting",
            ServerState::Ready { .. } => "ready",
            ServerState::Failed { .. } => "failed",
            ServerState::CrashLoop { .. } => "crash-loop",
        }
    }

    pub fn trouble(&self) -> Option<&Trouble> {
        match self {
            ServerState::Failed { trouble, .. } | ServerState::CrashLoop { trouble } => Some(trouble),
            ServerState::Idle | ServerState::Starting | ServerState::Ready { .. } => None,
        }
    }
}

/// What is remembered from life to life.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Lives in a row that were of no use.
    useless: u32,
    /// Starts that failed in a row, of whatever kind: makes the pauses longer.
    failures: u32,
    /// How often the process ended without being asked to.
    pub crashes: u64,
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It could not be started, or did not get through the handshake.
    NeverReady,
    /// It was ready and ended by itself after so long, having answered so many calls.
    Crashed { lasted: Duration, answered: u64 },
    /// The same of a server elsewhere: the way to it may be at fault, so that it is never given up.
    Lost { lasted: Duration, answered: u64 },
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// May be started again after this pause.
    Wait(Duration),
    /// A crash loop.
    GiveUp,
}

impl History {
    /// `roll` is any number; it spreads the pauses of many servers by up to a quarter.
    pub fn after(&mut self, end: End, roll: u64) -> Next {
        match end {
            End::NeverReady => self.failures += 1,
            End::Crashed { lasted, answered } => {
                self.crashes += 1;
                let of_use = answered > 0 || lasted >= STEADY;
                self.useless = if of_use { 1 } else { self.useless + 1 };
                self.failures = if of_use { 1 } else { self.failures + 1 };
                if self.useless >= CRASHES_MAX {
                    return Next::GiveUp;
                }
            }
            End::Lost { lasted, answered } => {
                self.crashes += 1;
                let of_use = answered > 0 || lasted >= STEADY;
                self.failures = if of_use { 1 } else { self.failures + 1 };
            }
        }
        let doubled = FIRST_PAUSE * (1 << (self.failures - 1).min(12));
        let pause = doubled.min(LONGEST_PAUSE);
        Next::Wait(pause + pause.mul_f64((roll % 256) as f64 / 1024.0))
    }

    /// A person asked for a fresh start, or the server's entry changed.
    pub fn forgive(&mut self) {
        self.useless = 0;
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_double_up_to_a_bound_and_spread() {
        let mut history = History::default();
        let pauses: Vec<u128> = (0..12)
            .map(|_| match history.after(End::NeverReady, 0) {
                Next::Wait(pause) => pause.as_millis(),
                Next::GiveUp => panic!("a failed start is no crash loop"),
            })
            .collect();
        assert_eq!(pauses[..4], [100, 200, 400, 800]);
        assert_eq!(pauses[11], 30_000);
        assert_eq!(History::default().after(End::NeverReady, 128), Next::Wait(112 * MS + 500 * MS / 1000));
    }

    #[test]
    fn five_useless_lives_are_a_crash_loop_and_a_person_clears_it() {
        let mut history = History::default();
        let crash = End::Crashed { lasted: 5 * MS, answered: 0 };
        for _ in 1..CRASHES_MAX {
            assert!(matches!(history.after(crash, 0), Next::Wait(_)));
        }
        assert_eq!(history.after(crash, 0), Next::GiveUp);
        history.forgive();
        assert_eq!(history.after(crash, 0), Next::Wait(100 * MS));
        assert_eq!(history.crashes, 6);
    }

    #[test]
    fn a_server_elsewhere_is_never_given_up_but_left_alone_for_longer() {
        let mut history = History::default();
        let lost = End::Lost { lasted: 5 * MS, answered: 0 };
        let last = (0..20).map(|_| history.after(lost, 0)).last();
        assert_eq!(last, Some(Next::Wait(30_000 * MS)));
        let next = history.after(End::Lost { lasted: 5 * MS, answered: 1 }, 0);
        assert_eq!((next, history.crashes), (Next::Wait(100 * MS), 21));
    }

    #[test]
    fn a_server_that_crashes_on_every_tenth_call_never_counts_as_looping() {
        let mut history = History::default();
        for _ in 0..100 {
            let next = history.after(End::Crashed { lasted: 5 * MS, answered: 9 }, 0);
            assert_eq!(next, Next::Wait(100 * MS));
        }
    }
}
