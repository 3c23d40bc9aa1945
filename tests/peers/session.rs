//! One run of a real client, and what happens in it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::agents::Agent;
use crate::installed::Installed;
use crate::model::{self, Turn};
use crate::support::home::{TestHome, loom_binary};

/// How long the next event may take. A client starts within seconds, but here several start at once.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a session waits for.
pub enum Event {
    /// The client has asked the model.
    Turn(Turn),
    /// Something that the model cannot make sense of.
    Strange(String),
    Ended(ExitStatus),
}

/// A client at work. When the test fails its home ends it.
pub struct Session {
    agent: Agent,
    events: Receiver<Event>,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Session {
    /// Lets `loom sync` configure the client in `home`, and starts it.
    pub fn start(home: &TestHome, installed: &Installed, agent: fn(&str) -> Agent) -> Self {
        let (sender, events) = channel();
        let model = model::serve(sender.clone());
        let agent = agent(&model);
        configure(home, &agent, "--loom-mode");
        let (stdout, stderr) = (home.path().join("client.out"), home.path().join("client.err"));
        let mut command = program(home, installed, &agent, &model);
        let output = |path| File::create(path).expect("the home can be written");
        command.args(&agent.run).stdin(Stdio::null()).stdout(output(&stdout)).stderr(output(&stderr));
        run(command, sender);
        Session { agent, events, stdout, stderr }
    }

    /// What the client says of its MCP servers, once `loom sync` has configured it: standard output and error.
    pub fn list(
        home: &TestHome,
        installed: &Installed,
        agent: fn(&str) -> Agent,
        mode: &str,
    ) -> (Agent, String) {
        let (sender, _events) = channel();
        let model = model::serve(sender);
        let agent = agent(&model);
        configure(home, &agent, mode);
        let listed = home.finish(program(home, installed, &agent, &model).args(&agent.list));
        assert!(listed.status.success(), "{:?}: {listed:?}", agent.list);
        let text = [listed.stdout, listed.stderr].concat();
        (agent, String::from_utf8_lossy(&text).into_owned())
    }

    /// What `loom sync --verify` says of the client.
    pub fn verified(home: &TestHome, installed: &Installed, agent: &Agent) -> String {
        let program = installed.client(agent.program);
        let folder = program.parent().expect("a program is in a folder");
        let mut command = home.command(loom_binary());
        command.env("PATH", format!("{}:{}", folder.display(), installed.path()));
        command.envs(agent.env.iter().map(|(name, value)| (name, value)));
        let output = home.finish(command.args(["sync", agent.hint, "--verify"]));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The next time the client asks the model.
    pub fn turn(&self) -> Turn {
        match self.next() {
            Event::Turn(turn) => turn,
            Event::Strange(what) => panic!("{what}; {}", self.output()),
            Event::Ended(status) => panic!("ended too early, {status}; {}", self.output()),
        }
    }

    /// Waits for the client to end well; its stdout.
    pub fn end(self) -> String {
        match self.next() {
            Event::Ended(status) => assert!(status.success(), "{status}; {}", self.output()),
            Event::Strange(what) => panic!("{what}; {}", self.output()),
            Event::Turn(turn) => panic!("asked again: {:?}; {}", turn.results(), self.output()),
        }
        fs::read_to_string(&self.stdout).expect("the client prints UTF-8")
    }

    /// Answers whatever else the client asks until it ends well.
    pub fn leave(self) {
        loop {
            match self.next() {
                Event::Turn(turn) => turn.say("ok"),
                Event::Strange(what) => panic!("{what}; {}", self.output()),
                Event::Ended(status) => return assert!(status.success(), "{status}; {}", self.output()),
            }
        }
    }

    fn next(&self) -> Event {
        match self.events.recv_timeout(PATIENCE) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => panic!("nothing within {PATIENCE:?}; {}", self.output()),
            Err(RecvTimeoutError::Disconnected) => unreachable!("the model holds the other end"),
        }
    }

    fn output(&self) -> String {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        format!("{}: stdout: {}; stderr: {}", self.agent.program, read(&self.stdout), read(&self.stderr))
    }
}

/// Writes what the client needs beside loom, and then loom.
fn configure(home: &TestHome, agent: &Agent, mode: &str) {
    let file = home.path().join(agent.file.0);
    fs::create_dir_all(file.parent().expect("it is below the home")).expect("the home can be written");
    fs::write(file, &agent.file.1).expect("the home can be written");
    home.loom_ok(&["sync", agent.hint, mode]);
}

/// The client without arguments. All that it wants from outside this machine it asks of the model, which refuses.
pub fn program(home: &TestHome, installed: &Installed, agent: &Agent, model: &str) -> Command {
    let mut command = home.command(installed.client(agent.program));
    command.env("PATH", installed.path());
    let temporary = home.path().join("tmp");
    fs::create_dir_all(&temporary).expect("the home can be written");
    command.env("TMPDIR", temporary);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env(name, model);
    }
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    command.envs(agent.env.iter().map(|(name, value)| (name, value)));
    command
}

/// Starts it and tells of its end.
fn run(mut command: Command, events: Sender<Event>) {
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    thread::spawn(move || {
        let status = child.wait().expect("a child can be waited for");
        // Nobody listens when the test has failed.
        let _ = events.send(Event::Ended(status));
    });
}
