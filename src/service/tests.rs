//! Units as they are written, and the managers against what their programs have said.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::process::Command;
use std::rc::Rc;

use super::*;
use crate::service::unit::DAEMON;

/// Calls that were made, in order.
type Calls = Rc<RefCell<Vec<String>>>;

/// Answers each call with the next of `recorded`: exit code, standard output, standard error.
fn recorded(answers: &[(i32, &str, &str)]) -> (Run, Calls) {
    let calls = Calls::default();
    let said = |(code, stdout, stderr): &(i32, &str, &str)| Said {
        code: *code,
        stdout: (*stdout).to_owned(),
        stderr: (*stderr).to_owned(),
    };
    let answers: RefCell<VecDeque<Said>> = RefCell::new(answers.iter().map(said).collect());
    let seen = calls.clone();
    let run = move |program: &str, args: &[&str]| {
        seen.borrow_mut().push(format!("{program} {}", args.join(" ")));
        Ok(answers.borrow_mut().pop_front().unwrap_or_else(|| panic!("one call too many: {args:?}")))
    };
    (Box::new(run), calls)
}

fn site(home: &str) -> (Site, PathBuf) {
    let paths = Paths::new(Some(home.into())).unwrap();
    (Site::new(&paths.home().join(".local/bin/loom"), &paths), paths.home().into())
}

fn systemd(home: &Path, answers: &[(i32, &str, &str)]) -> (Systemd, Calls) {
    let (run, calls) = recorded(answers);
    (Systemd::new(home, run), calls)
}

fn launchd(home: &Path, answers: &[(i32, &str, &str)]) -> (Launchd, Calls) {
    let (run, calls) = recorded(answers);
    (Launchd::new(home, 501, run), calls)
}

const GONE: (i32, &str, &str) =
    (113, "", "Bad request.\nCould not find service \"com.loom.daemon\" in domain for user gui: 501\n");

/// A unit in the form in which `launchctl print` shows it; cut.
const PRINT: &str = "gui/501/com.loom.daemon = {
\tactive count = 1
\tpath = /Users/ann/Library/LaunchAgents/com.loom.daemon.plist
\ttype = LaunchAgent
\tstate = running

\tprogram = /Users/ann/.local/bin/loom
\targuments = {
\t\t/Users/ann/.local/bin/loom
\t\tdaemon
\t}

\tdomain = gui/501 [100005]
\tminimum runtime = 5
\texit timeout = 30
\truns = 1
\tpid = 4711
\timmediate reason = speculative
\tlast exit code = (never exited)

\tresource coalition = {
\t\tID = 7
\t\ttype = resource
\t\tstate = active
\t\tactive count = 1
\t}
}
";

#[test]
fn a_plist_holds_this_users_paths_whatever_they_are_called() {
    let (site, home) = site("/Users/a & b <c>");
    let text = launchd(&home, &[]).0.render(&DAEMON, &site).unwrap();
    let script = "import json, plistlib, sys; json.dump(plistlib.loads(sys.stdin.buffer.read()), sys.stdout)";
    let said = program::ask(Command::new("python3").args(["-c", script]), text.as_bytes(), PATIENCE).unwrap();
    let found: serde_json::Value = serde_json::from_slice(&said.stdout).expect(&said.stderr);
    let want = serde_json::json!({
        "Label": "com.loom.daemon",
        "ProgramArguments": ["/Users/a & b <c>/.local/bin/loom", "daemon", "--started-by", "launchd (com.loom.daemon)"],
        "EnvironmentVariables": { "HOME": "/Users/a & b <c>" },
        "WorkingDirectory": "/Users/a & b <c>",
        "RunAtLoad": true,
        "KeepAlive": { "SuccessfulExit": false },
        "ThrottleInterval": 5,
        "ExitTimeOut": 30,
        "ProcessType": "Interactive",
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": "/Users/a & b <c>/.config/loom/logs/daemon.err",
    });
    assert_eq!(found, want);
}

