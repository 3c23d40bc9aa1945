//! Instructions and skills that `loom sync` has put into a home: each real client lists each of them exactly once.

use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;

use serde_json::Value;

use crate::agents::{self, Agent};
use crate::clients::home as home_of_echo;
use crate::installed::Installed;
use crate::model;
use crate::session::{Session, program};
use crate::support::home::TestHome;

const REGISTRY: &str = "version: 1
skills:
  - name: house-rules
    common: { type: instruction, instructions: Always say plimsoll. }
  - name: release-notes
    common:
      description: 'Writes \"notes\" with frobnication: of a release.'
      instructions: Run ${SKILL_PATH}/scripts/notes.sh
      scripts: [{ path: notes.sh, description: collects }]
  - name: deploy-now
    common: { type: command, description: Deploys., instructions: Deploy $ARGUMENTS }
";

/// A word of the instructions, and one of the skill's description.
const TOLD: &str = "plimsoll";
const SKILL: &str = "frobnication";

#[test]
fn codex_is_told_once() {
    let home = home();
    let said = run(&home, agents::codex, &["debug", "prompt-input", "hi"]);
    assert_once(&said);
    assert!(!said.contains("deploy-now"), "only a person sets it going: {said}");
}

#[test]
fn claude_is_told_once() {
    let home = home();
    let session = Session::start(&home, &Installed::find(), |model| {
        let mut agent = agents::claude(model);
        agent.run.extend(["--output-format", "stream-json", "--verbose"].map(str::to_owned));
        agent
    });
    let turn = session.turn();
    assert_once(turn.request());
    turn.say("ok");
    let said = session.end();
    let events = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let init =
        events.into_iter().find(|event| event["subtype"] == "init").expect("it begins with this event");
    for (list, name) in
        [("skills", "release-notes"), ("slash_commands", "release-notes"), ("slash_commands", "deploy-now")]
    {
        let names = init[list].as_array().unwrap_or_else(|| panic!("no {list}: {init}"));
        assert_eq!(names.iter().filter(|found| *found == name).count(), 1, "{list}: {names:?}");
    }
}

#[test]
fn gemini_lists_skills_once() {
    let home = home();
    // Copies of an earlier loom in the workspace would be the second ones.
    let copy = home.path().join("w/.gemini/skills/release-notes");
    let written =
        [".agents/skills", ".gemini/skills"].map(|folder| home.path().join(folder).join("release-notes"));
    let written = written.into_iter().find(|folder| folder.exists()).expect("gemini reads one of them");
    copy_folder(&written, &copy);
    let list = copy.parent().expect("it is in a folder").join(".loom-skills-manifest.json");
    fs::write(list, "{\"generated\": [\"release-notes\"]}").expect("so can this");
    let said = run_in(&home, agents::gemini, &["skills", "list"], "w");
    assert_eq!(said.matches("release-notes [Enabled]").count(), 1, "{said}");
    assert!(said.contains("frobnication: of a release.") && !said.contains("conflict"), "{said}");
}

#[test]
fn gemini_is_told_once() {
    sees_it_once(agents::gemini);
}

#[test]
fn opencode_is_told_once() {
    sees_it_once(agents::opencode);
}

#[test]
fn copilot_is_told_once() {
    sees_it_once(agents::copilot);
}

#[test]
fn amp_lists_skills_once() {
    let said = run(&home(), agents::amp, &["skill", "list"]);
    assert_eq!(said.matches(SKILL).count(), 1, "{said}");
}

#[test]
fn qwen_is_told_once() {
    sees_it_once(|model| {
        let mut agent = agents::qwen(model);
        agent.run = ["--prompt", "hi", "--auth-type", "openai"].map(str::to_owned).into();
        agent.env.push(("OPENAI_MODEL", "mock".into()));
        agent
    });
}

#[test]
fn kilocode_lists_skills_once() {
    let said = run(&home(), agents::kilocode, &["debug", "skill"]);
    assert_eq!(said.matches("\"name\": \"release-notes\"").count(), 1, "{said}");
}

/// In what the client asks its model.
fn sees_it_once(agent: fn(&str) -> Agent) {
    let home = home();
    let session = Session::start(&home, &Installed::find(), agent);
    let turn = session.turn();
    assert_once(turn.request());
    turn.say("ok");
    session.leave();
}

fn assert_once(text: &str) {
    for word in [TOLD, SKILL] {
        assert_eq!(text.matches(word).count(), 1, "{word}: {text}");
    }
}

/// A home where all clients are told, so that some read the same folder.
fn home() -> TestHome {
    let home = home_of_echo();
    let folder = home.config_dir().join("skills/release-notes");
    fs::create_dir_all(&folder).expect("the home can be written");
    fs::write(folder.join("notes.sh"), "#!/bin/sh\n").expect("the home can be written");
    fs::write(home.config_dir().join("skills-registry.yaml"), REGISTRY).expect("the home can be written");
    home.loom_ok(&["sync", "skills", "all", "--all-targets"]);
    home
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the home can be written");
    for entry in fs::read_dir(from).expect("it is a folder").flatten() {
        let path = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_folder(&entry.path(), &path),
            false => drop(fs::copy(entry.path(), path).expect("the home can be written")),
        }
    }
}

/// What the client prints, with all clients told.
fn run(home: &TestHome, agent: fn(&str) -> Agent, args: &[&str]) -> String {
    run_in(home, agent, args, "")
}

fn run_in(home: &TestHome, agent: fn(&str) -> Agent, args: &[&str], folder: &str) -> String {
    let (sender, _events) = channel();
    let model = model::serve(sender);
    let agent = agent(&model);
    let mut command = program(home, &Installed::find(), &agent, &model);
    let mut sync = home.command(crate::support::home::loom_binary());
    let folder = home.path().join(folder);
    let synced = home.finish(sync.args(["sync", "skills", agent.hint]).current_dir(&folder));
    assert!(synced.status.success(), "{synced:?}");
    let output = home.finish(command.args(args).current_dir(folder));
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}
