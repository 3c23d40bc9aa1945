//! Which servers of a registry need which secrets and variables, and which of these are missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::out::{Out, Paint};
use crate::registry::environ::looks_secret;
use crate::registry::launch::{LaunchError, resolve};
use crate::registry::template::{Missing, Scope, Why};
use crate::registry::wanted::wanted;
use crate::registry::{Registry, Server};
use crate::secret::Secret;
use crate::secrets::chain::Found;

/// A server that cannot start in this shell's environment.
#[derive(Debug, PartialEq, Eq)]
pub struct Lack {
    pub server: String,
    pub optional: bool,
    pub text: String,
    /// A command that mends it.
    pub hint: Option<String>,
}

/// The servers that use each secret, by the secret's name. What `env` has no server asks for.
pub fn users(registry: &Registry, env: &BTreeMap<String, String>) -> BTreeMap<String, Vec<String>> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let variable = |name: &str| env.get(name).cloned();
    for server in registry.servers.iter().filter(|server| !server.disabled) {
        let names = specs(server).flat_map(|spec| wanted(&spec, &registry.aliases, &variable));
        for name in names.collect::<BTreeSet<String>>() {
            users.entry(name).or_default().push(server.name.to_string());
        }
    }
    users
}

/// What is missing for the servers, given what was `found` of what they want.
pub fn lacks(registry: &Registry, env: &BTreeMap<String, String>, found: &Found, home: &Path) -> Vec<Lack> {
    let variable = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
    let secret = |name: &str| variable(name).map(Secret::new).or_else(|| found.value(name).cloned());
    let scope = Scope {
        env: &variable,
        secret: &secret,
        aliases: &registry.aliases,
        home,
        repo: &registry.root,
        workspace: Some(&registry.root),
    };
    let mut lacks = Vec::new();
    for server in registry.servers.iter().filter(|server| !server.disabled) {
        let mut all: Vec<Missing> = Vec::new();
        for spec in specs(server) {
            if let Err(LaunchError::Missing { missing, .. }) =
                resolve(server, &spec, registry, &scope, Path::new("loom"))
            {
                all.extend(missing.into_iter().filter(|new| !all.contains(new)).collect::<Vec<_>>());
            }
        }
        lacks.extend(all.iter().map(|missing| lack(server, missing, found)));
    }
    lacks
}

fn lack(server: &Server, missing: &Missing, found: &Found) -> Lack {
    let trouble = found.troubles.first().filter(|_| missing.why == Why::NoSecret);
    let why = trouble.map(|trouble| format!("; {}", trouble.text)).unwrap_or_default();
    let (text, hint) = (format!("{missing}{why}"), mend(missing, found));
    Lack { server: server.name.to_string(), optional: server.optional, text, hint }
}

/// A command that gives what is missing, or what else a person can do.
pub fn mend(missing: &Missing, found: &Found) -> Option<String> {
    let set = || Some(format!("loom secrets set {}", missing.name));
    let trouble = found.troubles.first().filter(|_| missing.why == Why::NoSecret);
    match missing.why {
        Why::NoSecret => trouble.and_then(|trouble| trouble.hint.clone()).or_else(set),
        Why::NotSet if looks_secret(&missing.name) => set(),
        Why::NotSet => Some(format!("export {}=…, then `loom start`", missing.name)),
        Why::Visible => Some("put it into `env` of the server".into()),
        Why::NoWorkspace | Why::BadTemplate => None,
    }
}

fn specs(server: &Server) -> impl Iterator<Item = crate::registry::spec::Spec> {
    server.targets().map(Some).chain([None]).map(|target| server.spec_for(target))
}

/// A line for each server and value that it lacks, and below it what mends that.
pub fn render_lacks(lacks: &[Lack], out: &mut Out) {
    for lack in lacks {
        let paint = if lack.optional { Paint::Warn } else { Paint::Bad };
        out.line(format!("{}  {}", out.paint(paint, &format!("{:8}", lack.server)), lack.text));
        if let Some(hint) = &lack.hint {
            out.line(out.paint(Paint::Dim, &format!("{:10}{hint}", "")));
        }
    }
}

pub fn lacks_json(lacks: &[Lack]) -> Value {
    let lack = |lack: &Lack| json!({ "server": lack.server, "optional": lack.optional, "text": lack.text, "hint": lack.hint });
    lacks.iter().map(lack).collect()
}
