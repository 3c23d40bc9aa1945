//! What most verbs need: paths, settings, the socket, and a connection to the daemon that serves it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::fault::{Fault, Kind, Plain};
use crate::file::{self, private_dir};
use crate::link::client::Client;
use crate::link::connect::{ConnectError, hello};
use crate::link::holder::{Holder, holder};
use crate::link::start::{own_executable, spawn_daemon};
use crate::paths::{Paths, check_socket, tilde};
use crate::settings::{Settings, SettingsError, process_env, unreadable_variables};
use crate::wire::hello::Role;

/// How long a running daemon may take to answer a hello or a question about itself.
pub const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// How long a new daemon may take to be ready.
pub const READY_WAIT: Duration = Duration::from_secs(15);

/// How long another daemon, which holds the lock, may take to serve or to end.
const GIVE_WAY_WAIT: Duration = Duration::from_secs(3);

/// How often that is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Where a command runs.
#[derive(Clone)]
pub struct Context {
    pub paths: Paths,
    pub settings: Settings,
    /// Absolute.
    pub socket: PathBuf,
    pub cwd: PathBuf,
}

impl Context {
    /// Reads the settings; `socket` is `--socket`.
    pub fn load(socket: Option<&Path>) -> Result<Context, Fault> {
        match Self::lenient(socket)? {
            (context, None) => Ok(context),
            (_, Some(wrong)) => Err(wrong.into()),
        }
    }

    /// As `load`, for what has to work with settings that are wrong too: their defaults stand in for them.
    pub fn lenient(socket: Option<&Path>) -> Result<(Context, Option<SettingsError>), Fault> {
        let env = process_env();
        let paths = Paths::new(env("HOME").map(PathBuf::from))?;
        let (settings, _, wrong) = Settings::lenient(&paths, &env);
        let wrong = wrong.or_else(unreadable_variables);
        // A working directory that was removed matters only to who needs it.
        let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let mut context = Context { socket: settings.socket.clone(), paths, settings, cwd };
        context.socket = context.absolute(socket.unwrap_or(&context.socket));
        match (check_socket(&context.socket), wrong) {
            (Ok(()), wrong) => Ok((context, wrong)),
            (Err(_), Some(wrong)) => Err(wrong.into()),
            (Err(error), None) => Err(error.into()),
        }
    }

    /// `path` as seen from the working directory; a leading `~/` is the home folder, as where a shell left it.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        match path.strip_prefix("~") {
            Ok(rest) => self.paths.home().join(rest),
            Err(_) => self.cwd.join(path),
        }
    }

    /// `path` for a message.
    pub fn show(&self, path: &Path) -> String {
        tilde(path, self.paths.home())
    }

    /// Whether a person stopped the daemon.
    pub fn is_stopped(&self) -> bool {
        self.paths.stopped_marker().exists()
    }

    /// Forgets that a person stopped the daemon.
    pub fn clear_stopped(&self) -> Result<(), Fault> {
        let marker = self.paths.stopped_marker();
        match std::fs::remove_file(&marker) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Plain::new(Kind::Unavailable, format!("cannot remove {}: {error}", self.show(&marker)))
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// The folder for what is kept between runs, created.
    pub fn state_dir(&self) -> Result<PathBuf, Fault> {
        for dir in [self.paths.config_dir(), self.paths.state_dir()] {
            private_dir(&dir).map_err(|error| {
                Plain::new(Kind::Unavailable, format!("cannot create {}: {error}", self.show(&dir)))
            })?;
        }
        Ok(self.paths.state_dir())
    }

    /// A connection to the running daemon, with its own errors.
    pub fn dial(&self) -> Result<Client, ConnectError> {
        Client::connect(&self.socket, &hello(Role::Cli, &self.cwd), ANSWER_WAIT)
    }

    /// A connection to the running daemon.
    pub fn connect(&self) -> Result<Client, Fault> {
        self.dial().map_err(|error| if error.is_absent() { self.absent() } else { error.into() })
    }

    /// A connection to the daemon, which is started when none runs, unless a person stopped it.
    pub fn connect_or_start(&self, verb: &str) -> Result<Client, Fault> {
        match self.dial() {
            Err(error) if error.is_absent() && !self.is_stopped() => {
                self.spawn(None, verb)?;
                Ok(self.dial()?)
            }
            Err(error) if error.is_absent() => Err(self.absent()),
            result => Ok(result?),
        }
    }

    /// The installed program: where it was put, if it still is there, else this one.
    pub fn program(&self) -> Result<PathBuf, Fault> {
        let recorded = file::read_text(&self.paths.binary_file(), file::OWN_MAX).unwrap_or_default();
        let recorded = PathBuf::from(recorded.trim_end());
        if recorded.is_absolute() && recorded.is_file() { Ok(recorded) } else { own_program() }
    }

    /// Has a daemon started, by its service where that is installed, and waits until it serves.
    pub fn spawn(&self, registry: Option<&Path>, verb: &str) -> Result<(), Fault> {
        let exe = own_program()?;
        let started_by = format!("loom {verb} (pid {})", std::process::id());
        let until = Instant::now() + GIVE_WAY_WAIT;
        loop {
            match spawn_daemon(&exe, &self.socket, registry, &started_by, READY_WAIT) {
                Err(error) if error.gave_way() && Instant::now() < until => std::thread::sleep(LOOK_AGAIN),
                result => return Ok(result?),
            }
        }
    }

    /// The daemon that holds the lock; also one that we cannot talk to.
    pub fn lock_holder(&self) -> Option<Holder> {
        holder(&self.paths.lock_file())
    }

    fn absent(&self) -> Fault {
        let text = match self.is_stopped() {
            true => "loomd was stopped with `loom stop`".to_owned(),
            false => format!("loomd does not run (nobody serves {})", self.show(&self.socket)),
        };
        Plain::new(Kind::NotRunning, text).hint("loom start").into()
    }
}

fn own_program() -> Result<PathBuf, Fault> {
    let wrong = |error| Plain::new(Kind::Unavailable, format!("cannot find this program's file: {error}"));
    Ok(own_executable().map_err(wrong)?)
}
