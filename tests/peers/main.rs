//! Real servers through loom, seen by real SDKs: what each server lists, answers, asks and tells directly, it does through
//! loom (`matrix`). Real AI clients complete calls through it (`clients`), start servers as it tells them (`direct`), and
//! are told what `loom sync` writes for their models (`told`); what they wrote by themselves loom takes over (`import`).
//! `scripts/install-peers.sh` installs them all; without that every test here fails and says so.

mod agents;
mod clients;
mod dialect;
mod difference;
mod direct;
mod document;
mod everything;
mod import;
mod installed;
mod matrix;
mod model;
mod own;
mod remote;
mod sdks;
mod servers;
mod session;
mod shapes;
mod site;
mod steps;
mod tap;
mod told;

#[expect(clippy::allow_attributes, reason = "an expectation would fail once a test uses everything")]
#[allow(dead_code, reason = "shared with tests/it; each binary uses its part")]
#[path = "../support/mod.rs"]
mod support;
