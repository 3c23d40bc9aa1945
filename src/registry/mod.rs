//! `registry.yaml`: which MCP servers this machine has. From text to a validated model, and questions about it.
//!
//! `tree` reads YAML with places, `parse` turns the tree into the types here and collects every mistake, `find` says
//! which file is in force, `template`, `environ` and `launch` say what a child is started with, `diff` compares two
//! registries, `wanted` says which secrets a server needs; `skills` is `skills-registry.yaml`, what is written for
//! models. Only `find` looks at the disk. Nothing here keeps a secret or starts a process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::registry::name::ServerName;
use crate::registry::spec::{Launch, Sharing, Spec, SpecPatch};
use crate::registry::template::Reference;

pub mod diff;
pub mod environ;
pub mod find;
pub mod finding;
pub mod launch;
pub mod mask;
pub mod name;
pub mod parse;
pub mod skills;
pub mod spec;
pub mod template;
pub mod tree;
pub mod wanted;

/// A registry without mistakes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// In the order of the file.
    pub servers: Vec<Server>,
    /// Other names to try for an environment variable, in order; the built-in ones and those of the file.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// What clients may do without asking, by target.
    pub permissions: BTreeMap<String, Permissions>,
    /// What `${repo}` is: `X` for `X/mcp/context/registry.yaml`, else `~/workspace`.
    pub root: PathBuf,
    pub file: PathBuf,
}

/// One client's part of `platform_permissions`, in that client's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    pub allow: Vec<String>,
    pub ask: Vec<String>,
    pub deny: Vec<String>,
    pub additional_directories: Vec<String>,
    pub default_mode: Option<String>,
}

/// One MCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub name: ServerName,
    /// In lower case.
    pub categories: Vec<String>,
    /// Never started, never listed.
    pub disabled: bool,
    /// Its failure does not make loom as a whole unhealthy.
    pub optional: bool,
    /// Higher comes first where not all tools fit; default 0.
    pub priority: i64,
    base: Spec,
    targets: BTreeMap<String, SpecPatch>,
}

impl Registry {
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name.as_str() == name)
    }

    /// Every environment variable that some server may want: of `${env:…}`, their aliases and `env_pass`.
    pub fn env_names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for server in &self.servers {
            for template in server.templates() {
                names.extend(template::references(template).into_iter().filter_map(|found| match found {
                    Reference::Env(name) => Some(name),
                    Reference::Secret(_) => None,
                }));
            }
            names.extend(server.base.env_pass.iter().map(String::as_str));
            names.extend(
                server.targets.values().flat_map(|patch| patch.env_pass.iter().flatten()).map(String::as_str),
            );
        }
        let aliases: Vec<&str> =
            names.iter().filter_map(|name| self.aliases.get(*name)).flatten().map(String::as_str).collect();
        names.extend(aliases);
        names
    }
}

impl Server {
    /// A server with the same spec for every target.
    pub fn new(name: ServerName, base: Spec) -> Self {
        Server {
            name,
            categories: Vec::new(),
            disabled: false,
            optional: false,
            priority: 0,
            base,
            targets: BTreeMap::new(),
        }
    }

    /// What `target` gets: the common spec with the target's differences over it. `None` is the common spec.
    pub fn spec_for(&self, target: Option<&str>) -> Spec {
        match target.and_then(|target| self.targets.get(target)) {
            Some(patch) => self.base.patched(patch),
            None => self.base.clone(),
        }
    }

    /// Whether some target shares it in this way.
    pub fn shares(&self, sharing: Sharing) -> bool {
        let patched = self.targets.values().filter_map(|patch| patch.sharing);
        !self.disabled && patched.chain([self.base.sharing]).any(|own| own == sharing)
    }

    /// The targets that differ from the common spec.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.keys().map(String::as_str)
    }

    /// Every text of this server that may hold templates.
    fn templates(&self) -> Vec<&str> {
        let mut texts: Vec<&str> = Vec::new();
        match &self.base.launch {
            Launch::Command { command, args } => {
                texts.extend(std::iter::once(command).chain(args).map(String::as_str))
            }
            Launch::Builtin { args, .. } => texts.extend(args.iter().map(String::as_str)),
            Launch::Url { url } => texts.push(url),
        }
        let base = &self.base;
        texts.extend(base.env.values().chain(base.headers.values()).chain(&base.cwd).map(String::as_str));
        for patch in self.targets.values() {
            texts.extend(patch.start.iter().map(|start| start.text()));
            texts.extend(
                patch
                    .args
                    .iter()
                    .flatten()
                    .chain(patch.env.values())
                    .chain(patch.headers.values())
                    .chain(&patch.cwd)
                    .map(String::as_str),
            );
        }
        texts
    }
}
