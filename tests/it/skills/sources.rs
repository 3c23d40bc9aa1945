//! A `skills-registry.yaml` that cannot be read, or says nothing, takes nothing away from clients.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{everything, put, said, seeded};

const FILE: &str = ".config/loom/skills-registry.yaml";

/// What it is to be instead, and what is said of it.
type Obstacle = (fn(&Path), &'static str);

const OBSTACLES: [Obstacle; 4] = [
    (|path| symlink("nowhere", path).unwrap(), "No such file or directory"),
    (|path| symlink(path, path).unwrap(), "links"),
    (|path| fs::create_dir(path).unwrap(), "it is not a regular file"),
    (
        |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        "it is not a regular file",
    ),
];

#[test]
fn an_unreadable_source_changes_nothing() {
    let home = seeded();
    home.loom_ok(&["sync", "all"]);
    let before = everything(&home);
    let path = home.path().join(FILE);
    fs::rename(&path, path.with_extension("aside")).unwrap();
    for (plant, why) in OBSTACLES {
        plant(&path);
        for args in [&["sync", "all"][..], &["sync", "status"], &["generate", "skills"]] {
            let told = said(&home, args, 78);
            assert!(told.contains(&format!("cannot read {}", path.display())), "{args:?}: {told}");
            assert!(told.contains(why), "{args:?}: {told}");
        }
        assert!(everything(&home) == before, "{why}: something was changed");
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
    }
    home.loom_ok(&["sync", "all"]);
    assert!(everything(&home) != before, "without a file nothing is told");
}

#[test]
fn a_source_that_says_nothing_changes_nothing() {
    let home = seeded();
    home.loom_ok(&["sync", "all"]);
    let before = everything(&home);
    for text in ["", "\n  \n# nothing\n", "version: 1\n"] {
        put(&home, FILE, text);
        let told = said(&home, &["sync", "all"], 78);
        assert!(told.contains("says `skills: []`"), "{text:?}: {told}");
        assert!(everything(&home) == before, "{text:?}: something was changed");
        home.loom(&["check"]);
    }
    put(&home, FILE, "skills: []\n");
    home.loom_ok(&["sync", "all"]);
    assert!(everything(&home) != before, "an empty list is one");
    // Now there is nothing left to lose.
    put(&home, FILE, "");
    home.loom_ok(&["sync", "all"]);
}
