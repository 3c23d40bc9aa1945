//! The daemon's life: lock, registry, socket; then serving; then an orderly end.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::fs::FileType;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::environment::Environment;
use super::hello::Role;
use super::secrets::Vault;
use super::switch::{Context, Loaded, Phase, Shared, Switch};
use super::{Options, catalogs, clock, http, lock, reload, session};
use crate::fault::{Fault, Kind, Plain};
use crate::link::detach;
use crate::paths::{Paths, check_socket};
use crate::secrets::place::{Keys, forbid_core_files};
use crate::upstream::instance::InstanceId;
use crate::wire::reply;
use crate::{file, log};

/// Servers have so long to end when the daemon does, beyond the drain of calls.
const SERVERS_END: Duration = Duration::from_secs(7);

/// What is being written to the disk at the end has so long.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// Descriptors that the daemon asks for: three for a server, one for a client.
const DESCRIPTORS: u64 = 8192;

/// A client that could not be let in is told of in the log once in this time.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Runs the daemon until it is stopped. Returns only an error that kept it from serving.
pub fn run(options: Options, mut environment: BTreeMap<String, String>) -> Result<(), Fault> {
    if options.detach {
        // Fails only for a group leader, which then already has a session of its own.
        let _ = rustix::process::setsid();
    }
    check_socket(&options.socket)?;
    let paths = &options.paths;
    prepare_folders(paths)?;
    let _lock = lock::take(&paths.lock_file(), &options.started_by)?;
    if !options.by_person && paths.stopped_marker().exists() {
        let stopped = Plain::new(Kind::NotRunning, "loom was stopped, and only a person starts it again");
        return Err(stopped.hint("loom start").into());
    }
    log::init(paths.daemon_log(), &options.settings.log, options.settings.log_bytes);
    raise_descriptor_limit();
    forbid_core_files();
    let vault = Vault::new(Keys::take(&mut environment));
    let environment = Environment::new(environment, options.by_person, paths);
    let context = Rc::new(Context {
        epoch: since_epoch_ms(),
        exe: own_binary()?,
        socket: options.socket,
        registry_flag: options.registry,
        started_by: options.started_by,
        began: Instant::now(),
        paths: options.paths,
        settings: options.settings,
    });
    let loaded = reload::load(&context, None)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Plain::new(Kind::Unavailable, format!("no event loop: {error}")))?;
    let local = LocalSet::new();
    // The set polls its own future whenever any task is woken: that one must have nothing to do.
    let served = local.spawn_local(serve(context, (environment, vault), loaded, options.detach));
    let served = local.block_on(&runtime, served);
    drop(local);
    // A look-up of a name that hangs, or a disk, must not keep the next daemon from its place.
    runtime.shutdown_timeout(LAST_WRITES);
    match served {
        Ok(result) => result,
        Err(error) => Err(Plain::new(Kind::Bug, format!("the daemon's main task ended: {error}")).into()),
    }
}

fn prepare_folders(paths: &Paths) -> Result<(), Plain> {
    for dir in [paths.config_dir(), paths.state_dir(), paths.logs_dir()] {
        file::private_dir(&dir).map_err(|error| {
            Plain::new(Kind::Unavailable, format!("cannot make the folder {}: {error}", dir.display()))
        })?;
    }
    // Unlike a full disk, this does not mend itself.
    for path in [paths.daemon_log(), paths.daemon_err()] {
        log::refuse_irregular(&path).map_err(|error| {
            let path = path.display();
            Plain::new(Kind::Config, format!("cannot write the log {path}: {error}"))
                .hint(format!("mv {path} {path}.aside"))
        })?;
    }
    // Others must not reach the socket, whoever made the folder.
    let private = std::fs::Permissions::from_mode(0o700);
    if let Err(error) = std::fs::set_permissions(paths.config_dir(), private) {
        tracing::debug!(%error, "the folder's mode stays as it is");
    }
    // Of somebody else's `loom start` there may be files in the making.
    file::sweep(&paths.state_dir());
    file::sweep(&paths.catalog_dir());
    Ok(())
}

fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    if limit.current.is_some_and(|current| current < DESCRIPTORS.min(most)) {
        let wanted = Rlimit { current: Some(DESCRIPTORS.min(most)), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, wanted) {
            tracing::warn!(%error, "the limit of open files stays as it is");
        }
    }
}

fn since_epoch_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or_default())
}

/// The running binary itself: on Linux also after its file was replaced by an upgrade.
fn own_binary() -> Result<PathBuf, Plain> {
    let link = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && link.exists() {
        return Ok(link.into());
    }
    std::env::current_exe()
        .map_err(|error| Plain::new(Kind::Unavailable, format!("which binary am I: {error}")))
}

async fn serve(
    context: Rc<Context>,
    (environment, vault): (Environment, Vault),
    loaded: Loaded,
    detached: bool,
) -> Result<(), Fault> {
    let listener = bind(&context.socket)?;
    let (phase, mut phases) = watch::channel(Phase::Run);
    let errors = context.paths.daemon_err();
    let socket = context.socket.clone();
    let shared = Switch::new(context, environment, vault, loaded, phase);
    shared.borrow_mut().stand_by();
    catalogs::forget_old(&shared.borrow().context.paths, &shared.borrow().loaded.registry);
    // These run as long as the daemon does, and end with its runtime.
    tokio::task::spawn_local(http::serve(shared.clone()));
    tokio::task::spawn_local(clock::run(shared.clone()));
    tokio::task::spawn_local(reload::watch(shared.clone()));
    tokio::task::spawn_local(signals(shared.clone()));
    tracing::info!(pid = std::process::id(), socket = %socket.display(), "serving");
    if detached {
        leave_the_terminal(&errors)?;
    }
    tokio::select! {
        () = accept(&shared, &listener) => {}
        _ = phases.wait_for(|phase| *phase != Phase::Run) => {}
    }
    drop(listener);
    end(&shared).await;
    // The next daemon removes a socket that is left; this is only tidy.
    let _ = std::fs::remove_file(&socket);
    tracing::info!("ended");
    Ok(())
}

