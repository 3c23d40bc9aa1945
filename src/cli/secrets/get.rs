//! `loom secrets get`.

use std::collections::BTreeSet;
use std::io::{IsTerminal, stdin, stdout};

use super::Desk;
use crate::cli::Ending;
use crate::cli::args::secrets::GetArgs;
use crate::cli::out::Out;
use crate::fault::{Fault, Kind, Plain};
use crate::secrets::chain;
use crate::secrets::name::Name;

pub fn run(args: GetArgs, desk: &mut Desk, out: &mut Out) -> Result<Ending, Fault> {
    let name = Name::parse(&args.name)?;
    let is_watched = stdin().is_terminal() && stdout().is_terminal();
    if !is_watched && !args.reveal {
        let text =
            "this is no terminal: a script or an AI agent may be reading, and what it reads it may keep";
        return Err(Plain::new(Kind::Usage, text).hint(format!("loom secrets get {name} --reveal")).into());
    }
    if let Some(value) = desk.env.get(name.as_str()).filter(|value| !value.is_empty()) {
        let shown = out.foreign(value).into_owned();
        out.line(shown);
        return Ok(Ending::Done);
    }
    desk.ask_passphrase()?;
    let found = chain::find(&desk.place, &BTreeSet::from([name.as_str().to_owned()]));
    if let Some(value) = found.value(name.as_str()) {
        let shown = out.foreign(value.expose()).into_owned();
        out.line(shown);
        return Ok(Ending::Done);
    }
    let kind = if found.troubles.is_empty() { Kind::Found } else { Kind::Unavailable };
    let why: String = found.troubles.iter().map(|trouble| format!("; {}", trouble.text)).collect();
    let hint = found.troubles.iter().find_map(|trouble| trouble.hint.clone());
    let hint = hint.unwrap_or_else(|| format!("loom secrets set {name}"));
    Err(Plain::new(kind, format!("no source has {name}{why}")).hint(hint).into())
}
