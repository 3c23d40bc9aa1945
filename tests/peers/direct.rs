//! Real AI clients that `loom sync` has configured in direct mode: what they say of servers that they start themselves.

use std::fs;

use crate::agents::{self, Agent};
use crate::installed::Installed;
use crate::session::Session;
use crate::support::home::TestHome;

#[test]
fn codex_lists_every_server() {
    lists_every_server(agents::codex);
}

#[test]
fn claude_lists_every_server() {
    lists_every_server(agents::claude);
}

#[test]
fn gemini_lists_every_server() {
    lists_every_server(agents::gemini);
}

#[test]
fn opencode_lists_every_server() {
    lists_every_server(agents::opencode);
}

#[test]
fn copilot_lists_every_server() {
    lists_every_server(agents::copilot);
}

#[test]
fn kilocode_lists_every_server() {
    lists_every_server(agents::kilocode);
}

#[test]
fn qwen_lists_every_server() {
    lists_every_server(agents::qwen);
}

#[test]
fn amp_lists_every_server() {
    lists_every_server(agents::amp);
}

/// A server that is as it stands, one whose variable the client looks up, and one with a secret, which goes through
/// loom.
const REGISTRY: &str = r#"version: 1
servers:
  - name: plain
    common: { builtin: echo }
  - name: looked-up
    common: { builtin: echo, env: { HOME_TEXT: "${env:HOME}" } }
  - name: secretive
    common: { builtin: echo, env: { FORGE: "${secret:FORGE_WORD}" } }
"#;

/// Without loom's one entry, and without a warning.
fn lists_every_server(agent: fn(&str) -> Agent) {
    let home = TestHome::new();
    home.registry(REGISTRY);
    fs::write(home.path().join(".env"), "FORGE_WORD=never-in-a-file\n").expect("the home can be written");
    home.loom_ok(&["secrets", "import", ".env"]);
    let (agent, said) = Session::list(&home, &Installed::find(), agent, "--no-loom-mode");
    for name in ["plain", "looked-up", "secretive"] {
        let mut near = said.lines().skip_while(|line| !line.contains(name)).take(2);
        assert!(near.any(|line| line.contains(agent.listed)), "{name}: {said}");
    }
    for complaint in ["Invalid configuration", "Skipped", "diagnostics", "conflict"] {
        assert!(!said.contains(complaint), "{said}");
    }
    home.loom_ok(&["sync", agent.hint, "--check"]);
    let verdict = Session::verified(&home, &Installed::find(), &agent);
    let well = verdict.lines().filter(|line| line.contains("connected") || line.contains("read"));
    assert!(well.count() >= 3, "{verdict}");
    let text = || fs::read_to_string(home.path().join(agent.file.0)).expect("the client's file is there");
    assert!(!text().contains("never-in-a-file"));
    home.loom_ok(&["sync", agent.hint, "--remove"]);
    assert!(!text().contains("secretive"), "{}", text());
}