#[test]
fn a_systemd_unit_names_odd_paths_as_systemd_reads_them() {
    let (site, home) = site("/home/a 5% $c");
    let text = systemd(&home, &[]).0.render(&DAEMON, &site).unwrap();
    for line in [
        r#"ExecStart="/home/a 5%% $c/.local/bin/loom" daemon --started-by "systemd (loomd.service)""#,
        r#"Environment="HOME=/home/a 5%% $c""#,
        "WorkingDirectory=/home/a 5%% $c",
        "StandardError=append:/home/a 5%% $c/.config/loom/logs/daemon.err",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
    for wrong in ["/home/a\nExecStart=/bin/sh", "/home/\"a\"", "/home/a\\b"] {
        let (site, home) = self::site(wrong);
        let error = systemd(&home, &[]).0.render(&DAEMON, &site).unwrap_err();
        assert!(matches!(error, ServiceError::Path { .. }), "{wrong}: {error}");
    }
}

/// Run where systemd is; `scripts/install-packages.sh` installs it.
#[test]
#[cfg(target_os = "linux")]
fn systemd_finds_nothing_wrong_with_the_unit() {
    for name in ["plain", "a 5% $c"] {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join(name);
        let (site, _) = site(home.to_str().unwrap());
        let program = home.join(".local/bin/loom");
        std::fs::create_dir_all(program.parent().unwrap()).unwrap();
        std::fs::copy("/bin/true", &program).unwrap();
        let manager = systemd(&home, &[]).0;
        let file = dir.path().join(DAEMON.service);
        std::fs::write(&file, manager.render(&DAEMON, &site).unwrap()).unwrap();
        let mut command = Command::new("systemd-analyze");
        // Its own configuration would be read, too.
        command.args(["--user", "verify"]).arg(&file).env("HOME", &home).env("XDG_RUNTIME_DIR", dir.path());
        let said =
            program::ask(&mut command, b"", PATIENCE).expect("scripts/install-packages.sh installs systemd");
        let ours: Vec<&str> = said.stderr.lines().filter(|line| line.contains(DAEMON.service)).collect();
        assert_eq!((said.code, ours), (0, vec![]), "{name}: {}", said.stderr);
    }
}

#[test]
fn systemd_states_are_read() {
    for (shown, want) in [
        (
            "MainPID=4711\nExecMainStatus=0\nLoadState=loaded\nActiveState=active\n",
            State::Running { pid: 4711 },
        ),
        ("MainPID=0\nExecMainStatus=0\nLoadState=loaded\nActiveState=inactive\n", State::Stopped),
        (
            "MainPID=0\nExecMainStatus=78\nLoadState=loaded\nActiveState=failed\n",
            State::Failed { code: Some(78) },
        ),
        ("MainPID=0\nExecMainStatus=9\nLoadState=loaded\nActiveState=activating\n", State::Changing),
        ("MainPID=0\nExecMainStatus=0\nLoadState=loaded\nActiveState=deactivating\n", State::Changing),
        ("MainPID=0\nExecMainStatus=0\nLoadState=not-found\nActiveState=inactive\n", State::Unknown),
    ] {
        let (manager, calls) = systemd(Path::new("/h"), &[(0, shown, "")]);
        assert_eq!(manager.state(&DAEMON).unwrap(), want, "{shown}");
        let call =
            "systemctl --user show loomd.service --property=LoadState,ActiveState,MainPID,ExecMainStatus";
        assert_eq!(*calls.borrow(), [call]);
    }
}

#[test]
fn launchd_states_are_read() {
    let changed = |from: &str, to: &str| PRINT.replace(from, to);
    let down = changed("\tstate = running", "\tstate = not running").replace("\tpid = 4711\n", "");
    for (answer, want) in [
        ((0, PRINT.to_owned(), ""), State::Running { pid: 4711 }),
        ((0, down.clone(), ""), State::Stopped),
        ((0, down.replace("(never exited)", "0"), ""), State::Stopped),
        ((0, down.replace("(never exited)", "78: EX_CONFIG"), ""), State::Failed { code: Some(78) }),
        (
            (0, down.replace("last exit code = (never exited)", "last terminating signal = Killed: 9"), ""),
            State::Failed { code: None },
        ),
        ((0, changed("\tstate = running", "\tstate = spawn scheduled"), ""), State::Changing),
        ((GONE.0, String::new(), GONE.2), State::Unknown),
    ] {
        let (manager, calls) = launchd(Path::new("/Users/ann"), &[(answer.0, &answer.1, answer.2)]);
        assert_eq!(manager.state(&DAEMON).unwrap(), want, "{answer:?}");
        assert_eq!(*calls.borrow(), ["launchctl print gui/501/com.loom.daemon"]);
    }
}

#[test]
fn systemd_installs_starts_stops_and_forgets() {
    let dir = tempfile::tempdir().unwrap();
    let (site, home) = site(dir.path().to_str().unwrap());
    let ok = (0, "", "");
    let (manager, calls) = systemd(&home, &[ok; 11]);
    let file = home.join(".config/systemd/user/loomd.service");
    assert_eq!(install(&manager, &site).unwrap(), std::slice::from_ref(&file));
    assert_eq!(install(&manager, &site).unwrap(), Vec::<PathBuf>::new(), "nothing has changed");
    manager.start(&DAEMON, true).unwrap();
    manager.start(&DAEMON, false).unwrap();
    manager.stop(&DAEMON).unwrap();
    assert_eq!(uninstall(&manager).unwrap(), std::slice::from_ref(&file));
    assert!(!file.exists());
    assert_eq!(uninstall(&manager).unwrap(), Vec::<PathBuf>::new());
    let calls: Vec<String> =
        calls.borrow().iter().map(|call| call.replace("systemctl --user ", "")).collect();
    let want = [
        "daemon-reload",
        "enable loomd.service",
        "daemon-reload",
        "enable loomd.service",
        "reset-failed loomd.service",
        "start loomd.service",
        "start loomd.service",
        "stop loomd.service",
        "disable --now loomd.service",
        "reset-failed loomd.service",
        "daemon-reload",
    ];
    assert_eq!(calls, want);
}

#[test]
fn launchd_installs_starts_stops_and_forgets() {
    let dir = tempfile::tempdir().unwrap();
    let (site, home) = site(dir.path().to_str().unwrap());
    let file = home.join("Library/LaunchAgents/com.loom.daemon.plist");
    let (ok, print) = ((0, "", ""), (0, PRINT, ""));
    let (manager, calls) =
        launchd(&home, &[ok, GONE, ok, ok, print, ok, ok, GONE, ok, ok, (3, "", "No such process\n"), ok]);
    assert_eq!(install(&manager, &site).unwrap(), std::slice::from_ref(&file));
    manager.start(&DAEMON, true).unwrap();
    // Somebody had unloaded it.
    manager.enable(&DAEMON).unwrap();
    manager.stop(&DAEMON).unwrap();
    manager.stop(&DAEMON).unwrap();
    assert_eq!(uninstall(&manager).unwrap(), std::slice::from_ref(&file));
    let bootstrap = format!("bootstrap gui/501 {}", file.display());
    let target = "gui/501/com.loom.daemon";
    let calls: Vec<String> =
        calls.borrow().iter().map(|call| call.replace("launchctl ", "").replace(target, "IT")).collect();
    let want = [
        "enable IT",
        "print IT",
        &bootstrap,
        "enable IT",
        "print IT",
        "kickstart IT",
        "enable IT",
        "print IT",
        &bootstrap,
        "kill TERM IT",
        "kill TERM IT",
        "bootout IT",
    ];
    assert_eq!(calls, want);
}

#[test]
fn a_changed_unit_is_taken_down_before_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (site, home) = site(dir.path().to_str().unwrap());
    let (manager, calls) = launchd(&home, &[(0, "", ""), (0, "", ""), GONE, (0, "", "")]);
    let file = manager.unit_file(&DAEMON);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "an older one").unwrap();
    assert_eq!(install(&manager, &site).unwrap(), [file]);
    assert!(calls.borrow()[0].starts_with("launchctl bootout"), "{calls:?}");
}

#[test]
fn what_a_manager_refuses_is_told_in_its_words() {
    let said = (1, "", "Failed to connect to bus: No medium found\n");
    let error = systemd(Path::new("/h"), &[said]).0.start(&DAEMON, false).unwrap_err();
    let want = "`systemctl --user start loomd.service` failed: Failed to connect to bus: No medium found";
    assert_eq!(error.to_string(), want);
    let said = (5, "", "Bootstrap failed: 5: Input/output error\n");
    let error = launchd(Path::new("/h"), &[(0, "", ""), GONE, said]).0.start(&DAEMON, false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`launchctl bootstrap gui/501 /h/Library/LaunchAgents/com.loom.daemon.plist` failed: Bootstrap failed: 5: Input/output error"
    );
    let missing: Run = Box::new(|_, _| Err(ProgramError::Start(io::ErrorKind::NotFound.into())));
    let error = Systemd::new(Path::new("/h"), missing).state(&DAEMON).unwrap_err();
    assert_eq!(error.to_string(), "cannot ask systemctl");
}
