//! `loom secrets`: a value is where a server needs it and nowhere else.

mod damage;
mod keyrings;
mod refusals;
mod restarts;
mod scan;
mod sources;
mod terminal;
mod writes;

use std::io::Write;
use std::process::{Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::home::{TestHome, loom_binary};

/// A value that nothing else on this machine has.
fn fresh_value() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    format!("hunter2-{}-{:x}-hunter2", std::process::id(), since.as_nanos())
}

/// `loom ARGS` with `input` on its standard input.
fn loom_reads(home: &TestHome, args: &[&str], input: &str) -> Output {
    let mut child = home
        .command(loom_binary())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loom can be started");
    // One that refuses does not read.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("loom ends")
}

fn set(home: &TestHome, name: &str, value: &str) {
    let output = loom_reads(home, &["secrets", "set", name, "--from-stdin"], value);
    assert!(output.status.success(), "{output:?}");
}

fn get(home: &TestHome, name: &str) -> Option<String> {
    let output = home.loom(&["secrets", "get", name, "--reveal"]);
    let text = String::from_utf8(output.stdout).expect("loom prints UTF-8");
    output.status.success().then(|| text.trim_end_matches('\n').to_owned())
}

/// The names that `loom secrets list` knows to be somewhere.
fn names(home: &TestHome) -> Vec<String> {
    let listed = home.loom_json(&["secrets", "list", "--json"]);
    let rows = listed["secrets"].as_array().unwrap_or_else(|| panic!("no list: {listed}")).iter();
    let kept = rows.filter(|row| row["sources"].as_array().is_some_and(|sources| !sources.is_empty()));
    kept.map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

/// What a command said on both its outputs.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
