//! The counters of one server's calls, looked up once.

use prometheus_client::metrics::counter::Counter;

pub struct Meter {
    pub calls: Counter,
    pub errors: Counter,
}

impl Meter {
    /// The server answered a call, with a result or with an error of its own.
    pub fn count(&self, failed: bool) {
        self.calls.inc();
        if failed {
            self.errors.inc();
        }
    }
}
