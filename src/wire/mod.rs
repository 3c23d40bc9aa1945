//! JSON-RPC on a line: framing, the envelope scanner, raw answers, error codes; and the hello of loom's own socket.
//!
//! Payloads are never turned into a tree here. A line is checked once to be JSON, the members that loom acts
//! on are found as byte ranges, and everything else passes as the bytes that came in.

pub mod code;
pub mod hello;
pub mod id;
pub mod json;
pub mod lines;
pub mod outbox;
pub mod oversize;
pub mod reply;
pub mod scan;

/// The longest line that is passed on, in bytes.
pub const LINE_MAX: usize = 64 << 20;

/// The most that one process holds back in all its buffers, in bytes.
pub const BUFFER_MAX: usize = 256 << 20;
