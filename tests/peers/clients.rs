//! Real AI clients that `loom sync` has configured: their only MCP entry is `loom proxy`. The test plays the model behind each: it sees which tools the
//! client offers, asks for calls and sees the results that the client hands back. A home that ends well has also
//! shown that no client, proxy or daemon stayed behind.

use std::fs;

use serde_json::{Value, json};

use crate::agents::{self, Agent};
use crate::installed::Installed;
use crate::model::Turn;
use crate::session::{PATIENCE, Session};
use crate::support::home::{TestHome, alive, kill, wait_until};

/// Every layer between the server and the model must leave this as it is.
const TEXT: &str = "h\u{e9}llo \u{2603} \"quoted\" \\ \u{1f600} end";
const LAST_WORDS: &str = "That was all.";

#[test]
fn codex_completes_a_call() {
    completes_a_call(agents::codex);
}

#[test]
fn claude_completes_a_call() {
    completes_a_call(agents::claude);
}

#[test]
fn gemini_completes_a_call() {
    completes_a_call(agents::gemini);
}

#[test]
fn opencode_completes_a_call() {
    completes_a_call(agents::opencode);
}

#[test]
fn copilot_completes_a_call() {
    completes_a_call(agents::copilot);
}

#[test]
fn codex_goes_on_after_its_daemon_was_killed() {
    goes_on_after_its_daemon_was_killed(agents::codex);
}

#[test]
fn claude_goes_on_after_its_daemon_was_killed() {
    goes_on_after_its_daemon_was_killed(agents::claude);
}

#[test]
fn gemini_goes_on_after_its_daemon_was_killed() {
    goes_on_after_its_daemon_was_killed(agents::gemini);
}

#[test]
fn opencode_goes_on_after_its_daemon_was_killed() {
    goes_on_after_its_daemon_was_killed(agents::opencode);
}

#[test]
fn codex_leaves_its_daemon_to_the_others() {
    leaves_its_daemon_to_the_others(agents::codex);
}

#[test]
fn claude_leaves_its_daemon_to_the_others() {
    leaves_its_daemon_to_the_others(agents::claude);
}

#[test]
fn gemini_leaves_its_daemon_to_the_others() {
    leaves_its_daemon_to_the_others(agents::gemini);
}

#[test]
fn opencode_leaves_its_daemon_to_the_others() {
    leaves_its_daemon_to_the_others(agents::opencode);
}

#[test]
fn codex_lists_what_sync_wrote() {
    lists_what_sync_wrote(agents::codex);
}

#[test]
fn claude_lists_what_sync_wrote() {
    lists_what_sync_wrote(agents::claude);
}

#[test]
fn gemini_lists_what_sync_wrote() {
    lists_what_sync_wrote(agents::gemini);
}

#[test]
fn opencode_lists_what_sync_wrote() {
    lists_what_sync_wrote(agents::opencode);
}

#[test]
fn copilot_lists_what_sync_wrote() {
    lists_what_sync_wrote(agents::copilot);
}

#[test]
fn kilocode_lists_what_sync_wrote() {
    lists_what_sync_wrote(agents::kilocode);
}

#[test]
fn qwen_lists_what_sync_wrote() {
    lists_what_sync_wrote(agents::qwen);
}

#[test]
fn amp_lists_what_sync_wrote() {
    lists_what_sync_wrote(agents::amp);
}

/// Without a warning of what it reads; and what the client makes of its files meanwhile is no trouble to loom.
fn lists_what_sync_wrote(agent: fn(&str) -> Agent) {
    let home = home();
    let (agent, said) = Session::list(&home, &Installed::find(), agent, "--loom-mode");
    let line = said.lines().find(|line| line.contains("loom")).unwrap_or_else(|| panic!("no loom: {said}"));
    let mut near = said.lines().skip_while(|other| *other != line).take(2);
    assert!(near.any(|line| line.contains(agent.listed)), "{said}");
    for complaint in ["Invalid configuration", "Skipped", "diagnostics", "conflict"] {
        assert!(!said.contains(complaint), "{said}");
    }
    home.loom_ok(&["sync", agent.hint, "--check"]);
    let verdict = Session::verified(&home, &Installed::find(), &agent);
    assert!(verdict.contains("connected") || verdict.contains("read"), "{verdict}");
    home.loom_ok(&["sync", agent.hint, "--remove"]);
    let settings = fs::read_to_string(home.path().join(agent.file.0)).expect("the client's file is there");
    assert!(!settings.contains("loom"), "{settings}");
}

