//! The servers that clients have of their own, in the registry's words. Reads the disk, writes nothing.

pub mod plain;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::registry::spec::{Launch, Spec, Start};
use crate::registry::template::is_variable;
use crate::sync::dialect::{Dialect, Field, Time};
use crate::sync::disk;
use crate::sync::format::Format;
use crate::sync::job::Obstacle;
use crate::sync::machine::Machine;
use crate::sync::place::{Place, Wrong};
use crate::sync::state::Manifest;
use crate::sync::syntax::escaped;
use crate::sync::target::{Door, Item, Leave, Target, starts_loom};

/// The keys for an address, in any client's file.
const URLS: [&str; 3] = ["url", "httpUrl", "serverUrl"];

/// Members that change what a server gets in ways that loom has no word for, and what they are.
const BEYOND: [(&str, &str); 8] = [
    ("envFile", "its variables stand in a file of their own (`envFile`)"),
    ("oauth", "the client logs in to it (`oauth`)"),
    ("auth", "the client logs in to it (`auth`)"),
    ("authProviderType", "the client logs in to it (`authProviderType`)"),
    ("headersHelper", "a program makes its headers (`headersHelper`)"),
    ("http_headers_helper", "a program makes its headers (`http_headers_helper`)"),
    ("sandboxEnabled", "the client runs it in a sandbox (`sandboxEnabled`)"),
    ("sandbox", "the client runs it in a sandbox (`sandbox`)"),
];

/// One server of one client.
#[derive(Clone, Debug, PartialEq)]
pub struct Theirs {
    pub client: &'static str,
    /// As the client has it.
    pub name: String,
    pub origin: Origin,
    pub spec: Spec,
    /// It is switched off there.
    pub disabled: bool,
    /// Names of secrets that the client asks its user for.
    pub asks: Vec<String>,
}

/// Where a server of a client stands, and what stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    pub path: PathBuf,
    pub place: Place,
    pub entry: Value,
}

