//! `loom secrets set` and `delete`.

use std::collections::BTreeSet;

use super::{Desk, terminal};
use crate::cli::Ending;
use crate::cli::args::secrets::{DeleteArgs, SetArgs};
use crate::cli::normalise::VALUE_IN_ARGV;
use crate::cli::out::{Out, Paint};
use crate::fault::{Fault, Kind, Plain};
use crate::secrets::Source;
use crate::secrets::chain::{self, Written};
use crate::secrets::name::Name;
use crate::secrets::sealed::Values;

pub fn set(args: SetArgs, desk: &mut Desk, out: &mut Out) -> Result<Ending, Fault> {
    if args.name.contains('=') {
        return Err(Plain::new(Kind::Usage, VALUE_IN_ARGV).hint("loom secrets set NAME").into());
    }
    let name = Name::parse(&args.name)?;
    let otherwise = format!("loom secrets set {name} --from-stdin < FILE");
    let value = match args.from_stdin {
        true => terminal::from_stdin()?,
        false => terminal::ask(&format!("value of {name} (not shown): "), &otherwise)?,
    };
    desk.ask_passphrase()?;
    let values = Values::from([(name.as_str().to_owned(), value)]);
    let written = chain::set(&desk.place, &values, args.backend.map(|backend| backend.0))?;
    say_written(&written, &format!("{name} is kept"), desk, out);
    if desk.env.get(name.as_str()).is_some_and(|value| !value.is_empty()) {
        let text = format!("{name} is also a variable of this shell, which goes before it");
        out.line(out.paint(Paint::Warn, &text));
    }
    desk.tell_daemon(&BTreeSet::from([name.as_str().to_owned()]), out)?;
    Ok(Ending::Done)
}

/// Where it went, and what protects it there.
pub fn say_written(written: &Written, what: &str, desk: &Desk, out: &mut Out) {
    match written {
        Written::Keychain => out.line(format!("{what} in the keychain")),
        Written::File { holder, instead } => {
            let file = desk.context.show(&desk.place.paths.secrets_file());
            out.line(format!("{what} in the encrypted file {file} ({})", holder.describe(&desk.place)));
            if let Some(trouble) = instead {
                out.line(out.paint(Paint::Warn, &format!("not in the keychain: {}", trouble.text)));
                if let Some(hint) = &trouble.hint {
                    out.line(out.paint(Paint::Dim, &format!("  {hint}")));
                }
            }
        }
    }
}

pub fn delete(args: DeleteArgs, desk: &mut Desk, out: &mut Out) -> Result<Ending, Fault> {
    let name = Name::parse(&args.name)?;
    desk.ask_passphrase()?;
    let gone = chain::delete(&desk.place, name.as_str())?;
    let left = elsewhere(desk, name.as_str());
    if gone.is_empty() && left.is_none() {
        return Err(Plain::new(Kind::Found, format!("no source has {name}"))
            .hint("loom secrets list")
            .into());
    }
    let places: Vec<String> = gone.iter().map(ToString::to_string).collect();
    if !places.is_empty() {
        out.line(format!("{name} is deleted from {}", places.join(" and ")));
    }
    if let Some(source) = left {
        out.line(out.paint(Paint::Warn, &format!("{source} still has {name}; loom does not write there")));
    }
    desk.tell_daemon(&BTreeSet::from([name.as_str().to_owned()]), out)?;
    Ok(if gone.is_empty() { Ending::With(Kind::Found) } else { Ending::Done })
}

/// A source that has it and that loom only reads.
fn elsewhere(desk: &Desk, name: &str) -> Option<Source> {
    if desk.env.get(name).is_some_and(|value| !value.is_empty()) {
        return Some(Source::Environment);
    }
    let found = chain::ask(&desk.place, Source::OnePassword, &BTreeSet::from([name.to_owned()]))?;
    found.is_ok_and(|values| !values.is_empty()).then_some(Source::OnePassword)
}
