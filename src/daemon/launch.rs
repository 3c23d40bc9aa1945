//! From a registry entry to a process that can be started: templates are resolved here, just before each start.

use std::path::PathBuf;

use serde_json::value::RawValue;

use super::switch::{Context, Switch};
use crate::registry::Server;
use crate::registry::environ;
use crate::registry::launch::{self, Address, LaunchError, Resolved};
use crate::registry::spec::Spec;
use crate::registry::template::Scope;
use crate::registry::template::Why;
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
pub fn resolve(switch: &Switch, server: &Server, spec: &Spec, scope: &Whom) -> Result<Start, Trouble> {
    let registry = &switch.loaded.registry;
    let values = &switch.environment.values;
    let env = |name: &str| values.get(name).filter(|value| !value.is_empty()).cloned();
    let folder = match scope {
        Whom::Workspace(roots) => first_root(roots),
        Whom::Everybody | Whom::Client(_) => None,
    };
    let scope = Scope {
        env: &env,
        aliases: &registry.aliases,
        home: switch.context.paths.home(),
        repo: &registry.root,
        workspace: Some(folder.as_deref().unwrap_or(&registry.root)),
    };
    let ready = launch::resolve(server, spec, registry, &scope, &switch.context.exe)
        .map_err(|error| Trouble { hint: missing_hint(switch, &error), ..Trouble::new(error.to_string()) })?;
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

/// How to mend what is missing, where a person can.
fn missing_hint(switch: &Switch, error: &LaunchError) -> Option<String> {
    let LaunchError::Missing { missing, .. } = error else { return Some("loom check".into()) };
    let unset = missing.iter().find(|missing| missing.why == Why::NotSet)?;
    let secret = environ::looks_secret(&unset.name);
    Some(switch.environment.hint(&switch.context.started_by, secret))
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
