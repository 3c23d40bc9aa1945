//! `loom uninstall`: nothing of loom runs or is installed any more. What the user wrote and the secrets stay, unless
//! they are to go, too.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::cli::args::service::UninstallArgs;
use crate::cli::context::{ANSWER_WAIT, Context};
use crate::cli::out::Out;
use crate::cli::{Ending, secrets, stop, sync};
use crate::fault::{Fault, Kind, Plain};
use crate::link::ending::Process;
use crate::service;
use crate::settings::process_env;

/// A proxy has nothing to do when it is asked to end.
const PROXY_WAIT: Duration = Duration::from_secs(2);

/// What names of files that an installation made begin with; `_loom` is zsh's.
const NAMES: [&str; 2] = ["loom", "_loom"];

pub fn run(args: UninstallArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let clean = args.keep_clients || take_out_of_clients(context, out)?;
    if args.purge {
        secrets::purge(context)?;
    }
    // From here on nobody starts a daemon.
    stop::mark(context)?;
    let proxies = proxies(context);
    if let Some(manager) = service::find(&context.paths, &process_env()) {
        for path in service::uninstall(&*manager)? {
            out.line(format!("removed the service {}", context.show(&path)));
        }
    } else {
        for path in service::leftovers(&context.paths)? {
            let text = "its manager does not run in this session and was not told";
            out.line(format!("removed the service {}: {text}", context.show(&path)));
        }
    }
    stop::run(context, &mut Out::default())?;
    for proxy in &proxies {
        end(proxy);
    }
    let mut removal = Removal { context, out, removed: 0 };
    removal.programs()?;
    if args.purge {
        removal.folder(&context.paths.config_dir())?;
        removal.folder(&context.paths.share_dir())?;
    } else {
        removal.state(clean && !args.keep_clients)?;
    }
    if removal.removed == 0 {
        out.line("nothing of loom was installed");
    }
    let kept = context.paths.config_dir();
    if kept.exists() {
        out.line(format!("kept what is yours in {}", context.show(&kept)));
    }
    Ok(Ending::Done)
}

/// As `loom sync all --remove`; whether nothing of loom's is left in any client's file.
fn take_out_of_clients(context: &Context, out: &mut Out) -> Result<bool, Fault> {
    match sync::take_out(context, out)? {
        Ending::Done => Ok(true),
        Ending::With(Kind::Found) => Ok(false),
        Ending::With(kind) => {
            let text = "a client's file could not be changed, see above; nothing was removed";
            Err(Plain::new(kind, text).hint("loom uninstall --keep-clients").into())
        }
    }
}

/// The proxies that are connected, held so that their numbers stay theirs.
fn proxies(context: &Context) -> Vec<Process> {
    #[derive(Deserialize)]
    struct Status {
        clients: Vec<Client>,
    }
    #[derive(Deserialize)]
    struct Client {
        pid: u32,
    }
    let Ok(mut client) = context.dial() else { return Vec::new() };
    let Ok(answer) = client.call("loom/status", &json!({}), ANSWER_WAIT) else { return Vec::new() };
    let status: Status = serde_json::from_str(answer.get()).unwrap_or(Status { clients: Vec::new() });
    // What calls itself a proxy is only ended if it is this program.
    status
        .clients
        .iter()
        .filter_map(|client| Process::open(client.pid))
        .filter(Process::is_this_program)
        .collect()
}

fn end(process: &Process) {
    // One that has ended meanwhile is what was wanted.
    if process.terminate().is_ok() {
        process.wait(PROXY_WAIT);
    }
}

/// What is taken away, and told of.
struct Removal<'a> {
    context: &'a Context,
    out: &'a mut Out,
    removed: usize,
}

impl Removal<'_> {
    /// The files that `scripts/install.sh` has noted.
    fn programs(&mut self) -> Result<(), Fault> {
        let noted = fs::read_to_string(self.context.paths.installed_file()).unwrap_or_default();
        for path in noted.lines().map(PathBuf::from).filter(|path| is_ours(path)) {
            self.file(&path, true)?;
        }
        Ok(())
    }

    /// What loom keeps between runs. The history of `loom sync` goes only when nothing depends on it.
    fn state(&mut self, sync: bool) -> Result<(), Fault> {
        let paths = &self.context.paths;
        let mut files = vec![
            paths.lock_file(),
            paths.environment_file(),
            paths.binary_file(),
            paths.installed_file(),
            paths.secrets_lock(),
            paths.stopped_marker(),
        ];
        let mut folders = vec![paths.logs_dir(), paths.catalog_dir()];
        if sync {
            folders.push(paths.sync_dir());
        }
        for folder in &folders {
            self.folder(folder)?;
        }
        // Somebody else's file may be where a socket was said to be.
        let socket = &self.context.socket;
        if fs::symlink_metadata(socket).is_ok_and(|found| found.file_type().is_socket()) {
            files.push(socket.clone());
        }
        for file in files {
            self.file(&file, false)?;
        }
        for folder in [paths.state_dir(), paths.config_dir()] {
            // One in which something is left stays.
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, told: bool) -> Result<(), Fault> {
        let gone = fs::remove_file(path);
        self.account(path, gone, told)
    }

    fn folder(&mut self, path: &Path) -> Result<(), Fault> {
        let gone = fs::remove_dir_all(path);
        self.account(path, gone, true)
    }

    fn account(&mut self, path: &Path, gone: io::Result<()>, told: bool) -> Result<(), Fault> {
        let shown = self.context.show(path);
        match gone {
            Ok(()) => {
                self.removed += 1;
                if told {
                    self.out.line(format!("removed {shown}"));
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                Err(Plain::new(Kind::Unavailable, format!("cannot remove {shown}: {error}")).into())
            }
        }
    }
}

/// The note is a file that anything of this user can write: nothing else is removed because of it.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.is_absolute() && NAMES.iter().any(|ours| name.starts_with(ours))
}
