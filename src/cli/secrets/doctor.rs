//! `loom secrets doctor`.

use serde_json::{Value, json};

use super::needs::{Lack, lacks, users};
use super::{Desk, sources};
use crate::cli::Ending;
use crate::cli::args::secrets::DoctorArgs;
use crate::cli::out::{Out, Paint};
use crate::fault::{Fault, Kind};
use crate::secrets::chain;

pub fn run(args: DoctorArgs, desk: &mut Desk, out: &mut Out) -> Result<Ending, Fault> {
    desk.ask_passphrase()?;
    let rows = sources::all(desk);
    let lacks = missing(desk);
    let broken = rows.iter().any(|row| row.trouble.is_some()) || lacks.iter().any(|lack| !lack.optional);
    match args.json {
        true => out
            .json(&json!({ "ok": !broken, "sources": sources::to_json(&rows), "missing": to_json(&lacks) })),
        false => {
            sources::render(&rows, out);
            let target = rows.iter().find(|row| row.writes).map(|row| row.source.to_string());
            out.line(match target {
                Some(target) => format!("new secrets go to {target}"),
                None => out.paint(Paint::Bad, "new secrets cannot be kept anywhere"),
            });
            render(&lacks, out);
        }
    }
    Ok(if broken { Ending::With(Kind::Found) } else { Ending::Done })
}

fn missing(desk: &Desk) -> Vec<Lack> {
    let Some(registry) = desk.registry() else { return Vec::new() };
    let names = users(&registry, &desk.env).into_keys().collect();
    let found = chain::find(&desk.place, &names);
    lacks(&registry, &desk.env, &found, desk.context.paths.home())
}

/// A line for each server and value that it lacks, and below it what mends that.
pub fn render(lacks: &[Lack], out: &mut Out) {
    for lack in lacks {
        let paint = if lack.optional { Paint::Warn } else { Paint::Bad };
        out.line(format!("{}: {}", out.paint(paint, &lack.server), lack.text));
        if let Some(hint) = &lack.hint {
            out.line(out.paint(Paint::Dim, &format!("  {hint}")));
        }
    }
}

pub fn to_json(lacks: &[Lack]) -> Value {
    let lack = |lack: &Lack| json!({ "server": lack.server, "optional": lack.optional, "text": lack.text, "hint": lack.hint });
    lacks.iter().map(lack).collect()
}