/// The client's proxy started the daemon; some clients end everything below it when they leave.
fn leaves_its_daemon_to_the_others(agent: fn(&str) -> Agent) {
    let home = home();
    let session = Session::start(&home, &Installed::find(), agent);
    let turn = session.turn();
    let daemon = home.daemon_pid();
    let mut other = home.client();
    let call = other.begin_sleep("echo", 3_000);
    turn.say(LAST_WORDS);
    session.end();
    let answer = other.answer(call);
    assert!(answer.get("error").is_none(), "{answer}");
    assert_eq!(home.daemon_pid(), daemon);
}

fn completes_a_call(agent: fn(&str) -> Agent) {
    let home = home();
    let session = Session::start(&home, &Installed::find(), agent);

    let turn = session.turn();
    assert_eq!(turn.offered(session.agent().prefix), listed(&home), "what the model is offered");
    echo(&session, turn, TEXT);
    let turn = session.turn();
    assert_results(&session, &turn, &[TEXT]);
    assert_eq!(home.server("echo")["calls"], 1);
    turn.say(LAST_WORDS);
    let said = session.end();
    assert!(said.contains(LAST_WORDS), "{said}");
}

fn goes_on_after_its_daemon_was_killed(agent: fn(&str) -> Agent) {
    let home = home();
    let session = Session::start(&home, &Installed::find(), agent);

    echo(&session, session.turn(), "before");
    let turn = session.turn();
    assert_results(&session, &turn, &["before"]);
    let before = home.status();
    let daemon = home.daemon_pid().expect("a daemon runs");
    assert!(kill(daemon) && wait_until(PATIENCE, || !alive(daemon)));
    echo(&session, turn, "after");
    let turn = session.turn();
    assert_results(&session, &turn, &["before", "after"]);
    let after = home.status();
    assert_ne!(after["pid"], before["pid"], "the daemon");
    assert_eq!(home.server("echo")["calls"], 1, "calls of the new daemon");
    assert_eq!(clients(&after), clients(&before), "the client and its proxy");
    assert_eq!(clients(&after)[0].0, session.agent().hint);
    turn.say(LAST_WORDS);
    session.end();
}

/// A home with the server `echo`.
pub fn home() -> TestHome {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "always_allow: [\"*\"]")]);
    // Not by its variable: codex does not hand that on.
    fs::write(home.config_dir().join("config.toml"), "metrics_addr = \"127.0.0.1:0\"\n")
        .expect("the home can be written");
    home
}

/// Answers `turn` with a call whose result is `message`.
fn echo(session: &Session, turn: Turn, message: &str) {
    turn.call(session.agent().prefix, "echo__echo", json!({"message": message}));
}

/// Checks that the calls so far gave `messages`. Equal ends suffice: what goes before is the client's business.
fn assert_results(session: &Session, turn: &Turn, messages: &[&str]) {
    let wanted = messages.iter().map(|message| format!("{message}{}", session.agent().closing));
    let results = turn.results();
    let all = results.iter().zip(wanted).all(|(result, wanted)| result.ends_with(&wanted));
    assert!(all && results.len() == messages.len(), "{results:?} instead of {messages:?}");
}

/// The names of all tools that loom lists, sorted.
fn listed(home: &TestHome) -> Vec<String> {
    let list = home.loom_json(&["tools", "list", "--json"]);
    let tools = list["tools"].as_array().unwrap_or_else(|| panic!("no list: {list}"));
    let mut names: Vec<_> =
        tools.iter().map(|tool| tool["name"].as_str().expect("a tool has a name").to_owned()).collect();
    names.sort();
    names
}

/// Hint and proxy of each client that the daemon serves.
fn clients(status: &Value) -> Vec<(String, Value)> {
    let clients = status["clients"].as_array().expect("a daemon lists its clients");
    let client =
        |client: &Value| (client["agent"].as_str().unwrap_or_default().to_owned(), client["pid"].clone());
    clients.iter().map(client).collect()
}
