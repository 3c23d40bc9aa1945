//! `loomd`: runs every MCP server once, and routes all calls.
//!
//! Arrows: `session` and `keeper` tasks read bytes and hand them to the [`switch`], which decides and writes.
//! Nothing sends to anything that could be waiting for it: writes that do not fit are left to a small task of
//! their own, and whoever reads too slowly only grows their own bounded backlog.

pub mod answer;
pub mod asks;
pub mod call;
pub mod catalogs;
pub mod claims;
pub mod clock;
pub mod control;
pub mod elicitations;
pub mod elsewhere;
pub mod ending;
pub mod environment;
pub mod errands;
pub mod guardian;
pub mod handshake;
pub mod hello;
pub mod http;
pub mod keeper;
pub mod launch;
pub mod levels;
pub mod lives;
pub mod local;
pub mod lock;
pub mod metrics;
pub mod notices;
pub mod queue;
pub mod redact;
pub mod reload;
pub mod request;
pub mod room;
pub mod routes;
pub mod run;
pub mod scopes;
pub mod secrets;
pub mod session;
pub mod status;
pub mod subscriptions;
pub mod switch;
pub mod tally;
pub mod tap;
pub mod tasks;
pub mod views;

use std::path::PathBuf;

use crate::paths::Paths;
use crate::settings::Settings;

/// How a daemon is to run.
pub struct Options {
    pub paths: Paths,
    pub settings: Settings,
    /// `--registry`.
    pub registry: Option<PathBuf>,
    pub socket: PathBuf,
    /// For people: `loom start (pid 12)`.
    pub started_by: String,
    /// Leave the starter's terminal and session; its standard error is used until the daemon is ready.
    pub detach: bool,
    /// A person's shell gave this process its environment.
    pub by_person: bool,
}
