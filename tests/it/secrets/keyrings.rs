//! A real Secret Service, gnome-keyring in a D-Bus session of its own: unlocked, locked, without a keyring, hanging, and
//! none at all. `scripts/install-packages.sh` installs what these tests need.
#![cfg(target_os = "linux")]

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

use super::{loom_reads, said};
use crate::support::home::{TestHome, loom_binary, wait_until};

/// Unlocks the keyring, or makes one, as the hint of loom says.
const UNLOCK: &str = "printf pw | gnome-keyring-daemon --replace --unlock >/dev/null 2>&1";

/// Words for scripts: `call` calls a server that wants K, `put NAME VALUE` keeps a secret.
const WORDS: &str = r#"
command -v gnome-keyring-daemon >/dev/null || exit 127
call() { "$0" tools call forge__environ --args '{}' || echo "code $?"; }
put() { printf %s "$2" | "$0" secrets set "$1" --from-stdin || echo "code $?"; }
get() { "$0" secrets get "$1" --reveal || echo "code $?"; }
step() { echo "== $1"; }
"#;

fn home() -> TestHome {
    let mut home = TestHome::new();
    let runtime = home.path().join("runtime");
    DirBuilder::new().mode(0o700).create(&runtime).expect("the home can be written");
    home.set_env("XDG_RUNTIME_DIR", runtime);
    let data = home.path().join("data");
    home.set_env("XDG_DATA_HOME", data);
    let entry = "env: { T: \"${keychain:K}\" }";
    home.echo_registry(&[("forge", "--test-tools", entry), ("echo", "", "")]);
    home
}

/// Runs `script` in a session; returns what it said after each `step`.
fn session(home: &TestHome, options: &[&str], script: &str) -> Vec<String> {
    let mut command = home.command("dbus-run-session");
    command.args(options).args(["--", "sh", "-c", &format!("{WORDS}exec 2>&1\n{script}"), loom_binary()]);
    let output = home.finish(&mut command);
    assert!(output.status.success(), "{output:?}; is scripts/install-packages.sh needed?");
    let said = String::from_utf8_lossy(&output.stdout);
    said.split("== ").skip(1).map(str::to_owned).collect()
}

fn check(steps: &[String], wanted: &[&[&str]]) {
    assert_eq!(steps.len(), wanted.len(), "{steps:?}");
    for (step, wanted) in steps.iter().zip(wanted) {
        for text in *wanted {
            assert!(step.contains(text), "`{text}` is not in:\n{step}\nof {steps:?}");
        }
    }
}

/// Keeps K in a keyring that is locked when the next session begins.
fn keep_one(home: &TestHome) {
    let steps = session(home, &[], &format!("{UNLOCK}\nstep set; put K hunter2"));
    check(&steps, &[&["K is kept in the keychain"]]);
}

