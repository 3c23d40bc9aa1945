//! `loom secrets doctor`.

use serde_json::json;

use super::needs::{lacks_json, render_lacks};
use super::{Desk, sources};
use crate::cli::Ending;
use crate::cli::args::secrets::DoctorArgs;
use crate::cli::out::{Out, Paint};
use crate::fault::{Fault, Kind};

pub fn run(args: DoctorArgs, desk: &mut Desk, out: &mut Out) -> Result<Ending, Fault> {
    desk.ask_passphrase()?;
    let rows = sources::all(desk);
    let lacks = desk.lacks();
    let broken = rows.iter().any(|row| row.trouble.is_some()) || lacks.iter().any(|lack| !lack.optional);
    match args.json {
        true => out.json(
            &json!({ "ok": !broken, "sources": sources::to_json(&rows), "missing": lacks_json(&lacks) }),
        ),
        false => {
            sources::render(&rows, out);
            let target = rows.iter().find(|row| row.writes).map(|row| row.source.to_string());
            out.line(match target {
                Some(target) => format!("new secrets go to {target}"),
                None => out.paint(Paint::Bad, "new secrets cannot be kept anywhere"),
            });
            render_lacks(&lacks, out);
        }
    }
    Ok(if broken { Ending::With(Kind::Found) } else { Ending::Done })
}
