//! Finds the top of a git work tree by looking, without running git.

use std::path::{Path, PathBuf};

/// The nearest folder at or above `dir` that holds `.git` (a folder, or the file of a linked work tree).
pub fn git_top(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_top_wins() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b/c");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        assert_eq!(git_top(&inner).as_deref(), Some(dir.path()));
        std::fs::write(dir.path().join("a/b/.git"), "gitdir: elsewhere\n").unwrap();
        assert_eq!(git_top(&inner), Some(dir.path().join("a/b")));
        std::fs::remove_file(dir.path().join("a/b/.git")).unwrap();
        std::fs::remove_dir(dir.path().join(".git")).unwrap();
        let above = git_top(&inner);
        assert!(above.is_none_or(|top| dir.path().starts_with(top)));
    }
}
