//! Files of all clients, read.

use std::fs;

use super::*;
use crate::registry::parse::parse;
use crate::sync::TARGETS;
use crate::sync::direct::{Source, direct};
use crate::sync::machine::Os;
use crate::sync::plan::{Policy, plan};

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap()
}

fn machine(home: &Path) -> Machine {
    Machine {
        os: Os::Linux,
        home: home.into(),
        env: BTreeMap::new(),
        overrides: BTreeMap::new(),
        cwd: home.into(),
    }
}

/// What is made of one entry of a client, as the registry has it, or why not.
fn read_one(client: &str, entry: &str) -> String {
    let mut reader = Reader { dialect: &target(client).dialect, asks: Vec::new() };
    match reader.server(&serde_json::from_str(entry).unwrap()) {
        Ok(None) => "nothing".to_owned(),
        Err(why) => format!("left: {why}"),
        Ok(Some(spec)) => {
            let start = match &spec.launch {
                Launch::Command { command, args } => format!("{command} {args:?}"),
                Launch::Builtin { .. } => panic!("no client has these"),
                Launch::Url { url } => url.clone(),
            };
            let mut text = start;
            for (what, map) in [("env", &spec.env), ("headers", &spec.headers)] {
                if !map.is_empty() {
                    text.push_str(&format!(" {what} {map:?}"));
                }
            }
            for (what, list) in
                [("pass", &spec.env_pass), ("without", &spec.disabled_tools), ("asks", &reader.asks)]
            {
                if !list.is_empty() {
                    text.push_str(&format!(" {what} {list:?}"));
                }
            }
            spec.enabled_tools.iter().for_each(|tools| text.push_str(&format!(" only {tools:?}")));
            spec.cwd.iter().for_each(|cwd| text.push_str(&format!(" in {cwd}")));
            text
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn entries_are_read_as_their_client_means_them() {
    for (client, entry, want) in [
        (
            "claude",
            r#"{"command":"npx","args":["-y",5,true],"env":{"A":"${B}","C":1}}"#,
            r#"npx ["-y", "5", "true"] env {"A": "${env:B}", "C": "1"}"#,
        ),
        (
            "claude",
            r#"{"type":"http","url":"https://h/${P}","headers":{"X":"${Y:-z}"}}"#,
            r#"https://h/${env:P} headers {"X": "${env:Y:-z}"}"#,
        ),
        (
            "codex",
            r#"{"command":"x","env":{"A":"${B}"},"env_vars":["C",{"name":"D"}],"disabled_tools":["t"],"cwd":"/w"}"#,
            r#"x [] env {"A": "\\${B}"} pass ["C", "D"] without ["t"] in /w"#,
        ),
        (
            "codex",
            r#"{"url":"https://h/","bearer_token_env_var":"T","http_headers":{"X":"1"},"env_http_headers":{"Y":"V"}}"#,
            r#"https://h/ headers {"Authorization": "Bearer ${env:T}", "X": "1", "Y": "${env:V}"}"#,
        ),
        (
            "opencode",
            r#"{"type":"local","command":["x","{env:A}"],"environment":{"B":"{env:C}"},"enabled":true,"oauth":{}}"#,
            r#"x ["${env:A}"] env {"B": "${env:C}"}"#,
        ),
        ("opencode", r#"{"enabled":false}"#, "nothing"),
        (
            "gemini",
            r#"{"httpUrl":"https://h/$P","includeTools":["a"],"excludeTools":["b"]}"#,
            r#"https://h/${env:P} without ["b"] only ["a"]"#,
        ),
        ("windsurf", r#"{"serverUrl":"https://h/","disabledTools":["b"]}"#, r#"https://h/ without ["b"]"#),
        (
            "copilot",
            r#"{"type":"local","command":"${A}","args":["$B"],"tools":["*"]}"#,
            r#"\${A} ["${env:B}"]"#,
        ),
        ("copilot", r#"{"command":"x","tools":["a"]}"#, r#"x [] only ["a"]"#),
        (
            "vscode",
            r#"{"command":"x","env":{"K":"${input:my-key}"},"args":["${workspaceFolder}"]}"#,
            r#"x ["${workspace}"] env {"K": "${secret:MY_KEY}"} asks ["MY_KEY"]"#,
        ),
        (
            "vscode",
            r#"{"command":"x","args":["${input:k}"]}"#,
            "left: the client asks its user for a part of the command line",
        ),
        (
            "vscode",
            r#"{"command":"x","args":["${selectedText}"]}"#,
            "left: loom has no word for `${selectedText}`",
        ),
        (
            "vscode",
            r#"{"command":"x","envFile":"a"}"#,
            "left: its variables stand in a file of their own (`envFile`)",
        ),
        ("zed", r#"{"command":{"path":"x","args":["a"],"env":{"A":"$B"}}}"#, r#"x ["a"] env {"A": "$B"}"#),
        ("zed", r#"{"source":"extension","settings":{}}"#, "left: nothing says how it is started"),
        (
            "continue",
            r#"{"name":"s","url":"https://h/","requestOptions":{"headers":{"X":"1"}}}"#,
            r#"https://h/ headers {"X": "1"}"#,
        ),
        ("continue", r#"{"name":"s","command":"x","args":["${{ secrets.A }}"]}"#, r#"x ["${env:A}"]"#),
        (
            "cursor",
            r#"{"command":"x","cwd":"~/w","args":["./a","mcp/fetch"]}"#,
            r#"x ["${HOME}/w/a", "mcp/fetch"] in ${HOME}/w"#,
        ),
        ("cursor", r#"{"command":"./x"}"#, "left: `./x` depends on where the client was started"),
        (
            "cursor",
            r#"{"command":"x","cwd":"w"}"#,
            "left: its folder `w` depends on where the client was started",
        ),
        ("cursor", r#"{"command":"x","url":"https://h/"}"#, "left: it has a command and a URL"),
        ("cursor", r#"{"command":"x","args":"a"}"#, "left: its `args` is no list"),
        ("cursor", r#"{"command":"x","env":{"A-B":"1"}}"#, "left: `A-B` cannot be the name of a variable"),
        (
            "cursor",
            r#"{"url":"https://h/","auth":{"CLIENT_ID":"x"}}"#,
            "left: the client logs in to it (`auth`)",
        ),
        ("cursor", r#"{"url":"ws://h/"}"#, "left: it is reached over a WebSocket"),
        ("cursor", "5", "left: it is no map"),
    ] {
        assert_eq!(read_one(client, entry), want, "{client} {entry}");
    }
}

/// Every client's file, written in direct mode and read back, is the registry again.
#[test]
fn what_loom_writes_it_reads() {
    let text = r#"
version: 1
servers:
  - { name: plain, command: /bin/x, args: [-y, "a b", "ü"], env: { A: "1" } }
  - { name: refs, command: /bin/x, args: ["${env:PORT}"], env: { B: "x ${env:PORT}" } }
  - { name: same, command: /bin/x, env: { PORT: "${env:PORT}" } }
  - { name: dollar, command: /bin/x, args: ["$X", "\\${X}", "{env:X}"] }
  - { name: folder, command: /bin/x, cwd: /w }
  - { name: far, url: "https://h/x", headers: { X-Team: red } }
  - { name: far-refs, url: "https://h/x", headers: { X: "${env:Y}", Authorization: "Bearer ${env:T}" } }
"#;
    let parsed = parse(text, Path::new("/r.yaml"), Path::new("/home/ann"), &[]);
    assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
    let registry = parsed.registry.unwrap();
    for target in TARGETS {
        let source =
            Source { registry: &registry, binary: "/opt/loom", home: Path::new("/home/ann"), flag: None };
        let door = Door {
            binary: "/opt/loom".into(),
            socket: None,
            leave: Leave::default(),
            direct: Some(direct(&source, target, &Leave::default())),
        };
        let home = tempfile::tempdir().unwrap();
        let machine = machine(home.path());
        let wanted = (target.files)(&machine, &door).into_iter().next().unwrap();
        let planned = plan(wanted.format, wanted.seed, None, &wanted.items, Policy::Report).unwrap();
        fs::create_dir_all(wanted.path.parent().unwrap()).unwrap();
        fs::write(&wanted.path, &planned.text).unwrap();
        let haul = read(&[target], &machine, &Manifest::default());
        assert!(haul.left.is_empty() && haul.obstacles.is_empty(), "{}: {haul:?}", target.name);
        for one in &haul.servers {
            let mut spec = registry.server(&one.name).unwrap().spec_for(None);
            // A variable that codex hands on by its name is one that the server is given under that name.
            if target.name == "codex" && one.name == "same" {
                (spec.env, spec.env_pass) = (BTreeMap::new(), vec!["PORT".into()]);
            }
            assert_eq!(one.spec, spec, "{} {}: {}", target.name, one.name, planned.text);
        }
        let names: Vec<&str> = haul.servers.iter().map(|one| one.name.as_str()).collect();
        assert!(names.contains(&"plain"), "{}: {names:?}", target.name);
    }
}

#[test]
fn what_is_loom_s_is_passed_over_and_what_is_broken_named() {
    let home = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        fs::create_dir_all(home.path().join(path).parent().unwrap()).unwrap();
        fs::write(home.path().join(path), text).unwrap();
    };
    put(
        ".cursor/mcp.json",
        r#"{"mcpServers": {"loom": {"command": "/b/loom", "args": ["proxy"]}, "x": {"command": "/b/loom", "args": ["exec", "x"]}, "mine": {"command": "a", "disabled": true}}}"#,
    );
    put(".codex/config.toml", "[mcp_servers.x]\ncommand = \n");
    put(".gemini/settings.json", "{\"mcpServers\": []}");
    let targets: Vec<&Target> = ["cursor", "codex", "gemini", "amp"].map(target).to_vec();
    let haul = read(&targets, &machine(home.path()), &Manifest::default());
    let names: Vec<_> = haul.servers.iter().map(|one| (one.name.as_str(), one.disabled)).collect();
    assert_eq!(names, [("mine", true)]);
    let places = haul.obstacles.iter().map(|(client, _, obstacle)| match obstacle {
        Obstacle::Wrong(wrong) => (*client, wrong.line),
        Obstacle::Io(error) => panic!("{error}"),
    });
    assert_eq!(places.collect::<Vec<_>>(), [("codex", 2), ("gemini", 1)]);
}
