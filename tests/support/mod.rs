//! What the test binaries share: a home of its own for one loom, and a client that speaks in lines.

pub mod client;
pub mod elsewhere;
pub mod home;
pub mod player;
pub mod script;
