//! `loom check --fix`: runs the commands that lose nothing.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::trouble::{Fix, Trouble};
use crate::cli::out::{Out, Paint};
use crate::link::start::own_executable;

/// A command that was run.
pub struct Mended {
    command: String,
    /// What it said when it failed.
    failure: Option<String>,
}

impl Mended {
    pub fn render(&self, out: &mut Out) {
        match &self.failure {
            None => out.line(format!("{}  {}", out.paint(Paint::Good, "fixed   "), self.command)),
            Some(text) => {
                out.line(format!("{}  {}: {text}", out.paint(Paint::Bad, "failed  "), self.command))
            }
        }
    }

    pub fn to_json(&self) -> Value {
        json!({ "command": self.command, "ok": self.failure.is_none(), "error": self.failure })
    }
}

/// Runs each safe command once.
pub fn all(troubles: &[Trouble]) -> Vec<Mended> {
    let mut mended: Vec<Mended> = Vec::new();
    for fix in troubles.iter().filter_map(|trouble| trouble.fix.as_ref()) {
        let Fix::Command { words, safe: true } = fix else { continue };
        let command = fix.text();
        if mended.iter().all(|one| one.command != command) {
            let failure = run(words).err();
            mended.push(Mended { command, failure });
        }
    }
    mended
}

fn run(words: &[String]) -> Result<(), String> {
    let (program, args) = words.split_first().ok_or("no command")?;
    let program = match program.as_str() {
        "loom" => own_executable().map_err(|error| error.to_string())?.into_os_string(),
        other => other.into(),
    };
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(said.lines().next().unwrap_or("it says no reason").to_owned())
        }
    }
}
