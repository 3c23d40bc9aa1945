//! The product from outside, and the rules of its source.

#[expect(clippy::allow_attributes, reason = "an expectation would fail once a test uses everything")]
#[allow(dead_code, reason = "shared with tests/peers; each binary uses its part")]
#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod calls;
mod catalogs;
mod check;
mod cli;
mod commands;
mod daemons;
mod direct;
mod disks;
mod elsewhere;
mod entries;
mod exec;
mod guide;
mod health;
mod idleness;
mod import;
mod input;
mod levels;
mod load;
mod logs;
mod moves;
mod obstacles;
mod output;
mod prompts;
mod proxies;
mod questions;
mod queues;
mod readme;
mod reload;
mod replay;
mod resources;
mod scopes;
mod secrets;
mod servers;
mod services;
mod shells;
mod skills;
mod sockets;
mod standins;
mod subscriptions;
mod sync;
mod taps;
mod tasks;
mod tidy;
mod trust;
mod upgrades;
