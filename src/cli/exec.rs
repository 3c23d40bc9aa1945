//! `loom exec`: one server of the registry in place of this process. What a client that starts servers by itself is
//! given where it cannot say something in its own file.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::cli::Ending;
use crate::cli::args::ExecArgs;
use crate::cli::context::Context;
use crate::cli::registry::{read, refuse_errors};
use crate::cli::secrets::{Desk, needs};
use crate::daemon::environment::Environment;
use crate::fault::{Explain, Fault, Kind, Plain};
use crate::nearest::nearest;
use crate::paths::Paths;
use crate::registry::environ::child_env;
use crate::registry::find::{Found as File, for_service};
use crate::registry::launch::{LaunchError, Resolved, resolve};
use crate::registry::spec::Spec;
use crate::registry::template::Scope;
use crate::registry::wanted::wanted;
use crate::registry::{Registry, Server};
use crate::secret::Secret;
use crate::secrets::chain::{self, Found};
use crate::upstream::child::{Launch, runnable};

/// Returns only when it fails.
pub fn run(args: ExecArgs, context: Context) -> Result<Ending, Fault> {
    let flag = args.registry.as_deref().map(|path| context.absolute(path));
    let file = for_service(flag.as_deref(), &context.paths)?;
    let registry = refuse_errors(read(&file, context.paths.home())?, &context.show(&file.path))?;
    let server = server(&args.name, &registry, &file, &context)?;
    let spec = server.spec_for(args.agent_hint.as_deref());
    let launch = launch(server, &spec, &registry, Desk::open(context)?)?;
    let program = runnable(&launch).map_err(|error| unavailable(server, &error).hint("loom check"))?;
    let mut command = Command::new(program);
    command.args(&launch.args).env_clear();
    command.envs(launch.env.iter().map(|(name, value)| (name, value.expose())));
    command.current_dir(launch.cwd.unwrap_or_else(|| "/".into()));
    let error = command.exec();
    Err(unavailable(server, &format!("cannot start it: {error}")).into())
}

fn unavailable(server: &Server, why: &dyn std::fmt::Display) -> Plain {
    Plain::new(Kind::Unavailable, format!("server `{}`: {why}", server.name))
}

fn server<'r>(
    name: &str,
    registry: &'r Registry,
    file: &File,
    context: &Context,
) -> Result<&'r Server, Plain> {
    let shown = context.show(&file.path);
    let Some(server) = registry.server(name) else {
        let names = registry.servers.iter().map(|server| server.name.as_str());
        let near = nearest(name, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let text = format!("there is no server `{name}` in {shown}{near}");
        return Err(Plain::new(Kind::Usage, text).hint("loom check"));
    };
    match server.disabled {
        true => Err(Plain::new(Kind::Config, format!("server `{name}` is disabled in {shown}"))
            .hint(format!("loom enable {name}"))),
        false => Ok(server),
    }
}

/// What is to be started, with nothing left to look up.
fn launch(server: &Server, spec: &Spec, registry: &Registry, desk: Desk) -> Result<Launch, Fault> {
    let Desk { context, place, env } = desk;
    let env = completed(env, &context.paths);
    let variable = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
    let names = wanted(spec, &registry.aliases, &variable);
    let found = if names.is_empty() { Found::default() } else { chain::find(&place, &names) };
    let secret = |name: &str| variable(name).map(Secret::new).or_else(|| found.value(name).cloned());
    let scope = Scope {
        env: &variable,
        secret: &secret,
        aliases: &registry.aliases,
        home: context.paths.home(),
        repo: &registry.root,
        workspace: Some(&context.cwd),
    };
    match resolve(server, spec, registry, &scope, &place.exe).map_err(|error| missing(error, &found))? {
        Resolved::Process(ready) => Ok(Launch {
            program: ready.program.into(),
            args: ready.args.into_iter().map(Into::into).collect(),
            env: child_env(&env, spec, ready.env),
            cwd: Some(ready.cwd.unwrap_or(context.cwd)),
        }),
        Resolved::Elsewhere(_) => {
            let text = format!("server `{}` is not a program: it is reached over HTTP", server.name);
            Err(Plain::new(Kind::Usage, text).hint("loom proxy").into())
        }
    }
}

/// This process's own environment goes first. What it lacks, a client's often does: what the last `loom start` recorded.
fn completed(mut own: BTreeMap<String, String>, paths: &Paths) -> BTreeMap<String, String> {
    let recorded = Environment::new(own.clone(), false, paths).values;
    let folders = |env: &BTreeMap<String, String>| -> Vec<String> {
        let path = env.get("PATH").map(String::as_str).unwrap_or_default();
        path.split(':').filter(|folder| !folder.is_empty()).map(str::to_owned).collect()
    };
    let mut path = folders(&own);
    let more: Vec<String> = folders(&recorded).into_iter().filter(|folder| !path.contains(folder)).collect();
    path.extend(more);
    for (name, value) in recorded {
        own.entry(name).or_insert(value);
    }
    own.insert("PATH".into(), path.join(":"));
    own
}

fn missing(error: LaunchError, found: &Found) -> Fault {
    let hint = match &error {
        LaunchError::Missing { missing, .. } => {
            missing.iter().find_map(|missing| needs::mend(missing, found))
        }
        _ => Some("loom check".into()),
    };
    let plain = Plain::new(error.kind(), error.to_string());
    hint.into_iter().fold(plain, Plain::hint).into()
}
