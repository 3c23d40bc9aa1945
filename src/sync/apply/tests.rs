//! Runs that end well, are broken off anywhere, meet a client at work, and are taken back.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::sync::format::Format;
use crate::sync::job::{Job, Task};
use crate::sync::target::Item;

struct Bench {
    dir: TempDir,
}

const SEEDS: [&str; 3] = ["{\n  // a\n}\n", "\u{feff}{\"b\": 1}\r\n", ""];

impl Bench {
    /// Two files with something in them, one that is not there.
    fn new() -> Self {
        let bench = Bench { dir: tempfile::tempdir().unwrap() };
        bench.reset();
        bench
    }

    fn reset(&self) {
        for (at, seed) in SEEDS.iter().enumerate().take(2) {
            fs::write(self.path(at), seed).unwrap();
        }
        let _ = fs::remove_dir_all(self.dir.path().join("new"));
        let _ = fs::remove_dir_all(self.dir.path().join("state"));
    }

    fn path(&self, at: usize) -> PathBuf {
        self.dir.path().join(["a.json", "b.json", "new/c.json"][at])
    }

    fn state(&self) -> State {
        State::open(self.dir.path().join("state")).unwrap()
    }

    fn drafts(&self, manifest: &Manifest) -> Vec<Draft> {
        let members = json!({"command": "/bin/loom", "args": ["proxy"]}).as_object().cloned().unwrap();
        let items = vec![Item::Entry { place: Place::keys(&["m", "loom"]), members }];
        let job = |at| Job {
            target: "codex",
            also: Vec::new(),
            path: self.path(at),
            format: Format::Jsonc,
            seed: String::new(),
            direct: false,
            task: Task::Hold { items: items.clone(), stale: Vec::new() },
        };
        let made = (0..3).map(job).map(|job| {
            let record = manifest.files.get(&job.path).cloned();
            draft(job, record.as_ref(), Policy::Report).unwrap()
        });
        made.flatten().collect()
    }

    fn run(&self) -> Option<Run> {
        let state = self.state();
        let mut manifest = state.manifest().unwrap();
        recover(&state, &mut manifest).unwrap();
        let mut drafts = self.drafts(&manifest);
        apply(&state, &mut manifest, &mut drafts, Policy::Report, "sync").unwrap()
    }

    fn undo(&self) -> Result<Undone, ApplyError> {
        let state = self.state();
        let mut manifest = state.manifest().unwrap();
        undo(&state, &mut manifest, None)
    }

    fn texts(&self) -> Vec<Option<String>> {
        (0..3).map(|at| fs::read_to_string(self.path(at)).ok()).collect()
    }

    fn seeds() -> Vec<Option<String>> {
        SEEDS.iter().map(|seed| (!seed.is_empty()).then(|| (*seed).to_owned())).collect()
    }
}

#[test]
fn a_second_run_writes_nothing_and_an_undo_restores_every_byte() {
    let bench = Bench::new();
    assert_eq!(bench.run().unwrap().files.len(), 3);
    let written = bench.texts();
    assert!(written.iter().all(|text| text.as_ref().unwrap().contains("/bin/loom")));
    assert_eq!(bench.run(), None);
    let undone = bench.undo().unwrap();
    assert!(undone.files.iter().all(|(_, exact, left)| *exact && left.is_empty()));
    assert_eq!(bench.texts(), Bench::seeds());
    assert!(!bench.dir.path().join("new").exists());
    assert!(matches!(bench.undo(), Err(ApplyError::NoRun { .. })));
    assert_eq!(bench.run().unwrap().id, 2);
    assert_eq!(bench.texts(), written);
}

#[test]
fn a_run_that_dies_anywhere_is_finished_by_the_next() {
    let bench = Bench::new();
    bench.run();
    let want = bench.texts();
    for steps in 0..=3 {
        bench.reset();
        let state = bench.state();
        let manifest = state.manifest().unwrap();
        let mut drafts = bench.drafts(&manifest);
        let mut commit = Commit::begin(&state, &mut drafts, Policy::Report, "sync").unwrap();
        for _ in 0..steps {
            assert!(commit.step().unwrap());
        }
        // It dies: nothing is recorded, nothing put back.
        drop(commit);
        drop(state);
        for (at, text) in bench.texts().into_iter().enumerate() {
            assert!(text == Bench::seeds()[at] || text == want[at], "{text:?}");
        }
        bench.run();
        assert_eq!(bench.texts(), want, "after {steps} steps");
        assert_eq!(bench.run(), None);
        while bench.undo().is_ok() {}
        assert_eq!(bench.texts(), Bench::seeds(), "after {steps} steps");
    }
}

