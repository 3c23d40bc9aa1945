//! Whether each source can be used, in words.

use serde_json::{Value, json};

use super::Desk;
use crate::cli::out::{Out, Paint};
use crate::cli::server_table::counted;
use crate::secrets::keychain::{self, State};
use crate::secrets::keyfile::{self, KeyFileError};
use crate::secrets::{Source, Trouble, chain, file};

/// What is known of one source.
pub struct Row {
    pub source: Source,
    pub reads: bool,
    pub writes: bool,
    pub text: String,
    /// It is there and does not work.
    pub trouble: Option<Trouble>,
}

/// All sources, in the order in which they are asked.
pub fn all(desk: &Desk) -> Vec<Row> {
    Source::ALL.into_iter().map(|source| row(desk, source)).collect()
}

fn row(desk: &Desk, source: Source) -> Row {
    let row = |reads, writes, text: String| Row { source, reads, writes, text, trouble: None };
    match source {
        Source::Environment => {
            row(true, false, "variables of your shell, as `loom start` handed them over".into())
        }
        Source::Keychain => keychain_row(desk),
        Source::OnePassword => match &desk.place.vault {
            None => row(false, false, "not configured (`secrets.onepassword` in config.toml)".into()),
            Some(vault) => {
                let probe = std::collections::BTreeSet::from(["loom-probe".to_owned()]);
                match chain::ask(&desk.place, source, &probe) {
                    Some(Err(trouble)) => {
                        Row { trouble: Some(trouble.clone()), ..row(false, false, trouble.text) }
                    }
                    Some(Ok(_)) | None => row(true, false, format!("vault {vault}")),
                }
            }
        },
        Source::File => file_row(desk),
    }
}

fn keychain_row(desk: &Desk) -> Row {
    let (state, trouble) = keychain::state(&desk.place);
    let usable = state == State::Usable;
    let text = match &trouble {
        None => "unlocked".to_owned(),
        Some(trouble) => trouble.text.clone(),
    };
    // A keychain that is not there is how most servers are.
    let trouble = trouble.filter(|_| !matches!(state, State::Absent | State::NotBuilt));
    Row { source: Source::Keychain, reads: usable, writes: usable, text, trouble }
}

fn file_row(desk: &Desk) -> Row {
    let path = desk.context.show(&desk.place.paths.secrets_file());
    let row = |reads, writes, text| Row { source: Source::File, reads, writes, text, trouble: None };
    let holder = file::holder(&desk.place);
    match (holder, file::read(&desk.place)) {
        (Ok(Some(holder)), Ok(values)) => {
            let count = counted(values.len() as u64, "secret");
            row(true, true, format!("{path}: {count}; {}", holder.describe(&desk.place)))
        }
        (Ok(None), _) => match key_trouble(desk) {
            Some(trouble) => Row { trouble: Some(trouble.clone()), ..row(false, false, trouble.text) },
            None => row(true, true, format!("{path}: none yet; {}", protection(desk))),
        },
        (Err(error), _) | (_, Err(error)) => {
            let trouble = chain::file_trouble(&error);
            Row { trouble: Some(trouble.clone()), ..row(false, false, trouble.text) }
        }
    }
}

/// Something is where a key is to be that nobody can read; a new file could not be protected by it.
fn key_trouble(desk: &Desk) -> Option<Trouble> {
    match keyfile::read(&desk.place.paths.secrets_key()) {
        Err(error @ KeyFileError::Read { .. }) => {
            let text = format!("a new file of secrets cannot be protected: {error}");
            Some(Trouble { source: Source::File, text, hint: None })
        }
        _ => None,
    }
}

/// What a new file would be protected by.
fn protection(desk: &Desk) -> &'static str {
    let keys = &desk.place.keys;
    match (&keys.master, &keys.passphrase, keychain::state(&desk.place).0) {
        (Some(_), ..) => "its key will be LOOM_MASTER_KEY",
        (None, Some(_), _) => "its key will be the passphrase in LOOM_PASSPHRASE",
        (None, None, State::Usable) => "its key will be in the keychain",
        (None, None, _) => "its key will be a file that only you can read",
    }
}

/// Prints the rows.
pub fn render(rows: &[Row], out: &mut Out) {
    for row in rows {
        let paint = match (&row.trouble, row.reads) {
            (Some(_), _) => Paint::Bad,
            (None, true) => Paint::Good,
            (None, false) => Paint::Dim,
        };
        let word = out.paint(paint, &format!("{:11}", row.source.word()));
        out.line(format!("{word}  {}  {}", uses(row), row.text));
        if let Some(hint) = row.trouble.as_ref().and_then(|trouble| trouble.hint.as_ref()) {
            out.line(out.paint(Paint::Dim, &format!("{:26}{hint}", "")));
        }
    }
}

fn uses(row: &Row) -> &'static str {
    match (row.reads, row.writes) {
        (true, true) => "read, write",
        (true, false) => "read       ",
        (false, _) => "off        ",
    }
}

pub fn to_json(rows: &[Row]) -> Value {
    let row = |row: &Row| {
        json!({
            "source": row.source.word(),
            "reads": row.reads,
            "writes": row.writes,
            "text": row.text,
            "broken": row.trouble.is_some(),
            "hint": row.trouble.as_ref().and_then(|trouble| trouble.hint.as_ref()),
        })
    };
    rows.iter().map(row).collect()
}
