//! `loom add`, `remove`, `enable` and `disable`: the registry changed as text, so that comments and order stay.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::Ending;
use crate::cli::args::entries::{AddArgs, DisableArgs, EnableArgs, RemoveArgs};
use crate::cli::context::Context;
use crate::cli::out::Out;
use crate::cli::registry::text::{File, server};
use crate::cli::reload;
use crate::fault::{Fault, Kind, Plain};
use crate::registry::mask::is_secret;
use crate::sync::format::Format;

pub fn add(args: AddArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let spec = spec(&args)?;
    let file = File::in_force(args.registry.as_deref(), context)?;
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

/// Says what was done, and tells a running daemon.
fn done(text: &str, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    out.line(text);
    reload::if_running(context, out)
}
