//! Whether a daemon can be where it is to be: folders that it makes things in, and files that only it has.

use std::fs;
use std::path::Path;

use super::trouble::{Trouble, word};
use crate::log;
use crate::paths::{Paths, tilde};

pub fn look(paths: &Paths, socket: &Path, troubles: &mut Vec<Trouble>) {
    let home = paths.home();
    let folders = [paths.config_dir(), paths.state_dir(), paths.logs_dir()];
    for folder in &folders {
        troubles.extend(unusable(folder, home));
    }
    if fs::symlink_metadata(&folders[0]).is_err() {
        let above = folders[0].ancestors().find(|folder| fs::symlink_metadata(folder).is_ok());
        troubles.extend(above.and_then(|above| unusable(above, home)));
    }
    if let Some(folder) = socket.parent().filter(|folder| !folders.iter().any(|own| own == folder)) {
        let text = "the daemon is to listen in this folder, which is not there";
        troubles.extend(match folder.exists() {
            true => closed(folder, home),
            false => Some(Trouble::error("places", tilde(folder, home), text).command([
                "mkdir",
                "-p",
                &word(folder),
            ])),
        });
    }
    for file in [paths.lock_file(), paths.secrets_file(), paths.secrets_key()] {
        if fs::symlink_metadata(&file).is_ok() && !file.is_file() {
            troubles.push(in_the_way(&file, "a regular file is to be here, and something else is", home));
        }
    }
    for file in [paths.daemon_log(), paths.daemon_err()] {
        if let Err(error) = log::refuse_irregular(&file) {
            troubles.push(in_the_way(&file, &format!("the daemon cannot write this log: {error}"), home));
        } else if file.exists() && rustix::fs::access(&file, rustix::fs::Access::WRITE_OK).is_err() {
            troubles.push(in_the_way(&file, "the daemon cannot write this log: it is closed to you", home));
        }
    }
}

/// A folder of loom's own. It is made where it is missing; whether it can be is a question of the folder above.
fn unusable(folder: &Path, home: &Path) -> Option<Trouble> {
    match fs::symlink_metadata(folder) {
        Ok(_) if !folder.is_dir() => {
            Some(in_the_way(folder, "a folder is to be here, and something else is", home))
        }
        Ok(_) => closed(folder, home),
        Err(_) => None,
    }
}

/// A folder in which nothing can be made. The file that is tried has no name, where the system knows such files.
fn closed(folder: &Path, home: &Path) -> Option<Trouble> {
    let error = tempfile::tempfile_in(folder).err()?;
    // The name that was tried says nothing to anybody.
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "its file system takes none".to_owned(),
        kind => kind.to_string(),
    };
    let trouble = Trouble::error("places", tilde(folder, home), format!("no file can be made in it: {why}"));
    Some(match error.kind() {
        std::io::ErrorKind::PermissionDenied => trouble.command(["chmod", "u+rwx", &word(folder)]),
        _ => trouble,
    })
}

fn in_the_way(path: &Path, text: &str, home: &Path) -> Trouble {
    let aside = format!("{}.aside", word(path));
    Trouble::error("places", tilde(path, home), text).command(["mv", &word(path), &aside])
}
