//! The MCP servers built into loom, run by `loom mcp NAME` as a child process like any other server.

use crate::fault::{Explain, Fault, Kind};
use crate::nearest::nearest;

pub mod echo;

/// One built-in server.
pub struct Builtin {
    /// What `loom mcp NAME` and `builtin: NAME` in the registry call it.
    pub name: &'static str,
    /// One line for `loom mcp --help`.
    pub about: &'static str,
    run: fn(&[String]) -> Result<(), Fault>,
}

/// Every built-in server.
pub const BUILTINS: &[Builtin] = &[Builtin {
    name: "echo",
    about: "a small demo and test server: echo, sleep, size, fail",
    run: echo::run,
}];

/// There is no built-in server of that name.
#[derive(Debug, thiserror::Error)]
#[error("there is no built-in server {name:?}, known are: {}", names().join(", "))]
pub struct UnknownBuiltin {
    name: String,
}

impl Explain for UnknownBuiltin {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        nearest(&self.name, names()).map(|name| format!("loom mcp {name}"))
    }
}

/// Runs the built-in server `name` on stdin and stdout until its client is gone.
pub fn run(name: &str, args: &[String]) -> Result<(), Fault> {
    match BUILTINS.iter().find(|builtin| builtin.name == name) {
        Some(builtin) => (builtin.run)(args),
        None => Err(UnknownBuiltin { name: name.to_owned() }.into()),
    }
}

fn names() -> Vec<&'static str> {
    BUILTINS.iter().map(|builtin| builtin.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        for (name, want) in [("ecko", Some("loom mcp echo")), ("zebra", None)] {
            let fault = run(name, &[]).unwrap_err();
            assert_eq!((fault.kind(), fault.hint().as_deref()), (Kind::Usage, want), "{name}");
        }
    }
}
