//! What models are told: `skills-registry.yaml` through `loom sync` into the files of clients.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod edits;
mod sources;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::support::home::{TestHome, loom_binary};

const REGISTRY: &str = r#"version: 1
skills:
  - name: house-rules
    common:
      type: instruction
      instructions: |
        Be brief.

        Say why.
  - name: release
    common:
      description: Releases a version.
      instructions: Run ${SKILL_PATH}/scripts/go.sh, never \${HOME}.
      scripts: [{ path: go.sh, description: does it }]
      assets: [logo.bin]
  - name: tidy-up
    common: { type: command, description: Tidies up., instructions: Tidy up $ARGUMENTS. }
"#;

const LOGO: &[u8] = b"\0 no \xff text\r\n";
/// Files of the user's own, with all that may go wrong with them.
const MINE: [(&str, &str); 4] = [
    (".claude/CLAUDE.md", "\u{feff}# Mine\r\n\r\n- a\r\n"),
    (".codex/AGENTS.md", "no end of line"),
    (".gemini/GEMINI.md", "\n\n"),
    (".claude/skills/mine/SKILL.md", "---\nname: mine\n---\n"),
];

const CLIENTS: [&str; 5] = ["claude", "codex", "gemini", "antigravity", "copilot"];

/// A home in which these clients are, with things of its user's.
fn seeded() -> TestHome {
    let home = TestHome::new();
    for (path, text) in MINE {
        put(&home, path, text);
    }
    put(&home, ".gemini/settings.json", "{}");
    put(&home, ".copilot/config.json", "{}");
    put(&home, ".gemini/config/x", "");
    put(&home, ".config/loom/skills-registry.yaml", REGISTRY);
    put(&home, ".config/loom/skills/release/go.sh", "#!/bin/sh\necho ${HOME}\n");
    let script = home.path().join(".config/loom/skills/release/go.sh");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(home.path().join(".config/loom/skills/release/logo.bin"), LOGO).unwrap();
    home
}

