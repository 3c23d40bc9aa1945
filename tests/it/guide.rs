//! The user guide's own lines, as they are written there: all that do not concern the HUD, sandboxes or phones.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::home::{TestHome, loom_binary};

/// What a line of the guide must do.
enum Must {
    /// End well, and say this.
    Say(&'static str),
    /// Be a target of the makefile; what it does is tested where its script is.
    Make,
}

use Must::{Make, Say};

/// In the order in which a person works through the guide. `localhost:9876` stands for the address in force: several
/// tests share the machine.
const COMMANDS: [(&str, Must); 29] = [
    // 5-Minute First-Time Setup
    ("make bootstrap-local", Make),
    ("./bin/loomd & until ./bin/loom status; do :; done; kill -TERM $! && wait $!", Say("echo")),
    ("./bin/loom start", Say("started")),
    ("./bin/loom status", Say("echo")),
    ("make build", Make),
    ("./bin/loom sync all --regen --loom-mode", Say("codex")),
    // Daily Commands
    ("make dev-upgrade", Make),
    ("make dev-reload", Make),
    ("curl -s http://localhost:9876/health", Say("healthy")),
    // Config Generation and Sync
    ("./bin/loom generate configs --target all --loom-mode", Say("generated")),
    ("./bin/loom sync codex vscode kilocode claude claude_desktop gemini antigravity", Say("antigravity")),
    // Daemon Operations
    ("./bin/loom start", Say("")),
    ("./bin/loom status", Say("echo")),
    ("./bin/loom reload", Say("")),
    ("./bin/loom restart", Say("")),
    ("./bin/loom stop", Say("")),
    ("./bin/loom start", Say("started")),
    ("curl -s http://localhost:9876/health", Say("healthy")),
    ("cat ~/.config/loom/logs/daemon.log", Say("serving")),
    ("ls ~/.config/loom/logs/daemon.err", Say("daemon.err")),
    // Secrets and Template Variables; the value is typed.
    ("./bin/loom secrets set GITLAB_TOKEN --from-stdin <<<typed", Say("GITLAB_TOKEN")),
    ("./bin/loom check", Say("no errors")),
    // Response Size and Pagination
    ("loom tools list --json", Say("echo__echo")),
    ("loom tools list --json --server echo --page 1 --limit 2", Say("echo__")),
    // Troubleshooting
    ("loom status; loom restart", Say("echo")),
    ("make install-core", Make),
    ("loom reload", Say("")),
    ("loom sync all --regen --loom-mode", Say("")),
    ("ls ~/.config/loom/loom.sock", Say("loom.sock")),
];

/// Variables that the guide names, and the defaults that it gives.
const VARIABLES: [(&str, &str); 2] =
    [("LOOM_SOCKET", "~/.config/loom/loom.sock"), ("LOOM_PROXY_TOOL_PAGE_SIZE", "100")];

/// A folder as the guide has it: `./bin/loom` there, `loom` on PATH, and a registry.
fn home() -> TestHome {
    let home = TestHome::new();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(loom_binary(), bin.join("loom")).unwrap();
    symlink(loom_binary(), bin.join("loomd")).unwrap();
    home.echo_registry(&[("echo", "", "")]);
    fs::create_dir(home.path().join(".codex")).unwrap();
    home
}

/// Types a line into a shell.
fn typed(home: &TestHome, line: &str) -> Output {
    let path = format!("{}:{}", home.path().join("bin").display(), std::env::var("PATH").unwrap());
    home.finish(home.command("bash").args(["-c", line]).env("PATH", path))
}

#[test]
fn each_line_does_what_the_guide_says() {
    let home = home();
    let makefile = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (line, must) in COMMANDS {
        match must {
            Make => {
                let target = line.strip_prefix("make ").unwrap();
                let mut make = home.command("make");
                let output = home.finish(make.arg("-C").arg(makefile).args(["--dry-run", target]));
                assert!(output.status.success(), "{line}: {output:?}");
            }
            Say(text) => {
                let status = home.loom(&["status", "--json"]);
                let status: Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
                let address = status["metrics"]["addr"].as_str().unwrap_or("localhost:9876");
                let output = typed(&home, &line.replace("localhost:9876", address));
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(output.status.success() && said.contains(text), "{line}: {output:?}");
            }
        }
    }
}

#[test]
fn the_inventory_has_the_addresses_of_the_guide() {
    let home = home();
    let mut client = home.client();
    let index = client.request("resources/read", json!({"uri": "loom://tools/index"}));
    assert!(index["contents"][0]["text"].as_str().is_some_and(|text| text.contains("echo")), "{index}");
    for uri in ["loom://tools/page/1", "loom://tools/server/echo/page/1", "loom://tools"] {
        let page = client.request("resources/read", json!({"uri": uri}));
        let text = page["contents"][0]["text"].as_str().unwrap_or_default().to_owned();
        assert!(text.contains("echo__echo"), "{uri}: {page}");
    }
}

#[test]
fn variables_have_the_defaults_of_the_guide() {
    let home = home();
    let settings: Value = serde_json::from_str(&home.loom_ok(&["check", "--settings", "--json"])).unwrap();
    for (variable, default) in VARIABLES {
        let row = settings.as_array().unwrap().iter().find(|row| row["env"] == variable);
        assert_eq!(row.map(|row| &row["default"]), Some(&json!(default)), "{variable}");
    }
    let row = settings.as_array().unwrap().iter().find(|row| row["key"] == "metrics_addr").unwrap();
    assert_eq!(row["default"], "127.0.0.1:9876");
}

#[test]
fn the_nearest_registry_of_the_workspace_is_read_first() {
    let home = home();
    let workspace = home.path().join("work");
    let registry = workspace.join("platform/gitops/mcp/context/registry.yaml");
    fs::create_dir_all(registry.parent().unwrap()).unwrap();
    fs::write(&registry, "version: 1\nservers: []\n").unwrap();
    let inside = workspace.join("services/loom-core");
    fs::create_dir_all(&inside).unwrap();
    for (folder, wanted) in
        [(&inside, &registry), (&home.path().to_path_buf(), &home.config_dir().join("registry.yaml"))]
    {
        let check = home.finish(home.command(loom_binary()).args(["check", "--json"]).current_dir(folder));
        let report: Value = serde_json::from_slice(&check.stdout).unwrap();
        assert_eq!(report["registries"][0]["path"], wanted.to_str().unwrap(), "{report:#}");
    }
}
