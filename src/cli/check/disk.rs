//! Loom's own files: who may read them, and how large they have grown.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::trouble::{Trouble, word};
use crate::paths::{Paths, tilde};

/// Folders and files that hold something private, and the most that others may do with them.
const PRIVATE: u32 = 0o077;
/// A log that is larger than this was not meant to be, in bytes.
const LOG_MAX: u64 = 64 << 20;

pub fn look(paths: &Paths, socket: &Path, serves: bool, troubles: &mut Vec<Trouble>) {
    let home = paths.home();
    let folders = [paths.config_dir(), paths.state_dir(), paths.logs_dir(), paths.sync_dir()];
    for folder in folders {
        open_to_others(&folder, "700", home, troubles);
    }
    for file in [paths.secrets_file(), paths.secrets_key(), paths.environment_file(), paths.config_file()] {
        open_to_others(&file, "600", home, troubles);
    }
    for log in logs(&paths.logs_dir()) {
        too_large(&log, home, troubles);
    }
    at_the_socket(socket, serves, home, troubles);
}

fn open_to_others(path: &Path, wanted: &str, home: &Path, troubles: &mut Vec<Trouble>) {
    let Ok(found) = fs::metadata(path) else { return };
    let mode = found.permissions().mode() & 0o777;
    if mode & PRIVATE == 0 {
        return;
    }
    let text = format!("others on this machine may open it (mode {mode:o})");
    let own = found.uid() == rustix::process::geteuid().as_raw();
    let trouble = Trouble::warning("file_modes", tilde(path, home), text);
    let path = word(path);
    troubles.push(match own {
        true => trouble.safe_command(["chmod", wanted, &path]),
        false => trouble.command(["sudo", "chmod", wanted, &path]),
    });
}

/// The log files below a folder.
fn logs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for entry in entries {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(logs(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

fn too_large(log: &Path, home: &Path, troubles: &mut Vec<Trouble>) {
    let Ok(found) = fs::metadata(log) else { return };
    if found.len() > LOG_MAX {
        let text = format!("it has grown to {} MiB", found.len() >> 20);
        let trouble = Trouble::warning("log_size", tilde(log, home), text);
        troubles.push(trouble.command(["truncate", "--size=0", &word(log)]));
    }
}

/// Something at the socket's path that keeps a daemon from it, or that a dead one left.
fn at_the_socket(socket: &Path, serves: bool, home: &Path, troubles: &mut Vec<Trouble>) {
    let Ok(found) = fs::symlink_metadata(socket) else { return };
    let place = tilde(socket, home);
    if !found.file_type().is_socket() {
        let text = "something that is no socket is where the daemon is to listen";
        let aside = format!("{}.aside", word(socket));
        troubles.push(Trouble::error("socket", place, text).command(["mv", &word(socket), &aside]));
    } else if !serves && UnixStream::connect(socket).is_err() {
        let text = "nobody serves it: a daemon has ended without a word";
        troubles.push(Trouble::warning("socket", place, text).safe_command(["loom", "start"]));
    }
}
