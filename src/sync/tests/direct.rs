//! Direct mode: what each client is told of each kind of server.

use serde_json::{Value, json};

use super::*;
use crate::registry::Registry;
use crate::registry::finding::Level;
use crate::registry::parse::parse;
use crate::sync::direct::{Direct, Source, direct};

const REGISTRY: &str = r#"
version: 1
env_aliases: { OLD: { fallbacks: [OLDER] } }
servers:
  - name: plain
    common: { command: npx, args: [-y, server, "${HOME}/notes"], env: { A: "1" }, timeout: 90, startup_timeout: 20 }
  - name: refs
    common: { command: uvx, args: [--port, "${env:PORT}"], env: { PORT: "${env:PORT}" } }
  - name: default
    common: { command: uvx, args: ["${env:PORT:-80}"] }
  - name: named
    common: { command: /bin/x, env: { PORT: "${env:PORT}" } }
  - name: secret
    common: { command: uvx, env: { FORGE: "${secret:FORGE_TOKEN}" } }
  - name: cwd
    common: { command: /bin/x, cwd: "${HOME}/work" }
  - name: far
    url: https://far.example/mcp
    headers: { X-Team: red, X-Zone: "${env:ZONE}", Authorization: "Bearer ${env:FAR_TOKEN}" }
"#;

fn registry(text: &str) -> Registry {
    let parsed = parse(text, Path::new("/r.yaml"), Path::new("/home/ann"), &["echo"]);
    assert!(parsed.findings.iter().all(|finding| finding.level == Level::Warning), "{:?}", parsed.findings);
    parsed.registry.unwrap()
}

fn made(target: &Target, text: &str, flag: Option<&str>) -> Direct {
    let registry = registry(text);
    let source = Source { registry: &registry, binary: "/opt/loom", home: Path::new("/home/ann"), flag };
    direct(&source, target, &Leave::of(&registry, target.name))
}

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap()
}

/// What `target` is told of a server of these fields; `Null` for nothing.
fn told(name: &str, fields: &str) -> Value {
    let made =
        made(target(name), &format!("version: 1\nservers:\n  - name: s\n    common: {{ {fields} }}\n"), None);
    made.entries.into_iter().next().map(|entry| Value::Object(entry.members)).unwrap_or_default()
}

