//! `loom exec`: one server of the registry in place of the process, as a client starts it.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::process::Output;

use serde_json::json;

use crate::support::client::Client;
use crate::support::home::{TestHome, loom_binary};

/// A server that `sh` plays: it says what it was given, and ends.
fn telling(home: &TestHome, fields: &str) {
    let file = home.path().join("tell.sh");
    fs::write(&file, "echo \"$TOKEN|$PLAIN|$PWD|$*|${STRAY-unset}|${LOOM_MASTER_KEY-unset}\"\n").unwrap();
    home.registry(&format!(
        "version: 1\nservers:\n  - name: tell\n    common:\n      command: sh\n      args: [{file:?}, a b]\n{fields}"
    ));
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn it_becomes_the_server_and_leaves_the_streams_alone() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut client = Client::spawn(home.command(loom_binary()).args(["exec", "echo"]));
    client.initialize();
    assert_eq!(client.call_text("echo", json!({"message": "straight"})), "straight");
    assert_eq!(home.daemon_pid(), None, "no daemon is needed");
}

#[test]
fn it_has_its_folder_environment_and_secrets() {
    let mut home = TestHome::new();
    telling(
        &home,
        "      cwd: \"${HOME}/work\"\n      env: { TOKEN: \"Bearer ${secret:FORGE_TOKEN}\", PLAIN: \"${env:PLAIN_VALUE}\" }\n    targets:\n      codex: { args: [tell.sh, for codex], cwd: \"${HOME}\" }\n",
    );
    fs::create_dir(home.path().join("work")).unwrap();
    home.set_env("LOOM_MASTER_KEY", "a master key");
    home.set_env("STRAY", "not for servers");
    home.set_env("PLAIN_VALUE", "plain");
    let dotenv = home.path().join(".env");
    fs::write(&dotenv, "FORGE_TOKEN=hush\n").unwrap();
    home.loom_ok(&["secrets", "import", ".env"]);
    let here = home.path().canonicalize().unwrap();
    let want = format!("Bearer hush|plain|{}/work|a b|unset|unset\n", here.display());
    assert_eq!(said(&home.loom(&["exec", "tell"])), (0, want, String::new()));
    let want = format!("Bearer hush|plain|{}|for codex|unset|unset\n", here.display());
    assert_eq!(said(&home.loom(&["exec", "tell", "--agent-hint", "codex"])), (0, want, String::new()));
}

#[test]
fn what_a_client_does_not_hand_on_is_what_was_recorded() {
    let mut home = TestHome::new();
    telling(&home, "      env: { PLAIN: \"${env:PLAIN_VALUE}\" }\n");
    home.set_env("PLAIN_VALUE", "of the shell");
    home.loom_ok(&["start"]);
    home.loom_ok(&["stop"]);
    let mut command = home.command(loom_binary());
    command.args(["exec", "tell"]).env_remove("PLAIN_VALUE").env("PATH", "/nowhere");
    let (code, out, err) = said(&home.finish(&mut command));
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("|of the shell|"), "{out}");
}

#[test]
fn what_is_wrong_is_said_on_standard_error_with_a_code_of_its_own() {
    let home = TestHome::new();
    home.registry(
        "version: 1\nservers:\n  - name: far\n    url: https://far.example/mcp\n  - name: off\n    disabled: true\n    common: { builtin: echo }\n  - name: lost\n    common: { command: no-such-program }\n  - name: poor\n    common: { command: sh, env: { A: \"${secret:GONE_TOKEN}\" } }\n  - name: astray\n    common: { command: sh, cwd: /no/such/folder }\n",
    );
    for (args, code, want) in [
        (
            &["exec", "fat"][..],
            2,
            "there is no server `fat` in ~/.config/loom/registry.yaml; did you mean `far`?",
        ),
        (&["exec", "far"], 2, "server `far` is not a program: it is reached over HTTP"),
        (
            &["exec", "off"],
            78,
            "server `off` is disabled in ~/.config/loom/registry.yaml\nhint:  loom enable off",
        ),
        (&["exec", "lost"], 69, "server `lost`: no-such-program is not on PATH"),
        (
            &["exec", "poor"],
            78,
            "server `poor`: GONE_TOKEN is not among the secrets\nhint:  loom secrets set GONE_TOKEN",
        ),
        (&["exec", "astray"], 69, "server `astray`: its folder /no/such/folder does not exist"),
        (&["exec", "far", "--registry", "none.yaml"], 78, "there is no registry at ~/none.yaml"),
    ] {
        let (got, out, err) = said(&home.loom(args));
        assert_eq!((got, out.as_str()), (code, ""), "{args:?}: {err}");
        assert!(err.contains(want), "{args:?}: {err}");
    }
}

/// Who clones a repository and opens a client in it runs nothing of it.
#[test]
fn a_registry_of_the_working_directory_is_not_read() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let repo = home.path().join("repo/mcp/context");
    fs::create_dir_all(&repo).unwrap();
    fs::write(
        repo.join("registry.yaml"),
        "version: 1\nservers:\n  - name: evil\n    common: { command: sh }\n",
    )
    .unwrap();
    let mut command = home.command(loom_binary());
    command.args(["exec", "evil"]).current_dir(home.path().join("repo"));
    assert_eq!(home.finish(&mut command).status.code(), Some(2));
}
