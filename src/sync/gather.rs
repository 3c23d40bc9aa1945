//! The servers of several clients as servers of the registry: the same ones once, under names that loom takes, secrets
//! lifted out of them. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::registry::mask::{bare, has_secret, masked, scheme};
use crate::registry::name::ServerName;
use crate::registry::spec::{Launch, Spec};
use crate::registry::template::{Piece, pieces};
use crate::registry::{Registry, Server};
use crate::secret::Secret;
use crate::sync::theirs::{LeftOut, Origin, Theirs};

/// What becomes of all that was found.
#[derive(Debug, Default)]
pub struct Gathered {
    pub servers: Vec<Gathering>,
    pub left: Vec<LeftOut>,
    /// Secrets that are to be kept, by their names.
    pub secrets: BTreeMap<String, Secret<String>>,
}

/// A server of the registry, as it is or will be.
#[derive(Debug)]
pub struct Gathering {
    pub name: String,
    /// The clients that have it, and their names for it.
    pub from: Vec<(&'static str, String)>,
    /// Their entries that it stands for, so that these may go: each with its client.
    pub replaces: Vec<(&'static str, Origin)>,
    /// The registry has it already.
    pub known: bool,
    /// What the registry, which knows it, has yet to say of a client's tools of it.
    pub tools: BTreeMap<&'static str, Map<String, Value>>,
    /// What a person should know of it.
    pub notes: Vec<String>,
    /// The secrets that it needs and that nobody has given yet.
    pub asks: BTreeSet<String>,
    /// What the registry is to say of it, without its name.
    pub entry: Map<String, Value>,
}

impl Gathering {
    /// The registry is to be changed for it.
    pub fn is_news(&self) -> bool {
        !self.known || !self.tools.is_empty()
    }
}

/// A server that some clients have.
struct Group {
    spec: Spec,
    all: Vec<Theirs>,
}

/// Gathers `theirs` beside what `registry` has. `held` is the value that a secret or variable of a name has already.
pub fn gather(
    theirs: Vec<Theirs>,
    registry: &Registry,
    held: &mut dyn FnMut(&str) -> Option<Secret<String>>,
) -> Gathered {
    let mut groups: Vec<Group> = Vec::new();
    for one in theirs {
        let mut spec = one.spec.clone();
        (spec.enabled_tools, spec.disabled_tools) = (None, Vec::new());
        match groups.iter_mut().find(|group| group.spec.key() == spec.key()) {
            Some(group) => {
                // Enough for each of them.
                let into = &mut group.spec;
                into.timeout = into.timeout.max(spec.timeout);
                into.tool_timeout = into.tool_timeout.max(spec.tool_timeout);
                into.startup_timeout = into.startup_timeout.max(spec.startup_timeout);
                group.all.push(one);
            }
            None => groups.push(Group { spec, all: vec![one] }),
        }
    }
    let taken = registry.servers.iter().map(|server| server.name.as_str().to_owned()).collect();
    let mut gatherer = Gatherer { registry, held, taken, made: Gathered::default() };
    for group in groups {
        gatherer.group(group);
    }
    gatherer.made
}

struct Gatherer<'a> {
    registry: &'a Registry,
    held: &'a mut dyn FnMut(&str) -> Option<Secret<String>>,
    /// Names of servers that are in use.
    taken: BTreeSet<String>,
    made: Gathered,
}

impl Gatherer<'_> {
    fn group(&mut self, group: Group) {
        let (client, called) = (group.all[0].client, group.all[0].name.clone());
        let wanted = valid(&called);
        let secrets_before = self.made.secrets.clone();
        let spec = match self.lifted(&wanted, group.spec) {
            Ok(spec) => spec,
            Err(why) => {
                self.made.secrets = secrets_before;
                group.all.into_iter().for_each(|one| self.leave(one, why.clone()));
                return;
            }
        };
        let same = self.registry.servers.iter().filter(|server| server.spec_for(None).key() == spec.key());
        let known = same.min_by_key(|server| server.disabled);
        let (mut all, mut tools, mut notes): (Vec<Theirs>, _, _) = (vec![], BTreeMap::new(), vec![]);
        for one in group.all {
            let has_other = |other: &&Theirs| other.client == one.client && filters(other) != filters(&one);
            let missing = match (all.iter().find(has_other), known) {
                (Some(other), _) => Err(format!(
                    "`{}` there is the same server with other tools, and the registry has one list for a client",
                    other.name
                )),
                (None, Some(server)) => missing(server, &spec, &one),
                (None, None) => Ok(Map::new()),
            };
            match missing {
                Ok(missing) if missing.is_empty() => all.push(one),
                Ok(missing) => {
                    drop(tools.insert(one.client, missing));
                    all.push(one);
                }
                Err(why) => self.leave(one, why),
            }
        }
        if all.is_empty() {
            self.made.secrets = secrets_before;
            return;
        }
        let name = match known {
            Some(server) => server.name.as_str().to_owned(),
            None => self.name(&wanted, client, &mut notes),
        };
        if wanted != called && known.is_none() {
            notes.insert(0, format!("{client} calls it `{called}`, which is no name for loom"));
        }
        for client in tools.keys() {
            notes.push(format!("which of its tools {client} shows becomes `targets.{client}` there"));
        }
        let asks: BTreeSet<String> = all.iter().flat_map(|one| one.asks.iter().cloned()).collect();
        let asks = asks.into_iter().filter(|name| (self.held)(name).is_none()).collect();
        let entry = entry(&spec, &all);
        let from = all.iter().map(|one| (one.client, one.name.clone())).collect();
        let is_off = known.map_or(all.iter().all(|one| one.disabled), |server| server.disabled);
        let (replaced, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| is_off || !one.disabled);
        notes.extend(
            kept.iter().map(|one| format!("{} has it switched off: its entry there stays", one.client)),
        );
        let replaces = replaced.into_iter().map(|one| (one.client, one.origin)).collect();
        let known = known.is_some();
        self.made.servers.push(Gathering { name, from, replaces, known, tools, notes, asks, entry });
    }

