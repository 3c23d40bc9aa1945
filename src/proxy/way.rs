//! The state of the way to a daemon.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crate::wire::code::Code;

/// The way to the daemon, as the client's lines find it.
#[derive(Debug)]
pub enum Way {
    /// Lines go straight through.
    Open(Arc<UnixStream>),
    /// `downlink` writes what waited to a fresh daemon: everything else queues up behind that.
    Opening,
    /// The daemon takes nothing new. What belongs to what it has still goes there; requests wait.
    Draining(Arc<UnixStream>),
    /// A daemon is on its way: requests wait.
    Soon,
    /// There will be none for now: requests are answered with this.
    Closed(Absence),
}

/// Why there is no daemon, as a client is told.
#[derive(Clone, Debug)]
pub struct Absence {
    pub code: Code,
    pub text: String,
    pub hint: Option<String>,
}

impl Way {
    /// The daemon to which lines may go now.
    pub fn stream(&self) -> Option<&Arc<UnixStream>> {
        match self {
            Way::Open(stream) | Way::Draining(stream) => Some(stream),
            Way::Opening | Way::Soon | Way::Closed(_) => None,
        }
    }
}
