//! The way into loom for each client, or past it: which registry, which program, which mode.

use std::path::PathBuf;

use crate::cli::context::Context;
use crate::cli::registry::{read, refuse_errors};
use crate::fault::{Fault, Kind, Plain};
use crate::registry::Registry;
use crate::registry::find::{Found, Source as From, for_service};
use crate::settings::process_env;
use crate::sync::direct::{Source, direct};
use crate::sync::state::Manifest;
use crate::sync::target::{Door, Leave, Target};

/// What stands in the clients' files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// What the client had last; a new one gets loom.
    AsBefore,
    /// The one entry of loom.
    Loom,
    /// Each server.
    Direct,
}

impl Mode {
    pub fn of(loom: bool, no_loom: bool) -> Result<Self, Plain> {
        match (loom, no_loom) {
            (true, true) => Err(Plain::new(Kind::Usage, "--loom-mode and --no-loom-mode do not go together")),
            (true, false) => Ok(Mode::Loom),
            (false, true) => Ok(Mode::Direct),
            (false, false) => Ok(Mode::AsBefore),
        }
    }
}

pub struct Doors {
    binary: String,
    socket: Option<String>,
    home: PathBuf,
    mode: Mode,
    /// Its path, where it is not the daemon's.
    flag: Option<String>,
    registry: Option<Registry>,
}

impl Doors {
    /// Reads the registry `found`; in loom-mode it need not be there.
    pub fn load(context: &Context, found: &Found, mode: Mode) -> Result<Self, Fault> {
        let shown = context.show(&found.path);
        let needed = found.source == From::Flag || mode == Mode::Direct;
        let registry = match needed || found.path.exists() {
            true => Some(refuse_errors(read(found, context.paths.home())?, &shown)?),
            false => None,
        };
        let usual = process_env()("LOOM_SOCKET").is_none() && context.socket == context.settings.socket;
        let socket = (!usual).then(|| context.socket.display().to_string());
        let own = for_service(None, &context.paths)?.path;
        let flag = (own != found.path).then(|| found.path.display().to_string());
        let home = context.paths.home().to_owned();
        let binary = context.program()?.display().to_string();
        Ok(Doors { binary, socket, home, mode, flag, registry })
    }

    /// `manifest` says what the client had last.
    pub fn door(&self, target: &Target, manifest: &Manifest) -> Door {
        let leave = self.registry.as_ref().map(|registry| Leave::of(registry, target.name));
        let leave = leave.unwrap_or_default();
        let is_direct = match self.mode {
            Mode::AsBefore => manifest.is_direct(target.name),
            Mode::Loom => false,
            Mode::Direct => true,
        };
        let direct = self.registry.as_ref().filter(|_| is_direct).map(|registry| {
            let source =
                Source { registry, binary: &self.binary, home: &self.home, flag: self.flag.as_deref() };
            direct(&source, target, &leave)
        });
        Door { binary: self.binary.clone(), socket: self.socket.clone(), leave, direct }
    }
}