    fn leave(&mut self, one: Theirs, why: String) {
        self.made.left.push(LeftOut { client: one.client, name: one.name, why, entry: one.origin.entry });
    }

    /// `wanted`, or another name where that is a different server's.
    fn name(&mut self, wanted: &str, client: &str, notes: &mut Vec<String>) -> String {
        let others = (2..).map(|number| number.to_string());
        let all = std::iter::once(String::new()).chain([client.to_owned()]).chain(others);
        let with = |end: String| match end.as_str() {
            "" => wanted.to_owned(),
            end => {
                let room = ServerName::LONGEST - end.len() - 1;
                format!("{}-{end}", valid(&wanted[..wanted.len().min(room)]))
            }
        };
        let name = all.map(with).find(|name| !self.taken.contains(name)).unwrap_or_default();
        if name != wanted {
            notes.push(format!("`{wanted}` is another server"));
        }
        self.taken.insert(name.clone());
        name
    }

    /// The spec with every literal secret in the store instead.
    fn lifted(&mut self, server: &str, mut spec: Spec) -> Result<Spec, String> {
        let line = spec.launch.args().iter().map(|arg| bare(arg)).collect::<Vec<_>>().join(" ");
        if masked(&line) != line {
            return Err("a secret seems to stand in its arguments, which every process can read: \
                        give it to the server in a variable"
                .to_owned());
        }
        let prefix = upper(server);
        for (name, value) in spec.env.iter_mut().filter(|(name, value)| has_secret(name, value)) {
            *value = self.lift(&[name.clone(), format!("{prefix}_{name}")], value)?;
        }
        for (name, value) in spec.headers.iter_mut().filter(|(name, value)| has_secret(name, value)) {
            *value = self.lift(&[format!("{prefix}_{}", upper(name))], value)?;
        }
        if let Launch::Url { url } = &mut spec.launch
            && has_secret("", url)
        {
            *url = self.lift(&[format!("{prefix}_URL")], url)?;
        }
        Ok(spec)
    }

    /// Keeps the secret in `template` under the first of `names` that is free or has this value; the new template.
    fn lift(&mut self, names: &[String], template: &str) -> Result<String, String> {
        let before = scheme(template);
        let literal = pieces(&template[before.len()..]).into_iter().map(|piece| match piece {
            Ok(Piece::Text(text)) => Some(text),
            _ => None,
        });
        let value = literal.collect::<Option<String>>().map(Secret::new);
        let value = value.ok_or("a value has a secret in it and a reference, too")?;
        let last = names.last().cloned().unwrap_or_default();
        let more = (2..).map(|number| format!("{last}_{number}"));
        for name in names.iter().cloned().chain(more) {
            let there = self.made.secrets.get(&name).cloned().or_else(|| (self.held)(&name));
            match there {
                Some(there) if there != value => continue,
                Some(_) => {}
                None => drop(self.made.secrets.insert(name.clone(), value)),
            }
            return Ok(format!("{before}${{secret:{name}}}"));
        }
        Err("no name is free for its secret".to_owned())
    }
}

