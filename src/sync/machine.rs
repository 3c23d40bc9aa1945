//! The machine whose clients are configured: its system, home, variables, and where files are on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An operating system, as clients tell them apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Os {
    Linux,
    Macos,
    Windows,
}

/// A path on each system: `~/…` is the home folder, `${NAME:-default}` a variable.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    pub linux: &'static str,
    pub macos: &'static str,
    pub windows: &'static str,
}

impl Spot {
    /// The same on every system.
    pub const fn same(path: &'static str) -> Self {
        Spot { linux: path, macos: path, windows: path }
    }

    /// On Linux and macOS, and on Windows.
    pub const fn unix(path: &'static str, windows: &'static str) -> Self {
        Spot { linux: path, macos: path, windows }
    }

    pub fn on(&self, os: Os) -> &'static str {
        match os {
            Os::Linux => self.linux,
            Os::Macos => self.macos,
            Os::Windows => self.windows,
        }
    }
}

pub struct Machine {
    pub os: Os,
    pub home: PathBuf,
    pub env: BTreeMap<String, String>,
    /// `[clients]` of the settings: the path of a client's file, by the target's name.
    pub overrides: BTreeMap<String, PathBuf>,
    pub cwd: PathBuf,
}

impl Machine {
    /// The system that this program was made for.
    pub const fn own_os() -> Os {
        if cfg!(target_os = "macos") {
            Os::Macos
        } else if cfg!(windows) {
            Os::Windows
        } else {
            Os::Linux
        }
    }

    /// Where `spot` is here.
    pub fn path(&self, spot: &Spot) -> PathBuf {
        let text = expand(spot.on(self.os), &self.env);
        match text.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => PathBuf::from(text),
        }
    }

    /// The file of `target`: the one of the settings, else the first of `spots` that is there, else the first.
    pub fn file(&self, target: &str, spots: &[Spot]) -> PathBuf {
        if let Some(path) = self.overrides.get(target) {
            return path.clone();
        }
        self.first(spots)
    }

    /// The first of `spots` that is there, else the first.
    pub fn first(&self, spots: &[Spot]) -> PathBuf {
        let paths: Vec<PathBuf> = spots.iter().map(|spot| self.path(spot)).collect();
        let there = paths.iter().find(|path| path.exists());
        there.or(paths.first()).cloned().unwrap_or_default()
    }

    /// Whether a program of this name is on PATH.
    pub fn has_program(&self, name: &str) -> bool {
        let path = self.env.get("PATH").map(String::as_str).unwrap_or_default();
        std::env::split_paths(path).any(|folder| folder.join(name).is_file())
    }

    /// `path` for people.
    pub fn show(&self, path: &Path) -> String {
        crate::paths::tilde(path, &self.home)
    }
}

/// `${NAME:-default}` at the beginning of `text` by the variable, or its default where that is not set.
fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let variable = text.strip_prefix("${").and_then(|rest| rest.split_once('}'));
    let Some((inner, rest)) = variable else { return text.to_owned() };
    let (name, default) = inner.split_once(":-").unwrap_or((inner, ""));
    let value = env.get(name).map(String::as_str).filter(|value| !value.is_empty()).unwrap_or(default);
    format!("{value}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spots_become_paths() {
        let spot = Spot {
            linux: "${CODEX_HOME:-~/.codex}/c",
            macos: "~/Library/c",
            windows: "${APPDATA:-~/AppData/Roaming}/c",
        };
        let machine = |os, env: &[(&str, &str)]| Machine {
            os,
            home: "/home/ann".into(),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            overrides: BTreeMap::new(),
            cwd: "/".into(),
        };
        for (os, env, want) in [
            (Os::Linux, &[] as &[(&str, &str)], "/home/ann/.codex/c"),
            (Os::Linux, &[("CODEX_HOME", "/x")], "/x/c"),
            (Os::Macos, &[("CODEX_HOME", "/x")], "/home/ann/Library/c"),
            (Os::Windows, &[("APPDATA", "/roaming")], "/roaming/c"),
            (Os::Windows, &[], "/home/ann/AppData/Roaming/c"),
        ] {
            assert_eq!(machine(os, env).path(&spot), PathBuf::from(want));
        }
    }
}
