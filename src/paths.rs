//! Where loom's own files are. Everything hangs off `$HOME`; nothing here touches the disk.

use std::path::{Path, PathBuf};

use crate::fault::{Explain, Kind};

/// The longest path a unix socket may have (`sun_path` is 104 bytes on macOS, 108 on Linux, with a NUL).
pub const SOCKET_PATH_MAX: usize = if cfg!(target_os = "macos") { 103 } else { 107 };

/// The folders and files of one user.
#[derive(Clone, Debug)]
pub struct Paths {
    home: PathBuf,
}

/// `$HOME` is missing, or a socket path is too long.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    #[error("HOME is not set to an absolute path")]
    NoHome,
    #[error("the socket path {} is {len} bytes long, more than the {max} that the system allows", path.display())]
    SocketTooLong { path: PathBuf, len: usize, max: usize },
}

impl Explain for PathError {
    fn kind(&self) -> Kind {
        Kind::Config
    }

    fn hint(&self) -> Option<String> {
        match self {
            PathError::NoHome => None,
            PathError::SocketTooLong { .. } => Some("LOOM_SOCKET=/tmp/loom.sock loom start".into()),
        }
    }
}

impl Paths {
    /// Paths below `home`, which must be absolute.
    pub fn new(home: Option<PathBuf>) -> Result<Self, PathError> {
        match home {
            Some(home) if home.is_absolute() => Ok(Paths { home }),
            _ => Err(PathError::NoHome),
        }
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// `~/.config/loom`, mode 0700.
    pub fn config_dir(&self) -> PathBuf {
        self.home.join(".config/loom")
    }

    /// `~/.config/loom/config.toml`: the settings.
    pub fn config_file(&self) -> PathBuf {
        self.config_dir().join("config.toml")
    }

    /// `~/.config/loom/registry.yaml`: the home registry.
    pub fn registry_file(&self) -> PathBuf {
        self.config_dir().join("registry.yaml")
    }

    /// `~/.config/loom/loomd.lock`: held for life by the one daemon.
    pub fn lock_file(&self) -> PathBuf {
        self.config_dir().join("loomd.lock")
    }

    /// `~/.config/loom/state`: what loom keeps between runs.
    pub fn state_dir(&self) -> PathBuf {
        self.config_dir().join("state")
    }

    /// One file a server: the tools it last listed.
    pub fn catalog_dir(&self) -> PathBuf {
        self.state_dir().join("catalog")
    }

    /// Present after a person's `loom stop`, until `loom start`.
    pub fn stopped_marker(&self) -> PathBuf {
        self.state_dir().join("stopped")
    }

    /// The registry that `loom registry use` chose: one line, an absolute path.
    pub fn registry_choice(&self) -> PathBuf {
        self.state_dir().join("registry-choice")
    }

    /// PATH and the like as a person's shell had them at the last `loom start`.
    pub fn environment_file(&self) -> PathBuf {
        self.state_dir().join("environment.json")
    }

    /// The encrypted secrets.
    pub fn secrets_file(&self) -> PathBuf {
        self.config_dir().join("secrets.enc")
    }

    /// `~/.local/share/loom/secrets.key`: what opens the encrypted secrets where nothing better does. In another tree.
    pub fn secrets_key(&self) -> PathBuf {
        self.share_dir().join("secrets.key")
    }

    /// `~/.local/share/loom`.
    pub fn share_dir(&self) -> PathBuf {
        self.home.join(".local/share/loom")
    }

    /// Held by whoever changes secrets.
    pub fn secrets_lock(&self) -> PathBuf {
        self.state_dir().join("secrets.lock")
    }

    /// The names of the secrets that loom put into the keychain, which cannot be asked for them everywhere.
    pub fn keychain_names(&self) -> PathBuf {
        self.state_dir().join("keychain-names.json")
    }

    /// Where `scripts/install.sh` put the program: one line, an absolute path.
    pub fn binary_file(&self) -> PathBuf {
        self.state_dir().join("binary")
    }

    /// Every file that `scripts/install.sh` made: a line each, absolute paths.
    pub fn installed_file(&self) -> PathBuf {
        self.state_dir().join("installed")
    }

    /// What `loom sync` remembers, and its history.
    pub fn sync_dir(&self) -> PathBuf {
        self.state_dir().join("sync")
    }

    pub fn logs_dir(&self) -> PathBuf {
        self.config_dir().join("logs")
    }

    pub fn daemon_log(&self) -> PathBuf {
        self.logs_dir().join("daemon.log")
    }

    pub fn daemon_err(&self) -> PathBuf {
        self.logs_dir().join("daemon.err")
    }

    /// A log for each server.
    pub fn server_logs(&self) -> PathBuf {
        self.logs_dir().join("servers")
    }

    /// Size-rotated standard error of one server.
    pub fn server_log(&self, server: &str) -> PathBuf {
        self.server_logs().join(format!("{server}.log"))
    }
}

/// Refuses a socket path that `bind` would refuse with a worse message.
pub fn check_socket(path: &Path) -> Result<(), PathError> {
    let len = path.as_os_str().len();
    if len > SOCKET_PATH_MAX {
        return Err(PathError::SocketTooLong { path: path.into(), len, max: SOCKET_PATH_MAX });
    }
    Ok(())
}

/// `path` with the home folder written as `~`, for messages.
pub fn tilde(path: &Path, home: &Path) -> String {
    match path.strip_prefix(home) {
        Ok(rest) => format!("~/{}", rest.display()),
        Err(_) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_home_is_refused() {
        assert!(Paths::new(Some("x".into())).is_err());
        assert!(Paths::new(None).is_err());
    }

    #[test]
    fn a_long_socket_path_is_named_with_both_lengths() {
        let path = PathBuf::from(format!("/{}", "x".repeat(200)));
        let text = check_socket(&path).unwrap_err().to_string();
        assert!(text.contains("201 bytes") && text.contains(&SOCKET_PATH_MAX.to_string()), "{text}");
    }
}