/// Which tools of a server a client shows: the only ones, and those that it does not.
fn filters(one: &Theirs) -> (&Option<Vec<String>>, &Vec<String>) {
    (&one.spec.enabled_tools, &one.spec.disabled_tools)
}

/// What the registry, whose `server` is the one that a client has, has yet to say of that client's tools; or why its
/// server cannot stand for the client's.
fn missing(server: &Server, spec: &Spec, one: &Theirs) -> Result<Map<String, Value>, String> {
    let (name, client) = (server.name.as_str(), one.client);
    if server.disabled && !one.disabled {
        return Err(format!("`{name}` of the registry is the same, and disabled: loom enable {name}"));
    }
    let there = server.spec_for(Some(client));
    if there.key() != spec.key() {
        return Err(format!("the registry starts `{name}` in another way for {client} (`targets.{client}`)"));
    }
    let mut missing = Map::new();
    let (only, not) = filters(one);
    let shows_more = match (only, &there.enabled_tools) {
        (Some(only), None) => missing.insert("enabled_tools".to_owned(), json!(only)).is_some(),
        (Some(only), Some(there)) => !there.iter().all(|tool| only.contains(tool)),
        (None, _) => false,
    };
    let is_missing = !not.is_empty() && there.disabled_tools.is_empty();
    if is_missing {
        missing.insert("disabled_tools".to_owned(), json!(not));
    }
    if shows_more || !is_missing && !not.iter().all(|tool| there.disabled_tools.contains(tool)) {
        return Err(format!("the registry has other tools of `{name}` for {client} than it shows"));
    }
    Ok(missing)
}

/// What the registry says of a server; which tools a client shows stays that client's own.
fn entry(spec: &Spec, all: &[Theirs]) -> Map<String, Value> {
    let mut entry = Map::new();
    entry.insert("common".to_owned(), Value::Object(common(spec)));
    let mut targets = Map::new();
    for one in all {
        let mut target = Map::new();
        if let Some(tools) = &one.spec.enabled_tools {
            target.insert("enabled_tools".to_owned(), json!(tools));
        }
        if !one.spec.disabled_tools.is_empty() {
            target.insert("disabled_tools".to_owned(), json!(one.spec.disabled_tools));
        }
        if !target.is_empty() {
            targets.insert(one.client.to_owned(), Value::Object(target));
        }
    }
    if !targets.is_empty() {
        entry.insert("targets".to_owned(), Value::Object(targets));
    }
    if all.iter().all(|one| one.disabled) {
        entry.insert("disabled".to_owned(), json!(true));
    }
    entry
}

fn common(spec: &Spec) -> Map<String, Value> {
    let mut common = Map::new();
    match &spec.launch {
        Launch::Url { url } => drop(common.insert("url".to_owned(), json!(url))),
        Launch::Command { command, args } | Launch::Builtin { name: command, args } => {
            common.insert(spec.launch.kind().to_owned(), json!(command));
            if !args.is_empty() {
                common.insert("args".to_owned(), json!(args));
            }
        }
    }
    for (key, texts) in [("env", &spec.env), ("headers", &spec.headers)] {
        if !texts.is_empty() {
            common.insert(key.to_owned(), json!(texts));
        }
    }
    if !spec.env_pass.is_empty() {
        common.insert("env_pass".to_owned(), json!(spec.env_pass));
    }
    if let Some(cwd) = &spec.cwd {
        common.insert("cwd".to_owned(), json!(cwd));
    }
    let times = [
        ("timeout", spec.timeout),
        ("tool_timeout", spec.tool_timeout),
        ("startup_timeout", spec.startup_timeout),
    ];
    for (key, time) in times {
        common.extend(time.map(|time| (key.to_owned(), json!(written(time)))));
    }
    common
}

/// A time as the registry has it.
fn written(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}

/// The name of a server that is nearest to a client's.
fn valid(name: &str) -> String {
    let mut made = String::new();
    for char in name.chars() {
        let fits = char.is_ascii_alphanumeric() || char == '-' || char == '_' && !made.ends_with('_');
        made.push(if fits { char } else { '-' });
    }
    while made.contains("--") && !name.contains("--") {
        made = made.replace("--", "-");
    }
    made.truncate(ServerName::LONGEST);
    let made = made.trim_matches(['-', '_']);
    if made.is_empty() { "server".to_owned() } else { made.to_owned() }
}

/// A part of a secret's name.
fn upper(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests;
