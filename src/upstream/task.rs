//! A task that a server works on for a client (2025-11-25).

use std::collections::BTreeMap;
use std::time::Instant;

use crate::wire::id::Id;

/// Whose it is.
#[derive(Clone, Debug)]
pub struct Task {
    /// The client's connection.
    pub session: u32,
    /// The progress token of the request that began it: loom's, and the client's (raw JSON).
    pub token: Option<(u64, Id)>,
    /// It is worked on until then at most; earlier when the server says that it has ended.
    pub until: Instant,
    /// Its client is gone: what its server still asks about it is for nobody.
    pub gone: bool,
}

impl Task {
    pub fn is_open(&self, now: Instant) -> bool {
        !self.gone && self.until > now
    }
}

/// The tasks of one server, by its own ids.
pub type Tasks = BTreeMap<String, Task>;
