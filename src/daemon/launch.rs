//! From a registry entry to a process that can be started: templates are resolved here, just before each start.

use std::path::PathBuf;

use serde_json::value::RawValue;

use super::secrets;
use super::switch::{Context, Switch};
use crate::registry::Server;
use crate::registry::environ;
use crate::registry::launch::{self, Address, LaunchError, Resolved};
use crate::registry::spec::Spec;
use crate::registry::template::Scope;
use crate::registry::template::Why;
use crate::secret::Secret;
use crate::secrets::chain::Found;
use crate::upstream::child::{Launch, SpawnError};
use crate::upstream::instance::Scope as Whom;
use crate::upstream::life::Trouble;
use crate::wire::scan;

/// What begins a life.
pub enum Start {
    Process(Launch),
    Elsewhere(Address),
}

/// Resolves everything a start needs, or says by name what is missing.
pub fn resolve(
    switch: &Switch,
    server: &Server,
    spec: &Spec,
    scope: &Whom,
    found: &Found,
) -> Result<Start, Trouble> {
    let registry = &switch.loaded.registry;
    let values = &switch.environment.values;
    let env = |name: &str| switch.variable(name);
    let secret = |name: &str| env(name).map(Secret::new).or_else(|| found.value(name).cloned());
    let folder = match scope {
        Whom::Workspace(roots) => first_root(roots),
        Whom::Everybody | Whom::Client(_) => None,
    };
    let scope = Scope {
        env: &env,
        secret: &secret,
        aliases: &registry.aliases,
        home: switch.context.paths.home(),
        repo: &registry.root,
        workspace: Some(folder.as_deref().unwrap_or(&registry.root)),
    };
    let ready = launch::resolve(server, spec, registry, &scope, &switch.context.exe)
        .map_err(|error| trouble(switch, &error, found))?;
    let ready = match ready {
        Resolved::Process(ready) => ready,
        Resolved::Elsewhere(address) => return Ok(Start::Elsewhere(address)),
    };
    let env = environ::child_env(values, spec, ready.env);
    Ok(Start::Process(Launch {
        program: ready.program.into(),
        args: ready.args.into_iter().map(Into::into).collect(),
        env,
        cwd: ready.cwd,
    }))
}

/// The folder of the first root in a result of `roots/list`.
fn first_root(roots: &str) -> Option<PathBuf> {
    let roots: Vec<&RawValue> = serde_json::from_str(scan::find(roots, &["roots"])?).ok()?;
    let uri = scan::find_text(roots.first()?.get(), &["uri"])?;
    let path = uri.strip_prefix("file://")?;
    Some(percent_encoding::percent_decode_str(path).decode_utf8().ok()?.into_owned().into())
}

/// What is missing, and how to mend it, where a person can.
fn trouble(switch: &Switch, error: &LaunchError, found: &Found) -> Trouble {
    let text = format!("{error}{}", secrets::troubles(error, found));
    let hint = secrets::hint(error, found).or_else(|| missing_hint(switch, error));
    Trouble { hint, ..Trouble::new(text) }
}

fn missing_hint(switch: &Switch, error: &LaunchError) -> Option<String> {
    let LaunchError::Missing { missing, .. } = error else { return Some("loom check".into()) };
    let first = |why: Why| missing.iter().find(|missing| missing.why == why);
    if first(Why::Visible).is_some() {
        return Some("put it into `env` of the server, which nobody else can read".into());
    }
    let unset = first(Why::NotSet)?;
    let secret = environ::looks_secret(&unset.name);
    let hint = switch.environment.hint(&switch.context.started_by, secret);
    Some(if secret { format!("{hint}, or `loom secrets set {}`", unset.name) } else { hint })
}

/// What a person can do about a process that cannot be started.
pub fn hint(context: &Context, error: &SpawnError) -> String {
    match error {
        SpawnError::NotFound { .. } => {
            format!(
                "install it, or run `loom start` in a shell that finds it (started by {})",
                context.started_by
            )
        }
        SpawnError::NotExecutable { .. } | SpawnError::NoFolder { .. } | SpawnError::Io(_) => {
            "loom check".into()
        }
    }
}