#[test]
fn a_file_that_cannot_be_written_takes_the_others_back() {
    let bench = Bench::new();
    let state = bench.state();
    let mut manifest = state.manifest().unwrap();
    let mut drafts = bench.drafts(&manifest);
    fs::write(bench.dir.path().join("new"), "in the way").unwrap();
    let error = apply(&state, &mut manifest, &mut drafts, Policy::Report, "sync").unwrap_err();
    assert!(matches!(error, ApplyError::Write { .. }), "{error:?}");
    let texts = bench.texts();
    assert_eq!(texts[..2], Bench::seeds()[..2]);
    assert!(history::all(&state.history_dir()).unwrap().is_empty());
}

#[test]
fn a_client_that_writes_meanwhile_keeps_what_it_wrote() {
    let bench = Bench::new();
    let state = bench.state();
    let mut manifest = state.manifest().unwrap();
    let mut drafts = bench.drafts(&manifest);
    fs::write(bench.path(0), "{\"theirs\": 1}").unwrap();
    apply(&state, &mut manifest, &mut drafts, Policy::Report, "sync").unwrap();
    let text = bench.texts()[0].clone().unwrap();
    assert!(text.contains("theirs") && text.contains("/bin/loom"), "{text}");
    undo(&state, &mut manifest, None).unwrap();
    assert_eq!(bench.texts()[0].as_deref(), Some("{\"theirs\": 1}"));
}

#[test]
fn an_undo_after_a_client_wrote_takes_back_only_ours() {
    let bench = Bench::new();
    bench.run();
    let text = bench.texts()[1].clone().unwrap();
    fs::write(bench.path(1), text.replace("\"b\": 1", "\"b\": 2, \"client\": true")).unwrap();
    let undone = bench.undo().unwrap();
    assert_eq!(undone.files.iter().map(|(_, exact, _)| *exact).collect::<Vec<_>>(), [true, false, true]);
    let text = bench.texts()[1].clone().unwrap();
    assert!(text.contains("\"client\": true") && !text.contains("loom"), "{text}");
}

#[test]
fn an_undo_leaves_what_holds_nothing_of_ours() {
    let bench = Bench::new();
    bench.run();
    let bytes = [SEEDS[0].as_bytes(), b"// mine\n"].concat();
    fs::write(bench.path(0), &bytes).unwrap();
    let written = |path| fs::metadata(path).unwrap().modified().unwrap();
    let before = written(bench.path(0));
    let undone = bench.undo().unwrap();
    let (_, exact, left) = &undone.files[0];
    assert_eq!((*exact, left.len()), (false, 1), "{left:?}");
    assert_eq!(fs::read(bench.path(0)).unwrap(), bytes);
    assert_eq!(written(bench.path(0)), before, "it was not written");
}

#[test]
fn an_undo_waits_until_what_has_changed_can_be_read() {
    for more in [&b"// caf\xe9\n"[..], b"}\n"] {
        let bench = Bench::new();
        bench.run();
        let whole = [0, 1].map(|at| fs::read(bench.path(at)).unwrap());
        fs::write(bench.path(0), [&whole[0], more].concat()).unwrap();
        let refused = bench.undo().unwrap_err();
        assert!(matches!(refused, ApplyError::Unreadable { .. }), "{refused:?}");
        assert_eq!(fs::read(bench.path(1)).unwrap(), whole[1], "nothing was taken back");
        fs::write(bench.path(0), &whole[0]).unwrap();
        bench.undo().unwrap();
        assert_eq!([0, 1].map(|at| fs::read(bench.path(at)).unwrap()), [0, 1].map(|at| SEEDS[at].as_bytes()));
    }
}

#[test]
fn two_runs_at_once_are_one_and_a_refusal() {
    let bench = Bench::new();
    let _held = bench.state();
    assert!(matches!(State::open(bench.dir.path().join("state")), Err(StateError::Busy)));
}

/// One file with a block, a new one with a mode, one that goes.
fn told(dir: &std::path::Path, manifest: &Manifest) -> Vec<Draft> {
    let job = |path: &str, format, task| Job {
        direct: false,
        target: "claude",
        also: vec!["codex".into()],
        path: dir.join(path),
        format,
        seed: String::new(),
        task,
    };
    let block = Item::Value { place: Place::keys(&["a"]), value: json!("told") };
    let jobs = [
        job("CLAUDE.md", Format::Blocks, Task::Hold { items: vec![block], stale: Vec::new() }),
        job("new/s/x.sh", Format::Whole, Task::Be { bytes: vec![0xff, 0], mode: 0o755 }),
        job("old/SKILL.md", Format::Whole, Task::Erase { unit: dir.join("old"), bytes: b"old".to_vec() }),
    ];
    let drafted = jobs.into_iter().map(|job| {
        let record = manifest.files.get(&job.path).cloned();
        draft(job, record.as_ref(), Policy::Report).unwrap()
    });
    drafted.flatten().collect()
}

