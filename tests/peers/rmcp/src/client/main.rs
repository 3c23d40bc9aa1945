//! `rmcp-client PLAN.json`: rmcp takes the steps of a plan and prints what it saw; see `../../../plan.rs`. It speaks the
//! handshake era, as loom does.

mod driver;
mod steps;

use std::io::Write;
use std::process::ExitCode;
use std::{env, fs};

use rmcp::service::{RoleClient, RunningService, ServiceExt};
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::driver::Driver;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever reads this has only stderr; when that is closed nobody reads.
            let _ = writeln!(std::io::stderr(), "rmcp-client: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let file = env::args().nth(1).ok_or("usage: rmcp-client PLAN.json")?;
    let plan: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let driver = Driver::new(&plan);
    let service = connect(&plan["start"], driver.clone()).await?;
    let mut results = Vec::new();
    for step in plan["steps"].as_array().into_iter().flatten() {
        results.push(driver.take(service.peer(), step).await);
    }
    let hello = service.peer().peer_info().map(|info| serde_json::to_value(&*info)).transpose()?;
    service.cancel().await?;
    let seen = json!({
        "capabilities": hello.unwrap_or_default()["capabilities"],
        "results": results,
        "events": driver.events(),
        "taskIds": [],
    });
    writeln!(std::io::stdout(), "{seen}")?;
    Ok(())
}

async fn connect(start: &Value, driver: Driver) -> Result<RunningService<RoleClient, Driver>, Failure> {
    if let Some(url) = start["url"].as_str() {
        return Ok(driver.serve(StreamableHttpClientTransport::from_uri(url)).await?);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut command = Command::new(text(&start["command"]));
    command.args(start["args"].as_array().into_iter().flatten().map(text)).current_dir(text(&start["cwd"]));
    let env = start["env"].as_object().into_iter().flatten();
    command.env_clear().envs(env.map(|(name, value)| (name, text(value))));
    Ok(driver.serve(TokioChildProcess::new(command)?).await?)
}
