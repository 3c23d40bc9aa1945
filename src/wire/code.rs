//! Error codes. The -327xx are JSON-RPC's own; the -3205x are loom's, in the range that JSON-RPC leaves to
//! implementations and outside what MCP has taken (-32000..-32002, -32020..-32022, -32042).

/// A loom error as it goes over the wire: a number, and a name in `data.code` that scripts can match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    pub number: i32,
    pub name: &'static str,
    /// What the command line makes of it: the `kind` of `fault::Kind`.
    pub kind: &'static str,
}

/// What the standards call an error of a server.
pub fn name_of(number: i64) -> Option<&'static str> {
    Some(match number {
        -32700 => "PARSE_ERROR",
        -32600 => "INVALID_REQUEST",
        -32601 => "METHOD_NOT_FOUND",
        -32602 => "INVALID_PARAMS",
        -32603 => "INTERNAL_ERROR",
        -32002 => "RESOURCE_NOT_FOUND",
        -32042 => "URL_ELICITATION_REQUIRED",
        _ => return None,
    })
}

pub const PARSE: Code = Code { number: -32700, name: "PARSE_ERROR", kind: "usage" };
pub const INVALID_REQUEST: Code = Code { number: -32600, name: "INVALID_REQUEST", kind: "usage" };
pub const METHOD_NOT_FOUND: Code = Code { number: -32601, name: "METHOD_NOT_FOUND", kind: "usage" };
pub const INVALID_PARAMS: Code = Code { number: -32602, name: "INVALID_PARAMS", kind: "usage" };
pub const TOOL_NOT_FOUND: Code = Code { number: -32602, name: "TOOL_NOT_FOUND", kind: "usage" };
pub const TOOL_REFUSED: Code = Code { number: -32602, name: "TOOL_REFUSED", kind: "usage" };
/// The server's process ended, or closed its output, while the call was under way.
pub const SERVER_GONE: Code = Code { number: -32050, name: "SERVER_GONE", kind: "unavailable" };
/// The server could not be started or reached: the call did not run.
pub const SERVER_UNAVAILABLE: Code = Code { number: -32051, name: "SERVER_UNAVAILABLE", kind: "unavailable" };
/// The daemon went away while the call was under way: whether it ran is not known.
pub const DAEMON_GONE: Code = Code { number: -32052, name: "DAEMON_GONE", kind: "unavailable" };
/// A person stopped the daemon.
pub const STOPPED: Code = Code { number: -32053, name: "STOPPED", kind: "not_running" };
pub const TIMEOUT: Code = Code { number: -32054, name: "TIMEOUT", kind: "unavailable" };
pub const TOO_LARGE: Code = Code { number: -32055, name: "TOO_LARGE", kind: "unavailable" };
/// More is waiting than loom holds back.
pub const BUSY: Code = Code { number: -32056, name: "BUSY", kind: "unavailable" };
/// The daemon is about to exit and takes no new calls.
pub const DRAINING: Code = Code { number: -32057, name: "DRAINING", kind: "unavailable" };
/// A daemon cannot be started or reached, for a reason that is not a person's wish.
pub const NO_DAEMON: Code = Code { number: -32063, name: "NO_DAEMON", kind: "unavailable" };
/// The two ends speak different versions of loom's own protocol.
pub const VERSION_MISMATCH: Code = Code { number: -32058, name: "VERSION_MISMATCH", kind: "unavailable" };
/// The server answered with something that is no JSON-RPC.
pub const BAD_ANSWER: Code = Code { number: -32060, name: "BAD_ANSWER", kind: "unavailable" };
/// A server elsewhere refused the request with an HTTP status.
pub const REFUSED: Code = Code { number: -32062, name: "REFUSED", kind: "unavailable" };
/// A server's question reaches no client.
pub const NOT_ASKED: Code = Code { number: -32061, name: "NOT_ASKED", kind: "unavailable" };
/// What MCP's handshake era says for it.
pub const RESOURCE_NOT_FOUND: Code = Code { number: -32002, name: "RESOURCE_NOT_FOUND", kind: "usage" };
/// A configuration file is wrong.
pub const CONFIG: Code = Code { number: -32059, name: "CONFIG", kind: "config" };
