//! Which registry file is in force, and reading it. The only part of `registry` that looks at the disk.
//!
//! A person's command looks into the tree it is called in. A daemon that a client or a service manager started does
//! not: a cloned repository never gets to run commands because a client was opened in it. Nor does what is written into
//! clients' files of the home folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::fault::{Explain, Kind};
use crate::file;
use crate::paths::Paths;
use crate::registry::parse::MAX_BYTES;

/// Where a registry may be in a tree, nearest folder first.
const IN_TREE: [&str; 2] = ["mcp/context/registry.yaml", "platform/gitops/mcp/context/registry.yaml"];

const SKILLS_FILE: &str = "skills-registry.yaml";

/// The folders below `${repo}` that relative commands are looked for in.
const BASES: [&str; 2] = ["platform/gitops", "services/loom-core"];

/// The file in force. It need not exist: reading it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    pub source: Source,
}

/// Why a file is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `--registry`.
    Flag,
    /// It is in the tree that the command was called in.
    Workspace,
    /// `loom registry use`.
    Chosen,
    /// `~/.config/loom/registry.yaml`.
    Home,
}

impl Source {
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Flag => "flag",
            Source::Workspace => "workspace",
            Source::Chosen => "chosen",
            Source::Home => "home",
        }
    }
}

impl Found {
    /// What helps when there is no such file.
    pub fn remedy(&self) -> String {
        match self.source {
            Source::Chosen => "loom registry use --home".into(),
            Source::Flag => format!("loom add NAME --registry {} -- COMMAND", self.path.display()),
            Source::Workspace | Source::Home => "loom add NAME -- COMMAND".into(),
        }
    }
}

/// No registry can be found or read.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("the choice in {} cannot be read", path.display())]
    ReadChoice { path: PathBuf, source: io::Error },
    #[error("the choice in {} is not an absolute path", path.display())]
    BadChoice { path: PathBuf },
    /// With what makes one, or leads away from there.
    #[error("there is no registry at {}", path.display())]
    Absent { path: PathBuf, remedy: String },
    #[error("the registry {} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
}

impl Explain for FindError {
    fn kind(&self) -> Kind {
        Kind::Config
    }

    fn hint(&self) -> Option<String> {
        match self {
            FindError::ReadChoice { .. } | FindError::BadChoice { .. } => {
                Some("loom registry use PATH".into())
            }
            FindError::Absent { remedy, .. } => Some(remedy.clone()),
            FindError::Read { .. } => None,
        }
    }
}

/// The registry for a command that a person typed in `cwd`: the flag, else the nearest in the tree upward, else the
/// chosen one, else the home file.
pub fn for_person(flag: Option<&Path>, cwd: &Path, paths: &Paths) -> Result<Found, FindError> {
    if let Some(found) = by_flag(flag, cwd) {
        return Ok(found);
    }
    match in_tree(cwd).into_iter().next() {
        Some(path) => Ok(Found { path, source: Source::Workspace }),
        None => for_service(None, paths),
    }
}

/// The registry for a daemon that nobody typed: the flag, else the chosen one, else the home file. Never one of the
/// working directory. The flag must be absolute.
pub fn for_service(flag: Option<&Path>, paths: &Paths) -> Result<Found, FindError> {
    if let Some(found) = by_flag(flag, Path::new("/")) {
        return Ok(found);
    }
    match chosen(paths)? {
        Some(path) => Ok(Found { path, source: Source::Chosen }),
        None => Ok(Found { path: paths.registry_file(), source: Source::Home }),
    }
}

/// The registry for what `loom sync` writes into the home folder, where clients go by it whatever they are opened in: the
/// flag, else the daemon's. Never one that merely is in the tree: its author would choose permissions and instructions.
pub fn for_home(flag: Option<&Path>, cwd: &Path, paths: &Paths) -> Result<Found, FindError> {
    match by_flag(flag, cwd) {
        Some(found) => Ok(found),
        None => for_service(None, paths),
    }
}

/// The registry in the tree of `cwd` that is not read where `found`, of `for_home`, is.
pub fn passed_over(found: &Found, cwd: &Path) -> Option<PathBuf> {
    let near = in_tree(cwd).into_iter().next()?;
    (found.source != Source::Flag && real(&near) != real(&found.path)).then_some(near)
}

/// The file of skills that goes with a registry: the one beside it, else the one beside the home registry, if either is
/// there. One that cannot be read is there, too: to pass it over would take all that it tells away from clients.
pub fn skills_for(found: &Found, paths: &Paths) -> Option<PathBuf> {
    let beside = |registry: &Path| registry.with_file_name(SKILLS_FILE);
    [beside(&found.path), beside(&paths.registry_file())].into_iter().find(|path| is_there(path))
}

