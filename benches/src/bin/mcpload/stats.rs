//! Percentiles of durations.

use std::time::Duration;

use serde_json::{Value, json};

/// Microseconds with one decimal.
pub fn micros(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e7).round() / 10.0
}

/// `{n, p50_us, p99_us, min_us, max_us}` of at least one duration.
pub fn summary(durations: &mut [Duration]) -> Value {
    durations.sort_unstable();
    let at = |share: f64| micros(durations[((durations.len() - 1) as f64 * share).round() as usize]);
    json!({"n": durations.len(), "p50_us": at(0.5), "p99_us": at(0.99), "min_us": at(0.0), "max_us": at(1.0)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_hundred_and_one() {
        let mut durations: Vec<_> = (0..=100).rev().map(Duration::from_micros).collect();
        let want = json!({"n": 101, "p50_us": 50.0, "p99_us": 99.0, "min_us": 0.0, "max_us": 100.0});
        assert_eq!(summary(&mut durations), want);
    }
}
