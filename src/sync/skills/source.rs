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
    let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    let (mut sources, mut wrong) = (Vec::new(), Vec::new());
    for skill in &skills.skills {
        let folder = folder.join(skill.name.as_str());
        let mut parts = Vec::new();
        for part in &skill.parts {
            let path = folder.join(&part.path);
            match read(&path, &real.join(skill.name.as_str())) {
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

/// Bytes and permission bits of a file in `own`, the skill's folder. A link out of there is refused: whoever made the
/// registry would choose which file of this machine models and others get to see.
fn read(path: &Path, own: &Path) -> io::Result<(Vec<u8>, u32)> {
    let path = path.canonicalize()?;
    if !path.starts_with(own) {
        let text = format!("it leads out of the skill's folder, to {}", path.display());
        return Err(io::Error::other(text));
    }
    let found = fs::metadata(&path)?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if found.len() > MOST_BYTES {
        return Err(io::Error::other(format!("it is larger than {} MiB", MOST_BYTES >> 20)));
    }
    Ok((fs::read(path)?, found.permissions().mode() & 0o777))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::registry::skills::parse::parse;

    #[test]
    fn a_link_out_of_the_skills_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        fs::create_dir_all(home.join("skills/a/scripts")).unwrap();
        fs::create_dir_all(home.join("skills/b")).unwrap();
        fs::write(home.join("id_ed25519"), "key").unwrap();
        fs::write(home.join("skills/a/scripts/go.sh"), "go").unwrap();
        fs::write(home.join("skills/b/r.md"), "b").unwrap();
        symlink("go.sh", home.join("skills/a/scripts/inside")).unwrap();
        symlink("../../../id_ed25519", home.join("skills/a/scripts/key")).unwrap();
        symlink("../b", home.join("skills/a/other")).unwrap();
        symlink(&home, home.join("skills/whole")).unwrap();
        for (name, part, want) in [
            ("a", "scripts: [scripts/go.sh, scripts/inside]", None),
            ("a", "scripts: [scripts/key]", Some("id_ed25519")),
            ("a", "references: [other/r.md]", Some("skills/b/r.md")),
            ("whole", "assets: [id_ed25519]", Some("id_ed25519")),
        ] {
            let text = format!(
                "skills:\n  - name: {name}\n    common: {{description: d, instructions: i, {part}}}\n"
            );
            let file = home.join("skills-registry.yaml");
            let skills = parse(text.as_bytes(), &file).skills.unwrap();
            let said = load(&skills).err().map(|errors| errors.join("\n"));
            let Some(want) = want else {
                assert_eq!(said, None, "{part}");
                continue;
            };
            let said = said.unwrap_or_default();
            assert!(said.starts_with(&format!("{}:3:", file.display())), "{said}");
            let end = format!("it leads out of the skill's folder, to {}", home.join(want).display());
            assert!(said.ends_with(&end), "{said}");
        }
    }
}
