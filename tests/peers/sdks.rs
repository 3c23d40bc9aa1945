//! The SDKs as clients: the drivers, and one run of one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::document::Document;
use crate::installed::{Installed, source};
use crate::remote::Transport;
use crate::site::Site;
use crate::support::home::{TestHome, loom_binary};

/// How long a driver waits for one answer or event.
const PATIENCE_MS: u64 = 25_000;

/// One SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    TypeScript,
    Python,
    Rmcp,
}

/// What not every SDK has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// The tasks of 2025-11-25.
    Tasks,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

/// What an SDK lacks, and why. Steps with tasks are left out; without HTTP+SSE the run to compare with goes over
/// streamable HTTP, while loom itself uses HTTP+SSE.
const LACKS: [(Sdk, Feature, &str); 3] = [
    (
        Sdk::Python,
        Feature::Tasks,
        "mcp 2.3 leaves tasks/* out and takes a result without `content` for wrong",
    ),
    (Sdk::Rmcp, Feature::Tasks, "rmcp 3.11 has only the later extension of that name"),
    (Sdk::Rmcp, Feature::Sse, "rmcp has dropped it"),
];

impl Sdk {
    pub fn has(self, feature: Feature) -> bool {
        !LACKS.iter().any(|(sdk, lack, _)| (*sdk, *lack) == (self, feature))
    }

    /// How it reaches a server directly that loom reaches by `transport`.
    pub fn direct(self, transport: Transport) -> Transport {
        if self.has(Feature::Sse) { transport } else { Transport::Streamable }
    }

    fn driver(self, home: &TestHome, installed: &Installed) -> Command {
        let script = |name: &str| source("tests/peers/drivers").join(name);
        let mut command;
        match self {
            Sdk::TypeScript => {
                command = home.command("node");
                command.arg(script("ts.mjs")).env("PEERS_NPM", installed.npm());
            }
            Sdk::Python => {
                command = home.command(installed.python("python"));
                command.arg(script("py.py"));
            }
            Sdk::Rmcp => command = home.command(rmcp_program("rmcp-client")),
        }
        command
    }

    /// Lets the driver take the steps with what `start` describes.
    pub fn run(self, home: &TestHome, site: &Site, start: &Value, steps: &[Value]) -> Document {
        let elicitation = json!({
            "name": "Ada \u{fc}", "check": true, "email": "ada@example.com", "integer": 7, "number": 2.5,
            "untitledMultipleSelectEnum": ["Piano"], "titledSingleSelectEnum": "hero-2",
            "interpretation": "snake", "favoriteColor": "Green", "agreeToTerms": true,
        });
        let said = json!({"type": "text", "text": "a fixed answer \u{2603}"});
        let sampling =
            json!({"role": "assistant", "content": said, "model": "fixed", "stopReason": "endTurn"});
        let plan = json!({
            "start": start, "steps": steps, "patience_ms": PATIENCE_MS,
            "roots": [{"uri": format!("file://{}", site.files().display()), "name": "files"}],
            "answers": {"sampling": sampling, "elicitation": elicitation},
        });
        let file = home.path().join("plan.json");
        fs::write(&file, plan.to_string()).expect("the home can be written");
        let output = home.finish(self.driver(home, &Installed::find()).arg(&file));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self:?} with {start}: {stderr}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{self:?}: {error}: {}\n{stderr}", String::from_utf8_lossy(&output.stdout))
        })
    }
}

/// How a driver starts a program over stdio.
pub fn start(home: &TestHome, command: &str, args: &[String], env: &[(&String, &String)]) -> Value {
    let own = home.env().iter().map(|(name, value)| (name.clone(), json!(value.to_string_lossy())));
    let more = env.iter().map(|(name, value)| ((*name).clone(), json!(value)));
    let env: Value = own.chain(more).collect::<serde_json::Map<_, _>>().into();
    json!({"command": command, "args": args, "env": env, "cwd": home.path()})
}

/// A program of `rmcp/`, which is built when it is first needed: it is a crate of its own, so that loom's own build does
/// not wait for rmcp.
pub fn rmcp_program(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--package", "peers-rmcp"])
            .args(if cfg!(debug_assertions) { &[][..] } else { &["--release"] })
            .current_dir(source(""))
            .env("CARGO_TARGET_DIR", profile_folder().parent().expect("a profile is in a target folder"))
            .output()
            .expect("cargo runs these tests");
        assert!(built.status.success(), "peers-rmcp: {}", String::from_utf8_lossy(&built.stderr));
    });
    profile_folder().join(name)
}

/// The folder of the loom under test.
fn profile_folder() -> &'static Path {
    Path::new(loom_binary()).parent().expect("a program is in a folder")
}
