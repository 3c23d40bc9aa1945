//! The command line of mcpload.

use std::time::Duration;

use crate::Fallible;

/// What to measure and how often. Counts are repetitions unless they say otherwise.
#[derive(Clone, Debug)]
pub struct Options {
    pub suites: Vec<String>,
    pub command: Vec<String>,
    pub server: String,
    pub pids: Vec<u32>,
    pub seq: usize,
    pub warmup: usize,
    pub conc: usize,
    pub inflight: usize,
    pub big: usize,
    pub big_bytes: usize,
    pub list: usize,
    pub cold: usize,
    pub expect_tools: usize,
    /// How long the tool list may stay incomplete.
    pub patience: Duration,
}

impl Options {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Fallible<Self> {
        let mut options = Options {
            suites: ["seq", "conc", "big"].map(String::from).to_vec(),
            command: Vec::new(),
            server: "fastecho".into(),
            pids: Vec::new(),
            seq: 2000,
            warmup: 200,
            conc: 5000,
            inflight: 64,
            big: 50,
            big_bytes: 1 << 20,
            list: 15,
            cold: 5,
            expect_tools: 1,
            patience: Duration::from_secs(30),
        };
        while let Some(flag) = words.next() {
            if flag == "--" {
                options.command = words.collect();
                break;
            }
            let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
            options.set(&flag, &value).map_err(|error| format!("{flag} {value}: {error}"))?;
        }
        match options.command.is_empty() || options.inflight == 0 {
            true => Err("usage: mcpload [OPTIONS] -- COMMAND…".into()),
            false => Ok(options),
        }
    }

    fn set(&mut self, flag: &str, value: &str) -> Fallible<()> {
        match flag {
            "--suite" => self.suites = value.split(',').map(String::from).collect(),
            "--server" => self.server = value.into(),
            "--pid" => self.pids.push(value.parse()?),
            "--seq" => self.seq = value.parse()?,
            "--warmup" => self.warmup = value.parse()?,
            "--conc" => self.conc = value.parse()?,
            "--inflight" => self.inflight = value.parse()?,
            "--big" => self.big = value.parse()?,
            "--big-bytes" => self.big_bytes = value.parse()?,
            "--list" => self.list = value.parse()?,
            "--cold" => self.cold = value.parse()?,
            "--expect-tools" => self.expect_tools = value.parse()?,
            "--patience-s" => self.patience = Duration::from_secs(value.parse()?),
            _ => return Err("unknown option".into()),
        }
        Ok(())
    }
}
