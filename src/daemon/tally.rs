//! Numbers of all calls by server and tool: how many, how many failed, how long they took. Of fixed size for each
//! pair, and of so many pairs at most. Pure but for the text of `/metrics`.

use foldhash::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use serde_json::{Value, json};

use crate::upstream::quantiles::Quantiles;
use crate::upstream::topic::Asked;

/// What comes after so many pairs is counted as the `other` tools of its server.
const PAIRS_MAX: usize = 2000;
const OTHER: Asked = Asked::Method("other");

/// Limits of the buckets in `/metrics`, as powers of two in microseconds: from 1/8 ms to about 16 s.
const LIMITS: std::ops::RangeInclusive<u32> = 7..=24;

#[derive(Default)]
pub struct Tally {
    pub calls: u64,
    /// Those that the server, loom or the tool itself called a failure.
    pub errors: u64,
    /// Of those that the server answered.
    pub times: Quantiles,
}

#[derive(Default)]
pub struct Tallies {
    servers: HashMap<Rc<str>, HashMap<Asked, Box<Tally>>>,
    pairs: usize,
}

impl Tallies {
    pub fn of(&mut self, server: &Rc<str>, asked: &Asked) -> &mut Tally {
        let tools = self.servers.entry(server.clone()).or_default();
        let known = self.pairs < PAIRS_MAX || tools.contains_key(asked);
        match tools.entry(if known { asked.clone() } else { OTHER }) {
            Entry::Occupied(place) => place.into_mut(),
            Entry::Vacant(place) => {
                self.pairs += 1;
                place.insert(Box::default())
            }
        }
    }

    /// The times of all calls to a server.
    pub fn times_of(&self, server: &str) -> Quantiles {
        let mut times = Quantiles::default();
        let tools = self.servers.get(server).into_iter().flat_map(HashMap::values);
        tools.for_each(|tally| times.merge(&tally.times));
        times
    }

    /// Whether a server was ever called.
    pub fn knows(&self, server: &str) -> bool {
        self.servers.contains_key(server)
    }

    /// A row for each pair, by server, the busiest tools first.
    pub fn summary(&self, server: Option<&str>) -> Vec<Value> {
        let rows =
            self.sorted().into_iter().filter(|(name, _, _)| server.is_none_or(|server| server == *name));
        let row = |(server, asked, tally): (&str, &Asked, &Tally)| {
            let [p50, p95, p99] = percentiles(&tally.times);
            json!({
                "server": server, "method": asked.method(), "tool": asked.tool(),
                "calls": tally.calls, "errors": tally.errors,
                "p50_ms": p50, "p95_ms": p95, "p99_ms": p99,
            })
        };
        rows.map(row).collect()
    }

    /// As they are now, for `/metrics`.
    pub fn durations(&self) -> Durations {
        let rows = self.sorted().into_iter().filter(|(_, _, tally)| tally.times.count() > 0);
        let row = |(server, asked, tally): (&str, &Asked, &Tally)| {
            let labels = Labels { server: server.into(), tool: asked.as_str().into() };
            (labels, tally.times.clone())
        };
        Durations(rows.map(row).collect())
    }

    fn sorted(&self) -> Vec<(&str, &Asked, &Tally)> {
        let mut rows: Vec<(&str, &Asked, &Tally)> = self
            .servers
            .iter()
            .flat_map(|(server, tools)| tools.iter().map(move |(asked, tally)| (&**server, asked, &**tally)))
            .collect();
        rows.sort_by(|a, b| {
            (a.0, b.2.calls, a.1.as_str(), a.1.method()).cmp(&(b.0, a.2.calls, b.1.as_str(), b.1.method()))
        });
        rows
    }
}

/// p50, p95 and p99, in milliseconds; `null` without a call.
pub fn percentiles(times: &Quantiles) -> [Value; 3] {
    [0.5, 0.95, 0.99].map(|share| times.quantile(share).map(millis).into())
}

/// Milliseconds, exact to a microsecond.
pub fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct Labels {
    server: String,
    tool: String,
}

/// The histograms of all pairs.
#[derive(Debug)]
pub struct Durations(Vec<(Labels, Quantiles)>);

impl Collector for Durations {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let (name, help) = ("tool_call_duration_seconds", "From request to answer");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, times) in &self.0 {
            let mut before = 0;
            let mut buckets: Vec<(f64, u64)> = LIMITS
                .map(|power| {
                    let all = times.below(1 << power);
                    let here = all - std::mem::replace(&mut before, all);
                    ((1u64 << power) as f64 / 1e6, here)
                })
                .collect();
            buckets.push((f64::INFINITY, times.count() - before));
            let mut metric = family.encode_family(labels)?;
            metric.encode_histogram::<NoLabelSet>(
                times.sum().as_secs_f64(),
                times.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_bounded_and_the_rest_is_counted_together() {
        let mut tallies = Tallies::default();
        let server: Rc<str> = "s".into();
        for n in 0..PAIRS_MAX + 10 {
            tallies.of(&server, &Asked::Tool(n.to_string().into())).calls += 1;
        }
        tallies.of(&server, &Asked::Tool("7".into())).calls += 1;
        let rows = tallies.summary(None);
        assert_eq!(rows.len(), PAIRS_MAX + 1);
        assert_eq!((&rows[0]["method"], &rows[0]["calls"]), (&json!("other"), &json!(10)));
        assert_eq!((&rows[1]["tool"], &rows[1]["calls"]), (&json!("7"), &json!(2)));
    }

    #[test]
    fn a_summary_goes_by_server_and_use() {
        let mut tallies = Tallies::default();
        for (server, tool, ms) in [("b", "x", 1), ("a", "y", 2), ("a", "z", 4), ("a", "z", 4)] {
            let tally = tallies.of(&server.into(), &Asked::Tool(tool.into()));
            tally.calls += 1;
            tally.times.observe(Duration::from_millis(ms));
        }
        let names: Vec<Value> = tallies
            .summary(None)
            .iter()
            .map(|row| json!([row["server"], row["tool"], row["p99_ms"].is_number()]))
            .collect();
        assert_eq!(Value::from(names), json!([["a", "z", true], ["a", "y", true], ["b", "x", true]]));
        assert_eq!(tallies.summary(Some("b")).len(), 1);
        assert_eq!(tallies.times_of("a").count(), 3);
    }
}
