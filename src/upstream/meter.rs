//! The counters of one server's calls, looked up once.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

pub struct Meter {
    pub calls: Counter,
    pub errors: Counter,
    pub seconds: Histogram,
}

impl Meter {
    /// The server answered a call, with a result or with an error of its own.
    pub fn count(&self, took: Duration, failed: bool) {
        self.calls.inc();
        self.seconds.observe(took.as_secs_f64());
        if failed {
            self.errors.inc();
        }
    }
}
