//! `rmcp-server`: an MCP server over stdio that has one of everything that rmcp can offer in the handshake era.

mod handler;
mod offer;
mod tools;

use std::io::Write;
use std::process::ExitCode;

use rmcp::service::ServiceExt;

use crate::handler::Handler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever reads this has only stderr; when that is closed nobody reads.
            let _ = writeln!(std::io::stderr(), "rmcp-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    Handler::default().serve(rmcp::transport::stdio()).await?.waiting().await?;
    Ok(())
}
