//! How long most calls take: a histogram of fixed size, four buckets for each doubling, from a microsecond to two
//! hours. A bucket is at most a quarter wider than its beginning, so what it tells is right to some 10 percent.

use std::time::Duration;

/// Buckets to each doubling, as a power of two.
const FINE_BITS: u32 = 2;
const FINE: usize = 1 << FINE_BITS;
const BUCKETS: usize = 128;

#[derive(Clone, Debug)]
pub struct Quantiles {
    buckets: [u32; BUCKETS],
    count: u64,
    sum_us: u64,
    longest_us: u64,
}

impl Default for Quantiles {
    fn default() -> Self {
        Quantiles { buckets: [0; BUCKETS], count: 0, sum_us: 0, longest_us: 0 }
    }
}

impl Quantiles {
    pub fn observe(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = &mut self.buckets[bucket_of(us)];
        *bucket = bucket.saturating_add(1);
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
        self.longest_us = self.longest_us.max(us);
    }

    /// Adds what another one has seen.
    pub fn merge(&mut self, other: &Quantiles) {
        for (own, other) in self.buckets.iter_mut().zip(other.buckets) {
            *own = own.saturating_add(other);
        }
        self.count += other.count;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.longest_us = self.longest_us.max(other.longest_us);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    /// The time within which a share of the calls (0 to 1) was answered; `None` without any call.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let total: u64 = self.buckets.iter().map(|count| u64::from(*count)).sum();
        if total == 0 {
            return None;
        }
        let wanted = (share * total as f64).clamp(0.0, total as f64);
        let mut before = 0.0;
        for (at, count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = f64::from(*count);
            if before + count >= wanted {
                let (from, to) = (start_of(at) as f64, start_of(at + 1).min(self.longest_us.max(1)) as f64);
                let us = from + (to - from).max(0.0) * (wanted - before) / count;
                return Some(Duration::from_secs_f64(us / 1e6));
            }
            before += count;
        }
        Some(Duration::from_micros(self.longest_us))
    }

    /// How many took less than a time that is a power of two in microseconds.
    pub fn below(&self, limit_us: u64) -> u64 {
        self.buckets[..bucket_of(limit_us)].iter().map(|count| u64::from(*count)).sum()
    }
}

fn bucket_of(us: u64) -> usize {
    let Some(doublings) = us.checked_ilog2().filter(|doublings| *doublings >= FINE_BITS) else {
        return us as usize;
    };
    let shift = doublings - FINE_BITS;
    let fine = (us >> shift) as usize & (FINE - 1);
    ((shift as usize + 1) * FINE + fine).min(BUCKETS - 1)
}

/// The shortest time of a bucket, in microseconds.
fn start_of(bucket: usize) -> u64 {
    match bucket / FINE {
        0 => bucket as u64,
        doublings => ((FINE + bucket % FINE) as u64) << (doublings - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(times_us: impl IntoIterator<Item = u64>) -> Quantiles {
        let mut quantiles = Quantiles::default();
        times_us.into_iter().for_each(|us| quantiles.observe(Duration::from_micros(us)));
        quantiles
    }

    #[test]
    fn every_bucket_begins_where_the_one_before_ends() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(start_of(bucket)), bucket);
            assert_eq!(bucket_of(start_of(bucket + 1) - 1), bucket);
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert!(start_of(BUCKETS) > 2 * 3600 * 1_000_000);
    }

    #[test]
    fn known_shares() {
        assert_eq!(of([]).quantile(0.5), None);
        let hundred = of((1..=100).map(|ms| ms * 1000));
        for (share, want_ms) in [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0)] {
            let got = hundred.quantile(share).unwrap().as_secs_f64() * 1e3;
            assert!((got - want_ms).abs() / want_ms < 0.1, "{share}: {got}");
        }
        let one = of([700]);
        assert!(one.quantile(0.99).unwrap() <= Duration::from_micros(700));
        assert_eq!((one.count(), one.sum()), (1, Duration::from_micros(700)));
        assert_eq!(of([0]).quantile(0.5).map(|time| time.as_micros() <= 1), Some(true));
    }

    #[test]
    fn counts_below_a_limit_are_exact() {
        let some = of([0, 1, 127, 128, 129, 4_000_000_000_000]);
        assert_eq!((some.below(128), some.below(256), some.below(1)), (3, 5, 1));
        let mut both = of([5]);
        both.merge(&some);
        assert_eq!((both.below(128), both.count()), (4, 7));
    }

    proptest! {
        #[test]
        fn a_quantile_is_near_the_true_one(mut times in prop::collection::vec(1u64..10_000_000, 1..300), share in 0.01f64..1.0) {
            let got = of(times.clone()).quantile(share).unwrap().as_secs_f64() * 1e6;
            times.sort_unstable();
            let rank = ((share * times.len() as f64).ceil() as usize).clamp(1, times.len());
            let true_one = times[rank - 1] as f64;
            prop_assert!((got - true_one).abs() <= true_one * 0.25 + 1.0, "{got} for {true_one}");
        }
    }
}
