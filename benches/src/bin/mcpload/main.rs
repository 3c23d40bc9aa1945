//! Measures one MCP endpoint that is a command over stdio; prints one JSON object.
//!
//! `mcpload [OPTIONS] -- COMMAND…`. Suites (`--suite a,b,…`):
//! - `seq`: `--seq N` calls one after the other after `--warmup N` of them;
//! - `conc`: `--conc N` calls with `--inflight K` open at any time;
//! - `big`: `--big N` echoes of a text of `--big-bytes B`;
//! - `list`: `--list N` whole tool lists (all pages);
//! - `cold`: `--cold N` fresh starts: spawn → `initialize` answered → first list → list of `--expect-tools N`.
//!
//! All but `cold` also tell the CPU time a call cost in the processes between client and server: the command's
//! process tree and those of `--pid PID`, without any process called `--server NAME` (fastecho).

mod answer;
mod client;
mod options;
mod processes;
mod stats;
mod suites;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::options::Options;

/// Any failure ends the run with its text.
pub type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match measure().and_then(|report| Ok(writeln!(io::stdout(), "{report}")?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mcpload: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Fallible<Value> {
    let options = Options::parse(std::env::args().skip(1))?;
    let mut report = Map::new();
    let (cold, warm): (Vec<_>, Vec<_>) = options.suites.iter().partition(|suite| *suite == "cold");
    if !cold.is_empty() {
        report.insert("cold".into(), suites::cold(&options)?);
    }
    if !warm.is_empty() {
        let mut client = Client::start(&options)?;
        client.initialize()?;
        let names = client.wait_for_tools()?;
        report.insert("tools".into(), json!(names.len()));
        let tool = suites::echo_tool(&names)?;
        for suite in warm {
            report.insert(suite.clone(), suites::with_cpu(&mut client, suite, &tool)?);
        }
        client.stop()?;
    }
    Ok(Value::Object(report))
}
