//! `loom secrets import`.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use zeroize::Zeroizing;

use super::Desk;
use super::set::say_written;
use crate::cli::Ending;
use crate::cli::args::secrets::ImportArgs;
use crate::cli::out::{Out, Paint};
use crate::cli::server_table::counted;
use crate::fault::{Fault, Kind, Plain};
use crate::file;
use crate::secrets::chain;
use crate::secrets::dotenv::{self, Entry};
use crate::secrets::sealed::Values;

pub fn run(args: ImportArgs, desk: &mut Desk, out: &mut Out) -> Result<Ending, Fault> {
    let path = desk.context.absolute(&args.file);
    let shown = desk.context.show(&path);
    let text = file::read(&path, file::OWN_MAX).map(Zeroizing::new);
    let text = text.map_err(|error| {
        let kind = if error.kind() == ErrorKind::NotFound { Kind::Usage } else { Kind::Config };
        Plain::new(kind, format!("cannot read {shown}: {error}"))
    })?;
    let text = std::str::from_utf8(&text)
        .map_err(|_| Plain::new(Kind::Usage, format!("{shown} is not UTF-8 text")))?;
    let (mut values, mut skipped) = (Values::new(), 0);
    for entry in dotenv::parse(text) {
        match entry {
            Entry::Secret { name, value } => drop(values.insert(name.as_str().to_owned(), value)),
            Entry::Skipped { line, why } => {
                skipped += 1;
                out.line(out.paint(Paint::Warn, &format!("{shown}:{line}: passed over: {why}")));
            }
        }
    }
    let names: BTreeSet<String> = values.keys().cloned().collect();
    let what = counted(names.len() as u64, "secret");
    let listed: Vec<&str> = names.iter().map(String::as_str).collect();
    if names.is_empty() {
        out.line(format!("{shown} has no secrets to keep"));
    } else if args.dry_run {
        out.line(format!("would keep {what}: {}", listed.join(", ")));
    } else {
        desk.ask_passphrase()?;
        let written = chain::set(&desk.place, &values, args.backend.map(|backend| backend.0))?;
        let verb = if names.len() == 1 { "is kept" } else { "are kept" };
        say_written(&written, &format!("{what} {verb}"), desk, out);
        out.line(format!("  {}", listed.join(", ")));
        out.line(out.paint(Paint::Dim, &format!("{shown} still has them in plain text")));
        desk.tell_daemon(&names, out)?;
    }
    Ok(if skipped > 0 { Ending::With(Kind::Found) } else { Ending::Done })
}
