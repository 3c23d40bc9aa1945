//! Which copies go, and which stay.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use super::*;
use crate::registry::skills::parse::parse;
use crate::sync::TARGETS;
use crate::sync::machine::Os;
use crate::sync::skills::Told;
use crate::sync::skills::layout::layout;
use crate::sync::skills::source::{PartFile, Source};

/// A home folder, and a workspace in it that may hold copies.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Bench { dir: tempfile::tempdir().unwrap() };
        fs::create_dir_all(bench.home().join("work")).unwrap();
        bench
    }

    fn home(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("home")
    }

    fn laid(home: &Path, cwd: &Path) -> (Layout, Machine) {
        let parsed =
            parse(b"skills: [{name: a, common: {description: d, instructions: i}}]", Path::new("/r/s.yaml"));
        let part = PartFile {
            below: "scripts/go.sh".into(),
            description: String::new(),
            bytes: b"go".to_vec(),
            mode: 0o755,
        };
        let source = |skill| Source { skill, folder: "/r/skills/a".into(), parts: vec![part.clone()] };
        let told = Told { sources: parsed.skills.unwrap().skills.into_iter().map(source).collect() };
        let machine = Machine {
            os: Os::Linux,
            home: home.into(),
            env: BTreeMap::new(),
            overrides: BTreeMap::new(),
            cwd: cwd.into(),
        };
        let gemini: Vec<_> = TARGETS.iter().filter(|target| target.name == "gemini").collect();
        (layout(&told, &gemini, &machine, &|_| false), machine)
    }

    /// What becomes of the copies, seen with these paths: `-` goes, `=` stays and is reported.
    fn told(home: &Path, cwd: &Path) -> Vec<String> {
        let (laid, machine) = Bench::laid(home, cwd);
        let word = |job: &Job| match &job.task {
            Task::Erase { .. } => "-",
            _ => "=",
        };
        let jobs = copies(&laid, &machine);
        let short = |job: &Job| job.path.to_string_lossy().split("skills/").last().unwrap_or("").to_owned();
        let mut told: Vec<String> = jobs.iter().map(|job| format!("{}{}", word(job), short(job))).collect();
        told.sort();
        told
    }

    /// Lays out the skill in `folder`, where `.gemini` is.
    fn lay(&self, folder: &Path) {
        let home = self.home();
        let (laid, _) = Bench::laid(&home, &home);
        for (path, file) in &laid.files {
            let path = folder.join(path.strip_prefix(&home).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &file.bytes).unwrap();
        }
    }
}

#[test]
fn only_a_copy_that_is_looms_as_a_whole_goes() {
    type Change = fn(&Path);
    let cases: [(&str, Change, &[&str]); 6] = [
        ("as it is", |_| {}, &["-a/SKILL.md", "-a/scripts/go.sh"]),
        ("a note beside it", |copy| fs::write(copy.join("notes.md"), "mine").unwrap(), &["=a/SKILL.md"]),
        ("an edited script", |copy| fs::write(copy.join("scripts/go.sh"), "mine").unwrap(), &["=a/SKILL.md"]),
        ("a link in it", |copy| symlink("/etc", copy.join("etc")).unwrap(), &["=a/SKILL.md"]),
        (
            "another text, but written down",
            |copy| {
                fs::write(copy.join("SKILL.md"), "mine").unwrap();
                fs::write(copy.with_file_name(GENERATED), "{\"generated\": [\"a\"]}").unwrap();
            },
            &["=a/SKILL.md"],
        ),
        ("another text", |copy| fs::write(copy.join("SKILL.md"), "mine").unwrap(), &[]),
    ];
    for (name, change, want) in cases {
        let bench = Bench::new();
        let work = bench.home().join("work");
        bench.lay(&work);
        change(&work.join(".gemini/skills/a"));
        assert_eq!(Bench::told(&bench.home(), &work), want, "{name}");
    }
}

#[test]
fn a_folder_that_is_a_link_is_left() {
    for level in [".gemini", ".gemini/skills", ".gemini/skills/a"] {
        let bench = Bench::new();
        let (work, documents) = (bench.home().join("work"), bench.home().join("Documents"));
        bench.lay(&work);
        fs::rename(work.join(level), &documents).unwrap();
        symlink(&documents, work.join(level)).unwrap();
        assert_eq!(Bench::told(&bench.home(), &work), ["=a/SKILL.md"], "{level}");
    }
}

#[test]
fn what_links_make_the_home_folders_own_is_left() {
    let bench = Bench::new();
    let (home, outside) = (bench.home(), bench.home().with_file_name("outside"));
    bench.lay(&home);
    // The home folder itself, by another name.
    let alias = home.with_file_name("alias");
    symlink(&home, &alias).unwrap();
    for (home, cwd) in [(&alias, &home), (&home, &alias), (&alias, &alias)] {
        assert_eq!(Bench::told(home, cwd), [""; 0]);
        assert_eq!(Bench::told(home, &cwd.join("work")), [""; 0]);
    }
    // The workspace's folder leads to the home folder's, and the other way round.
    fs::create_dir_all(home.join("work/.gemini")).unwrap();
    symlink(home.join(".gemini/skills"), home.join("work/.gemini/skills")).unwrap();
    assert_eq!(Bench::told(&home, &home.join("work")), [""; 0]);
    fs::remove_file(home.join("work/.gemini/skills")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::rename(home.join(".gemini"), outside.join(".gemini")).unwrap();
    symlink(outside.join(".gemini"), home.join(".gemini")).unwrap();
    assert_eq!(Bench::told(&home, &outside), [""; 0]);
}

#[test]
fn a_copy_that_the_home_folder_links_to_stays() {
    let bench = Bench::new();
    let (home, work) = (bench.home(), bench.home().join("work"));
    bench.lay(&work);
    fs::create_dir_all(home.join(".gemini/skills/a")).unwrap();
    symlink(work.join(".gemini/skills/a/SKILL.md"), home.join(".gemini/skills/a/SKILL.md")).unwrap();
    assert_eq!(Bench::told(&home, &work), ["=a/SKILL.md"]);
}
