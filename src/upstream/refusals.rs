//! How often a refused question of a server is told of in the log: a server that asks without end must not push all
//! else out of it. Pure: time comes in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One line of a method is written in this time.
const QUIET: Duration = Duration::from_secs(60);
/// More methods than this count as one: a server may make them up.
const METHODS_MAX: usize = 20;

/// The refused questions of one server, by method.
#[derive(Debug, Default)]
pub struct Refusals(BTreeMap<Box<str>, Told>);

#[derive(Debug)]
struct Told {
    at: Instant,
    /// Refused since then.
    unsaid: u64,
}

impl Refusals {
    /// A question was refused. `Some`: it is to be told of, with how many before it were not.
    pub fn told(&mut self, method: &str, now: Instant) -> Option<u64> {
        let known = self.0.len() < METHODS_MAX || self.0.contains_key(method);
        let method = if known { method } else { "" };
        let Some(told) = self.0.get_mut(method) else {
            self.0.insert(method.into(), Told { at: now, unsaid: 0 });
            return Some(0);
        };
        if now.duration_since(told.at) < QUIET {
            told.unsaid += 1;
            return None;
        }
        told.at = now;
        Some(std::mem::take(&mut told.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_of_and_then_one_a_minute_with_a_count() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let mut told = |method: &str, second| refusals.told(method, start + Duration::from_secs(second));
        assert_eq!(told("roots/list", 0), Some(0));
        assert_eq!(told("elicitation/create", 0), Some(0));
        assert_eq!((told("roots/list", 1), told("roots/list", 59)), (None, None));
        assert_eq!((told("roots/list", 60), told("roots/list", 61)), (Some(2), None));
        assert_eq!(told("elicitation/create", 60), Some(0));
    }

    #[test]
    fn made_up_methods_are_one() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let told = (0..1000).filter(|n| refusals.told(&n.to_string(), now).is_some()).count();
        assert_eq!(told, METHODS_MAX + 1);
    }
}