#[test]
fn an_unlocked_keyring_keeps_secrets() {
    let home = home();
    let script = format!(
        r#"{UNLOCK}
step set; put K hunter2
step get; get K
step start; "$0" start; call
step list; "$0" secrets list; "$0" secrets list --backends
step file; printf file | "$0" secrets set F --from-stdin --backend file; get F
step moved; printf moved | "$0" secrets set K --from-stdin --backend file; get K; put K hunter3; "$0" secrets list
step delete; "$0" secrets delete K; call; "$0" stop
"#
    );
    let steps = session(&home, &[], &script);
    let wanted: [&[&str]; 7] = [
        &["K is kept in the keychain"],
        &["hunter2"],
        &[r#""T":"hunter2""#],
        &["K  keychain        used by forge", "keychain     read, write  unlocked"],
        &["F is kept in the encrypted file ~/.config/loom/secrets.enc (its key is in the keychain)", "file"],
        &[
            "K is kept in the encrypted file",
            "moved",
            "K is kept in the keychain",
            "F  file ",
            "K  keychain ",
        ],
        &["K is deleted from the keychain", "K is not among the secrets", "loom secrets set K"],
    ];
    check(&steps, &wanted);
    assert!(!home.path().join(".local/share/loom").exists(), "no key file is needed");
}

#[test]
fn a_purge_takes_what_loom_put_into_the_keyring_and_nothing_when_it_cannot() {
    let home = home();
    keep_one(&home);
    let steps =
        session(&home, &[], "step locked; \"$0\" uninstall --purge || echo \"code $?\"; ls .config/loom");
    check(&steps, &[&["the keychain is locked", "code 69", "registry.yaml"]]);
    let script = format!(
        "{UNLOCK}\nstep purged; printf file | \"$0\" secrets set F --from-stdin --backend file; \"$0\" uninstall --purge
ls -A .config .local/share
step gone; get K; get F"
    );
    let steps = session(&home, &[], &script);
    check(&steps, &[&["removed ~/.config/loom\n"], &["no source has K", "no source has F"]]);
}

#[test]
fn a_locked_keyring_is_named_and_used_once_it_is_unlocked() {
    let home = home();
    keep_one(&home);
    let script = format!(
        r#"step get; get K
step set; put K hunter3
step other; put L hunter4; get L
step call; "$0" start; call; "$0" tools call echo__echo --args '{{"message":"fine"}}'
step status; "$0" status || true
step doctor; "$0" secrets doctor || echo "code $?"
step unlocked; {UNLOCK}; get K; call; "$0" stop
"#
    );
    let steps = session(&home, &[], &script);
    let wanted: [&[&str]; 7] = [
        &["the keychain is locked", "gnome-keyring-daemon --replace --unlock", "code 69"],
        &["K is in the keychain, where it cannot be changed: the keychain is locked", "code 69"],
        &["L is kept in the encrypted file", "not in the keychain: the keychain is locked", "hunter4"],
        &["K is not among the secrets; the keychain is locked", "gnome-keyring-daemon", "fine"],
        &["K is not among the secrets; the keychain is locked", "gnome-keyring-daemon"],
        &[
            "keychain     off          the keychain is locked",
            "new secrets go to the encrypted file",
            "code 1",
        ],
        &["hunter2", r#""T":"hunter2""#],
    ];
    check(&steps, &wanted);
}

#[test]
fn a_service_without_a_keyring_is_named_and_the_hint_makes_one() {
    let home = home();
    let script = format!(
        r#"step set; put K hunter2; get K
step call; "$0" start; call; "$0" stop
step made; {UNLOCK}; put K hunter3; "$0" secrets list
"#
    );
    let steps = session(&home, &[], &script);
    let wanted: [&[&str]; 3] = [
        &[
            "K is kept in the encrypted file",
            "not in the keychain: the keychain has no default keyring",
            "hunter2",
        ],
        &[r#""T":"hunter2""#],
        &["K is kept in the keychain", "K  keychain "],
    ];
    check(&steps, &wanted);
}

/// A session bus for `dbus-run-session` that starts no services but those in `services`.
fn bus(home: &TestHome, services: &str) -> String {
    let config = format!(
        "<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen>{services}\
         <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>\
         <allow own=\"*\"/></policy></busconfig>"
    );
    let path = home.path().join("bus.conf");
    fs::write(&path, config).expect("the home can be written");
    format!("--config-file={}", path.display())
}

#[test]
fn without_a_service_the_file_is_used_and_nothing_is_said() {
    let home = home();
    let script = "step set; put K hunter2; get K\nstep doctor; \"$0\" secrets doctor";
    let steps = session(&home, &[&bus(&home, "")], script);
    let wanted: [&[&str]; 2] =
        [&["K is kept in the encrypted file", "hunter2"], &["there is no keychain in this session"]];
    check(&steps, &wanted);
    assert!(!steps[0].contains("keychain"), "{steps:?}");
    // Nor a bus.
    let told = loom_reads(&home, &["secrets", "set", "L", "--from-stdin"], "hunter3");
    assert!(
        said(&told).contains("L is kept in the encrypted file") && !said(&told).contains("keychain"),
        "{told:?}"
    );
}

#[test]
fn a_service_that_hangs_delays_only_those_who_need_it() {
    let home = home();
    let services = home.path().join("services");
    fs::create_dir(&services).expect("the home can be written");
    let sleeper = home.path().join("sleeper.sh");
    fs::write(&sleeper, "#!/bin/sh\nexec sleep 60\n").expect("the home can be written");
    fs::set_permissions(&sleeper, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let service = format!("[D-BUS Service]\nName=org.freedesktop.secrets\nExec={}\n", sleeper.display());
    fs::write(services.join("secrets.service"), service).expect("the home can be written");
    let script = r#"step call; "$0" start; call & waits=$!
until "$0" status --json | grep -q '"starting"'; do :; done
step echo; "$0" tools call echo__echo --args '{"message":"at once"}'; kill -0 $waits && echo "and it still waits"
step end; wait $waits; "$0" stop
"#;
    let bus = bus(&home, &format!("<servicedir>{}</servicedir>", services.display()));
    let steps = session(&home, &[&bus], script);
    let wanted: [&[&str]; 3] = [
        &["started"],
        &["at once", "and it still waits"],
        &[
            "K is not among the secrets; the keychain does not answer: it did not answer within 15 s",
            "loom secrets doctor",
        ],
    ];
    check(&steps, &wanted);
    let sleeper_ended = || {
        !home.processes().iter().any(|pid| {
            fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with("sleep\0"))
        })
    };
    if !sleeper_ended() {
        for pid in home.processes() {
            crate::support::home::kill(pid);
        }
    }
    assert!(wait_until(std::time::Duration::from_secs(5), sleeper_ended));
}
