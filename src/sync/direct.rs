//! Direct mode: every server of the registry as an entry of its own in a client's file. What the client cannot say goes
//! through `loom exec`, which can; so no secret and nothing unknown reaches a file. Pure but for relative paths.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::registry::environ::looks_secret;
use crate::registry::launch::below_root;
use crate::registry::mask::{bare, has_secret, masked};
use crate::registry::spec::{Launch, Spec};
use crate::registry::template::{Piece, Reference, pieces, references};
use crate::registry::{Registry, Server};
use crate::sync::dialect::{Dialect, Field, Remote, Time};
use crate::sync::syntax::Syntax;
use crate::sync::target::{Entry, Leave, Target};

/// What all entries have in common.
pub struct Source<'a> {
    pub registry: &'a Registry,
    /// Absolute path of the installed program.
    pub binary: &'a str,
    pub home: &'a Path,
    /// The registry's path, where it is not the daemon's.
    pub flag: Option<&'a str>,
}

/// The servers of a client, and what a person should know of them.
#[derive(Clone, Debug, Default)]
pub struct Direct {
    pub entries: Vec<Entry>,
    pub notes: Vec<String>,
}

/// The entries of `target`; `leave` is what may be called without asking in loom-mode.
pub fn direct(source: &Source<'_>, target: &Target, leave: &Leave) -> Direct {
    let writer = Writer { source, target: target.name, dialect: &target.dialect };
    let mut direct = Direct::default();
    for server in source.registry.servers.iter().filter(|server| !server.disabled) {
        let (name, spec) = (server.name.as_str(), server.spec_for(Some(target.name)));
        match writer.server(server, &spec) {
            Ok(members) => {
                direct.notes.extend(writer.unsaid(&spec).into_iter().map(|what| {
                    format!("{name}: {what} cannot be said to {}: it shows all its tools", target.title)
                }));
                direct.entries.push(Entry { name: name.to_owned(), members, leave: leave.within(name) });
            }
            Err(why) => direct.notes.push(format!("{name} is not written: {why}; in loom-mode it is there")),
        }
    }
    direct
}

struct Writer<'a> {
    source: &'a Source<'a>,
    target: &'static str,
    dialect: &'a Dialect,
}

