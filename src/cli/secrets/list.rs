//! `loom secrets list`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Desk, needs, sources};
use crate::cli::Ending;
use crate::cli::args::secrets::ListArgs;
use crate::cli::out::{Out, Paint};
use crate::fault::{Explain, Fault, Kind};
use crate::registry::Registry;
use crate::secrets::{Source, Trouble, chain, file};

/// One name: where it is, and who uses it.
struct Row {
    name: String,
    sources: Vec<Source>,
    users: Vec<String>,
}

pub fn run(args: ListArgs, desk: &mut Desk, out: &mut Out) -> Result<Ending, Fault> {
    desk.ask_passphrase()?;
    if args.backends {
        let rows = sources::all(desk);
        match args.json {
            true => out.json(&sources::to_json(&rows)),
            false => sources::render(&rows, out),
        }
        return Ok(Ending::Done);
    }
    let (rows, troubles, refused) = rows(desk);
    match args.json {
        true => out.json(&to_json(&rows, &troubles)),
        false => render(&rows, &troubles, out),
    }
    Ok(refused.map_or(Ending::Done, Ending::With))
}

/// Also what could not be asked, and the kind of it where that is the file: then the list lacks what is in there.
fn rows(desk: &Desk) -> (Vec<Row>, Vec<Trouble>, Option<Kind>) {
    let users = desk.registry().map(|registry| needs::users(&registry, &desk.env)).unwrap_or_default();
    let known = chain::known(&desk.place);
    let asked: BTreeSet<String> = users.keys().chain(&known).cloned().collect();
    let mut found: BTreeMap<String, Vec<Source>> = BTreeMap::new();
    let mut troubles = Vec::new();
    let mut refused = None;
    for source in [Source::Keychain, Source::OnePassword] {
        match chain::ask(&desk.place, source, &asked) {
            Some(Ok(values)) => {
                values.keys().for_each(|name| found.entry(name.clone()).or_default().push(source))
            }
            Some(Err(trouble)) => troubles.push(trouble),
            None => {}
        }
    }
    match file::read(&desk.place) {
        Ok(values) => {
            values.keys().for_each(|name| found.entry(name.clone()).or_default().push(Source::File))
        }
        Err(error) => {
            refused = Some(error.kind());
            troubles.push(chain::file_trouble(&error));
        }
    }
    if troubles.iter().any(|trouble| trouble.source == Source::Keychain) {
        known.iter().for_each(|name| found.entry(name.clone()).or_default().insert(0, Source::Keychain));
    }
    let names: BTreeSet<&String> = found.keys().chain(users.keys()).collect();
    let row = |name: &String| Row {
        name: name.clone(),
        sources: found.get(name).cloned().unwrap_or_default(),
        users: users.get(name).cloned().unwrap_or_default(),
    };
    (names.into_iter().map(row).collect(), troubles, refused)
}

impl Desk {
    /// The registry that the daemon reads, when there is one without errors.
    pub fn registry(&self) -> Option<Registry> {
        let found = crate::registry::find::for_service(None, &self.context.paths).ok()?;
        crate::cli::registry::read(&found, self.context.paths.home()).ok()?.registry
    }
}

fn render(rows: &[Row], troubles: &[Trouble], out: &mut Out) {
    if rows.is_empty() && troubles.is_empty() {
        out.line("no secrets; keep one with `loom secrets set NAME`");
    }
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    for row in rows {
        let words: Vec<&str> = row.sources.iter().map(|source| source.word()).collect();
        let place = match words.is_empty() {
            true => out.paint(Paint::Bad, &format!("{:14}", "missing")),
            false => format!("{:14}", words.join(", ")),
        };
        let users = if row.users.is_empty() { "no server".to_owned() } else { row.users.join(", ") };
        out.line(format!(
            "{:width$}  {place}  {}",
            row.name,
            out.paint(Paint::Dim, &format!("used by {users}"))
        ));
    }
    for trouble in troubles {
        out.line(out.paint(Paint::Warn, &trouble.text));
        if let Some(hint) = &trouble.hint {
            out.line(out.paint(Paint::Dim, &format!("  {hint}")));
        }
    }
}

fn to_json(rows: &[Row], troubles: &[Trouble]) -> Value {
    let row = |row: &Row| {
        let sources: Vec<&str> = row.sources.iter().map(|source| source.word()).collect();
        json!({ "name": row.name, "sources": sources, "used_by": row.users })
    };
    let trouble = |trouble: &Trouble| json!({ "source": trouble.source.word(), "text": trouble.text, "hint": trouble.hint });
    json!({
        "secrets": rows.iter().map(row).collect::<Vec<_>>(),
        "troubles": troubles.iter().map(trouble).collect::<Vec<_>>(),
    })
}
