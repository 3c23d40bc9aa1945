//! The daemon as a service, under a real `systemd --user` of its own. Where none can run that is said, and the recorded
//! outputs that the unit tests answer with stand alone.
#![cfg(target_os = "linux")]

use std::path::Path;

use serde_json::{Value, json};

use crate::support::home::{TestHome, loom_binary};

/// Words for scripts.
const WORDS: &str = r#"
step() { echo "== $1"; }
loom() { "$LOOM" "$@" || echo "code $?"; }
call() { loom tools call echo__count --args "{\"key\":\"$1\"}"; }
field() { "$LOOM" status --json | python3 -c "import json,sys; s=json.load(sys.stdin); print($1)"; }
pid() { field 's["pid"]' 2>/dev/null; }
await() { n=0; until "$@" >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 400 ] || { echo "never: $*"; return 1; }; sleep 0.05; done; }
down() { [ "$(unit)" = inactive ]; }
unit() { systemctl --user show loomd.service --property=ActiveState --value; }
LOOM=$0
"#;

/// Runs `script` in the session; what it said after each `step`, or why there can be no session.
fn session(home: &TestHome, script: &str) -> Result<Vec<String>, String> {
    let stage = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/services/session.sh");
    let mut command = home.command("sh");
    command.arg(stage).arg(format!("{WORDS}{script}")).arg(loom_binary());
    let output = home.finish(&mut command);
    if output.status.code() == Some(77) {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.split("== ").skip(1).map(str::to_owned).collect())
}

fn check(steps: &[String], wanted: &[&[&str]]) {
    assert_eq!(steps.len(), wanted.len(), "{steps:#?}");
    for (step, wanted) in steps.iter().zip(wanted) {
        for text in *wanted {
            assert!(step.contains(text), "`{text}` is not in:\n{step}\nof {steps:#?}");
        }
    }
}

fn home() -> TestHome {
    let home = TestHome::new();
    let counted = home.path().join("notes");
    home.echo_registry(&[("echo", &format!("--test-tools --count-file {}", counted.display()), "")]);
    home
}

#[test]
fn a_service_starts_is_killed_restarts_and_stops() {
    let home = home();
    let script = r#"
step install; loom install; loom install
step status; loom status; field 's["service"]'; call one; cat notes
step killed; old=$(pid); kill -9 "$old"; changed() { new=$(pid) && [ "$new" != "$old" ]; }; await changed
call two; field 's["started_by"]'
step restart; old=$(pid); echo '# old' >> .config/systemd/user/loomd.service; loom restart; tail -1 .config/systemd/user/loomd.service; new=$(pid); [ "$new" != "$old" ] && field 's["service"]["owner"]'
step reload; systemctl --user reload loomd.service && unit; call three
step stop; loom stop; unit; loom status; systemctl --user start loomd.service; await sh -c '! systemctl --user is-active loomd.service'
systemctl --user show loomd.service --property=ExecMainStatus; loom start; field 's["service"]["owner"]'
step uninstall; loom uninstall --keep-clients; ls .config/systemd/user; unit; pgrep -c loom || true
"#;
    let steps = match session(&home, script) {
        Ok(steps) => steps,
        Err(why) => return println!("not run: {why}"),
    };
    check(
        &steps,
        &[
            &[
                "wrote ~/.config/systemd/user/loomd.service",
                "started loomd",
                "systemd keeps it running",
                "is installed already",
            ],
            &["service   systemd loomd.service: running", "'owner': True", "1\n", "one"],
            &["1\n", "systemd (loomd.service)"],
            &["restarted loomd", "WantedBy=default.target", "True"],
            &["active", "1\n"],
            &["stopped loomd", "inactive", "code 3", "ExecMainStatus=3", "started loomd", "True"],
            &["removed the service ~/.config/systemd/user/loomd.service", "inactive", "0\n"],
        ],
    );
}

#[test]
fn one_daemon_has_one_owner() {
    let home = home();
    let hello = hello();
    let script = format!(
        r#"
step before; loom start; loom install; field 's["service"]'; systemctl --user start loomd.service; await down; loom status
step handed; loom restart; field 's["service"]["owner"]'
step proxy; systemctl --user stop loomd.service; echo '{hello}' | loom proxy | head -c 16; echo; field 's["started_by"]'
step why; loom stop; mkdir .config/loom/loom.sock; loom start; rmdir .config/loom/loom.sock; loom start
step broken; loom stop; echo "servers: [" > .config/loom/registry.yaml; rm .config/loom/state/stopped
echo '{hello}' | loom proxy; loom logs --errors --lines 3; loom status
step gone; loom uninstall --keep-clients; pgrep -c loom || true
"#
    );
    let steps = match session(&home, &script) {
        Ok(steps) => steps,
        Err(why) => return println!("not run: {why}"),
    };
    check(
        &steps,
        &[
            &["hands it the running one", "'owner': False", "did not start this daemon", "stopped"],
            &["restarted loomd", "True"],
            &["{\"jsonrpc\":\"2.0\"", "systemd (loomd.service)"],
            &["another file is there", "code 69", "started loomd"],
            &["registry.yaml:1:", "failed, exit code 78", "code 3"],
            &["0\n"],
        ],
    );
}

#[test]
fn without_a_service_manager_nothing_is_installed() {
    let home = home();
    let output = home.loom(&["install"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{told}");
    assert!(
        told.contains("there is no service manager here") && told.contains("hint:  loom start"),
        "{told}"
    );
    assert!(!home.path().join(".config/systemd").exists() && home.daemon_pid().is_none());
    assert!(home.loom_json(&["status", "--json"])["service"].is_null());
}

#[test]
fn an_upgrade_reaches_the_service_at_its_stable_path() {
    let home = home();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let script = format!(
        r#"
upgrade() {{ cp "$0" built; echo "build $1" >> built; '{scripts}/upgrade.sh' built "$2"; }}
exe() {{ readlink "/proc/$(pid)/exe"; }}
step install; '{scripts}/install.sh' "$LOOM"; LOOM=$HOME/.local/bin/loom; loom install; grep ExecStart .config/systemd/user/loomd.service
mkfifo in; "$LOOM" proxy < in > out & exec 3> in
echo '{hello}' >&3; await grep -q serverInfo out
step idle; upgrade 1 when-idle; exe; field 's["service"]["owner"]'
step now; upgrade 2 now; exe; field 's["service"]["owner"]'; field 'len(s["clients"])'
step call; echo '{call}' >&3; await grep -q '"id":7' out; grep -c '"text":"1"' out; exec 3>&-; wait
step uninstall; '{scripts}/uninstall.sh' --keep-clients; pgrep -c loom || true; ls .local/bin .config/systemd/user
"#,
        scripts = scripts.display(),
        hello = hello(),
        call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params":
            {"name": "echo__count", "arguments": {"key": "k"}}}),
    );
    let steps = match session(&home, &script) {
        Ok(steps) => steps,
        Err(why) => return println!("not run: {why}"),
    };
    let path = home.path().join(".local/bin/loom");
    let (path, start) = (path.display().to_string(), format!("ExecStart=\"{}\" daemon", path.display()));
    check(
        &steps,
        &[
            &["systemd keeps it running", &start],
            &["restarted loomd", "loom proxy answers", &path, "True"],
            &["restarted loomd", "loom proxy answers", &path, "True", "1\n"],
            &["1\n"],
            &["removed the service", "0\n"],
        ],
    );
    assert!(!steps[1].contains("(deleted)") && !steps[2].contains("(deleted)"), "{steps:#?}");
}

/// What a client says first.
fn hello() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}})
}
