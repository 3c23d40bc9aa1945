//! Copies of skills that an earlier loom put into a workspace. Gemini CLI reads them beside those of the home folder, and
//! has each twice then. Reads the disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sync::disk;
use crate::sync::format::Format;
use crate::sync::job::{Job, Task};
use crate::sync::machine::Machine;
use crate::sync::skills::HEAD;
use crate::sync::skills::layout::Layout;

/// Where they are, seen from the workspace's folder.
const FOLDER: &str = ".gemini/skills";

/// The names of those that were generated, as earlier versions wrote them down.
const GENERATED: &str = ".loom-skills-manifest.json";

/// The jobs that remove the copies of skills that `gemini` has in the home folder, of which every file says the same.
/// Another that was written down as generated, or whose `SKILL.md` says the same, stays as a whole and is reported.
pub fn copies(laid: &Layout, machine: &Machine) -> Vec<Job> {
    let (cwd, home) = (real(&machine.cwd), real(&machine.home));
    let units: BTreeSet<&Path> = laid
        .files
        .iter()
        .filter(|(path, file)| **path == file.unit.join(HEAD) && file.clients.contains(&"gemini"))
        .map(|(_, file)| file.unit.as_path())
        .collect();
    let mut jobs = Vec::new();
    for workspace in cwd.ancestors().take_while(|dir| *dir != home) {
        let folder = workspace.join(FOLDER);
        if !folder.is_dir() {
            continue;
        }
        let generated = generated(&folder);
        for unit in &units {
            let Some(name) = unit.file_name() else { continue };
            let copy = folder.join(name);
            let head = laid.files.get(&unit.join(HEAD)).map(|head| &head.bytes);
            let says_same = || disk::read(&copy.join(HEAD)).is_ok_and(|bytes| bytes.as_ref() == head);
            let is_named = generated.iter().any(|other| name == other.as_str());
            // Links may make it the very folder that clients are to read.
            if !copy.is_dir() || real(&copy) == real(unit) || !(is_named || says_same()) {
                continue;
            }
            match ours(workspace, &copy, unit, laid) {
                Some(files) => jobs.extend(
                    files
                        .into_iter()
                        .map(|(path, bytes)| job(path, Task::Erase { unit: copy.clone(), bytes })),
                ),
                None => jobs.push(job(copy.join(HEAD), Task::Forget)),
            }
        }
    }
    jobs
}

fn job(path: PathBuf, task: Task) -> Job {
    Job {
        direct: false,
        target: "gemini",
        also: Vec::new(),
        path,
        format: Format::Whole,
        seed: String::new(),
        task,
    }
}

/// The files of `copy` with their bytes, where all of them are copies of those that `unit` is to hold; `None` where
/// anything else is there, or a link anywhere below the workspace.
fn ours(workspace: &Path, copy: &Path, unit: &Path, laid: &Layout) -> Option<Vec<(PathBuf, Vec<u8>)>> {
    let mut above = copy.ancestors().take_while(|dir| *dir != workspace);
    if !above.all(|dir| fs::symlink_metadata(dir).is_ok_and(|found| found.is_dir())) {
        return None;
    }
    let mut files = Vec::new();
    for path in files_below(copy)? {
        let original = unit.join(path.strip_prefix(copy).ok()?);
        let wanted = laid.files.get(&original).filter(|file| file.clients.contains(&"gemini"))?;
        let bytes = disk::read(&path).ok().flatten()?;
        // The one in the home folder may be a link to this one.
        if bytes != wanted.bytes || real(&original) == real(&path) {
            return None;
        }
        files.push((path, bytes));
    }
    Some(files)
}

/// Where it really is; `path` itself where nothing is there.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// The names in the list of generated skills, which stands in the folder or above it.
fn generated(folder: &Path) -> Vec<String> {
    let places = [Some(folder), folder.parent()].into_iter().flatten();
    let lists = places.filter_map(|dir| fs::read(dir.join(GENERATED)).ok());
    let values = lists.filter_map(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let names = values.flat_map(|value| value["generated"].as_array().cloned().unwrap_or_default());
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// All files of a folder and those in it; `None` where anything else is there, or it cannot be read.
fn files_below(dir: &Path) -> Option<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).ok()? {
        let entry = entry.ok()?;
        let kind = entry.file_type().ok()?;
        match (kind.is_dir(), kind.is_file()) {
            (true, _) => files.extend(files_below(&entry.path())?),
            (_, true) => files.push(entry.path()),
            (false, false) => return None,
        }
    }
    Some(files)
}

#[cfg(test)]
mod tests;
