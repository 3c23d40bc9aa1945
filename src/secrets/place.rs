//! Everything that says where this user's secrets are, and what opens them. Can be sent to another thread.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fault::{Explain, Kind};
use crate::paths::Paths;
use crate::secret::Secret;
use crate::secrets::wrap::Cache;

/// The variables with the keys of the encrypted file. Servers never get them, whatever the registry says.
pub const MASTER_KEY: &str = "LOOM_MASTER_KEY";
pub const PASSPHRASE: &str = "LOOM_PASSPHRASE";

/// What a keychain and the 1Password program need of the environment, and names that begin with `OP_`.
const NEEDED: [&str; 13] = [
    "HOME",
    "USER",
    "LOGNAME",
    "PATH",
    "LANG",
    "TMPDIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
];

#[derive(Clone)]
pub struct Place {
    pub paths: Paths,
    /// loom's own binary: it is also the program that talks to the keychain.
    pub exe: PathBuf,
    /// The 1Password vault, when one is configured.
    pub vault: Option<String>,
    /// The environment of programs that are asked.
    pub variables: BTreeMap<String, String>,
    pub keys: Keys,
    pub cache: Arc<Cache>,
}

/// What a person chose to protect the encrypted file with, as far as it is known here.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    pub master: Option<Secret<String>>,
    pub passphrase: Option<Secret<String>>,
}

impl Keys {
    /// Takes the keys out of `env`, so that nobody else finds them there.
    pub fn take(env: &mut BTreeMap<String, String>) -> Keys {
        let mut take = |name: &str| env.remove(name).filter(|value| !value.is_empty()).map(Secret::new);
        Keys { master: take(MASTER_KEY), passphrase: take(PASSPHRASE) }
    }

    /// Newer ones win.
    pub fn adopt(&mut self, newer: Keys) {
        self.master = newer.master.or(self.master.take());
        self.passphrase = newer.passphrase.or(self.passphrase.take());
    }
}

impl Place {
    pub fn new(
        paths: Paths,
        exe: PathBuf,
        vault: Option<String>,
        env: &BTreeMap<String, String>,
        keys: Keys,
        cache: Arc<Cache>,
    ) -> Self {
        let needed = |name: &String| NEEDED.contains(&name.as_str()) || name.starts_with("OP_");
        let variables = env.iter().filter(|(name, _)| needed(name));
        let variables = variables.map(|(name, value)| (name.clone(), value.clone())).collect();
        Place { paths, exe, vault, variables, keys, cache }
    }
}

/// The secrets of this home are somebody else's.
#[derive(Debug, thiserror::Error)]
pub enum NotYours {
    #[error("{path} belongs to user {owner}, and you are user {me}: secrets are shown to their owner only")]
    Owner { path: String, owner: u32, me: u32 },
    #[error("{path} is closed to you (user {me}): secrets are shown to their owner only")]
    Closed { path: String, me: u32 },
}

impl Explain for NotYours {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }
}

/// Refuses a home of another user, also to root: what root wrote there its owner could not read.
pub fn check_owner(paths: &Paths) -> Result<(), NotYours> {
    let me = rustix::process::geteuid().as_raw();
    for path in [paths.home().to_owned(), paths.config_dir(), paths.secrets_file()] {
        let shown = || path.display().to_string();
        match std::fs::metadata(&path) {
            // A home may be root's, as in a container; what is in it may not.
            Ok(found) if found.uid() != me && path != paths.home() => {
                return Err(NotYours::Owner { path: shown(), owner: found.uid(), me });
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(NotYours::Closed { path: shown(), me });
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// A core file of this process would have secrets in it: there shall be none.
pub fn forbid_core_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Core).maximum;
    // A limit can always be lowered.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
}

/// Who else may use a file: the permission bits of group and others.
pub fn others_mode(path: &Path) -> std::io::Result<u32> {
    Ok(std::fs::metadata(path)?.mode() & 0o077)
}
