//! The servers of the registry: whether what each needs is on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::engines::Engines;
use super::trouble::{Trouble, word};
use crate::cli::context::Context;
use crate::cli::secrets::needs::{self, Lack};
use crate::file::{find_program, is_executable};
use crate::registry::environ::looks_secret;
use crate::registry::launch::{Ready, Resolved, resolve};
use crate::registry::template::Scope;
use crate::registry::{Registry, Server};
use crate::secret::Secret;
use crate::secrets::chain::Found;

/// What servers need, as this shell has it.
pub struct Needs<'a> {
    pub context: &'a Context,
    pub registry: &'a Registry,
    /// This shell's variables.
    pub env: &'a BTreeMap<String, String>,
    /// What was found of the secrets that servers want.
    pub found: &'a Found,
}

impl Needs<'_> {
    pub fn look(&self, troubles: &mut Vec<Trouble>) {
        let mut engines = Engines::default();
        for server in self.registry.servers.iter().filter(|server| !server.disabled) {
            if let Some(ready) = self.ready(server) {
                self.command(server, &ready, troubles);
                self.folder(server, &ready, troubles);
                troubles.extend(self.engines(server, &ready, &mut engines));
            }
        }
        engines.look(troubles);
        self.only_in_this_shell(troubles);
        for trouble in &self.found.troubles {
            let fix = trouble.hint.clone().unwrap_or_else(|| "loom secrets doctor".into());
            troubles.push(Trouble::warning("secrets", "", trouble.text.clone()).advice(fix));
        }
    }

    /// What is started for a server; what it lacks counts as empty, and is told of elsewhere.
    fn ready(&self, server: &Server) -> Option<Ready> {
        let variable = |name: &str| Some(self.env.get(name).cloned().unwrap_or_default());
        let secret = |name: &str| variable(name).map(Secret::new);
        let scope = Scope {
            env: &variable,
            secret: &secret,
            aliases: &self.registry.aliases,
            home: self.context.paths.home(),
            repo: &self.registry.root,
            workspace: Some(&self.registry.root),
        };
        match resolve(server, &server.spec_for(None), self.registry, &scope, Path::new("loom")) {
            Ok(Resolved::Process(ready)) => Some(ready),
            Ok(Resolved::Elsewhere(_)) | Err(_) => None,
        }
    }

    fn command(&self, server: &Server, ready: &Ready, troubles: &mut Vec<Trouble>) {
        let Some(text) = self.cannot_run(ready) else { return };
        let name = server.name.as_str();
        let trouble = match server.optional {
            true => Trouble::warning("server_command", name, text),
            false => Trouble::error("server_command", name, text),
        };
        troubles.push(trouble.command(["loom", "disable", name]));
    }

    /// Why a server's program cannot be run.
    fn cannot_run(&self, ready: &Ready) -> Option<String> {
        let program = Path::new(&ready.program);
        // A built-in server is this program.
        if ready.program == "loom" {
            return None;
        }
        if program.components().count() > 1 {
            let full = ready.cwd.clone().unwrap_or_else(|| PathBuf::from("/")).join(program);
            return match (full.is_file(), is_executable(&full)) {
                (true, true) => None,
                (true, false) => Some(format!("its command {} cannot be executed", self.context.show(&full))),
                (false, _) => Some(format!("its command {} is not there", self.context.show(&full))),
            };
        }
        let own = ready.env.get("PATH").map(|path| path.expose().clone());
        let path = own.or_else(|| self.env.get("PATH").cloned()).unwrap_or_default();
        let found = find_program(program, &path);
        found
            .is_none()
            .then(|| format!("its command `{}` is not on PATH; install it, or go without", ready.program))
    }

    fn folder(&self, server: &Server, ready: &Ready, troubles: &mut Vec<Trouble>) {
        let Some(cwd) = ready.cwd.as_deref().filter(|cwd| !cwd.is_dir()) else { return };
        let text = format!("its folder {} is not there", self.context.show(cwd));
        let fix = ["mkdir", "-p", &word(cwd)];
        troubles.push(Trouble::error("server_folder", server.name.as_str(), text).command(fix));
    }

    /// Docker and Kubernetes, where a server works with them.
    fn engines(&self, server: &Server, ready: &Ready, engines: &mut Engines) -> Option<Trouble> {
        let variable = |name: &str| {
            let own = ready.env.get(name).map(|value| value.expose().clone());
            own.or_else(|| self.env.get(name).cloned()).filter(|value| !value.is_empty())
        };
        let is_told = ready.env.contains_key("KUBECONFIG");
        engines.add(
            server.name.as_str(),
            Path::new(&ready.program),
            is_told,
            self.context.paths.home(),
            variable,
        )
    }

    /// A daemon that a client starts from the desktop does not have this shell's secrets.
    fn only_in_this_shell(&self, troubles: &mut Vec<Trouble>) {
        for (name, servers) in needs::users(self.registry, &BTreeMap::new()) {
            let here = self.env.get(&name).is_some_and(|value| !value.is_empty());
            if !here || !looks_secret(&name) || self.found.value(&name).is_some() {
                continue;
            }
            let text = format!(
                "only this shell has it, and {} need it: a client that is started from the desktop, or a service, does not",
                servers.join(", ")
            );
            troubles
                .push(Trouble::warning("shell_only", &name, text).command(["loom", "secrets", "set", &name]));
        }
    }
}

/// A value that a server lacks.
pub fn lacking(lack: &Lack) -> Trouble {
    let trouble = Trouble::warning("secrets", &lack.server, lack.text.clone());
    match &lack.hint {
        Some(hint) => match hint.strip_prefix("loom secrets set ") {
            Some(name) => trouble.command(["loom", "secrets", "set", name]),
            None => trouble.advice(hint),
        },
        None => trouble,
    }
}