/// A server that cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub client: &'static str,
    pub name: String,
    pub why: String,
    /// What the client has of it.
    pub entry: Value,
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Haul {
    pub servers: Vec<Theirs>,
    pub left: Vec<LeftOut>,
    pub obstacles: Vec<(&'static str, PathBuf, Obstacle)>,
}

/// Reads the files of `targets`. What `manifest` says is loom's is passed over.
pub fn read(targets: &[&'static Target], machine: &Machine, manifest: &Manifest) -> Haul {
    let mut haul = Haul::default();
    for target in targets {
        for (path, format) in files(target, machine) {
            let owned = manifest.files.get(&path).map(|record| record.owned.entries.as_slice());
            match entries(&path, format, &target.dialect) {
                Ok(entries) => haul.take(target, &path, entries, owned.unwrap_or_default()),
                Err(obstacle) => haul.obstacles.push((target.name, path, obstacle)),
            }
        }
    }
    haul
}

/// The files in which a client has servers.
pub fn files(target: &Target, machine: &Machine) -> Vec<(PathBuf, Format)> {
    let door = Door { binary: String::new(), socket: None, leave: Leave::default(), direct: None };
    let wanted = (target.files)(machine, &door).into_iter();
    let holds = |items: &[Item]| items.iter().any(|item| matches!(item, Item::Entry { .. }));
    wanted.filter(|file| holds(&file.items)).map(|file| (file.path, file.format)).collect()
}

/// The servers of one file by their names.
fn entries(path: &Path, format: Format, dialect: &Dialect) -> Result<Vec<(String, Value)>, Obstacle> {
    let Some(bytes) = disk::read(path).map_err(Obstacle::Io)? else { return Ok(Vec::new()) };
    let found = Format::text(&bytes).and_then(|text| {
        format.check(text)?;
        format.get(text, &dialect.all())
    });
    match (found.map_err(Obstacle::Wrong)?, dialect.listed_by) {
        (Some(Value::Object(map)), None) => Ok(map.into_iter().collect()),
        (Some(Value::Array(items)), Some(key)) => {
            let name = |item: &Value| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            Ok(items.into_iter().map(|item| (name(&item), item)).collect())
        }
        (None | Some(Value::Null), _) => Ok(Vec::new()),
        (Some(_), _) => {
            let text = format!("`{}` is not what the client takes", dialect.all());
            Err(Obstacle::Wrong(Wrong { line: 1, column: 1, text }))
        }
    }
}

impl Haul {
    fn take(&mut self, target: &Target, path: &Path, entries: Vec<(String, Value)>, owned: &[Place]) {
        for (name, entry) in entries {
            let place = target.dialect.place(&name);
            if owned.contains(&place) || starts_loom(&entry) {
                continue;
            }
            let mut reader = Reader { dialect: &target.dialect, asks: Vec::new() };
            match reader.server(&entry) {
                Ok(Some(spec)) => {
                    let is = |key: &str, value: bool| entry.get(key) == Some(&Value::Bool(value));
                    let disabled = is("disabled", true) || is("enabled", false);
                    let asks = reader.asks;
                    let origin = Origin { path: path.into(), place, entry };
                    self.servers.push(Theirs { client: target.name, name, origin, spec, disabled, asks });
                }
                Ok(None) => {}
                Err(why) => self.left.push(LeftOut { client: target.name, name, why, entry }),
            }
        }
    }
}

struct Reader<'a> {
    dialect: &'a Dialect,
    asks: Vec<String>,
}

impl Reader<'_> {
    /// `None` for what only switches a server of elsewhere on or off.
    fn server(&mut self, entry: &Value) -> Result<Option<Spec>, String> {
        let Some(members) = entry.as_object() else { return Err("it is no map".to_owned()) };
        let is_unset = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            other => other.as_object().is_some_and(Map::is_empty),
        };
        let is_set = |(key, _): &&(&str, &str)| members.get(*key).is_some_and(|value| !is_unset(value));
        if let Some((_, what)) = BEYOND.iter().find(is_set) {
            return Err((*what).to_owned());
        }
        // Zed once had the program in a map of its own.
        let nested = members.get("command").and_then(Value::as_object);
        let url = URLS.iter().find_map(|key| members.get(*key)).and_then(Value::as_str);
        let command = match nested {
            Some(nested) => nested.get("path"),
            None => members.get("command"),
        };
        let mut spec = match (command, url) {
            (Some(_), Some(_)) => return Err("it has a command and a URL".to_owned()),
            (Some(command), None) => self.program(command, nested.unwrap_or(members))?,
            (None, Some(url)) => self.remote(url, members)?,
            (None, None)
                if members.keys().all(|key| matches!(key.as_str(), "enabled" | "disabled" | "name")) =>
            {
                return Ok(None);
            }
            (None, None) => return Err("nothing says how it is started".to_owned()),
        };
        (spec.enabled_tools, spec.disabled_tools) = self.filters(members)?;
        let time = |time: Option<Time>| time.and_then(|time| time.read(members));
        spec.timeout = time(self.dialect.timeout);
        (spec.tool_timeout, spec.startup_timeout) = (spec.timeout, time(self.dialect.startup));
        Ok(Some(spec))
    }

    fn program(&mut self, command: &Value, members: &Map<String, Value>) -> Result<Spec, String> {
        let (command, first) = match command {
            Value::Array(argv) => match argv.split_first() {
                Some((command, args)) => (scalar(command), args.to_vec()),
                None => (None, Vec::new()),
            },
            other => (scalar(other), Vec::new()),
        };
        let command = command.filter(|command| !command.trim().is_empty()).ok_or("its command is empty")?;
        let args = [first, list(members, "args")?].concat();
        let cwd = members.get("cwd").and_then(Value::as_str).filter(|cwd| !cwd.is_empty());
        let folder = cwd.map(|cwd| self.folder(cwd)).transpose()?;
        let command = self.located(&command, folder.as_deref(), Field::Command)?;
        let args = args.iter().map(|arg| {
            let arg = scalar(arg).ok_or("an argument is no text")?;
            self.located(&arg, folder.as_deref(), Field::Args)
        });
        let args = args.collect::<Result<Vec<_>, String>>()?;
        let mut spec = Spec::new(Start::Command(command.clone()));
        spec.launch = Launch::Command { command, args };
        spec.cwd = folder;
        spec.env = self.texts(members.get(self.dialect.env).or_else(|| members.get("env")), Field::Env)?;
        if let Some(name) = spec.env.keys().find(|name| !is_variable(name)) {
            return Err(format!("`{name}` cannot be the name of a variable"));
        }
        let names = list(members, "env_vars")?;
        let name =
            |value: &Value| value.get("name").and_then(Value::as_str).or(value.as_str()).map(str::to_owned);
        spec.env_pass = names.iter().filter_map(name).collect();
        Ok(spec)
    }

    fn remote(&mut self, url: &str, members: &Map<String, Value>) -> Result<Spec, String> {
        let authority = url.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next());
        if authority.flatten().is_some_and(|authority| authority.contains('@')) {
            return Err(
                "a user name or password stands in its URL; give it an Authorization header".to_owned()
            );
        }
        if url.starts_with("ws") {
            return Err("it is reached over a WebSocket".to_owned());
        }
        let mut spec = Spec::new(Start::Url(self.text(url, Field::Url)?));
        let path = self.dialect.remote.as_ref().map_or(&["headers"][..], |remote| remote.headers);
        let mut found = members.get(path[0]);
        for key in &path[1..] {
            found = found.and_then(|value| value.get(*key));
        }
        spec.headers = self.texts(found, Field::Headers)?;
        let named = members.get("env_http_headers").and_then(Value::as_object);
        for (name, variable) in named.into_iter().flatten() {
            spec.headers.insert(name.clone(), variable_reference(variable)?);
        }
        if let Some(variable) = members.get("bearer_token_env_var") {
            let bearer = format!("Bearer {}", variable_reference(variable)?);
            spec.headers.insert("Authorization".to_owned(), bearer);
        }
        Ok(spec)
    }

    fn filters(&self, members: &Map<String, Value>) -> Result<(Option<Vec<String>>, Vec<String>), String> {
        let names = |key: Option<&str>| -> Result<Vec<String>, String> {
            let all = key.map(|key| list(members, key)).transpose()?.unwrap_or_default();
            Ok(all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        };
        // Copilot's `tools` is such a list as well.
        let only = self
            .dialect
            .enabled_tools
            .or(members.get("tools").filter(|tools| tools.is_array()).map(|_| "tools"));
        let enabled = names(only)?;
        let enabled = (!enabled.is_empty() && !enabled.iter().any(|tool| tool == "*")).then_some(enabled);
        Ok((enabled, names(self.dialect.disabled_tools)?))
    }

    fn texts(&mut self, map: Option<&Value>, field: Field) -> Result<BTreeMap<String, String>, String> {
        let Some(map) = map.filter(|map| !map.is_null()) else { return Ok(BTreeMap::new()) };
        let map = map.as_object().ok_or("its variables or headers are no map")?;
        let text = |(name, value): (&String, &Value)| {
            let value = scalar(value).ok_or_else(|| format!("the value of `{name}` is no text"))?;
            Ok((name.clone(), self.text(&value, field)?))
        };
        map.iter().map(text).collect()
    }

    /// A folder as the registry has it: absolute, or from a place that it knows.
    fn folder(&mut self, cwd: &str) -> Result<String, String> {
        let text = self.text(cwd, Field::Args)?;
        Ok(match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("${{HOME}}{rest}"),
            _ if text.starts_with('/') || text.starts_with("${") => text,
            _ => return Err(format!("its folder `{cwd}` depends on where the client was started")),
        })
    }

    /// A command or an argument. The registry takes some beginnings for paths below its own root.
    fn located(&mut self, text: &str, folder: Option<&str>, field: Field) -> Result<String, String> {
        let read = self.text(text, field)?;
        let is_path = text.starts_with("./") || text.starts_with("../") && field == Field::Command;
        let is_taken = text.starts_with("scripts/") || text.starts_with("mcp/") && field == Field::Command;
        match (is_path || is_taken, folder) {
            (false, _) => Ok(read),
            (true, Some(folder)) => Ok(format!("{folder}/{}", read.strip_prefix("./").unwrap_or(&read))),
            (true, None) => Err(format!("`{text}` depends on where the client was started")),
        }
    }

    fn text(&mut self, text: &str, field: Field) -> Result<String, String> {
        if !self.dialect.refers.contains(&field) {
            return Ok(escaped(text));
        }
        let mut asked = Vec::new();
        let read = self.dialect.syntax.read(text, &mut |reference| {
            let id = reference.strip_prefix("${input:")?.strip_suffix('}')?;
            let name: String = id
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
                .collect();
            asked.push(name.clone());
            Some(format!("${{secret:{name}}}"))
        });
        let read = read.map_err(|reference| format!("loom has no word for `{reference}`"))?;
        if !asked.is_empty() && matches!(field, Field::Command | Field::Args) {
            return Err("the client asks its user for a part of the command line".to_owned());
        }
        self.asks.extend(asked);
        Ok(read)
    }
}

fn variable_reference(name: &Value) -> Result<String, String> {
    let name = name.as_str().filter(|name| is_variable(name)).ok_or("a header's variable has no name")?;
    Ok(format!("${{env:{name}}}"))
}

fn list(members: &Map<String, Value>, key: &str) -> Result<Vec<Value>, String> {
    match members.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items.clone()),
        Some(_) => Err(format!("its `{key}` is no list")),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
