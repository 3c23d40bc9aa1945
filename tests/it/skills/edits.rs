//! What others changed in it, or had there before: reported, and left.

use std::fs;

use super::{REGISTRY, change, everything, get, put, said, seeded};
use crate::support::home::TestHome;

#[test]
fn edits_are_reported_and_survive() {
    let home = seeded();
    home.loom_ok(&["sync", "all"]);
    let edits = [
        (".claude/CLAUDE.md", "Be brief.", "Be long.", "house-rules was changed by you"),
        (".agents/skills/release/SKILL.md", "Run", "Walk", "the file was changed by you"),
        (".agents/skills/release/scripts/go.sh", "echo", "printf", "the file was changed by you"),
        (".claude/commands/tidy-up.md", "Tidy", "Dirty", "the file was changed by you"),
    ];
    for (path, from, to, _) in edits {
        change(&home, path, from, to);
    }
    fs::remove_file(home.path().join(".claude/skills/release/SKILL.md")).unwrap();
    // The registry has news for the same files.
    change(&home, ".config/loom/skills-registry.yaml", "Say why.", "Say how.");
    change(&home, ".config/loom/skills-registry.yaml", "Releases a version.", "Releases one.");
    let edited = |home: &TestHome| edits.map(|(path, ..)| get(home, path));
    let kept = edited(&home);
    let told = said(&home, &["sync", "all"], 1);
    for (path, _, _, why) in edits {
        let at = told.find(path).unwrap_or_else(|| panic!("{path}: {told}"));
        assert!(told[at..].lines().nth(1).unwrap().contains(why), "{path}: {told}");
    }
    assert!(told.contains("the file was taken out by you or the client"), "{told}");
    assert_eq!(edited(&home), kept);
    assert!(!home.path().join(".claude/skills/release/SKILL.md").exists());
    assert!(get(&home, ".gemini/GEMINI.md").contains("Say how."), "the others are brought up to date");
    said(&home, &["sync", "all", "--check"], 1);
    home.loom_ok(&["sync", "all", "--accept"]);
    home.loom_ok(&["sync", "all", "--check"]);
    assert_eq!(edited(&home), kept);
    home.loom_ok(&["sync", "all", "--force"]);
    assert!(get(&home, ".claude/CLAUDE.md").contains("Be brief.\r\n\r\nSay how."));
    assert!(get(&home, ".agents/skills/release/SKILL.md").contains("Releases one."));
    assert!(get(&home, ".agents/skills/release/scripts/go.sh").contains("echo"));
    assert!(home.path().join(".claude/skills/release/SKILL.md").exists());
}

#[test]
fn what_left_the_registry_goes_unless_it_was_edited() {
    let home = seeded();
    let before = everything(&home);
    home.loom_ok(&["sync", "skills", "all"]);
    change(&home, ".claude/skills/release/scripts/go.sh", "echo", "printf");
    put(&home, ".config/loom/skills-registry.yaml", "version: 1\nskills: []\n");
    let told = said(&home, &["sync", "skills", "all"], 1);
    assert!(told.contains("and stays; it is not loom's any more"), "{told}");
    assert!(home.path().join(".claude/skills/release/SKILL.md").exists(), "a skill stays as a whole");
    fs::remove_dir_all(home.path().join(".claude/skills/release")).unwrap();
    assert_eq!(everything(&home), before);
    home.loom_ok(&["sync", "skills", "all", "--check"]);
}

#[test]
fn a_skill_of_the_users_own_is_never_touched() {
    let home = seeded();
    put(&home, ".claude/skills/release/SKILL.md", "mine");
    put(&home, ".codex/skills/release/SKILL.md", "mine, too");
    for more in [&[][..], &["--force"]] {
        let told = said(&home, &[&["sync", "skills", "all"], more].concat(), 1);
        assert_eq!(told.matches("the file is not loom's, and stays: rename").count(), 2, "{told}");
        assert_eq!(get(&home, ".claude/skills/release/SKILL.md"), "mine");
        assert!(!home.path().join(".claude/skills/release/scripts").exists());
        assert_eq!(get(&home, ".codex/skills/release/SKILL.md"), "mine, too");
    }
    assert!(home.path().join(".agents/skills/release/SKILL.md").exists(), "the others have it");
    home.loom_ok(&["sync", "skills", "all", "--accept"]);
    home.loom_ok(&["sync", "skills", "all", "--check"]);
    home.loom_ok(&["sync", "skills", "all", "--remove"]);
    assert_eq!(get(&home, ".claude/skills/release/SKILL.md"), "mine");
}

#[test]
fn marks_that_are_broken_leave_the_file_alone() {
    let home = seeded();
    put(&home, ".codex/AGENTS.md", "a\n<!-- loom:begin house-rules -->\nb\n");
    let told = said(&home, &["sync", "skills", "all"], 78);
    assert!(told.contains("~/.codex/AGENTS.md:2:1: the block `house-rules` of loom's has no end"), "{told}");
    assert_eq!(get(&home, ".codex/AGENTS.md"), "a\n<!-- loom:begin house-rules -->\nb\n");
    assert!(get(&home, ".claude/CLAUDE.md").contains("Be brief"));
}

#[test]
fn a_registry_with_mistakes_changes_nothing_and_names_them_all() {
    let home = seeded();
    let before = everything(&home);
    change(&home, ".config/loom/skills-registry.yaml", "name: release", "name: Re Lease");
    change(&home, ".config/loom/skills-registry.yaml", "type: command", "type: comand");
    let told = said(&home, &["sync", "all"], 78);
    assert!(
        told.contains(":10:11: error: the name `Re Lease`") && told.contains(":17:21: error: unknown type"),
        "{told}"
    );
    said(&home, &["generate", "skills", "--validate"], 78);
    assert!(said(&home, &["check"], 1).contains(":10:11: error: the name `Re Lease`"));
    assert_eq!(everything(&home), before);
    put(&home, ".config/loom/skills-registry.yaml", &REGISTRY.replace("go.sh, desc", "gone.sh, desc"));
    let told = said(&home, &["sync", "all"], 78);
    assert!(told.contains("skills-registry.yaml:14:25: error: cannot read"), "{told}");
}

#[test]
fn a_script_that_is_not_wanted_any_more_goes_alone() {
    let home = seeded();
    home.loom_ok(&["sync", "skills", "claude"]);
    change(&home, ".claude/skills/release/SKILL.md", "Run", "Walk");
    let without = REGISTRY.replace("      assets: [logo.bin]\n", "");
    put(&home, ".config/loom/skills-registry.yaml", &without);
    said(&home, &["sync", "skills", "claude"], 1);
    assert!(!home.path().join(".claude/skills/release/assets").exists());
    assert!(get(&home, ".claude/skills/release/SKILL.md").contains("Walk"));
}