/// A socket that nobody serves is a dead daemon's and makes way. Anything else at the path stays as it is.
fn bind(path: &Path) -> Result<UnixListener, Plain> {
    let refused = |why: String| {
        Plain::new(Kind::Unavailable, format!("cannot serve the socket {}: {why}", path.display()))
    };
    let wrong = |error: std::io::Error| refused(error.to_string());
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(refused("another file is there".into())),
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            return Err(refused("a daemon with another HOME serves it".into()));
        }
        Ok(_) => std::fs::remove_file(path).map_err(wrong)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(wrong(error)),
    }
    // No moment in which another user could connect. This is the only thread that makes files now.
    let mask = rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(mask);
    listener.map_err(wrong)
}

/// Tells the starter that all is well and lets go of its standard error.
fn leave_the_terminal(errors: &Path) -> Result<(), Plain> {
    let stderr = std::io::stderr();
    if rustix::fs::fstat(&stderr).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo) {
        // A starter that has left does not hear it.
        let _ = rustix::io::write(&stderr, &[detach::READY]);
    }
    let target = log::append_to(errors).or_else(|_| std::fs::File::options().write(true).open("/dev/null"));
    target
        .and_then(|file| Ok(rustix::stdio::dup2_stderr(&file)?))
        .map_err(|error| Plain::new(Kind::Unavailable, format!("cannot open {}: {error}", errors.display())))
}

async fn accept(shared: &Shared, listener: &UnixListener) {
    let mut told: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Ends with its connection; at the end of the daemon all are waited for together.
                tokio::task::spawn_local(session::serve(shared.clone(), stream));
            }
            Err(error) => {
                // Without free descriptors this comes twenty times a second: the log is to keep its other lines.
                if told.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
                    tracing::error!(%error, "a client could not be let in");
                    told = Some(Instant::now());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// TERM and INT drain, a second one ends at once; HUP reloads.
async fn signals(shared: Shared) {
    let (Ok(mut term), Ok(mut int), Ok(mut hup)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
    else {
        tracing::error!("signals cannot be received");
        return;
    };
    loop {
        tokio::select! {
            _ = term.recv() => more_urgent(&shared),
            _ = int.recv() => more_urgent(&shared),
            _ = hup.recv() => {
                let mut switch = shared.borrow_mut();
                // The error is kept for `loom status` and has been logged.
                let _ = switch.reload_for_person();
                switch.flush();
            }
        }
    }
}

fn more_urgent(shared: &Shared) {
    let mut switch = shared.borrow_mut();
    let next = if switch.phase() == Phase::Run { Phase::Drain } else { Phase::Kill };
    switch.enter(next);
}

/// Drain, servers, clients. A second signal cuts it short.
async fn end(shared: &Shared) {
    let mut phases = shared.borrow().phase.subscribe();
    tokio::select! {
        () = orderly_end(shared) => {}
        _ = phases.wait_for(|phase| *phase == Phase::Kill) => tracing::warn!("ending at once"),
    }
}

async fn orderly_end(shared: &Shared) {
    let drain = shared.borrow_mut().begin_drain();
    let calm = shared.borrow().calmer.clone();
    let calls_done = async {
        while shared.borrow().active_calls() > 0 {
            calm.notified().await;
        }
    };
    if timeout(drain, calls_done).await.is_err() {
        tracing::warn!(calls = shared.borrow().active_calls(), "calls are cut off");
    }
    shared.borrow_mut().retire_all();
    let servers_done = async {
        while !shared.borrow().instances.is_empty() {
            calm.notified().await;
        }
    };
    if timeout(SERVERS_END, servers_done).await.is_err() {
        tracing::error!("servers are left to the guardian");
    }
    let written = async {
        while shared.borrow().sessions.values().any(|session| !session.out.pending().is_empty()) {
            shared.borrow_mut().flush_all();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if timeout(Duration::from_secs(1), written).await.is_err() {
        tracing::warn!("a client did not read its last answers");
    }
}

impl Switch {
    /// Tells every proxy to hold new calls back. Returns how long running ones may take.
    fn begin_drain(&mut self) -> Duration {
        for session in self.sessions.values_mut().filter(|session| session.hello.role == Role::Proxy) {
            reply::notification(session.out.tail(), "loom/draining", "{}");
        }
        self.give_back_held();
        let ids: Vec<InstanceId> = self.instances.keys().copied().collect();
        for id in ids {
            self.release_waiting(id);
        }
        self.flush_all();
        self.context.settings.drain_timeout
    }

    fn retire_all(&mut self) {
        let now = Instant::now();
        for instance in self.instances.values_mut() {
            instance.retire(now);
        }
    }

    fn flush_all(&mut self) {
        self.sessions.values_mut().for_each(super::session::Session::flush);
    }
}
