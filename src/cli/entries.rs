//! `loom add`, `remove`, `enable` and `disable`: the registry changed as text, so that comments and order stay.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::cli::Ending;
use crate::cli::args::entries::{AddArgs, DisableArgs, EnableArgs, RemoveArgs};
use crate::cli::context::Context;
use crate::cli::out::Out;
use crate::cli::registry::refuse_errors;
use crate::cli::reload;
use crate::fault::{Fault, Kind, Plain};
use crate::nearest::nearest;
use crate::registry::Registry;
use crate::registry::find::for_person;
use crate::registry::mask::is_secret;
use crate::registry::parse::{Parsed, parse};
use crate::servers::BUILTINS;
use crate::sync::disk::{self, WriteError};
use crate::sync::format::Format;
use crate::sync::place::{Place, Wrong};

/// What a registry begins with that is made here.
const NEW: &str = "version: 1\nservers: []\n";

pub fn add(args: AddArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let spec = spec(&args)?;
    let file = File::read(args.registry.as_deref(), context)?;
    if file.registry.server(&args.name).is_some() {
        let text = format!("there is a server `{}` in {} already", args.name, file.shown);
        return Err(Plain::new(Kind::Usage, text).hint(format!("loom remove {}", args.name)).into());
    }
    let place = server(&args.name);
    file.change(|text| Format::Yaml.set(text, &place, &json!({ "common": spec })), context)?;
    done(&format!("{} is in {}", args.name, file.shown), context, out)
}

pub fn remove(args: RemoveArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let file = File::with(&args.name, args.registry.as_deref(), context)?;
    file.change(|text| Format::Yaml.remove(text, &server(&args.name)), context)?;
    done(&format!("{} is not in {} any more", args.name, file.shown), context, out)
}

pub fn enable(args: EnableArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    switch(&args.name, args.registry.as_deref(), false, context, out)
}

pub fn disable(args: DisableArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    switch(&args.name, args.registry.as_deref(), true, context, out)
}

fn switch(
    name: &str,
    flag: Option<&Path>,
    disabled: bool,
    context: &Context,
    out: &mut Out,
) -> Result<Ending, Fault> {
    let file = File::with(name, flag, context)?;
    let word = if disabled { "disabled" } else { "enabled" };
    if file.registry.server(name).is_some_and(|server| server.disabled == disabled) {
        out.line(format!("{name} is {word} already"));
        return Ok(Ending::Done);
    }
    file.change(|text| Format::Yaml.set(text, &server(name).key("disabled"), &json!(disabled)), context)?;
    done(&format!("{name} is {word} in {}", file.shown), context, out)
}

fn server(name: &str) -> Place {
    Place::keys(&["servers"]).item("name", name)
}

/// What the options say of the server.
fn spec(args: &AddArgs) -> Result<Map<String, Value>, Plain> {
    let mut spec = Map::new();
    match (args.command.split_first(), &args.url) {
        (Some((command, rest)), None) if args.header.is_empty() => {
            spec.insert("command".into(), json!(command));
            if !rest.is_empty() {
                spec.insert("args".into(), json!(rest));
            }
        }
        (None, Some(url)) if args.env.is_empty() => {
            spec.insert("url".into(), json!(url));
        }
        (None, None) => {
            let text = "nothing says how the server is started: a command behind `--`, or --url";
            return Err(Plain::new(Kind::Usage, text).hint("loom help add"));
        }
        _ => {
            let text = "a command takes --env, and a --url takes --header; not both";
            return Err(Plain::new(Kind::Usage, text).hint("loom help add"));
        }
    }
    for (key, option, given) in [("env", "--env", &args.env), ("headers", "--header", &args.header)] {
        let pairs: Map<String, Value> =
            given.iter().map(|pair| self::pair(option, pair)).collect::<Result<_, _>>()?;
        if !pairs.is_empty() {
            spec.insert(key.into(), Value::Object(pairs));
        }
    }
    Ok(spec)
}

/// `NAME=VALUE`; a secret is not to stand in a file as it is.
fn pair(option: &str, pair: &str) -> Result<(String, Value), Plain> {
    let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(Plain::new(Kind::Usage, format!("{option} takes NAME=VALUE")));
    };
    if is_secret(name) && !value.contains("${") && !value.is_empty() {
        let text =
            format!("{name} looks like a secret; its value would stand in the registry for all to read");
        return Err(Plain::new(Kind::Usage, text)
            .hint(format!("loom secrets set {name}, then {option} '{name}=${{secret:{name}}}'")));
    }
    Ok((name.to_owned(), json!(value)))
}

/// A registry that is to be changed.
struct File {
    path: PathBuf,
    shown: String,
    bytes: Option<Vec<u8>>,
    registry: Registry,
}

impl File {
    /// Reads the registry in force; the home one need not be there.
    fn read(flag: Option<&Path>, context: &Context) -> Result<Self, Fault> {
        let path = for_person(flag, &context.cwd, &context.paths)?.path;
        let shown = context.show(&path);
        let unreadable = |error| Plain::new(Kind::Config, format!("cannot read {shown}: {error}"));
        let bytes = disk::read(&path).map_err(unreadable)?;
        let text = match &bytes {
            Some(bytes) => Format::text(bytes).map_err(|wrong| misfit(&shown, &wrong))?,
            None => NEW,
        };
        let registry = refuse_errors(parsed(text, &path, context), &shown)?;
        Ok(File { registry, path, shown, bytes })
    }

    /// As `read`, and `name` is in it.
    fn with(name: &str, flag: Option<&Path>, context: &Context) -> Result<Self, Fault> {
        let file = Self::read(flag, context)?;
        if file.registry.server(name).is_none() {
            let names = file.registry.servers.iter().map(|server| server.name.as_str());
            let near =
                nearest(name, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let text = format!("there is no server `{name}` in {}{near}", file.shown);
            return Err(Plain::new(Kind::Usage, text).hint("loom servers").into());
        }
        Ok(file)
    }

    /// Writes what `edit` makes of the text, unless that would be wrong.
    fn change(&self, edit: impl Fn(&str) -> Result<String, Wrong>, context: &Context) -> Result<(), Fault> {
        let text = self.bytes.as_deref().map_or(NEW.into(), String::from_utf8_lossy);
        let made = edit(&text).map_err(|wrong| misfit(&self.shown, &wrong))?;
        refuse_errors(parsed(&made, &self.path, context), &format!("{}, changed like this,", self.shown))?;
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
}

fn parsed(text: &str, path: &Path, context: &Context) -> Parsed {
    let builtins: Vec<&str> = BUILTINS.iter().map(|builtin| builtin.name).collect();
    parse(text, path, context.paths.home(), &builtins)
}

fn misfit(shown: &str, wrong: &Wrong) -> Plain {
    Plain::new(Kind::Config, format!("{shown}:{}:{}: {}", wrong.line, wrong.column, wrong.text))
}

/// Says what was done, and tells a running daemon.
fn done(text: &str, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    out.line(text);
    match context.dial().is_ok() {
        true => reload::run(crate::cli::args::ReloadArgs { json: false }, context, out),
        false => Ok(Ending::Done),
    }
}
