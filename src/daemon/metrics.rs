//! Numbers for `/metrics`, in Prometheus' text format.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::switch::Switch;
use crate::upstream::meter::Meter;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByServer {
    server: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByServerAndCode {
    server: String,
    code: String,
}

/// Counts calls as they end.
#[derive(Default)]
pub struct Metrics {
    calls: Family<ByServer, Counter>,
    errors: Family<ByServer, Counter>,
    failures: Family<ByServerAndCode, Counter>,
    ends: Family<ByServer, Counter>,
}

impl Metrics {
    /// The counters of one server, to be kept by whoever counts often.
    pub fn meter(&self, server: &str) -> Meter {
        let label = ByServer { server: server.to_string() };
        Meter {
            calls: self.calls.get_or_create(&label).clone(),
            errors: self.errors.get_or_create(&label).clone(),
        }
    }

    /// loom itself ended a call with an error.
    pub fn failed(&self, server: &str, code: &str) {
        let label = ByServerAndCode { server: server.into(), code: code.into() };
        self.failures.get_or_create(&label).inc();
    }

    /// A server's process ended without being asked to, or did not get ready.
    pub fn ended(&self, server: &str) {
        self.ends.get_or_create(&ByServer { server: server.into() }).inc();
    }
}

/// The text of `/metrics`.
pub fn render(switch: &Switch) -> String {
    let mut registry = Registry::with_prefix("loom_daemon");
    let metrics = &switch.metrics;
    registry.register("tool_calls", "Calls that servers answered", metrics.calls.clone());
    registry.register("tool_errors", "Answers of servers that were errors", metrics.errors.clone());
    registry.register("call_failures", "Calls that loom ended with an error", metrics.failures.clone());
    registry.register("process_ends", "Ends of server processes that nobody asked for", metrics.ends.clone());
    registry.register_collector(Box::new(switch.tap.tallies.durations()));
    let mut gauge = |name: &str, help: &str, value: usize| {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    gauge("calls_in_flight", "Calls without an answer yet", switch.active_calls());
    gauge("clients", "Connected clients and commands", switch.sessions.len());
    gauge("buffered_bytes", "Bytes held back for slow peers", switch.buffered());
    let running = switch.instances.values().filter(|instance| instance.pid != 0).count();
    gauge("processes_running", "Server processes", running);
    let counters = &switch.counters;
    for (name, help, value) in [
        ("invalid_utf8_lines", "Lines that were not UTF-8", counters.invalid_utf8),
        ("garbage_lines", "Lines that were not JSON-RPC", counters.garbage_lines),
        ("oversized_lines", "Lines thrown away for their length", counters.oversized_lines),
        ("dropped_notifications", "Notifications that nobody could take", counters.dropped_notifications),
        ("late_answers", "Answers that nobody waited for", counters.late_answers),
    ] {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = encode(&mut text, &registry);
    text
}
