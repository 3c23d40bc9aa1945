//! A registry that is changed as text, so that comments and order stay; checked before it is written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::registry::refuse_errors;
use crate::fault::{Fault, Kind, Plain};
use crate::file;
use crate::nearest::nearest;
use crate::registry::Registry;
use crate::registry::find::{for_person, for_service};
use crate::registry::parse::{Parsed, parse};
use crate::servers::BUILTINS;
use crate::sync::disk::{self, WriteError};
use crate::sync::format::Format;
use crate::sync::place::{Place, Wrong};

/// What a registry begins with that is made here.
const NEW: &str = "version: 1\nservers: []\n";

/// Where a server stands.
pub fn server(name: &str) -> Place {
    Place::keys(&["servers"]).item("name", name)
}

/// How long other commands may take to change a registry.
const PATIENCE: Duration = Duration::from_secs(20);

/// A registry that is to be changed.
pub struct File {
    pub path: PathBuf,
    pub shown: String,
    pub registry: Registry,
    bytes: Option<Vec<u8>>,
    /// None where it only may be changed.
    _turn: Option<fs::File>,
}

impl File {
    /// Reads the registry in force for a person, for as long as nobody else changes one; the home one need not be there.
    pub fn in_force(flag: Option<&Path>, context: &Context) -> Result<Self, Fault> {
        let turn = take_turn(context)?;
        let file = Self::read(for_person(flag, &context.cwd, &context.paths)?.path, context)?;
        Ok(File { _turn: Some(turn), ..file })
    }

    /// Reads the registry that the daemon reads, which need not be there; nobody else changes one meanwhile, unless this
    /// only shows what would be.
    pub fn to_import_into(flag: Option<&Path>, is_dry: bool, context: &Context) -> Result<Self, Fault> {
        let turn = if is_dry { None } else { Some(take_turn(context)?) };
        let file = Self::read(for_service(flag, &context.paths)?.path, context)?;
        Ok(File { _turn: turn, ..file })
    }

    /// Reads the registry at `path`, which need not be there.
    pub fn read(path: PathBuf, context: &Context) -> Result<Self, Fault> {
        let shown = context.show(&path);
        let unreadable = |error| Plain::new(Kind::Config, format!("cannot read {shown}: {error}"));
        let bytes = disk::read(&path).map_err(unreadable)?;
        let text = match &bytes {
            Some(bytes) => Format::text(bytes).map_err(|wrong| misfit(&shown, &wrong))?,
            None => NEW,
        };
        let registry = refuse_errors(parsed(text, &path, context), &shown)?;
        Ok(File { registry, path, shown, bytes, _turn: None })
    }

    /// As `in_force`, and `name` is in it.
    pub fn with(name: &str, flag: Option<&Path>, context: &Context) -> Result<Self, Fault> {
        let file = Self::in_force(flag, context)?;
        if file.registry.server(name).is_none() {
            let names = file.registry.servers.iter().map(|server| server.name.as_str());
            let near =
                nearest(name, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let text = format!("there is no server `{name}` in {}{near}", file.shown);
            return Err(Plain::new(Kind::Usage, text).hint("loom servers").into());
        }
        Ok(file)
    }

    /// The text as it is; `None` where there is no file yet.
    pub fn text(&self) -> Option<&str> {
        self.bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// What `edit` makes of the text, unless that would be wrong.
    pub fn edited(
        &self,
        edit: impl Fn(&str) -> Result<String, Wrong>,
        context: &Context,
    ) -> Result<String, Fault> {
        let made = edit(self.text().unwrap_or(NEW)).map_err(|wrong| misfit(&self.shown, &wrong))?;
        refuse_errors(parsed(&made, &self.path, context), &format!("{}, changed like this,", self.shown))?;
        Ok(made)
    }

    /// Writes `made`, unless somebody has changed the file meanwhile.
    pub fn write(&self, made: &str, context: &Context) -> Result<(), Fault> {
        context.state_dir()?;
        match disk::write(&self.path, self.bytes.as_deref(), Some(made.as_bytes()), None) {
            Ok(_) => Ok(()),
            Err(WriteError::Changed) => {
                let text =
                    format!("{} has just been changed by somebody else; nothing was written", self.shown);
                Err(Plain::new(Kind::Unavailable, text).into())
            }
            Err(WriteError::Io(error)) => {
                Err(Plain::new(Kind::Unavailable, format!("cannot write {}: {error}", self.shown)).into())
            }
        }
    }

    /// Writes what `edit` makes of the text, unless that would be wrong.
    pub fn change(
        &self,
        edit: impl Fn(&str) -> Result<String, Wrong>,
        context: &Context,
    ) -> Result<(), Fault> {
        let made = self.edited(edit, context)?;
        self.write(&made, context)
    }
}

/// Waits for our turn to change a registry: whoever else reads it now would write what we do not know.
fn take_turn(context: &Context) -> Result<fs::File, Fault> {
    let path = context.state_dir()?.join("registry.lock");
    let refused = |error: io::Error| {
        Plain::new(Kind::Unavailable, format!("cannot use {}: {error}", context.show(&path)))
    };
    let busy = || {
        let text = format!("another loom has been changing a registry for {} s", PATIENCE.as_secs());
        Plain::new(Kind::Unavailable, text)
    };
    Ok(file::take_turn(&path, PATIENCE).map_err(refused)?.ok_or_else(busy)?)
}

fn parsed(text: &str, path: &Path, context: &Context) -> Parsed {
    let builtins: Vec<&str> = BUILTINS.iter().map(|builtin| builtin.name).collect();
    parse(text, path, context.paths.home(), &builtins)
}

fn misfit(shown: &str, wrong: &Wrong) -> Plain {
    Plain::new(Kind::Config, format!("{shown}:{}:{}: {}", wrong.line, wrong.column, wrong.text))
}
