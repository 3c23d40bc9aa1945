//! Writers of the encrypted file: many at once, and killed at any moment.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{get, names, set};
use crate::support::home::{TestHome, loom_binary};

/// Points of a write at which a debug build lets itself be killed (`src/file.rs`).
const POINTS: [&str; 5] = ["created", "half-written", "written", "synced", "renamed"];

/// `loom secrets set NAME` under way, its value already given.
fn begin_set(home: &TestHome, name: &str, fault: &str) -> Child {
    use std::io::Write;
    let mut child = home
        .command(loom_binary())
        .args(["secrets", "set", name, "--from-stdin"])
        .env("LOOM_FAULT", fault)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("loom can be started");
    child.stdin.take().expect("a pipe").write_all(format!("value of {name}").as_bytes()).expect("it reads");
    child
}

#[test]
fn two_hundred_writers_at_once_lose_nothing() {
    let home = TestHome::new();
    let wanted: Vec<String> = (0..200).map(|at| format!("KEY_{at:03}")).collect();
    let mut writers: Vec<Child> = wanted.iter().map(|name| begin_set(&home, name, "")).collect();
    for writer in &mut writers {
        assert!(writer.wait().expect("a child ends").success());
    }
    assert_eq!(names(&home), wanted);
    for name in [&wanted[0], &wanted[77], &wanted[199]] {
        assert_eq!(get(&home, name), Some(format!("value of {name}")));
    }
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "release builds have no points at which they kill themselves")]
fn a_writer_killed_at_any_point_leaves_the_old_or_the_new_file() {
    for file in ["secrets.key", "secrets.enc"] {
        for point in POINTS {
            let home = TestHome::new();
            let mut before = Vec::new();
            if file == "secrets.enc" {
                set(&home, "OLD", "old");
                before.push("OLD".to_owned());
            }
            let status = begin_set(&home, "NEW", &format!("{file}:{point}")).wait().expect("a child ends");
            assert_eq!(status.signal(), Some(9), "{file}:{point}: {status:?}");
            if file == "secrets.enc" && point == "renamed" {
                before.insert(0, "NEW".to_owned());
            }
            assert_eq!(names(&home), before, "{file}:{point}");
            set(&home, "NEXT", "next");
            assert_eq!(get(&home, "NEXT").as_deref(), Some("next"), "{file}:{point}");
            assert_eq!(get(&home, "OLD").is_some(), file == "secrets.enc", "{file}:{point}");
        }
    }
}

#[test]
fn writers_killed_at_random_moments_lose_only_what_was_not_kept() {
    let home = TestHome::new();
    // How long an undisturbed one takes, so that the kills fall into all of it.
    let began = Instant::now();
    set(&home, "FIRST", "x");
    let whole = began.elapsed();
    let mut kept = vec!["FIRST".to_owned()];
    for round in 0..60_u32 {
        let name = format!("KEY_{round:02}");
        let mut writer = begin_set(&home, &name, "");
        thread::sleep(whole.mul_f64(f64::from(round * 37 % 60) / 50.0).max(Duration::from_micros(200)));
        // One that has ended cannot be killed.
        let _ = writer.kill();
        let done = writer.wait().expect("a child ends").success();
        let found = names(&home);
        for name in &kept {
            assert!(found.contains(name), "round {round}: {name} is lost: {found:?}");
        }
        if done || found.contains(&name) {
            assert_eq!(get(&home, &name), Some(format!("value of {name}")), "round {round}");
            kept.push(name);
        }
    }
    assert!(kept.len() > 1, "every writer was killed too early to tell anything");
    let left = fs::read_dir(home.config_dir()).expect("the home can be read").flatten();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().starts_with(".loom-"));
    assert!(left.count() <= 60);
}
