//! The merged lists, compared with those of the servers.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::super::lists::{self, Kind};
use super::super::server::versions;
use super::Actor;

/// A change reaches every client in this time.
const SPREAD: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

impl Actor {
    /// A list has come: every server's part must be one that the server had at some time.
    pub fn listed(&mut self, kind: Kind, result: &str) -> Result<(), String> {
        let list: std::collections::BTreeMap<String, &RawValue> =
            serde_json::from_str(result).map_err(|error| error.to_string())?;
        let rows =
            list.get(kind.member()).filter(|_| list.len() == 1).ok_or("another member than the list")?;
        let rows: Vec<&RawValue> = serde_json::from_str(rows.get()).map_err(|error| error.to_string())?;
        let mut rows: Vec<&str> = rows.into_iter().map(RawValue::get).filter(|row| !is_looms(row)).collect();
        rows.reverse();
        let now = Instant::now();
        let (mut common, mut whole) = (false, true);
        for role in &self.world.roles {
            let base = texts_of(&role.name, kind, 0, common);
            let here =
                rows.len() >= base.len() && base.iter().rev().eq(rows[rows.len() - base.len()..].iter());
            if !here {
                if !self.world.ledger.server_lost(&role.name, self.start, now) {
                    return Err(format!(
                        "the {kind:?} of {} are missing before {:?}",
                        role.name,
                        rows.last()
                    ));
                }
                whole &= role.fleeting;
                continue;
            }
            common = true;
            rows.truncate(rows.len() - base.len());
            let Some(row) = rows.last() else { continue };
            let version = newest_in(row, &role.name, kind);
            if let Some(version) = version {
                if texts_of(&role.name, kind, version, true).last().map(String::as_str) != Some(row) {
                    return Err(format!("another row than that of {}: {row}", role.name));
                }
                rows.pop();
            }
        }
        if let Some(row) = rows.last() {
            return Err(format!("a row of no server: {row}"));
        }
        self.lists[kind as usize] = Some(result.to_owned());
        self.known[kind as usize] |= whole;
        if !whole && !self.known[kind as usize] {
            self.later(super::LIST_AGAIN_MS, super::Timer::List(kind as usize));
        }
        Ok(())
    }

    /// Nothing changes any more: lists that differ from those of the servers must have been told of.
    pub fn compare_lists(&mut self) {
        for kind in Kind::ALL {
            let rows = self.world.roles.iter().enumerate().flat_map(|(number, role)| {
                let version = versions(&self.world.folder, &role.name)[kind as usize];
                texts_of(&role.name, kind, version, number > 0)
            });
            let want: Vec<String> = rows.collect();
            let until = Instant::now() + SPREAD;
            while !self.lists[kind as usize].as_ref().is_some_and(|list| is_list_of(list, kind, &want)) {
                if self.lists[kind as usize].is_none() || self.told[kind as usize] {
                    self.ask_list(kind);
                    while !self.open.is_empty() {
                        self.wait(LOOK);
                    }
                } else if Instant::now() > until {
                    let have = self.lists[kind as usize].clone().unwrap_or_default();
                    let (lacks, more) = compared(&have, kind, &want);
                    self.differ(&format!(
                        "{kind:?} changed, and nobody said so: lacks {lacks:?}, has {more:?}"
                    ));
                } else {
                    self.wait(LOOK);
                }
            }
        }
    }
}

/// The rows of a server as clients see them. `common`: an earlier server has the common resource, too.
fn texts_of(server: &str, kind: Kind, version: u64, common: bool) -> Vec<String> {
    let rows = lists::rows(server, kind, version);
    let texts = rows.iter().map(|row| {
        let name = match kind {
            Kind::Tools | Kind::Prompts => lists::exposed(server, &row.name),
            Kind::Resources if row.name == lists::COMMON && common => lists::alias(server, &row.name),
            Kind::Resources | Kind::Templates => row.name.clone(),
        };
        super::super::texts::flat(&row.text(&name))
    });
    texts.collect()
}

/// The version that a row stands for, if it is the newest of its server.
fn newest_in(row: &str, server: &str, kind: Kind) -> Option<u64> {
    let mark = match kind {
        Kind::Tools | Kind::Prompts => format!("\"{server}__v"),
        Kind::Resources | Kind::Templates => format!("\"soak://{server}/v"),
    };
    let rest = &row[row.find(&mark)? + mark.len()..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits].parse().ok()
}

/// One of loom's own resources.
fn is_looms(row: &str) -> bool {
    let value: serde_json::Value = serde_json::from_str(row).unwrap_or_default();
    let uri = value["uri"].as_str().or(value["uriTemplate"].as_str()).unwrap_or_default();
    uri.starts_with("loom://") && !uri.starts_with("loom://r/")
}

/// The rows that a list lacks, and those that it has beyond what is wanted.
fn compared(list: &str, kind: Kind, want: &[String]) -> (Vec<String>, Vec<String>) {
    let parsed: std::collections::BTreeMap<String, Vec<&RawValue>> =
        serde_json::from_str(list).unwrap_or_default();
    let rows = parsed.get(kind.member()).into_iter().flatten().map(|row| row.get().to_owned());
    let have: Vec<String> = rows.filter(|row| !is_looms(row)).collect();
    let beyond = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|row| !those.contains(row)).cloned().collect()
    };
    (beyond(want, &have), beyond(&have, want))
}

fn is_list_of(list: &str, kind: Kind, want: &[String]) -> bool {
    let parsed: std::collections::BTreeMap<String, Vec<&RawValue>> =
        serde_json::from_str(list).unwrap_or_default();
    let rows = parsed.get(kind.member()).into_iter().flatten().map(|row| row.get());
    rows.filter(|row| !is_looms(row)).eq(want.iter().map(String::as_str))
}
