//! Real AI clients that got servers by their own commands: `loom import` reads what they wrote.

use serde_json::Value;

use crate::installed::Installed;
use crate::support::home::{TestHome, loom_binary};

/// How each client adds a program `files` with two variables; the program itself follows.
const FILES: [(&str, &[&str]); 5] = [
    (".bin/codex", &["mcp", "add", "files", "--env", "A=1", "--env", "MY_TOKEN=never-in-the-registry", "--"]),
    (
        ".bin/claude",
        &["mcp", "add", "files", "-s", "user", "-e", "A=1", "-e", "MY_TOKEN=never-in-the-registry", "--"],
    ),
    (
        ".bin/gemini",
        &["mcp", "add", "-s", "user", "-e", "A=1", "-e", "MY_TOKEN=never-in-the-registry", "files"],
    ),
    (
        ".bin/qwen",
        &["mcp", "add", "-s", "user", "-e", "A=1", "-e", "MY_TOKEN=never-in-the-registry", "files"],
    ),
    (
        ".bin/copilot",
        &["mcp", "add", "files", "--env", "A=1", "--env", "MY_TOKEN=never-in-the-registry", "--"],
    ),
];

/// And a server over HTTP with a header.
const FAR: [(&str, &[&str]); 2] = [
    (
        ".bin/claude",
        &[
            "mcp",
            "add",
            "far",
            "-s",
            "user",
            "--transport",
            "http",
            "https://far.example/mcp",
            "--header",
            "Authorization: Bearer never-in-the-registry",
        ],
    ),
    (
        ".bin/gemini",
        &[
            "mcp",
            "add",
            "-s",
            "user",
            "--transport",
            "http",
            "far",
            "https://far.example/mcp",
            "-H",
            "Authorization: Bearer never-in-the-registry",
        ],
    ),
];

fn told(home: &TestHome, program: &str, args: &[&str]) {
    let installed = Installed::find();
    let mut command = home.command(installed.client(program));
    let output = home.finish(command.args(args).env("PATH", installed.path()));
    assert!(output.status.success(), "{program}: {output:?}");
}

#[test]
fn what_five_clients_wrote_is_one_server() {
    let home = TestHome::new();
    std::fs::create_dir(home.path().join(".codex")).expect("the home can be written");
    let server = [loom_binary(), "mcp", "echo"];
    for (program, args) in FILES {
        told(&home, program, &[args, &server[..]].concat());
    }
    for (program, args) in FAR {
        told(&home, program, args);
    }
    let said = home.loom_json(&["import", "--json"]);
    let from = |name: &str| -> Vec<String> {
        let servers = said["servers"].as_array().expect("servers are told");
        let server = servers.iter().find(|server| server["name"] == name);
        let from =
            server.and_then(|server| server["from"].as_array()).unwrap_or_else(|| panic!("{name}: {said}"));
        from.iter().map(|one| one["client"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(from("files"), ["codex", "claude", "gemini", "copilot", "qwen"], "{said}");
    assert_eq!(from("far"), ["claude", "gemini"], "{said}");
    assert_eq!(said["left_out"], Value::Array(Vec::new()), "{said}");
    let registry = std::fs::read_to_string(home.config_dir().join("registry.yaml")).expect("it was written");
    assert!(!registry.contains("never-in-the-registry"), "{registry}");
    let answer = home.loom_ok(&["tools", "call", "files__echo", "--args", "{\"message\":\"hi\"}"]);
    assert!(answer.contains("hi"), "{answer}");
}
