//! What a server keeps beyond its life: what it has seen, and how long its lists are.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::super::lists::Kind;

pub struct Books {
    seen: File,
    lists: PathBuf,
    pub versions: [u64; 4],
}

/// The file of what all lives of a server have seen.
pub fn seen_file(folder: &Path, server: &str) -> PathBuf {
    folder.join(format!("{server}.seen"))
}

/// The file of how often its lists were changed.
pub fn lists_file(folder: &Path, server: &str) -> PathBuf {
    folder.join(format!("{server}.lists"))
}

/// What a file of list changes says; none were made before there is one.
pub fn read_versions(path: &Path) -> [u64; 4] {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut numbers = text.split(' ').filter_map(|word| word.parse().ok());
    [(); 4].map(|()| numbers.next().unwrap_or_default())
}

impl Books {
    pub fn open(folder: &Path, server: &str) -> io::Result<Self> {
        let seen = File::options().append(true).create(true).open(seen_file(folder, server))?;
        let lists = lists_file(folder, server);
        let versions = read_versions(&lists);
        let mut books = Books { seen, lists, versions };
        books.note("life", &std::process::id().to_string())?;
        Ok(books)
    }

    /// One line, written at once: it must be there even if the next moment kills the process.
    pub fn note(&mut self, what: &str, which: &str) -> io::Result<()> {
        self.seen.write_all(format!("{what} {which}\n").as_bytes())
    }

    /// A list is longer by one from now on, whatever happens to the process.
    pub fn lengthen(&mut self, kind: Kind) -> io::Result<()> {
        self.versions[kind as usize] += 1;
        let new = self.lists.with_extension(format!("{}.new", std::process::id()));
        fs::write(&new, self.versions.map(|version| version.to_string()).join(" "))?;
        fs::rename(&new, &self.lists)
    }
}
