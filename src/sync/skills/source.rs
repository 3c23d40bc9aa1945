//! The files that belong to skills, from the folder beside their registry. Reads the disk.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::registry::skills::{Skill, Skills};

/// A larger file does not belong to a skill: every run that writes it keeps a copy.
const MOST_BYTES: u64 = 8 << 20;

/// An entry of the registry with its files.
#[derive(Clone, Debug)]
pub struct Source {
    pub skill: Skill,
    /// Where its files are.
    pub folder: PathBuf,
    pub parts: Vec<PartFile>,
}

/// A file of a skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartFile {
    /// Its path in the skill that a client gets.
    pub below: String,
    pub description: String,
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

/// Reads all files of all skills; or says, with line and column, which of them cannot be read.
pub fn load(skills: &Skills) -> Result<Vec<Source>, Vec<String>> {
    let folder = folder(&skills.file);
    let (mut sources, mut wrong) = (Vec::new(), Vec::new());
    for skill in &skills.skills {
        let folder = folder.join(skill.name.as_str());
        let mut parts = Vec::new();
        for part in &skill.parts {
            let path = folder.join(&part.path);
            match read(&path) {
                Ok((bytes, mode)) => {
                    parts.push(PartFile {
                        below: part.below(),
                        description: part.description.clone(),
                        bytes,
                        mode,
                    });
                }
                Err(error) => wrong.push(format!(
                    "{}:{}:{}: error: cannot read {}: {error}",
                    skills.file.display(),
                    part.place.line,
                    part.place.column,
                    path.display()
                )),
            }
        }
        sources.push(Source { skill: skill.clone(), folder, parts });
    }
    if wrong.is_empty() { Ok(sources) } else { Err(wrong) }
}

/// `skills` beside the registry, or, for `X/context/skills-registry.yaml`, `X/skills` where only that is there.
fn folder(registry: &Path) -> PathBuf {
    let beside = registry.with_file_name("skills");
    let above = registry.parent().filter(|dir| dir.ends_with("mcp/context")).and_then(Path::parent);
    match above.map(|dir| dir.join("skills")) {
        Some(above) if !beside.is_dir() && above.is_dir() => above,
        _ => beside,
    }
}

fn read(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if found.len() > MOST_BYTES {
        return Err(io::Error::other(format!("it is larger than {} MiB", MOST_BYTES >> 20)));
    }
    Ok((fs::read(path)?, found.permissions().mode() & 0o777))
}
