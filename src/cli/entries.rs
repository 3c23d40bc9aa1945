//! `loom add`, `remove`, `enable` and `disable`: the registry changed as text, so that comments and order stay.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::Ending;
use crate::cli::args::entries::{AddArgs, DisableArgs, EnableArgs, RemoveArgs};
use crate::cli::context::Context;
use crate::cli::out::{Out, Paint};
use crate::cli::registry::text::{File, server};
use crate::cli::reload;
use crate::fault::{Fault, Kind, Plain};
use crate::file::find_program;
use crate::registry::finding::clip;
use crate::registry::mask::{args_have_secret, bare, has_secret, user_info};
use crate::registry::name::ServerName;
use crate::registry::template::{Reference, references};
use crate::settings::process_env;
use crate::sync::format::Format;

pub fn add(args: AddArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    if let Err(why) = ServerName::parse(&args.name) {
        let text = format!(
            "the server name `{}` {why}: it is of 1 to {} letters, digits, `_` and `-`, without `__`, and with \
             neither `_` nor `-` at an end",
            clip(&args.name),
            ServerName::LONGEST
        );
        return Err(Plain::new(Kind::Usage, text).into());
    }
    let spec = spec(&args)?;
    let file = File::in_force(args.registry.as_deref(), context)?;
    if file.registry.server(&args.name).is_some() {
        let text = format!("there is a server `{}` in {} already", args.name, file.shown);
        return Err(Plain::new(Kind::Usage, text).hint(format!("loom remove {}", args.name)).into());
    }
    let place = server(&args.name);
    file.change(|text| Format::Yaml.set(text, &place, &json!({ "common": spec })), context)?;
    out.line(format!("{} is in {}", args.name, file.shown));
    if let Some(text) = not_there(&args) {
        out.line(out.paint(Paint::Warn, &text));
    }
    reload::if_running(context, out)
}

/// A word on a command that cannot be run here and now. It may be installed later.
fn not_there(args: &AddArgs) -> Option<String> {
    let command = args.command.first().filter(|command| !command.contains(['/', '$']))?;
    let path = process_env()("PATH").unwrap_or_default();
    let found = find_program(Path::new(command), &path);
    let text = || {
        format!("warning: its command `{command}` is not on PATH; install it, or `loom remove {}`", args.name)
    };
    found.is_none().then(text)
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

/// What the options say of the server.
fn spec(args: &AddArgs) -> Result<Map<String, Value>, Plain> {
    let mut spec = Map::new();
    match (args.command.split_first(), &args.url) {
        (Some((command, rest)), None) if args.header.is_empty() => {
            refuse_secrets_in(&args.command)?;
            spec.insert("command".into(), json!(command));
            if !rest.is_empty() {
                spec.insert("args".into(), json!(rest));
            }
        }
        (None, Some(url)) if args.env.is_empty() => {
            refuse_secrets_of(url)?;
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

/// A command line can be read by every process of the machine.
fn refuse_secrets_in(command: &[String]) -> Result<(), Plain> {
    let refers =
        |arg: &String| references(arg).iter().any(|reference| matches!(reference, Reference::Secret(_)));
    if command.iter().any(refers) || args_have_secret(command) {
        let text = "a secret must not stand in a command line, which every process can read";
        return Err(Plain::new(Kind::Usage, text)
            .hint("loom secrets set NAME, then --env 'NAME=${secret:NAME}', where the server takes it so"));
    }
    Ok(())
}

fn refuse_secrets_of(url: &str) -> Result<(), Plain> {
    if user_info(&bare(url)).is_some() {
        let text = "the URL must not hold a user name or password";
        return Err(Plain::new(Kind::Usage, text)
            .hint("loom secrets set NAME, then --header 'Authorization=Bearer ${secret:NAME}'"));
    }
    if has_secret("", url) {
        let text = "a secret seems to stand in the URL; it would stand in the registry for all to read";
        return Err(Plain::new(Kind::Usage, text)
            .hint("loom secrets set NAME, then ${secret:NAME} in its place in the URL"));
    }
    Ok(())
}

/// `NAME=VALUE`; a secret is not to stand in a file as it is.
fn pair(option: &str, pair: &str) -> Result<(String, Value), Plain> {
    let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(Plain::new(Kind::Usage, format!("{option} takes NAME=VALUE")));
    };
    if has_secret(name, value) {
        let text =
            format!("{name} looks like a secret; its value would stand in the registry for all to read");
        return Err(Plain::new(Kind::Usage, text)
            .hint(format!("loom secrets set {name}, then {option} '{name}=${{secret:{name}}}'")));
    }
    Ok((name.to_owned(), json!(value)))
}

/// Says what was done, and tells a running daemon.
fn done(text: &str, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    out.line(text);
    reload::if_running(context, out)
}
