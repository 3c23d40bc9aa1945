//! The program's beginning and its one end: how it was called → which part of it runs → exit code.

mod cli;
mod daemon;
mod duration;
mod fault;
mod file;
mod link;
mod log;
mod mcp;
mod nearest;
mod paths;
mod program;
mod proxy;
mod registry;
mod secret;
mod secrets;
mod servers;
mod service;
mod settings;
mod sync;
mod upstream;
mod wire;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::Ending;
use crate::fault::{Fault, Kind, Plain, report};

/// Names of the program, and the words they stand for. Built-in servers are also called `mcp-NAME`.
const NAMES: &[(&str, &[&str])] = &[("loom", &[]), ("loomd", &["daemon"])];

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    let words: Vec<OsString> = words.collect();
    match dispatch(&name, words) {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::With(kind)) => ExitCode::from(kind.exit_code()),
        Err(fault) => {
            let code = fault.kind().exit_code();
            // A standard error that is gone leaves only the exit code to say it.
            let _ = std::io::stderr().write_all(report(&*fault).as_bytes());
            ExitCode::from(code)
        }
    }
}

/// Runs what the name and the words ask for. The hidden verbs come first: they run between fork and exec, or for
/// life beside the daemon, and must not wait for anything else.
fn dispatch(name: &OsStr, words: Vec<OsString>) -> Result<Ending, Fault> {
    match words.first().and_then(|word| word.to_str()) {
        Some("__guard") => return upstream::guard::run().map(|()| Ending::Done),
        Some(link::detach::VERB) => return cli::launch::run(&words[1..]),
        #[cfg(feature = "keychain")]
        Some(secrets::keychain::VERB) => return secrets::keychain::helper::run().map(|()| Ending::Done),
        Some("__exec") => return upstream::exec::run(&words[1..]).map(|()| Ending::Done),
        _ => {}
    }
    let mut all = implied(name);
    for word in words {
        all.push(word.into_string().map_err(|word| {
            Plain::new(Kind::Usage, format!("the argument {} is not UTF-8", word.display()))
        })?);
    }
    cli::run(&all)
}

/// The words that the program's name stands for.
fn implied(name: &OsStr) -> Vec<String> {
    let name = Path::new(name).file_name().and_then(OsStr::to_str).unwrap_or_default();
    if let Some((_, words)) = NAMES.iter().find(|(known, _)| *known == name) {
        return words.iter().map(|word| (*word).to_owned()).collect();
    }
    match name.strip_prefix("mcp-") {
        Some(server) if servers::BUILTINS.iter().any(|builtin| builtin.name == server) => {
            vec!["mcp".to_owned(), server.to_owned()]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        for (name, want) in [
            ("loom", ""),
            ("/usr/local/bin/loomd", "daemon"),
            ("mcp-echo", "mcp echo"),
            ("./mcp-echo", "mcp echo"),
            ("mcp-", ""),
            ("mcp-unknown", ""),
            ("xloomd", ""),
            ("loomd.prev", ""),
            ("", ""),
        ] {
            assert_eq!(implied(OsStr::new(name)).join(" "), want, "{name}");
        }
    }
}