/// Whether there is anything at a path, be it a link that leads nowhere or what this user may not look at.
fn is_there(path: &Path) -> bool {
    !fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Every other registry that exists and is not in force, the nearest first.
pub fn rivals(found: &Found, cwd: &Path, paths: &Paths) -> Vec<Found> {
    let mut all: Vec<Found> =
        in_tree(cwd).into_iter().map(|path| Found { path, source: Source::Workspace }).collect();
    all.extend(chosen(paths).ok().flatten().map(|path| Found { path, source: Source::Chosen }));
    all.push(Found { path: paths.registry_file(), source: Source::Home });
    let mut taken = vec![real(&found.path)];
    all.retain(|rival| {
        let path = real(&rival.path);
        let new = path.is_file() && !taken.contains(&path);
        taken.push(path);
        new
    });
    all
}

/// The bytes of a registry file. Refuses what is not a file, and what is too large for one.
pub fn read(found: &Found) -> Result<Vec<u8>, FindError> {
    let path = found.path.as_path();
    file::read(path, MAX_BYTES).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => FindError::Absent { path: path.into(), remedy: found.remedy() },
        _ => FindError::Read { path: path.into(), source },
    })
}

/// `relative` below the first folder that has it: `root`, the workspace, then the usual folders of `root`. What is
/// nowhere is taken to be below `root`.
pub fn rebase(relative: &str, root: &Path, workspace: Option<&Path>) -> PathBuf {
    let relative = relative.strip_prefix("./").unwrap_or(relative);
    existing(relative, root, workspace).unwrap_or_else(|| root.join(relative))
}

/// `relative` below the first of these folders that has it.
pub fn existing(relative: &str, root: &Path, workspace: Option<&Path>) -> Option<PathBuf> {
    let bases = BASES.iter().map(|base| root.join(base));
    let folders = std::iter::once(root.to_path_buf()).chain(workspace.map(Path::to_path_buf)).chain(bases);
    folders.map(|folder| folder.join(relative)).find(|path| path.exists())
}

fn by_flag(flag: Option<&Path>, cwd: &Path) -> Option<Found> {
    flag.map(|path| Found { path: cwd.join(path), source: Source::Flag })
}

/// The registries of `cwd` and the folders above it, nearest first.
fn in_tree(cwd: &Path) -> Vec<PathBuf> {
    let places = cwd.ancestors().flat_map(|dir| IN_TREE.iter().map(move |name| dir.join(name)));
    places.filter(|path| path.is_file()).collect()
}

