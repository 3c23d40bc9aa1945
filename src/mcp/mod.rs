//! What loom decides about MCP: names, catalogs, what each client sees, answers of its own. All pure: text in,
//! text out; no I/O, no clock, no task. What servers sent is copied byte for byte, never re-encoded.

pub mod catalog;
pub mod clip;
pub mod initialize;
pub mod inventory;
pub mod profile;
pub mod quote;
pub mod toolname;
pub mod view;