fn is_through_loom(entry: &Value) -> bool {
    entry.to_string().contains(r#""/opt/loom","#) && entry.to_string().contains(r#""exec","s""#)
        || entry["command"] == "/opt/loom" && entry["args"][0] == "exec"
}

#[test]
#[expect(clippy::too_many_lines, reason = "a snapshot")]
fn what_each_client_is_told() {
    let mut text = String::new();
    for target in TARGETS {
        let made = made(target, REGISTRY, None);
        text.push_str(&format!("=== {}\n", target.name));
        for entry in made.entries {
            text.push_str(&format!("{} {}\n", entry.name, Value::Object(entry.members)));
        }
        for note in made.notes {
            text.push_str(&format!("note: {note}\n"));
        }
    }
    insta::assert_snapshot!(text, @r#"
    === codex
    plain {"command":"npx","args":["-y","server","/home/ann/notes"],"env":{"A":"1"},"tool_timeout_sec":90,"startup_timeout_sec":20}
    refs {"command":"/opt/loom","args":["exec","refs","--agent-hint","codex"],"env_vars":["PORT"]}
    default {"command":"/opt/loom","args":["exec","default","--agent-hint","codex"],"env_vars":["PORT"]}
    named {"command":"/bin/x","args":[],"env_vars":["PORT"]}
    secret {"command":"/opt/loom","args":["exec","secret","--agent-hint","codex"],"env_vars":["FORGE_TOKEN"]}
    cwd {"command":"/bin/x","args":[],"cwd":"/home/ann/work"}
    far {"url":"https://far.example/mcp","bearer_token_env_var":"FAR_TOKEN","env_http_headers":{"X-Zone":"ZONE"},"http_headers":{"X-Team":"red"}}
    === vscode
    plain {"command":"npx","args":["-y","server","/home/ann/notes"],"type":"stdio","env":{"A":"1"}}
    refs {"command":"uvx","args":["--port","${env:PORT}"],"type":"stdio","env":{"PORT":"${env:PORT}"}}
    default {"command":"/opt/loom","args":["exec","default","--agent-hint","vscode"],"type":"stdio"}
    named {"command":"/bin/x","args":[],"type":"stdio","env":{"PORT":"${env:PORT}"}}
    secret {"command":"/opt/loom","args":["exec","secret","--agent-hint","vscode"],"type":"stdio"}
    cwd {"command":"/bin/x","args":[],"type":"stdio","cwd":"/home/ann/work"}
    far {"type":"http","url":"https://far.example/mcp","headers":{"Authorization":"Bearer ${env:FAR_TOKEN}","X-Team":"red","X-Zone":"${env:ZONE}"}}
    === kilocode
    plain {"command":["npx","-y","server","/home/ann/notes"],"type":"local","enabled":true,"environment":{"A":"1"},"timeout":20000}
    refs {"command":["uvx","--port","{env:PORT}"],"type":"local","enabled":true,"environment":{"PORT":"{env:PORT}"}}
    default {"command":["/opt/loom","exec","default","--agent-hint","kilocode"],"type":"local","enabled":true}
    named {"command":["/bin/x"],"type":"local","enabled":true,"environment":{"PORT":"{env:PORT}"}}
    secret {"command":["/opt/loom","exec","secret","--agent-hint","kilocode"],"type":"local","enabled":true}
    cwd {"command":["/bin/x"],"type":"local","enabled":true,"cwd":"/home/ann/work"}
    far {"type":"remote","enabled":true,"url":"https://far.example/mcp","headers":{"Authorization":"Bearer {env:FAR_TOKEN}","X-Team":"red","X-Zone":"{env:ZONE}"}}
    === claude
    plain {"command":"npx","args":["-y","server","/home/ann/notes"],"type":"stdio","env":{"A":"1"},"timeout":90000}
    refs {"command":"uvx","args":["--port","${PORT}"],"type":"stdio","env":{"PORT":"${PORT}"}}
    default {"command":"uvx","args":["${PORT:-80}"],"type":"stdio"}
    named {"command":"/bin/x","args":[],"type":"stdio","env":{"PORT":"${PORT}"}}
    secret {"command":"/opt/loom","args":["exec","secret","--agent-hint","claude"],"type":"stdio"}
    cwd {"command":"/opt/loom","args":["exec","cwd","--agent-hint","claude"],"type":"stdio"}
    far {"type":"http","url":"https://far.example/mcp","headers":{"Authorization":"Bearer ${FAR_TOKEN}","X-Team":"red","X-Zone":"${ZONE}"}}
    === claude_desktop
    plain {"command":"/opt/loom","args":["exec","plain","--agent-hint","claude_desktop"]}
    refs {"command":"/opt/loom","args":["exec","refs","--agent-hint","claude_desktop"]}
    default {"command":"/opt/loom","args":["exec","default","--agent-hint","claude_desktop"]}
    named {"command":"/opt/loom","args":["exec","named","--agent-hint","claude_desktop"]}
    secret {"command":"/opt/loom","args":["exec","secret","--agent-hint","claude_desktop"]}
    cwd {"command":"/opt/loom","args":["exec","cwd","--agent-hint","claude_desktop"]}
    note: far is not written: the client takes no servers over HTTP; in loom-mode it is there
    === gemini
    plain {"command":"npx","args":["-y","server","/home/ann/notes"],"env":{"A":"1"},"timeout":90000}
    refs {"command":"uvx","args":["--port","${PORT}"],"env":{"PORT":"${PORT}"}}
    default {"command":"uvx","args":["${PORT:-80}"]}
    named {"command":"/bin/x","args":[],"env":{"PORT":"${PORT}"}}
    secret {"command":"/opt/loom","args":["exec","secret","--agent-hint","gemini"]}
    cwd {"command":"/bin/x","args":[],"cwd":"/home/ann/work"}
    far {"httpUrl":"https://far.example/mcp","headers":{"Authorization":"Bearer ${FAR_TOKEN}","X-Team":"red","X-Zone":"${ZONE}"}}
    === antigravity
    plain {"command":"npx","args":["-y","server","/home/ann/notes"],"env":{"A":"1"}}
    refs {"command":"/opt/loom","args":["exec","refs","--agent-hint","antigravity"]}
    default {"command":"/opt/loom","args":["exec","default","--agent-hint","antigravity"]}
    named {"command":"/opt/loom","args":["exec","named","--agent-hint","antigravity"]}
    secret {"command":"/opt/loom","args":["exec","secret","--agent-hint","antigravity"]}
    cwd {"command":"/opt/loom","args":["exec","cwd","--agent-hint","antigravity"]}
    note: far is not written: its header Authorization needs what this client cannot look up; in loom-mode it is there
    === zed
    plain {"command":"npx","args":["-y","server","/home/ann/notes"],"env":{"A":"1"}}
    refs {"command":"/opt/loom","args":["exec","refs","--agent-hint","zed"]}
    default {"command":"/opt/loom","args":["exec","default","--agent-hint","zed"]}
    named {"command":"/opt/loom","args":["exec","named","--agent-hint","zed"]}
    secret {"command":"/opt/loom","args":["exec","secret","--agent-hint","zed"]}
    cwd {"command":"/opt/loom","args":["exec","cwd","--agent-hint","zed"]}
    note: far is not written: its header Authorization needs what this client cannot look up; in loom-mode it is there
    === cursor
    plain {"command":"npx","args":["-y","server","/home/ann/notes"],"env":{"A":"1"}}
    refs {"command":"uvx","args":["--port","${env:PORT}"],"env":{"PORT":"${env:PORT}"}}
    default {"command":"/opt/loom","args":["exec","default","--agent-hint","cursor"]}
    named {"command":"/bin/x","args":[],"env":{"PORT":"${env:PORT}"}}
    secret {"command":"/opt/loom","args":["exec","secret","--agent-hint","cursor"]}
    cwd {"command":"/opt/loom","args":["exec","cwd","--agent-hint","cursor"]}
    far {"url":"https://far.example/mcp","headers":{"Authorization":"Bearer ${env:FAR_TOKEN}","X-Team":"red","X-Zone":"${env:ZONE}"}}
    === windsurf
    plain {"command":"npx","args":["-y","server","/home/ann/notes"],"env":{"A":"1"}}
    refs {"command":"uvx","args":["--port","${env:PORT}"],"env":{"PORT":"${env:PORT}"}}
    default {"command":"/opt/loom","args":["exec","default","--agent-hint","windsurf"]}
    named {"command":"/bin/x","args":[],"env":{"PORT":"${env:PORT}"}}
    secret {"command":"/opt/loom","args":["exec","secret","--agent-hint","windsurf"]}
    cwd {"command":"/opt/loom","args":["exec","cwd","--agent-hint","windsurf"]}
    far {"serverUrl":"https://far.example/mcp","headers":{"Authorization":"Bearer ${env:FAR_TOKEN}","X-Team":"red","X-Zone":"${env:ZONE}"}}
    === opencode
    plain {"command":["npx","-y","server","/home/ann/notes"],"type":"local","enabled":true,"environment":{"A":"1"},"timeout":20000}
    refs {"command":["uvx","--port","{env:PORT}"],"type":"local","enabled":true,"environment":{"PORT":"{env:PORT}"}}
    default {"command":["/opt/loom","exec","default","--agent-hint","opencode"],"type":"local","enabled":true}
    named {"command":["/bin/x"],"type":"local","enabled":true,"environment":{"PORT":"{env:PORT}"}}
    secret {"command":["/opt/loom","exec","secret","--agent-hint","opencode"],"type":"local","enabled":true}
    cwd {"command":["/bin/x"],"type":"local","enabled":true,"cwd":"/home/ann/work"}
    far {"type":"remote","enabled":true,"url":"https://far.example/mcp","headers":{"Authorization":"Bearer {env:FAR_TOKEN}","X-Team":"red","X-Zone":"{env:ZONE}"}}
    === copilot
    plain {"command":"npx","args":["-y","server","/home/ann/notes"],"type":"local","tools":["*"],"env":{"A":"1"},"timeout":90000}
    refs {"command":"uvx","args":["--port","${PORT}"],"type":"local","tools":["*"],"env":{"PORT":"${PORT}"}}
    default {"command":"/opt/loom","args":["exec","default","--agent-hint","copilot"],"type":"local","tools":["*"]}
    named {"command":"/bin/x","args":[],"type":"local","tools":["*"],"env":{"PORT":"${PORT}"}}
    secret {"command":"/opt/loom","args":["exec","secret","--agent-hint","copilot"],"type":"local","tools":["*"]}
    cwd {"command":"/bin/x","args":[],"type":"local","tools":["*"],"cwd":"/home/ann/work"}
    far {"type":"http","tools":["*"],"url":"https://far.example/mcp","headers":{"Authorization":"Bearer ${FAR_TOKEN}","X-Team":"red","X-Zone":"${ZONE}"}}
    === qwen
    plain {"command":"npx","args":["-y","server","/home/ann/notes"],"env":{"A":"1"},"timeout":90000}
    refs {"command":"uvx","args":["--port","${PORT}"],"env":{"PORT":"${PORT}"}}
    default {"command":"/opt/loom","args":["exec","default","--agent-hint","qwen"]}
    named {"command":"/bin/x","args":[],"env":{"PORT":"${PORT}"}}
    secret {"command":"/opt/loom","args":["exec","secret","--agent-hint","qwen"]}
    cwd {"command":"/bin/x","args":[],"cwd":"/home/ann/work"}
    far {"httpUrl":"https://far.example/mcp","headers":{"Authorization":"Bearer ${FAR_TOKEN}","X-Team":"red","X-Zone":"${ZONE}"}}
    === amp
    plain {"command":"npx","args":["-y","server","/home/ann/notes"],"env":{"A":"1"}}
    refs {"command":"uvx","args":["--port","${PORT}"],"env":{"PORT":"${PORT}"}}
    default {"command":"/opt/loom","args":["exec","default","--agent-hint","amp"]}
    named {"command":"/bin/x","args":[],"env":{"PORT":"${PORT}"}}
    secret {"command":"/opt/loom","args":["exec","secret","--agent-hint","amp"]}
    cwd {"command":"/opt/loom","args":["exec","cwd","--agent-hint","amp"]}
    note: far is not written: its header Authorization needs what this client cannot look up; in loom-mode it is there
    === continue
    plain {"command":"npx","args":["-y","server","/home/ann/notes"],"type":"stdio","env":{"A":"1"},"connectionTimeout":20000}
    refs {"command":"uvx","args":["--port","${{ secrets.PORT }}"],"type":"stdio","env":{"PORT":"${{ secrets.PORT }}"}}
    default {"command":"/opt/loom","args":["exec","default","--agent-hint","continue"],"type":"stdio"}
    named {"command":"/bin/x","args":[],"type":"stdio","env":{"PORT":"${{ secrets.PORT }}"}}
    secret {"command":"/opt/loom","args":["exec","secret","--agent-hint","continue"],"type":"stdio"}
    cwd {"command":"/bin/x","args":[],"type":"stdio","cwd":"/home/ann/work"}
    note: far is not written: its header Authorization needs what this client cannot look up; in loom-mode it is there
    "#);
}

#[test]
fn what_a_client_cannot_say_goes_through_loom() {
    let everybody: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let but = |others: &[&str]| -> Vec<&str> {
        everybody.iter().copied().filter(|name| !others.contains(name)).collect()
    };
    for (fields, clients) in [
        ("command: /x, env: { A: '${secret:B}' }", everybody.clone()),
        ("command: /x, env: { A: '${keychain:B}' }", everybody.clone()),
        ("command: /x, args: ['${workspace}']", everybody.clone()),
        // loom finds it among the secrets, too, and under other names.
        ("command: /x, env: { GITHUB_TOKEN: '${env:GITHUB_TOKEN}' }", everybody.clone()),
        // A secret that stands in the registry stays there.
        ("command: /x, env: { API_KEY: abc }", everybody.clone()),
        ("command: /x, args: [--token, abc]", everybody.clone()),
        ("command: /x, args: ['https://me:pw@h/']", everybody.clone()),
        ("command: /x, env_pass: [AWS_PROFILE]", but(&["codex"])),
        (
            "command: '${env:X}/x'",
            but(&["vscode", "kilocode", "claude", "gemini", "cursor", "opencode", "qwen"]),
        ),
        ("command: x", vec!["claude_desktop"]),
        ("command: /x, args: [-c, 'echo $HOME']", vec!["gemini", "copilot", "qwen", "amp"]),
        (
            "command: /x, args: ['\\${A}']",
            vec!["vscode", "claude", "gemini", "cursor", "windsurf", "copilot", "qwen", "amp"],
        ),
        ("command: /x, args: ['{env:A}']", vec!["kilocode", "opencode"]),
        (
            "command: /x, args: ['\\${{ secrets.A }}']",
            vec!["vscode", "claude", "gemini", "cursor", "windsurf", "copilot", "qwen", "amp", "continue"],
        ),
        ("command: /x, args: [plain, '${HOME}/x']", vec![]),
        ("builtin: echo", vec![]),
    ] {
        let through: Vec<&str> =
            everybody.iter().copied().filter(|name| is_through_loom(&told(name, fields))).collect();
        let mut want = clients;
        want.sort_by_key(|name| everybody.iter().position(|other| other == name));
        assert_eq!(through, want, "{fields}");
    }
}

#[test]
fn a_way_over_http_is_written_or_refused_but_never_with_a_secret() {
    for (name, fields, want) in [
        (
            "codex",
            "url: 'https://h/', headers: { X: '${env:X}' }",
            json!({"url": "https://h/", "env_http_headers": {"X": "X"}}),
        ),
        ("codex", "url: 'https://h/${env:X}'", Value::Null),
        (
            "claude",
            "url: 'https://h/?token=${env:T}'",
            json!({"type": "http", "url": "https://h/?token=${T}"}),
        ),
        ("claude", "url: 'https://h/?token=abc'", Value::Null),
        ("claude", "url: 'https://h/', headers: { Authorization: Bearer abc }", Value::Null),
        ("claude", "url: 'https://h/', headers: { Authorization: 'Bearer ${secret:T}' }", Value::Null),
        ("claude", "url: 'wss://h/'", Value::Null),
        ("zed", "url: 'https://h/', headers: { X: a }", json!({"url": "https://h/", "headers": {"X": "a"}})),
        ("zed", "url: 'https://h/', headers: { X: '${env:X}' }", Value::Null),
        ("claude_desktop", "url: 'https://h/'", Value::Null),
    ] {
        assert_eq!(told(name, fields), want, "{name} {fields}");
    }
}

#[test]
fn another_registry_and_what_cannot_be_said_are_named() {
    let text = "version: 1\nservers:\n  - name: s\n    common: { command: /x, env: { A: \"${secret:B}\" }, disabled_tools: [t] }\n  - name: off\n    disabled: true\n    common: { builtin: echo }\n";
    let made = made(target("claude"), text, Some("/w/registry.yaml"));
    let args = ["exec", "s", "--agent-hint", "claude", "--registry", "/w/registry.yaml"];
    assert_eq!(made.entries.len(), 1);
    assert_eq!(made.entries[0].members["args"], json!(args));
    assert_eq!(made.notes, ["s: disabled_tools cannot be said to Claude Code: it shows all its tools"]);
}

#[test]
fn modes_follow_each_other_without_a_trace() {
    for target in TARGETS {
        let direct = made(target, REGISTRY, None);
        let with = |direct: Option<Direct>| Door { direct, ..door(Leave::default()) };
        let home = Path::new("/home/ann");
        let hold = |door: &Door| {
            let job = jobs(target, &machine(Os::Linux, home), door, &Manifest::default())
                .into_iter()
                .next()
                .unwrap();
            let Task::Hold { items, .. } = job.task.clone() else { panic!("items") };
            (job, items)
        };
        let ((job, one), (_, all)) = (hold(&with(None)), hold(&with(Some(direct))));
        for before in full(&job, &one) {
            let at = format!("{}: {before}", job.path.display());
            let plan = |text: &str, owned, items: &[Item]| {
                let planned = plan(job.format, text, owned, items, Policy::Report);
                planned.unwrap_or_else(|wrong| panic!("{at}: {wrong:?}"))
            };
            let first = plan(&before, None, &all);
            assert!(first.drift.is_empty() && is_within(&before, &first.text), "{at}: {}", first.text);
            let again = plan(&first.text, Some(&first.owned), &all);
            assert_eq!((again.text, again.drift.len()), (first.text.clone(), 0), "{at}");
            let loom = plan(&first.text, Some(&first.owned), &one);
            assert!(loom.drift.is_empty() && !loom.text.contains("refs"), "{at}: {}", loom.text);
            let back = plan(&loom.text, Some(&loom.owned), &all);
            assert!(back.drift.is_empty() && !back.text.contains("proxy"), "{at}: {}", back.text);
            for (text, owned) in [(&loom.text, &loom.owned), (&back.text, &back.owned)] {
                let gone = plan_removal(job.format, text, owned).unwrap();
                assert_eq!(gone.text.trim_end(), before.trim_end(), "{at}");
            }
        }
    }
}

#[test]
fn a_server_of_the_users_own_is_left_and_one_that_is_as_it_should_be_is_no_conflict() {
    let items = |args: &[&str]| {
        let members = json!({"command": "x", "args": args}).as_object().cloned().unwrap();
        vec![Item::Entry { place: target("cursor").dialect.place("files"), members }]
    };
    let text = "{\"mcpServers\": {\"files\": {\"command\": \"x\", \"args\": [\"a\"], \"mine\": 1}}}";
    let same = plan(format::Format::Json, text, None, &items(&["a"]), Policy::Report).unwrap();
    assert_eq!((same.text.as_str(), same.drift.len(), same.owned.entries.len()), (text, 0, 0));
    let other = plan(format::Format::Json, text, None, &items(&["b"]), Policy::Report).unwrap();
    assert_eq!((other.text.as_str(), other.drift[0].kind), (text, plan::DriftKind::Foreign));
}