/// The path that a person chose, if one did.
fn chosen(paths: &Paths) -> Result<Option<PathBuf>, FindError> {
    let path = paths.registry_choice();
    let text = match file::read_text(&path, file::OWN_MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FindError::ReadChoice { path, source }),
    };
    let choice = PathBuf::from(text.trim_end_matches(['\n', '\r']));
    if choice.is_absolute() { Ok(Some(choice)) } else { Err(FindError::BadChoice { path }) }
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Machine {
        dir: tempfile::TempDir,
        paths: Paths,
    }

    /// A home folder and a tree `work/a/b`, with the files that `present` names.
    fn machine(present: &[&str]) -> Machine {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("work/a/b")).unwrap();
        for file in present {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "servers: []\n").unwrap();
        }
        let paths = Paths::new(Some(dir.path().join("home"))).unwrap();
        Machine { dir, paths }
    }

    impl Machine {
        fn choose(&self, text: &str) {
            let path = self.paths.registry_choice();
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn cwd(&self) -> PathBuf {
            self.dir.path().join("work/a/b")
        }

        /// A found path below the machine, and its source.
        fn short(&self, found: Result<Found, FindError>) -> String {
            let found = found.unwrap();
            format!(
                "{} {}",
                found.source.as_str(),
                found.path.strip_prefix(self.dir.path()).unwrap_or(&found.path).display()
            )
        }
    }

    const HOME: &str = "home/.config/loom/registry.yaml";

    #[test]
    fn a_person_gets_the_nearest_registry() {
        for (present, want) in [
            (vec![], "home home/.config/loom/registry.yaml"),
            (vec![HOME], "home home/.config/loom/registry.yaml"),
            (vec![HOME, "work/mcp/context/registry.yaml"], "workspace work/mcp/context/registry.yaml"),
            (
                vec![
                    "work/a/b/platform/gitops/mcp/context/registry.yaml",
                    "work/a/mcp/context/registry.yaml",
                ],
                "workspace work/a/b/platform/gitops/mcp/context/registry.yaml",
            ),
            (
                vec!["work/a/platform/gitops/mcp/context/registry.yaml", "work/a/mcp/context/registry.yaml"],
                "workspace work/a/mcp/context/registry.yaml",
            ),
            (vec!["work/a/b/c/mcp/context/registry.yaml"], "home home/.config/loom/registry.yaml"),
        ] {
            let machine = machine(&present);
            assert_eq!(machine.short(for_person(None, &machine.cwd(), &machine.paths)), want, "{present:?}");
        }
    }

    #[test]
    fn a_hostile_registry_in_the_working_directory_is_never_a_services() {
        let machine = machine(&[
            "work/a/b/mcp/context/registry.yaml",
            "work/a/b/platform/gitops/mcp/context/registry.yaml",
            "work/mcp/context/registry.yaml",
        ]);
        assert_eq!(machine.short(for_service(None, &machine.paths)), format!("home {HOME}"));
        machine.choose("/chosen/registry.yaml\n");
        assert_eq!(machine.short(for_service(None, &machine.paths)), "chosen /chosen/registry.yaml");
        assert_eq!(machine.short(for_service(Some(Path::new("/x.yaml")), &machine.paths)), "flag /x.yaml");
    }

    #[test]
    fn a_registry_in_the_working_directory_is_passed_over_for_the_home_folder() {
        let near = "work/mcp/context/registry.yaml";
        let machine = machine(&[HOME, near]);
        let (cwd, near) = (machine.cwd(), machine.dir.path().join(near));
        let found = for_home(None, &cwd, &machine.paths).unwrap();
        assert_eq!(machine.short(Ok(found.clone())), format!("home {HOME}"));
        assert_eq!(passed_over(&found, &cwd), Some(near.clone()));
        assert_eq!(passed_over(&found, machine.dir.path()), None);
        let named = for_home(Some(&near), &cwd, &machine.paths).unwrap();
        assert_eq!((passed_over(&named, &cwd), named.path), (None, near.clone()));
        machine.choose(near.to_str().unwrap());
        let chosen = for_home(None, &cwd, &machine.paths).unwrap();
        assert_eq!((passed_over(&chosen, &cwd), chosen.path), (None, near));
    }

    #[test]
    fn the_flag_beats_all_and_is_taken_from_the_working_directory() {
        let machine = machine(&[HOME, "work/a/b/mcp/context/registry.yaml"]);
        let found = for_person(Some(Path::new("my.yaml")), &machine.cwd(), &machine.paths);
        assert_eq!(machine.short(found), "flag work/a/b/my.yaml");
    }

    #[test]
    fn a_broken_choice_is_an_error_and_not_the_home_file() {
        let machine = machine(&[HOME]);
        for text in ["", "relative.yaml\n"] {
            machine.choose(text);
            let error = for_service(None, &machine.paths).unwrap_err();
            assert!(matches!(error, FindError::BadChoice { .. }), "{text}: {error}");
            assert_eq!(error.hint().as_deref(), Some("loom registry use PATH"));
        }
    }

    #[test]
    fn rivals_are_those_that_exist_and_are_not_in_force() {
        let machine = machine(&[HOME, "work/mcp/context/registry.yaml", "work/a/mcp/context/registry.yaml"]);
        machine.choose(&machine.paths.registry_file().display().to_string());
        let found = for_person(None, &machine.cwd(), &machine.paths).unwrap();
        let rivals = rivals(&found, &machine.cwd(), &machine.paths);
        let short: Vec<String> = rivals.into_iter().map(|rival| machine.short(Ok(rival))).collect();
        assert_eq!(short, ["workspace work/mcp/context/registry.yaml", &format!("chosen {HOME}")]);
    }

    #[test]
    fn reading_tells_absent_from_not_a_file() {
        let machine = machine(&[HOME]);
        let read = |path: PathBuf, source| read(&Found { path, source });
        assert_eq!(read(machine.paths.registry_file(), Source::Home).unwrap(), b"servers: []\n");
        assert!(matches!(read(machine.cwd(), Source::Flag), Err(FindError::Read { .. })));
        for (source, want) in [
            (Source::Home, "loom add NAME -- COMMAND"),
            (Source::Chosen, "loom registry use --home"),
            (Source::Flag, "loom add NAME --registry /none -- COMMAND"),
        ] {
            let error = read("/none".into(), source).unwrap_err();
            assert!(matches!(error, FindError::Absent { .. }), "{error}");
            assert_eq!(error.hint().as_deref(), Some(want));
        }
    }

    #[test]
    fn a_relative_command_is_taken_from_the_first_folder_that_has_it() {
        let machine = machine(&["work/platform/gitops/scripts/a", "work/scripts/b", "work/a/b/scripts/c"]);
        let root = machine.dir.path().join("work");
        for (text, want) in [
            ("scripts/a", "platform/gitops/scripts/a"),
            ("./scripts/b", "scripts/b"),
            ("scripts/c", "a/b/scripts/c"),
            ("scripts/none", "scripts/none"),
        ] {
            assert_eq!(rebase(text, &root, Some(&machine.cwd())), root.join(want), "{text}");
        }
    }
}