#[test]
fn what_models_are_told_survives_the_same() {
    let bench = Bench::new();
    let dir = bench.dir.path();
    let paths = ["CLAUDE.md", "new/s/x.sh", "old/SKILL.md"].map(|path| dir.join(path));
    let seeds = [Some(&b"mine"[..]), None, Some(&b"old"[..])];
    let bytes = || paths.clone().map(|path| fs::read(path).ok());
    for steps in 0..=3 {
        fs::write(&paths[0], "mine").unwrap();
        fs::create_dir_all(dir.join("old")).unwrap();
        fs::write(&paths[2], "old").unwrap();
        fs::set_permissions(&paths[2], fs::Permissions::from_mode(0o751)).unwrap();
        let state = bench.state();
        let mut manifest = state.manifest().unwrap();
        let mut drafts = told(dir, &manifest);
        let mut commit = Commit::begin(&state, &mut drafts, Policy::Report, "sync").unwrap();
        for _ in 0..steps {
            assert!(commit.step().unwrap());
        }
        drop(commit);
        recover(&state, &mut manifest).unwrap();
        let mut drafts = told(dir, &manifest);
        apply(&state, &mut manifest, &mut drafts, Policy::Report, "sync").unwrap();
        let written = bytes();
        assert_eq!(written[1..], [Some(vec![0xff, 0]), None], "after {steps} steps");
        assert_eq!(disk::mode(&paths[1]), Some(0o755));
        assert!(manifest.files[&paths[1]].is_for("codex"));
        assert!(told(dir, &manifest).iter().all(|draft| !draft.writes()));
        while undo(&state, &mut manifest, None).is_ok() {}
        assert_eq!(bytes(), seeds.map(|seed| seed.map(<[u8]>::to_vec)), "after {steps} steps");
        assert_eq!(disk::mode(&paths[2]), Some(0o751));
        assert!(!dir.join("new").exists());
        assert!(manifest.files.is_empty(), "{manifest:?}");
    }
}

#[test]
fn a_text_that_changed_since_keeps_what_its_user_wrote() {
    let bench = Bench::new();
    let dir = bench.dir.path();
    fs::create_dir_all(dir.join("old")).unwrap();
    fs::write(dir.join("CLAUDE.md"), "mine").unwrap();
    let state = bench.state();
    let mut manifest = Manifest::default();
    let mut drafts = told(dir, &manifest);
    apply(&state, &mut manifest, &mut drafts, Policy::Report, "sync").unwrap();
    let text = fs::read_to_string(dir.join("CLAUDE.md")).unwrap();
    fs::write(dir.join("CLAUDE.md"), format!("new\n{text}")).unwrap();
    fs::write(dir.join("new/s/x.sh"), "edited").unwrap();
    let undone = undo(&state, &mut manifest, None).unwrap();
    assert_eq!(fs::read_to_string(dir.join("CLAUDE.md")).unwrap(), "new\nmine");
    assert_eq!(fs::read_to_string(dir.join("new/s/x.sh")).unwrap(), "edited");
    assert_eq!(
        undone.files.iter().map(|(_, exact, left)| (*exact, left.len())).collect::<Vec<_>>(),
        [(false, 0), (false, 1)]
    );
}

#[test]
fn an_entry_that_is_rewritten_before_it_is_taken_out_stays() {
    let bench = Bench::new();
    let (path, place) = (bench.path(0), Place::keys(&["servers", "mine"]));
    fs::write(&path, r#"{"servers": {"mine": {"command": "a"}, "other": {"command": "b"}}}"#).unwrap();
    let entries = vec![
        (place, json!({"command": "a"})),
        (Place::keys(&["servers", "other"]), json!({"command": "b"})),
        (Place::keys(&["servers", "gone"]), json!({})),
    ];
    let job = Job::taking_out("test", path.clone(), Format::Jsonc, entries, None);
    let mut drafts: Vec<Draft> = draft(job, None, Policy::Report).unwrap().into_iter().collect();
    assert!(drafts[0].drift.is_empty());
    // Its client writes it, after it was planned.
    fs::write(&path, r#"{"servers": {"mine": {"command": "new"}, "other": {"command": "b"}}}"#).unwrap();
    let (state, mut manifest) = (bench.state(), Manifest::default());
    apply(&state, &mut manifest, &mut drafts, Policy::Report, "import --move").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), r#"{"servers": {"mine": {"command": "new"}}}"#);
    let kinds: Vec<_> = drafts[0].drift.iter().map(|drift| drift.kind).collect();
    assert_eq!(kinds, [crate::sync::plan::DriftKind::Rewritten]);
}
