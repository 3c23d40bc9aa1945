//! `loom proxy`: the stdio entry of an AI client, in this process.

use crate::cli::Ending;
use crate::cli::args::ProxyArgs;
use crate::cli::context::Context;
use crate::fault::Fault;
use crate::proxy::{self, Options};

pub fn run(args: ProxyArgs, context: Context) -> Result<Ending, Fault> {
    let Context { paths, settings, socket, cwd } = context;
    let max_tools = args.max_tools.map(|limit| limit.0).filter(|limit| *limit > 0);
    let options = Options {
        paths,
        settings,
        agent_hint: args.agent_hint,
        profile: args.tool_profile,
        max_tools,
        socket,
        cwd,
    };
    proxy::run(options).map(|()| Ending::Done)
}
