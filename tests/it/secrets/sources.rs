//! Which source is asked, and which one is written.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::{get, loom_reads, names, said, set};
use crate::support::home::TestHome;

#[test]
fn the_environment_goes_before_the_file() {
    let mut home = TestHome::new();
    set(&home, "K", "of the file");
    assert_eq!(get(&home, "K").as_deref(), Some("of the file"));
    home.set_env("K", "of the shell");
    assert_eq!(get(&home, "K").as_deref(), Some("of the shell"));
    let told = loom_reads(&home, &["secrets", "set", "K", "--from-stdin"], "new");
    assert!(said(&told).contains("K is also a variable of this shell"), "{told:?}");
    let told = home.loom(&["secrets", "delete", "K"]);
    assert!(said(&told).contains("the environment still has K"), "{told:?}");
}

#[test]
fn a_variable_that_looks_secret_is_found_here_when_no_shell_has_it() {
    let home = TestHome::new();
    home.echo_registry(&[
        (
            "forge",
            "--test-tools",
            "env: { T: \"${env:GITLAB_PERSONAL_ACCESS_TOKEN}\", P: \"${env:PLAIN:-none}\" }",
        ),
        ("later", "--test-tools", "env: { T: \"${env:LATER_TOKEN}\" }"),
    ]);
    // An alias of the name that the registry has.
    set(&home, "GITLAB_TOKEN", "hunter2");
    set(&home, "PLAIN", "not secret by its name");
    home.loom_ok(&["start"]);
    let mut client = home.client();
    let seen: Value =
        serde_json::from_str(&client.call_text("forge__environ", json!({}))).expect("an object");
    assert_eq!((seen["T"].as_str(), seen["P"].as_str()), (Some("hunter2"), Some("none")));
    let id = client.begin_call("later__environ", json!({}));
    let error = client.failure(id);
    let hint = error["data"]["hint"].as_str().expect("a hint");
    assert!(hint.contains("`loom secrets set LATER_TOKEN`"), "{error}");
    let check = home.loom_ok(&["check"]);
    assert!(check.contains("LATER_TOKEN is not set (env)") && !check.contains("GITLAB"), "{check}");
}

#[test]
fn a_secret_in_a_command_line_is_refused_by_name() {
    let home = TestHome::new();
    home.registry(
        "version: 1\nservers:\n  - { name: bare, common: { command: sleep, args: [\"${secret:K}\"] } }\n",
    );
    set(&home, "K", "600");
    home.loom_ok(&["start"]);
    let call = home.loom(&["tools", "call", "bare__x", "--args", "{}"]);
    assert!(said(&call).contains("the secret K must not stand in a command line"), "{call:?}");
    assert!(said(&call).contains("`env`"), "{call:?}");
}

#[test]
fn a_passphrase_is_given_to_a_daemon_that_keeps_it_in_memory() {
    let mut home = TestHome::new();
    home.echo_registry(&[(
        "forge",
        "--test-tools",
        "env: { T: \"${secret:K}\" }, env_pass: [LOOM_PASSPHRASE]",
    )]);
    home.set_env("LOOM_PASSPHRASE", "correct horse");
    let told = loom_reads(&home, &["secrets", "set", "K", "--from-stdin"], "hunter2");
    assert!(said(&told).contains("its key is a passphrase"), "{told:?}");
    home.set_env("LOOM_PASSPHRASE", "");
    home.loom_ok(&["start"]);
    let mut client = home.client();
    let id = client.begin_call("forge__environ", json!({}));
    let error = client.failure(id);
    assert!(
        error["message"].as_str().is_some_and(|text| text.contains("protected by a passphrase")),
        "{error}"
    );
    assert_eq!(error["data"]["hint"], "loom secrets unlock", "{error}");
    let wrong = loom_reads(&home, &["secrets", "unlock", "--from-stdin"], "another horse\n");
    assert_eq!(wrong.status.code(), Some(78), "{wrong:?}");
    let right = loom_reads(&home, &["secrets", "unlock", "--from-stdin"], "correct horse\n");
    assert!(right.status.success(), "{right:?}");
    let seen: Value =
        serde_json::from_str(&client.call_text("forge__environ", json!({}))).expect("an object");
    assert_eq!((seen["T"].as_str(), seen["LOOM_PASSPHRASE"].as_str()), (Some("hunter2"), None));
}

#[test]
fn a_file_of_lines_is_imported_whole() {
    let home = TestHome::new();
    let file = home.path().join(".env");
    fs::write(&file, "A=hunter2\nexport B='two words'\nC=${A}\nodd\n").expect("the home can be written");
    let dry = home.loom(&["secrets", "import", ".env", "--dry-run"]);
    assert!(said(&dry).contains("would keep 2 secrets: A, B"), "{dry:?}");
    assert_eq!(names(&home), [""; 0]);
    let done = home.loom(&["secrets", "import", ".env"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(
        said(&done).contains(".env:3: passed over: C refers") && said(&done).contains(".env:4:"),
        "{done:?}"
    );
    assert!(!said(&done).contains("hunter2") && !said(&done).contains("two words"), "{done:?}");
    assert_eq!(names(&home), ["A", "B"]);
    assert_eq!(get(&home, "B").as_deref(), Some("two words"));
    let absent = home.loom(&["secrets", "import", "no-such-file"]);
    assert_eq!(absent.status.code(), Some(2), "{absent:?}");
}

#[test]
fn one_password_is_asked_when_a_vault_is_configured() {
    let mut home = TestHome::new();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).expect("the home can be written");
    let script = r#"#!/bin/sh
case $3 in
  op://Work/FORGE_TOKEN/password) printf %s "of 1Password" ;;
  op://Work/BROKEN/password) echo "[ERROR] you are not signed in" >&2; exit 1 ;;
  *) echo "[ERROR] \"$3\" isn't an item" >&2; exit 1 ;;
esac
"#;
    fs::write(bin.join("op"), script).expect("the home can be written");
    fs::set_permissions(bin.join("op"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let path = std::env::var("PATH").expect("a PATH");
    home.set_env("PATH", format!("{}:{path}", bin.display()));
    assert_eq!(get(&home, "FORGE_TOKEN"), None, "not without a vault");
    home.set_env("LOOM_SECRETS_ONEPASSWORD", "Work");
    assert_eq!(get(&home, "FORGE_TOKEN").as_deref(), Some("of 1Password"));
    set(&home, "OTHER", "of the file");
    assert_eq!(get(&home, "OTHER").as_deref(), Some("of the file"));
    set(&home, "BROKEN", "of the file");
    assert_eq!(get(&home, "BROKEN").as_deref(), Some("of the file"), "the next source has it");
    assert_eq!(get(&home, "GONE"), None);
    home.loom_ok(&["secrets", "delete", "BROKEN"]);
    let broken = home.loom(&["secrets", "get", "BROKEN", "--reveal"]);
    assert_eq!(broken.status.code(), Some(69), "{broken:?}");
    assert!(said(&broken).contains("1Password: [ERROR] you are not signed in"), "{broken:?}");
    let backends = home.loom_ok(&["secrets", "list", "--backends"]);
    assert!(backends.contains("vault Work"), "{backends}");
}
