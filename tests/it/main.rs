//! The product from outside, and the rules of its source.

#[expect(clippy::allow_attributes, reason = "an expectation would fail once a test uses everything")]
#[allow(dead_code, reason = "shared with tests/peers; each binary uses its part")]
#[path = "../support/mod.rs"]
mod support;

mod calls;
mod cli;
mod daemons;
mod input;
mod limits;
mod listing;
mod readme;
mod servers;
mod tidy;
