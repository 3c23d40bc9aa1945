//! 1Password as a source, through its program `op`, when a vault is configured. Only read: the item's name is the
//! secret's, its field `password` the value.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::{self, ProgramError};
use crate::secret::Secret;
use crate::secrets::place::Place;
use crate::secrets::sealed::Values;
use crate::secrets::{Source, Trouble};

/// How long it may take for all names together; it may ask a person for a fingerprint.
const PATIENCE: Duration = Duration::from_secs(15);

/// Those of `names` that the vault has.
pub fn get(place: &Place, vault: &str, names: &BTreeSet<String>) -> Result<Values, Trouble> {
    let until = Instant::now() + PATIENCE;
    let mut values = Values::new();
    for name in names {
        let mut command = Command::new("op");
        command.args(["read", "--no-newline", &format!("op://{vault}/{name}/password")]);
        command.env_clear().envs(&place.variables).current_dir("/");
        let said = program::ask(&mut command, b"", until.saturating_duration_since(Instant::now()));
        let said = said.map_err(|error| trouble(&error))?;
        if said.code == 0 {
            let value = std::str::from_utf8(&said.stdout).map_err(|_| failed("a value is not UTF-8 text"))?;
            values.insert(name.clone(), Secret::from(value));
        } else if !is_absent(&said.stderr) {
            let line =
                said.stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("it gave no reason");
            return Err(failed(line.trim()));
        }
    }
    Ok(values)
}

/// Whether `op` says that there is no such item, or no such field in it.
fn is_absent(stderr: &str) -> bool {
    ["isn't an item", "isn't a field", "does not have a field", "could not find item", "no item found"]
        .iter()
        .any(|words| stderr.contains(words))
}

fn trouble(error: &ProgramError) -> Trouble {
    let install =
        Some("install 1Password's `op`, or take `secrets.onepassword` out of config.toml".to_owned());
    match error {
        ProgramError::Start(_) => Trouble { hint: install, ..failed("its program `op` cannot be started") },
        ProgramError::Late(_) | ProgramError::Io(_) => failed(&error.to_string()),
    }
}

fn failed(why: &str) -> Trouble {
    Trouble { source: Source::OnePassword, text: format!("1Password: {why}"), hint: Some("op signin".into()) }
}
