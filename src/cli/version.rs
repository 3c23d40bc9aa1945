//! `loom version`.

use serde_json::{Value, json};

use crate::cli::args::VersionArgs;
use crate::cli::out::Out;
use crate::mcp::initialize::KNOWN;
use crate::wire::hello::{COMMIT, PROTOCOL, VERSION, build};

/// The cargo features of this build.
const FEATURES: &[(&str, bool)] = &[("keychain", cfg!(feature = "keychain"))];

pub fn run(args: VersionArgs, out: &mut Out) {
    match args.json {
        true => out.json(&described()),
        false => out.line(format!("loom {}", build(VERSION, COMMIT))),
    }
}

fn described() -> Value {
    let features: Vec<&str> = FEATURES.iter().filter(|(_, built)| *built).map(|(name, _)| *name).collect();
    json!({
        "version": VERSION,
        "commit": COMMIT,
        "features": features,
        // Of the daemon's socket.
        "protocol": PROTOCOL,
        // Of MCP, as clients may speak it.
        "mcp": KNOWN,
    })
}
