//! From a registry entry to a process that can be started: templates are resolved here, just before each start.

use super::switch::{Context, Switch};
use crate::registry::Server;
use crate::registry::environ;
use crate::registry::launch::{self, LaunchError};
use crate::registry::spec::Spec;
use crate::registry::template::Scope;
use crate::registry::template::Why;
use crate::upstream::child::{Launch, SpawnError};
use crate::upstream::life::Trouble;

/// Resolves everything a start needs, or says by name what is missing.
pub fn resolve(switch: &Switch, server: &Server, spec: &Spec) -> Result<Launch, Trouble> {
    let registry = &switch.loaded.registry;
    let values = &switch.environment.values;
    let env = |name: &str| values.get(name).filter(|value| !value.is_empty()).cloned();
    let scope = Scope {
        env: &env,
        aliases: &registry.aliases,
        home: switch.context.paths.home(),
        repo: &registry.root,
        workspace: Some(&registry.root),
    };
    let ready = launch::resolve(server, spec, registry, &scope, &switch.context.exe)
        .map_err(|error| Trouble { hint: missing_hint(switch, &error), ..Trouble::new(error.to_string()) })?;
    let env = environ::child_env(values, spec, ready.env);
    Ok(Launch {
        program: ready.program.into(),
        args: ready.args.into_iter().map(Into::into).collect(),
        env,
        cwd: ready.cwd,
    })
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
