//! What loom decides about MCP: names, catalogs, what each client sees, answers of its own. All pure: text in,
//! text out; no I/O, no clock, no task. What servers sent is copied byte for byte, never re-encoded.

pub mod capabilities;
pub mod catalog;
pub mod clip;
pub mod initialize;
pub mod inventory;
pub mod profile;
pub mod prompts;
pub mod quote;
pub mod readable;
pub mod resources;
pub mod tasks;
pub mod template;
pub mod toolname;
pub mod view;
