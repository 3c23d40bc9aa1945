//! One MCP server process: how it is started, watched and ended, and the calls that are under way on it.
//!
//! Nothing here knows clients or the registry file. `daemon` owns the instances and decides.

pub mod calls;
pub mod channel;
pub mod child;
pub mod exec;
pub mod greeting;
pub mod guard;
pub mod http;
pub mod instance;
pub mod life;
pub mod meter;
pub mod purpose;
pub mod quantiles;
pub mod queues;
pub mod refusals;
pub mod stderr;
pub mod task;
pub mod topic;
