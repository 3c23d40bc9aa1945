//! Who is shown a secret, and how a person types one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::terminal::Terminal;
use super::{get, loom_reads, said, set};
use crate::support::home::{TestHome, loom_binary};

fn loom(words: &str) -> String {
    format!("{} {words}", loom_binary())
}

#[test]
fn a_value_on_the_command_line_is_refused_and_not_repeated() {
    let home = TestHome::new();
    for args in [
        &["secrets", "set", "K", "hunter2"][..],
        &["secrets", "set", "K", "hunter2", "--from-stdin"],
        &["secrets", "set", "K", "--", "hunter2"],
        &["secrets", "set", "K=hunter2"],
        &["secrets", "set", "K", "--value=hunter2"],
        &["secrets", "set", "K", "--value", "hunter2"],
    ] {
        let output = home.loom(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(!said(&output).contains("hunter2"), "{args:?}: {output:?}");
        let reason = said(&output).contains("can be read by every process of this machine");
        assert!(reason || args.iter().any(|arg| arg.starts_with("--value")), "{args:?}: {output:?}");
    }
    let absent = home.loom(&["secrets", "set", "not a name"]);
    assert_eq!(absent.status.code(), Some(2), "{absent:?}");
    assert!(!home.config_dir().join("secrets.enc").exists());
}

#[test]
fn a_script_is_shown_nothing_unless_it_says_so() {
    let home = TestHome::new();
    set(&home, "K", "hunter2-hunter2");
    for output in [
        home.loom(&["secrets", "get", "K"]),
        loom_reads(&home, &["secrets", "get", "K"], ""),
        home.finish(home.command("sh").args(["-c", &format!("x=$({}) && echo got", loom("secrets get K"))])),
    ] {
        assert!(!said(&output).contains("hunter2"), "{output:?}");
        assert!(said(&output).contains("this is no terminal"), "{output:?}");
        assert!(said(&output).contains("loom secrets get K --reveal"), "{output:?}");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    assert_eq!(get(&home, "K").as_deref(), Some("hunter2-hunter2"));
    let (code, shown) = Terminal::new(&home, &loom("secrets get K")).end();
    assert_eq!((code, shown.trim()), (Some(0), "hunter2-hunter2"));
    let (code, shown) = Terminal::new(&home, &format!("{} | cat", loom("secrets get K"))).end();
    assert!(shown.contains("this is no terminal") && !shown.contains("hunter2"), "{code:?} {shown}");
    let absent = home.loom(&["secrets", "get", "GONE", "--reveal"]);
    assert_eq!(absent.status.code(), Some(1), "{absent:?}");
    assert!(said(&absent).contains("loom secrets set GONE"), "{absent:?}");
}

#[test]
fn what_a_person_types_is_not_shown() {
    let home = TestHome::new();
    let long = "x".repeat(6000);
    for (typed, want) in [
        ("hunter2-hunter2\n", "hunter2-hunter2"),
        ("wrong\u{15}righ\u{7f}ht\n", "right"),
        (&format!("{long}\n"), &long),
    ] {
        let mut terminal = Terminal::new(&home, &loom("secrets set K"));
        terminal.wait_for("value of K (not shown): ");
        terminal.types(typed);
        let (code, shown) = terminal.end();
        assert_eq!(code, Some(0), "{shown}");
        assert!(!shown.contains(&want[..5]), "{shown}");
        assert_eq!(get(&home, "K").as_deref(), Some(want));
    }
    for typed in ["\n", "\u{3}", "hunter2\u{3}"] {
        // The shell is interrupted, too, and would die of it.
        let mut terminal = Terminal::new(&home, &format!("trap : INT; {}; exit $?", loom("secrets set K")));
        terminal.wait_for("value of K (not shown): ");
        terminal.types(typed);
        let (code, shown) = terminal.end();
        assert_eq!(code, Some(2), "{typed:?}: {shown}");
        assert!(shown.contains("nothing was changed"), "{shown}");
    }
    assert_eq!(get(&home, "K"), Some(long));
    let none = home.finish(home.command("setsid").args(["--wait", loom_binary(), "secrets", "set", "K"]));
    assert_eq!(none.status.code(), Some(2), "{none:?}");
    assert!(said(&none).contains("there is no terminal") && said(&none).contains("--from-stdin"), "{none:?}");
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let home = TestHome::new();
    let script = format!(
        "stty -a >before; {} & asked=$!; until stty -a | grep -q -- ' -echo '; do :; done; \
         kill -TERM $asked; wait $asked; echo ended $?; stty -a >after; cmp before after && echo same",
        loom("secrets set K")
    );
    let (code, shown) = Terminal::new(&home, &script).end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("interrupted") && shown.contains("ended 2") && shown.contains("same"), "{shown}");
}

#[test]
fn a_pasted_text_of_several_lines_does_not_reach_the_shell() {
    let home = TestHome::new();
    let mut terminal =
        Terminal::new(&home, &format!("{}; read -r line; echo \"read:$line\"", loom("secrets set K")));
    terminal.wait_for("value of K (not shown): ");
    terminal.types("first line\nsecond line\nthird line\n");
    terminal.wait_for("K is kept");
    terminal.types("typed afterwards\n");
    let (_, shown) = terminal.end();
    assert!(shown.contains("read:typed afterwards"), "{shown}");
    assert_eq!(get(&home, "K").as_deref(), Some("first line"));
}

#[test]
fn another_user_is_refused_by_name() {
    let home = TestHome::new();
    set(&home, "K", "hunter2-hunter2");
    if !rustix::process::geteuid().is_root() {
        // Somebody else's home that is on every machine.
        let output =
            home.finish(home.command(loom_binary()).args(["secrets", "get", "K"]).env("HOME", "/root"));
        assert!(said(&output).contains("secrets are shown to their owner only"), "{output:?}");
        return;
    }
    // A copy that everybody may run.
    let dir = tempfile::Builder::new().prefix("lm").tempdir_in("/tmp").expect("/tmp can be written");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let binary = dir.path().join("loom");
    fs::copy(loom_binary(), &binary).expect("it can be copied");
    let other = |command: &mut Command| {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
        let output = home.finish(command.args(["secrets", "get", "K", "--reveal"]).current_dir("/"));
        assert_eq!(output.status.code(), Some(69), "{output:?}");
        assert!(!said(&output).contains("hunter2"), "{output:?}");
        said(&output)
    };
    let closed = other(&mut home.command("setpriv"));
    assert!(closed.contains("is closed to you (user 65534)"), "{closed}");
    let folders = [home.path().to_owned(), home.path().join(".config"), home.config_dir()];
    let open = |folder: &PathBuf| fs::set_permissions(folder, fs::Permissions::from_mode(0o755));
    assert!(folders.iter().all(|folder| open(folder).is_ok()));
    let owned = other(&mut home.command("setpriv"));
    assert!(owned.contains("belongs to user 0, and you are user 65534"), "{owned}");
    // Root in somebody else's home would leave files there that their owner cannot read.
    let theirs = TestHome::new();
    std::os::unix::fs::chown(theirs.config_dir(), Some(65534), Some(65534)).expect("we are root");
    let output = loom_reads(&theirs, &["secrets", "set", "K", "--from-stdin"], "hunter2");
    assert!(said(&output).contains("belongs to user 65534, and you are user 0"), "{output:?}");
}
