//! The way to a daemon: dialling its socket, saying hello, asking one thing at a time, starting one that does not
//! run. Blocking and with a deadline on every wait; no async runtime, no knowledge of what is asked.

pub mod client;
pub mod connect;
pub mod detach;
pub mod ending;
pub mod git;
pub mod holder;
pub mod start;
