//! `loom version`.

use serde_json::json;

use crate::cli::args::VersionArgs;
use crate::cli::out::Out;
use crate::wire::hello::{PROTOCOL, VERSION};

pub fn run(args: VersionArgs, out: &mut Out) {
    if args.json {
        out.json(&json!({ "version": VERSION, "protocol": PROTOCOL }));
    } else {
        out.line(format!("loom {VERSION}"));
    }
}
