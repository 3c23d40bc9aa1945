//! A random soak: clients, servers and faults by chance, every message compared with a model of what it must be.
//!
//! `SOAK_SECONDS` says how long (20), `SOAK_SEED` which plan; into the folder `SOAK_TRACE` each client writes all that it
//! says and hears; `TEST_KEEP_HOME` keeps the home of a failed run. With `serve` as first argument this binary is a server.

#[expect(clippy::allow_attributes, reason = "an expectation would fail once a test uses everything")]
#[allow(dead_code, reason = "shared with tests/it; each binary uses its part")]
#[path = "../support/mod.rs"]
mod support;

mod audit;
mod cast;
mod chance;
mod client;
mod director;
mod faults;
mod ledger;
mod lists;
mod play;
mod processes;
mod remote;
mod server;
mod texts;
mod world;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECONDS: u64 = 20;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|first| first == "serve") {
        return match server::run(&args[1..]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    if args.iter().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let clock =
        || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos().into());
    let seed = number("SOAK_SEED").unwrap_or_else(clock);
    let length = Duration::from_secs(number("SOAK_SECONDS").unwrap_or(SECONDS));
    say(&format!("soak: seed {seed}, {} s", length.as_secs()));
    director::run(seed, length);
    ExitCode::SUCCESS
}

/// A line for whoever watches.
fn say(text: &str) {
    // Nobody watching is no fault.
    let _ = writeln!(io::stderr(), "{text}");
}
