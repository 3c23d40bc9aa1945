//! What an import has found and done, for people and as JSON. No value of a secret is in it.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::Ending;
use crate::cli::out::{Out, Paint};
use crate::cli::registry::text::File;
use crate::cli::server_table::counted;
use crate::cli::sync::TakenOut;
use crate::cli::sync::report::{files_json, left_alone};
use crate::fault::Kind;
use crate::sync::diff::diff;
use crate::sync::gather::{Gathered, Gathering};
use crate::sync::job::Obstacle;
use crate::sync::machine::Machine;
use crate::sync::theirs::{LeftOut, Origin};

pub struct Outcome<'f> {
    pub gathered: Gathered,
    pub left: Vec<LeftOut>,
    pub obstacles: Vec<(&'static str, PathBuf, Obstacle)>,
    pub file: &'f File,
    /// The new text, when it is only to be shown.
    pub made: Option<String>,
    pub written: bool,
    /// The clients lose what was taken over.
    pub moves: bool,
}

impl Outcome<'_> {
    /// The clients' entries that the registry stands for now.
    pub fn replaced(&self) -> Vec<(&'static str, Origin)> {
        self.gathered.servers.iter().flat_map(|server| server.replaces.iter().cloned()).collect()
    }

    /// With what came of taking them out, if they were to go.
    pub fn ending(&self, taken_out: Option<&TakenOut>) -> Ending {
        let of_import = match (self.obstacles.is_empty(), self.left.is_empty()) {
            (false, _) => Ending::With(Kind::Config),
            (true, false) => Ending::With(Kind::Found),
            (true, true) => Ending::Done,
        };
        match (of_import, taken_out.map_or(Ending::Done, TakenOut::ending)) {
            (Ending::Done, other) | (Ending::With(Kind::Found), other @ Ending::With(_)) => other,
            (worse, _) => worse,
        }
    }
}

pub fn show(outcome: &Outcome<'_>, machine: &Machine, out: &mut Out) {
    for server in &outcome.gathered.servers {
        row(server, out);
    }
    for LeftOut { client, name, why, .. } in &outcome.left {
        let text = format!("{name} of {client} is left out: {why}");
        out.line(out.paint(Paint::Warn, out.foreign(&text).as_ref()));
    }
    for (client, path, obstacle) in &outcome.obstacles {
        out.line(out.paint(Paint::Bad, &format!("{client}: {}", left_alone(path, obstacle, machine))));
    }
    if let Some(made) = &outcome.made {
        out.raw(&out.foreign(&diff(&outcome.file.shown, outcome.file.text(), Some(made))));
    }
    let new = outcome.gathered.servers.iter().filter(|server| !server.known).count();
    let changed = outcome.gathered.servers.iter().filter(|server| server.known && server.is_news()).count();
    let (shown, secrets) = (&outcome.file.shown, &outcome.gathered.secrets);
    if new + changed == 0 {
        out.line(format!("nothing new for {shown}"));
        return;
    }
    let would = if outcome.written { "" } else { "would be " };
    for (count, done) in [(new, "added to"), (changed, "changed in")].iter().filter(|(count, _)| *count > 0) {
        out.line(format!("{} {would}{done} {shown}", counted(*count as u64, "server")));
    }
    if !secrets.is_empty() && !outcome.written {
        let names: Vec<&str> = secrets.keys().map(String::as_str).collect();
        out.line(format!("{} would be kept: {}", counted(names.len() as u64, "secret"), names.join(", ")));
    }
    if outcome.written {
        let text = match outcome.moves {
            true => "`loom sync all` gives the clients loom's entry instead",
            false => {
                "the clients still have their own entries: --move takes them out, `loom sync all` adds loom's"
            }
        };
        out.line(out.paint(Paint::Dim, text));
    }
}

fn row(server: &Gathering, out: &mut Out) {
    let from: Vec<String> = server
        .from
        .iter()
        .map(
            |(client, name)| {
                if *name == server.name { (*client).to_owned() } else { format!("{client} ({name})") }
            },
        )
        .collect();
    let known = if server.known { ", which the registry has already" } else { "" };
    let text = format!("{:20} from {}{known}", server.name, from.join(", "));
    let text = out.foreign(&text).into_owned();
    out.line(if server.known { out.paint(Paint::Dim, &text) } else { text });
    for note in &server.notes {
        out.line(out.paint(Paint::Warn, &format!("{:20}   {}", "", out.foreign(note))));
    }
    for name in &server.asks {
        out.line(out.paint(Paint::Warn, &format!("{:20}   needs a value: loom secrets set {name}", "")));
    }
}

/// All of it; `taken_out` where the clients lose what was taken over.
pub fn whole(outcome: &Outcome<'_>, taken_out: Option<&TakenOut>) -> Value {
    let server = |server: &Gathering| {
        let from: Vec<Value> =
            server.from.iter().map(|(client, name)| json!({ "client": client, "name": name })).collect();
        json!({
            "name": server.name,
            "state": match (server.known, server.is_news()) {
                (true, false) => "known",
                (true, true) => "changed",
                (false, _) => "new",
            },
            "from": from,
            "notes": server.notes,
            "asks": server.asks,
        })
    };
    let left = |left: &LeftOut| json!({ "client": left.client, "name": left.name, "why": left.why });
    let obstacle = |(client, path, obstacle): &(&str, PathBuf, Obstacle)| {
        let (line, column, text) = match obstacle {
            Obstacle::Wrong(wrong) => (Some(wrong.line), Some(wrong.column), wrong.text.clone()),
            Obstacle::Io(error) => (None, None, error.to_string()),
        };
        json!({ "client": client, "file": path.to_string_lossy(), "line": line, "column": column, "text": text })
    };
    json!({
        "registry": outcome.file.path.to_string_lossy(),
        "written": outcome.written,
        "servers": outcome.gathered.servers.iter().map(server).collect::<Vec<_>>(),
        "left_out": outcome.left.iter().map(left).collect::<Vec<_>>(),
        "secrets": outcome.gathered.secrets.keys().collect::<Vec<_>>(),
        "files": outcome.obstacles.iter().map(obstacle).collect::<Vec<_>>(),
        "moved": taken_out.map(|taken| json!({
            "run": taken.run.as_ref().map(|run| run.id),
            "runs_with_secrets": taken.with_secrets,
            "files": files_json(&taken.found, taken.style),
        })),
    })
}
