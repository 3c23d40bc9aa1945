//! `loom mcp NAME`: one built-in server on our standard input and output.

use crate::cli::Ending;
use crate::cli::args::McpArgs;
use crate::fault::{Fault, Kind, Plain};
use crate::nearest::nearest;
use crate::servers::{self, BUILTINS};

pub fn run(args: McpArgs) -> Result<Ending, Fault> {
    if !BUILTINS.iter().any(|builtin| builtin.name == args.name) {
        let names: Vec<&str> = BUILTINS.iter().map(|builtin| builtin.name).collect();
        let text = format!("no built-in server `{}`; there are: {}", args.name, names.join(", "));
        let near = nearest(&args.name, names.iter().copied()).unwrap_or(names[0]);
        return Err(Plain::new(Kind::Usage, text).hint(format!("loom mcp {near}")).into());
    }
    servers::run(&args.name, &args.args).map(|()| Ending::Done)
}