impl Writer<'_> {
    fn server(&self, server: &Server, spec: &Spec) -> Result<Map<String, Value>, String> {
        let mut members = match (&spec.launch, &self.dialect.remote) {
            (Launch::Url { .. }, None) => return Err("the client takes no servers over HTTP".to_owned()),
            (Launch::Url { url }, Some(remote)) => self.remote(remote, url, &spec.headers)?,
            _ => self.program(spec).unwrap_or_else(|| self.exec(server, spec)),
        };
        for (member, time) in
            [(self.dialect.timeout, spec.timeout), (self.dialect.startup, spec.startup_timeout)]
        {
            if let (Some(member), Some(time)) = (member, time) {
                let (key, value) = member.of(time);
                members.insert(key.to_owned(), value);
            }
        }
        if let (Some(key), Some(tools)) = (self.dialect.enabled_tools, &spec.enabled_tools) {
            members.insert(key.to_owned(), json!(tools));
        }
        if let Some(key) = self.dialect.disabled_tools.filter(|_| !spec.disabled_tools.is_empty()) {
            members.insert(key.to_owned(), json!(spec.disabled_tools));
        }
        Ok(members)
    }

    /// The server as its client starts it; `None` where that cannot be said.
    fn program(&self, spec: &Spec) -> Option<Map<String, Value>> {
        let by_name = self.dialect.syntax == Syntax::Names;
        if !spec.env_pass.is_empty() && !by_name || spec.cwd.is_some() && !self.dialect.cwd {
            return None;
        }
        let (command, args) = match &spec.launch {
            Launch::Builtin { name, args } => {
                let first = ["mcp", name].map(str::to_owned).into_iter();
                (self.source.binary.to_owned(), first.chain(self.args(args)?).collect())
            }
            Launch::Command { command, args } => (self.path(command, Field::Command)?, self.args(args)?),
            Launch::Url { .. } => return None,
        };
        if !self.dialect.finds_programs && !command.contains('/') {
            return None;
        }
        let (mut env, mut names) = (Map::new(), spec.env_pass.clone());
        for (name, template) in &spec.env {
            match self.text(template, Field::Env, true) {
                Some(text) if !has_secret(name, template) => drop(env.insert(name.clone(), json!(text))),
                None if by_name && *template == format!("${{env:{name}}}") && !self.is_loom_s(name) => {
                    names.push(name.clone());
                }
                Some(_) | None => return None,
            }
        }
        let mut members = self.start(&command, &args);
        if let Some(cwd) = &spec.cwd {
            members.insert("cwd".to_owned(), json!(self.literal(cwd)?));
        }
        if !env.is_empty() {
            members.insert(self.dialect.env.to_owned(), Value::Object(env));
        }
        if !names.is_empty() {
            members.insert("env_vars".to_owned(), json!(names));
        }
        Some(members)
    }

    /// The server through `loom exec`.
    fn exec(&self, server: &Server, spec: &Spec) -> Map<String, Value> {
        let mut args =
            ["exec", server.name.as_str(), "--agent-hint", self.target].map(str::to_owned).to_vec();
        if let Some(path) = self.source.flag {
            args.extend(["--registry".to_owned(), path.to_owned()]);
        }
        let mut members = self.start(self.source.binary, &args);
        let names = self.names(spec);
        if self.dialect.syntax == Syntax::Names && !names.is_empty() {
            members.insert("env_vars".to_owned(), json!(names));
        }
        members
    }

    /// The variables that `loom exec` may want of its client's environment.
    fn names(&self, spec: &Spec) -> Vec<String> {
        let command = match &spec.launch {
            Launch::Command { command, .. } => Some(command),
            Launch::Builtin { .. } | Launch::Url { .. } => None,
        };
        let texts = command.into_iter().chain(spec.launch.args()).chain(spec.env.values()).chain(&spec.cwd);
        let mut names: Vec<String> = Vec::new();
        for reference in texts.flat_map(|text| references(text)) {
            let (Reference::Env(name) | Reference::Secret(name)) = reference;
            names.push(name.to_owned());
            names.extend(self.source.registry.aliases.get(name).into_iter().flatten().cloned());
        }
        names.extend(spec.env_pass.iter().cloned());
        names.sort();
        names.dedup();
        names
    }

    fn start(&self, command: &str, args: &[String]) -> Map<String, Value> {
        let mut members = Map::new();
        if self.dialect.argv {
            let argv: Vec<&str> = std::iter::once(command).chain(args.iter().map(String::as_str)).collect();
            members.insert("command".to_owned(), json!(argv));
        } else {
            members.insert("command".to_owned(), json!(command));
            members.insert("args".to_owned(), json!(args));
        }
        members.extend(fixed(self.dialect.local));
        members
    }

    fn remote(
        &self,
        remote: &Remote,
        url: &str,
        headers: &BTreeMap<String, String>,
    ) -> Result<Map<String, Value>, String> {
        let beyond = |what: &str| format!("{what} needs what this client cannot look up");
        if url.starts_with("ws") {
            return Err("it is reached over a WebSocket".to_owned());
        }
        let address = Some(url).filter(|url| !has_secret("", url));
        let address =
            address.and_then(|url| self.text(url, Field::Url, false)).ok_or_else(|| beyond("its URL"))?;
        let mut members = fixed(remote.always);
        members.insert(remote.url.to_owned(), json!(address));
        let (mut literal, mut named) = (Map::new(), Map::new());
        for (name, template) in headers {
            let lone = |text: &str| match references(text)[..] {
                [Reference::Env(variable)] if text == format!("${{env:{variable}}}") => {
                    Some(variable.to_owned())
                }
                _ => None,
            };
            let bearer = template.strip_prefix("Bearer ").and_then(lone);
            match (self.dialect.syntax, lone(template), bearer) {
                (Syntax::Names, Some(variable), _) => drop(named.insert(name.clone(), json!(variable))),
                (Syntax::Names, _, Some(variable)) if name.eq_ignore_ascii_case("authorization") => {
                    members.insert("bearer_token_env_var".to_owned(), json!(variable));
                }
                _ => {
                    let text = self.text(template, Field::Headers, false);
                    let text = text.filter(|_| !has_secret(name, template));
                    let text = text.ok_or_else(|| beyond(&format!("its header {name}")))?;
                    literal.insert(name.clone(), json!(text));
                }
            }
        }
        if !named.is_empty() {
            members.insert("env_http_headers".to_owned(), Value::Object(named));
        }
        if let Some((first, rest)) = remote.headers.split_first().filter(|_| !literal.is_empty()) {
            let inner = rest.iter().rev().fold(Value::Object(literal), |inner, key| json!({ *key: inner }));
            members.insert((*first).to_owned(), inner);
        }
        Ok(members)
    }

    fn args(&self, templates: &[String]) -> Option<Vec<String>> {
        let line = templates.iter().map(|template| bare(template)).collect::<Vec<_>>().join(" ");
        let args = templates.iter().map(|template| self.path(template, Field::Args));
        args.collect::<Option<Vec<_>>>().filter(|_| masked(&line) == line)
    }

    /// A command or an argument: one that begins like a path below the registry's root is one.
    fn path(&self, template: &str, field: Field) -> Option<String> {
        let root = &self.source.registry.root;
        let text = self.literal(template).unwrap_or_else(|| template.to_owned());
        match below_root(template, &text, field == Field::Args, root, None) {
            Some(_) if text.contains("${") => None,
            Some(path) => Some(path.display().to_string()).filter(|path| self.means_itself(path, field)),
            None => self.text(template, field, true),
        }
    }

    /// A template in the client's words. With `or_exec` there is another way for what loom does better.
    fn text(&self, template: &str, field: Field, or_exec: bool) -> Option<String> {
        let (mut made, mut run) = (String::new(), String::new());
        for piece in pieces(template) {
            match piece.ok()? {
                Piece::Env { name, default } => {
                    let can = self.dialect.refers.contains(&field) && !(or_exec && self.is_loom_s(name));
                    let reference = self.dialect.syntax.write(name, default).filter(|_| can)?;
                    if !self.means_itself(&run, field) {
                        return None;
                    }
                    made.push_str(&std::mem::take(&mut run));
                    made.push_str(&reference);
                }
                piece => run.push_str(&self.known(&piece)?),
            }
        }
        self.means_itself(&run, field).then(|| made + &run)
    }

    /// A template without variables.
    fn literal(&self, template: &str) -> Option<String> {
        pieces(template).into_iter().map(|piece| self.known(&piece.ok()?)).collect()
    }

    /// What is the same whenever it is looked up.
    fn known(&self, piece: &Piece<'_>) -> Option<String> {
        match piece {
            Piece::Text(text) => Some((*text).to_owned()),
            Piece::Home => Some(self.source.home.display().to_string()),
            Piece::Repo => Some(self.source.registry.root.display().to_string()),
            Piece::Workspace | Piece::Env { .. } | Piece::Secret(_) => None,
        }
    }

    fn means_itself(&self, text: &str, field: Field) -> bool {
        !self.dialect.refers.contains(&field) || self.dialect.syntax.is_literal(text)
    }

    /// A variable that loom finds where no client looks: under another name, or among the secrets.
    fn is_loom_s(&self, name: &str) -> bool {
        looks_secret(name) || self.source.registry.aliases.contains_key(name)
    }

    /// What of the registry has no place in the client's file, nor in `loom exec`.
    fn unsaid(&self, spec: &Spec) -> Vec<&'static str> {
        let enabled = spec.enabled_tools.is_some() && self.dialect.enabled_tools.is_none();
        let disabled = !spec.disabled_tools.is_empty() && self.dialect.disabled_tools.is_none();
        let all = [(enabled, "enabled_tools"), (disabled, "disabled_tools")];
        all.into_iter().filter(|(is, _)| *is).map(|(_, what)| what).collect()
    }
}

impl Time {
    /// What the members of an entry say; nothing where it is no positive number.
    pub fn read(self, members: &Map<String, Value>) -> Option<Duration> {
        let number = |key: &str| members.get(key).and_then(Value::as_u64).filter(|number| *number > 0);
        match self {
            Time::Seconds(key) => number(key).map(Duration::from_secs),
            Time::Millis(key) => number(key).map(Duration::from_millis),
        }
    }

    fn of(self, time: Duration) -> (&'static str, Value) {
        match self {
            Time::Seconds(key) => (key, json!(time.as_secs().max(1))),
            Time::Millis(key) => (key, json!(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))),
        }
    }
}

/// The members that a dialect gives as JSON.
fn fixed(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).expect("dialects hold JSON maps")
}
