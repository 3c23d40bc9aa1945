//! A request that has no answer yet, and what its answer must be.

use std::time::Instant;

use super::super::ledger::Mark;
use super::super::lists::{Kind, Way};

/// The answer that is expected.
#[derive(Clone, Debug)]
pub enum Want {
    /// The server's own, after its script.
    Server,
    /// That of a server that is looked for.
    Search(Way),
    /// A new task.
    NewTask,
    /// About a task: its nonce.
    Task(String),
    /// The tasks of this client that must be on this page or a later one: their nonces.
    TaskList(Vec<String>),
    /// Exactly this result, of loom's.
    Exactly(&'static str),
    /// An error of loom's with one of these names.
    Refusal(&'static [&'static str]),
    List(Kind),
    Greeting,
}

#[derive(Clone, Debug)]
pub struct Pending {
    pub method: &'static str,
    pub want: Want,
    pub nonce: String,
    pub server: Option<usize>,
    /// The params as the server hears them.
    pub heard: String,
    /// How the script ends.
    pub ending: Ending,
    /// In bytes.
    pub size: usize,
    pub began: Instant,
    pub deadline: Instant,
    /// The number of the line that took it back.
    pub cancelled: Option<u64>,
    /// The number of its own line.
    pub line: u64,
    /// A second request with its id is open: it is refused, or answered with this.
    pub twin: bool,
    /// Its own answer has come; the twin's has not.
    pub answered: bool,
    /// It ends its server.
    pub kills: Option<Mark>,
    /// A URI that it is about.
    pub uri: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Result,
    Fail,
    Broken,
    Silence,
    Die,
}
