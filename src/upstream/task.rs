//! A task that a server works on for a client (2025-11-25).

use std::collections::BTreeMap;
use std::time::Instant;

/// Whose it is.
#[derive(Clone, Debug)]
pub struct Task {
    /// The client's connection.
    pub session: u32,
    /// It is worked on until then at most; earlier when the server says that it has ended.
    pub until: Instant,
    /// Its client is gone, or took back the call that began it: what its server still says of it is for nobody.
    pub gone: bool,
}

impl Task {
    pub fn is_open(&self, now: Instant) -> bool {
        !self.gone && self.until > now
    }
}

/// The tasks of one server, by its own ids.
pub type Tasks = BTreeMap<String, Task>;