fn put(home: &TestHome, path: &str, text: &str) {
    let path = home.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn get(home: &TestHome, path: &str) -> String {
    fs::read_to_string(home.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn change(home: &TestHome, path: &str, from: &str, to: &str) {
    let text = get(home, path);
    assert!(text.contains(from), "{path}: {text}");
    put(home, path, &text.replace(from, to));
}

/// Every file and folder of the home but loom's own, with bytes and mode.
fn everything(home: &TestHome) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
    fn walk(dir: &Path, all: &mut BTreeMap<PathBuf, (Vec<u8>, u32)>) {
        for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()) {
            let path = entry.path();
            if path.ends_with(".config/loom") {
                continue;
            }
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            if path.is_dir() {
                all.insert(path.clone(), (Vec::new(), mode));
                walk(&path, all);
            } else {
                all.insert(path.clone(), (fs::read(&path).unwrap(), mode));
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(home.path(), &mut all);
    all
}

fn said(home: &TestHome, args: &[&str], code: i32) -> String {
    let output = home.loom(args);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    text
}

#[test]
fn everything_is_told_once_and_comes_back_byte_for_byte() {
    let home = seeded();
    let before = everything(&home);
    said(&home, &["sync", "all", "--check"], 1);
    assert_eq!(everything(&home), before, "--check writes nothing");
    home.loom_ok(&["sync", "all"]);
    let block = "<!-- loom:begin house-rules -->\nBe brief.\n\nSay why.\n<!-- loom:end house-rules -->";
    assert_eq!(
        get(&home, ".claude/CLAUDE.md"),
        format!("{}\r\n{}\r\n", MINE[0].1, block.replace('\n', "\r\n"))
    );
    assert_eq!(get(&home, ".codex/AGENTS.md"), format!("no end of line\n\n{block}"));
    assert_eq!(get(&home, ".gemini/GEMINI.md"), format!("\n\n\n{block}\n"));
    assert_eq!(get(&home, ".copilot/copilot-instructions.md"), format!("{block}\n"));
    // Codex, Gemini and Copilot read one folder, Claude and Antigravity have their own.
    for (skill, there) in [
        (".agents/skills/release", true),
        (".claude/skills/release", true),
        (".gemini/config/skills/release", true),
        (".gemini/skills/release", false),
        (".codex/skills/release", false),
        (".copilot/skills/release", false),
    ] {
        let head = home.path().join(skill).join("SKILL.md");
        assert_eq!(head.exists(), there, "{skill}");
        if there {
            let text = fs::read_to_string(head).unwrap();
            let path = home.path().join(skill);
            let run = format!("Run {}/scripts/go.sh, never ${{HOME}}.", path.display());
            assert!(
                text.starts_with("---\nname: release\ndescription: \"Releases a version.\"\n---\n"),
                "{text}"
            );
            assert!(text.contains(&run) && text.contains("- `scripts/go.sh`: does it\n"), "{text}");
            assert_eq!(fs::read(path.join("scripts/go.sh")).unwrap(), b"#!/bin/sh\necho ${HOME}\n");
            let mode = |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode("scripts/go.sh"), mode("SKILL.md")), (0o755, 0o644));
            assert_eq!(fs::read(path.join("assets/logo.bin")).unwrap(), LOGO);
        }
    }
    assert!(get(&home, ".claude/commands/tidy-up.md").ends_with("Tidy up $ARGUMENTS.\n"));
    assert!(get(&home, ".gemini/commands/tidy-up.toml").contains("Tidy up {{args}}."));
    let written = everything(&home);
    home.loom_ok(&["sync", "all", "--check"]);
    assert!(home.loom_ok(&["sync", "all"]).ends_with("nothing was written\n"));
    assert_eq!(everything(&home), written);
    home.loom_ok(&["sync", "--undo"]);
    assert_eq!(everything(&home), before);
    home.loom_ok(&["sync", "all"]);
    assert_eq!(everything(&home), written);
}

#[test]
fn removal_leaves_no_trace() {
    let home = seeded();
    let before = everything(&home);
    home.loom_ok(&["sync", "skills", "all"]);
    assert!(!home.path().join(".claude.json").exists(), "only what models are told");
    home.loom_ok(&["sync", "skills", "all", "--remove"]);
    assert_eq!(everything(&home), before);
    home.loom_ok(&["sync", "all", "--skip-skills"]);
    assert!(!home.path().join(".agents").exists());
    home.loom_ok(&["sync", "--undo"]);
    assert_eq!(everything(&home), before);
}

#[test]
fn one_client_leaves_and_the_others_keep_what_they_share() {
    let home = seeded();
    home.loom_ok(&["sync", "skills", "all"]);
    home.loom_ok(&["sync", "skills", "codex", "--remove"]);
    assert!(home.path().join(".agents/skills/release/SKILL.md").exists());
    assert_eq!(get(&home, ".codex/AGENTS.md"), MINE[1].1);
    home.loom_ok(&["sync", "skills", "gemini,copilot", "--remove"]);
    assert!(!home.path().join(".agents").exists());
    assert!(get(&home, ".gemini/GEMINI.md").contains("Be brief"), "antigravity reads it, too");
    home.loom_ok(&["sync", "skills", "antigravity", "--remove"]);
    assert_eq!(get(&home, ".gemini/GEMINI.md"), MINE[2].1);
}

#[test]
fn a_second_reader_moves_the_copy_of_the_first() {
    let home = TestHome::new();
    put(&home, ".gemini/settings.json", "{}");
    put(
        &home,
        ".config/loom/skills-registry.yaml",
        "skills: [{name: a, common: {description: d, instructions: i}}]",
    );
    home.loom_ok(&["sync", "gemini"]);
    assert!(home.path().join(".gemini/skills/a/SKILL.md").exists());
    home.loom_ok(&["sync", "codex"]);
    assert!(home.path().join(".agents/skills/a/SKILL.md").exists());
    assert!(!home.path().join(".gemini/skills").exists());
    home.loom_ok(&["sync", "--undo"]);
    assert!(home.path().join(".gemini/skills/a/SKILL.md").exists());
    assert!(!home.path().join(".agents").exists());
}

#[test]
fn without_a_registry_nothing_is_told() {
    let home = seeded();
    fs::remove_file(home.path().join(".config/loom/skills-registry.yaml")).unwrap();
    let before = everything(&home);
    home.loom_ok(&["sync", "skills", "all"]);
    assert_eq!(everything(&home), before);
    home.loom_ok(&["sync", "all"]);
    assert!(!home.path().join(".agents").exists());
    assert_eq!(get(&home, ".claude/CLAUDE.md"), MINE[0].1);
}

#[test]
fn copies_in_a_workspace_that_are_looms_go() {
    let home = seeded();
    put(&home, "else/.gemini/skills/release/SKILL.md", "mine");
    let sync = |dir: &str| {
        let mut command = home.command(loom_binary());
        command.current_dir(home.path().join(dir)).args(["sync", "skills", "gemini"]);
        let output = home.finish(&mut command);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(sync("else").0, Some(0));
    assert_eq!(get(&home, "else/.gemini/skills/release/SKILL.md"), "mine");
    let own = everything(&home);
    let inside = own.iter().filter(|(path, _)| path.is_file());
    let copies: Vec<_> = inside
        .filter_map(|(path, one)| {
            let below = path.strip_prefix(home.path().join(".agents")).ok()?;
            below
                .starts_with("skills/release")
                .then(|| (Path::new("work/.gemini").join(below), one.0.clone()))
        })
        .collect();
    assert!(copies.len() > 1, "{copies:?}");
    for (below, bytes) in &copies {
        let path = home.path().join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    put(&home, "work/.gemini/skills/other/SKILL.md", "mine");
    put(&home, "work/.gemini/skills/release/notes.md", "mine");
    let (code, said) = sync("work");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("~/work/.gemini/skills/release/SKILL.md: differs"), "{said}");
    for (below, bytes) in &copies {
        assert_eq!(fs::read(home.path().join(below)).unwrap(), *bytes);
    }
    fs::remove_file(home.path().join("work/.gemini/skills/release/notes.md")).unwrap();
    assert_eq!(sync("work").0, Some(0));
    assert!(!home.path().join("work/.gemini/skills/release").exists());
    assert_eq!(get(&home, "work/.gemini/skills/other/SKILL.md"), "mine");
    home.loom_ok(&["sync", "--undo"]);
    assert!(copies.iter().all(|(below, _)| home.path().join(below).is_file()));
}

#[test]
fn what_a_folder_links_to_is_never_taken_out() {
    let home = seeded();
    put(&home, "Documents/SKILL.md", "mine");
    put(&home, "Documents/tax.txt", "mine");
    put(&home, "work/.gemini/skills/.loom-skills-manifest.json", r#"{"generated": ["release"]}"#);
    symlink("../../../Documents", home.path().join("work/.gemini/skills/release")).unwrap();
    let mut command = home.command(loom_binary());
    command.current_dir(home.path().join("work")).args(["sync", "skills", "gemini"]);
    assert_eq!(home.finish(&mut command).status.code(), Some(1));
    assert_eq!(get(&home, "Documents/SKILL.md"), "mine");
    assert_eq!(get(&home, "Documents/tax.txt"), "mine");
    assert!(home.path().join("work/.gemini/skills/release").is_symlink());
}

/// Killed at many moments: the next run finishes the job, and all of it can be taken back.
#[test]
fn a_run_killed_anywhere_is_finished_by_the_next() {
    let home = seeded();
    let before = everything(&home);
    home.loom_ok(&["sync", "all"]);
    let want = everything(&home);
    home.loom_ok(&["sync", "--undo"]);
    for step in 0..25 {
        let mut command = home.command(loom_binary());
        command.args(["sync", "all"]).stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        thread::sleep(Duration::from_micros(2_500 * step));
        child.kill().unwrap();
        child.wait().unwrap();
        home.loom_ok(&["sync", "all"]);
        let mut now = everything(&home);
        // What the killed one had begun to write lies beside it.
        now.retain(|path, _| !path.file_name().unwrap().to_string_lossy().starts_with(".loom-"));
        assert_eq!(now, want, "killed at step {step}");
        while home.loom(&["sync", "--undo"]).status.success() {}
        let files = |all: &BTreeMap<PathBuf, (Vec<u8>, u32)>| {
            let own = |path: &Path| !path.file_name().unwrap().to_string_lossy().starts_with(".loom-");
            all.iter()
                .filter(|(path, _)| path.is_file() && own(path))
                .map(|(path, one)| (path.clone(), one.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(files(&everything(&home)), files(&before), "undone after step {step}");
    }
}

#[test]
fn generated_files_are_those_of_an_empty_home() {
    let home = seeded();
    let listed = home.loom_ok(&["generate", "skills", "--target", "codex,gemini", "--dry-run"]);
    assert_eq!(listed.matches("would be written").count(), 11, "{listed}");
    assert!(!home.path().join("generated").exists());
    home.loom_ok(&["generate", "skills", "--target", "codex,gemini", "--output-dir", "out"]);
    assert!(get(&home, "out/codex/AGENTS.md").starts_with("<!-- loom:begin house-rules -->\nBe brief.\n"));
    assert!(get(&home, "out/codex/skills/release/SKILL.md").contains("/.codex/skills/release/scripts/go.sh"));
    assert!(get(&home, "out/gemini/commands/tidy-up.toml").contains("prompt"));
    let script = fs::metadata(home.path().join("out/gemini/skills/release/scripts/go.sh")).unwrap();
    assert_eq!(script.permissions().mode() & 0o777, 0o755);
    assert!(home.loom_ok(&["generate", "skills", "--validate"]).contains("3 entries, in order"));
    home.loom_ok(&["sync", "all", "--regen"]);
    assert!(CLIENTS.iter().all(|client| home.path().join("generated/skills").join(client).is_dir()));
}

#[test]
fn a_workspace_has_skills_of_its_own() {
    let home = seeded();
    put(&home, "work/mcp/context/registry.yaml", "servers: []\n");
    put(
        &home,
        "work/mcp/context/skills-registry.yaml",
        "skills: [{name: a, common: {description: d, instructions: i, references: [r.md]}}]\n",
    );
    put(&home, "work/mcp/skills/a/r.md", "r");
    let sync = |more: &[&str]| {
        let mut command = home.command(loom_binary());
        command.current_dir(home.path().join("work")).args(["sync", "skills", "claude"]).args(more);
        let output = home.finish(&mut command);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let is_there = |path: &str| home.path().join(path).exists();
    sync(&["--repo-only"]);
    assert_eq!(get(&home, "work/generated/skills/claude/skills/a/references/r.md"), "r");
    fs::remove_dir_all(home.path().join("work/generated")).unwrap();
    let said = sync(&["--regen"]);
    assert!(said.contains("add --registry ~/work/mcp/context/registry.yaml"), "{said}");
    assert!(
        is_there("work/generated/skills/claude/skills/a")
            && !is_there("work/generated/skills/claude/skills/release")
    );
    assert!(is_there(".claude/skills/release") && !is_there(".claude/skills/a"));
    let said = sync(&["--registry", "mcp/context/registry.yaml"]);
    assert!(!said.contains("--registry"), "{said}");
    assert_eq!(get(&home, ".claude/skills/a/references/r.md"), "r");
    assert!(!is_there(".claude/skills/release"));
}

#[test]
fn a_diff_shows_what_would_be_told() {
    let home = seeded();
    let before = everything(&home);
    let told = home.loom_ok(&["sync", "skills", "codex", "--dry-run"]);
    assert!(told.contains("+Be brief.") && told.contains("(it is no text)"), "{told}");
    assert_eq!(everything(&home), before);
    said(&home, &["sync", "skills"], 2);
    said(&home, &["sync", "skills", "all", "--skip-skills"], 2);
}
