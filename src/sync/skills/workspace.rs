//! Copies of skills that an earlier loom put into a workspace. Gemini CLI reads them beside those of the home folder, and
//! has each twice then. Reads the disk.

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

/// The jobs that remove the copies of skills that `gemini` has in the home folder: those that are written down as
/// generated, and those that say the same.
pub fn copies(laid: &Layout, machine: &Machine) -> Vec<Job> {
    let mut jobs = Vec::new();
    let inside = machine.cwd.ancestors().take_while(|dir| *dir != machine.home);
    for folder in inside.map(|dir| dir.join(FOLDER)).filter(|folder| folder.is_dir()) {
        let generated = generated(&folder);
        for (path, file) in &laid.files {
            let (Some(name), true) = (file.unit.file_name(), *path == file.unit.join(HEAD)) else { continue };
            let copy = folder.join(name);
            let is_same =
                || disk::read(&copy.join(HEAD)).is_ok_and(|bytes| bytes.as_ref() == Some(&file.bytes));
            let is_named = generated.iter().any(|other| name == other.as_str());
            if file.clients.contains(&"gemini") && copy != file.unit && (is_named || is_same()) {
                let erase = |path| Job {
                    direct: false,
                    target: "gemini",
                    also: Vec::new(),
                    path,
                    format: Format::Whole,
                    seed: String::new(),
                    task: Task::Erase { unit: copy.clone() },
                };
                jobs.extend(files_below(&copy).into_iter().map(erase));
            }
        }
    }
    jobs
}

/// The names in the list of generated skills, which stands in the folder or above it.
fn generated(folder: &Path) -> Vec<String> {
    let places = [Some(folder), folder.parent()].into_iter().flatten();
    let lists = places.filter_map(|dir| fs::read(dir.join(GENERATED)).ok());
    let values = lists.filter_map(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let names = values.flat_map(|value| value["generated"].as_array().cloned().unwrap_or_default());
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// All files of a folder and those in it; links are left alone.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let kinds = entries.filter_map(|entry| Some((entry.path(), entry.file_type().ok()?)));
    kinds
        .flat_map(|(path, kind)| match (kind.is_dir(), kind.is_file()) {
            (true, _) => files_below(&path),
            (_, true) => vec![path],
            (false, false) => Vec::new(),
        })
        .collect()
}
