//! From clients' servers to the registry's, with a small store of secrets.

use std::path::Path;

use super::*;
use crate::registry::parse::parse;
use crate::registry::spec::Start;
use crate::sync::place::Place;

fn registry(servers: &str) -> Registry {
    let parsed =
        parse(&format!("version: 1\nservers: {servers}\n"), Path::new("/r.yaml"), Path::new("/h"), &["echo"]);
    assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
    parsed.registry.unwrap()
}

fn origin() -> Origin {
    Origin { path: "/c".into(), place: Place::default(), entry: Value::Null }
}

fn program(client: &'static str, name: &str, args: &[&str], env: &[(&str, &str)]) -> Theirs {
    let mut spec = Spec::new(Start::Command("run".into()));
    let args = args.iter().map(ToString::to_string).collect();
    spec.launch = Launch::Command { command: "run".into(), args };
    spec.env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Theirs { client, name: name.into(), origin: origin(), spec, disabled: false, asks: Vec::new() }
}

fn far(name: &str, url: &str, headers: &[(&str, &str)]) -> Theirs {
    let mut spec = Spec::new(Start::Url(url.into()));
    spec.headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Theirs { client: "cursor", name: name.into(), origin: origin(), spec, disabled: false, asks: Vec::new() }
}

/// What is held already is `HELD_TOKEN=held`.
fn gathered(theirs: Vec<Theirs>, servers: &str) -> Gathered {
    gather(theirs, &registry(servers), &mut |name| (name == "HELD_TOKEN").then(|| "held".into()))
}

fn lines(made: &Gathered) -> Vec<String> {
    let line = |server: &Gathering| {
        let from: Vec<String> = server.from.iter().map(|(client, name)| format!("{client}/{name}")).collect();
        let known = if server.known { " (known)" } else { "" };
        format!("{}{known} <- {}: {}", server.name, from.join(" "), Value::Object(server.entry.clone()))
    };
    let secrets = made.secrets.iter().map(|(name, value)| format!("{name}={}", value.expose()));
    let left = made.left.iter().map(|left| format!("{}/{}: {}", left.client, left.name, left.why));
    made.servers.iter().map(line).chain(secrets).chain(left).collect()
}

#[test]
fn equal_servers_are_one_and_different_ones_of_a_name_are_two() {
    let made = gathered(
        vec![
            program("codex", "files", &["a"], &[]),
            program("claude", "my files", &["a"], &[]),
            program("cursor", "files", &["b"], &[]),
            program("zed", "files", &["c"], &[]),
            program("cursor", "files", &["d"], &[]),
        ],
        "[]",
    );
    insta::assert_snapshot!(lines(&made).join("\n"), @r#"
    files <- codex/files claude/my files: {"common":{"command":"run","args":["a"]}}
    files-cursor <- cursor/files: {"common":{"command":"run","args":["b"]}}
    files-zed <- zed/files: {"common":{"command":"run","args":["c"]}}
    files-2 <- cursor/files: {"common":{"command":"run","args":["d"]}}
    "#);
    assert_eq!(made.servers[1].notes, ["`files` is another server"]);
}

#[test]
fn secrets_are_lifted_and_named_by_what_they_are() {
    let made = gathered(
        vec![
            program("codex", "a", &[], &[("FORGE_TOKEN", "one"), ("PORT", "80"), ("EMPTY_KEY", "")]),
            program("codex", "b-c", &[], &[("FORGE_TOKEN", "two")]),
            program("codex", "d", &["x"], &[("FORGE_TOKEN", "one"), ("HELD_TOKEN", "held")]),
            program("codex", "e", &[], &[("HELD_TOKEN", "other"), ("DB", "postgres://me:pw@h/x")]),
            program("codex", "f", &["y"], &[("T", "ghp_0123456789abcdef01"), ("REF_TOKEN", "${env:X}")]),
            program("codex", "g", &[], &[("ODD_KEY", "a\\${b")]),
            far("h", "https://h/", &[("Authorization", "Bearer abc"), ("X-Api-Key", "k"), ("X-Team", "red")]),
            far("i", "https://h/?token=abc", &[]),
            far("j", "https://h/", &[("Authorization", "Bearer ${env:T}")]),
        ],
        "[]",
    );
    insta::assert_snapshot!(lines(&made).join("\n"), @r#"
    a <- codex/a: {"common":{"command":"run","env":{"EMPTY_KEY":"","FORGE_TOKEN":"${secret:FORGE_TOKEN}","PORT":"80"}}}
    b-c <- codex/b-c: {"common":{"command":"run","env":{"FORGE_TOKEN":"${secret:B_C_FORGE_TOKEN}"}}}
    d <- codex/d: {"common":{"command":"run","args":["x"],"env":{"FORGE_TOKEN":"${secret:FORGE_TOKEN}","HELD_TOKEN":"${secret:HELD_TOKEN}"}}}
    e <- codex/e: {"common":{"command":"run","env":{"DB":"${secret:DB}","HELD_TOKEN":"${secret:E_HELD_TOKEN}"}}}
    f <- codex/f: {"common":{"command":"run","args":["y"],"env":{"REF_TOKEN":"${env:X}","T":"${secret:T}"}}}
    g <- codex/g: {"common":{"command":"run","env":{"ODD_KEY":"${secret:ODD_KEY}"}}}
    h <- cursor/h: {"common":{"url":"https://h/","headers":{"Authorization":"Bearer ${secret:H_AUTHORIZATION}","X-Api-Key":"${secret:H_X_API_KEY}","X-Team":"red"}}}
    i <- cursor/i: {"common":{"url":"${secret:I_URL}"}}
    j <- cursor/j: {"common":{"url":"https://h/","headers":{"Authorization":"Bearer ${env:T}"}}}
    B_C_FORGE_TOKEN=two
    DB=postgres://me:pw@h/x
    E_HELD_TOKEN=other
    FORGE_TOKEN=one
    H_AUTHORIZATION=abc
    H_X_API_KEY=k
    I_URL=https://h/?token=abc
    ODD_KEY=a${b
    T=ghp_0123456789abcdef01
    "#);
}

#[test]
fn what_cannot_be_lifted_is_left_out() {
    let made = gathered(
        vec![
            program("codex", "a", &["--api-key", "abc"], &[]),
            program("codex", "b", &["--token=abc"], &[]),
            program("codex", "c", &["--token", "${env:T}"], &[]),
            program("codex", "d", &[], &[("URL", "https://me:pw@${env:HOST}/")]),
        ],
        "[]",
    );
    insta::assert_snapshot!(lines(&made).join("\n"), @r#"
    c <- codex/c: {"common":{"command":"run","args":["--token","${env:T}"]}}
    codex/a: a secret seems to stand in its arguments, which every process can read: give it to the server in a variable
    codex/b: a secret seems to stand in its arguments, which every process can read: give it to the server in a variable
    codex/d: a value has a secret in it and a reference, too
    "#);
}

#[test]
fn what_the_registry_has_is_known_under_any_name() {
    let servers = "[{ name: mine, common: { command: run, args: [a], env: { HELD_TOKEN: \"${secret:HELD_TOKEN}\" } } }, \
                   { name: files, common: { command: other } }]";
    let made = gathered(
        vec![
            program("codex", "x", &["a"], &[("HELD_TOKEN", "held")]),
            program("codex", "files", &["a"], &[]),
        ],
        servers,
    );
    insta::assert_snapshot!(lines(&made).join("\n"), @r#"
    mine (known) <- codex/x: {"common":{"command":"run","args":["a"],"env":{"HELD_TOKEN":"${secret:HELD_TOKEN}"}}}
    files-codex <- codex/files: {"common":{"command":"run","args":["a"]}}
    "#);
}

#[test]
fn names_become_names_of_loom() {
    for (name, want) in [
        ("files", "files"),
        ("My Server", "My-Server"),
        ("@scope/pkg", "scope-pkg"),
        ("a__b", "a_-b"),
        ("_a_", "a"),
        ("ü", "server"),
        ("", "server"),
        ("a.b: c", "a-b-c"),
        (&"x".repeat(40), &"x".repeat(32)),
    ] {
        let made = valid(name);
        assert_eq!(made, want, "{name}");
        assert!(ServerName::parse(&made).is_ok(), "{made}");
    }
    let long = "x".repeat(32);
    let made = gathered(
        vec![program("claude_desktop", &long, &[], &[]), program("claude_desktop", &long, &["a"], &[])],
        "[]",
    );
    assert_eq!(made.servers[1].name, format!("{}-claude_desktop", "x".repeat(17)));
}

#[test]
fn what_each_client_shows_of_a_server_stays_its_own() {
    let mut one = program("codex", "a", &[], &[]);
    one.spec.disabled_tools = vec!["write".into()];
    let mut other = program("gemini", "a", &[], &[]);
    (other.spec.enabled_tools, other.disabled) = (Some(vec!["read".into()]), true);
    let mut off = program("gemini", "b", &["b"], &[]);
    (off.disabled, off.asks) = (true, vec!["MY_KEY".into(), "HELD_TOKEN".into()]);
    let made = gathered(vec![one, other, off], "[]");
    insta::assert_snapshot!(lines(&made).join("\n"), @r#"
    a <- codex/a gemini/a: {"common":{"command":"run"},"targets":{"codex":{"disabled_tools":["write"]},"gemini":{"enabled_tools":["read"]}}}
    b <- gemini/b: {"common":{"command":"run","args":["b"]},"disabled":true}
    "#);
    assert_eq!(made.servers[1].asks.iter().collect::<Vec<_>>(), ["MY_KEY"]);
}

#[test]
fn what_would_mean_something_else_in_the_registry_does_not_go() {
    let shows = |client, only: &[&str], not: &[&str]| {
        let mut one = program(client, "a", &[], &[]);
        one.spec.enabled_tools = (!only.is_empty()).then(|| only.iter().map(ToString::to_string).collect());
        one.spec.disabled_tools = not.iter().map(ToString::to_string).collect();
        one
    };
    let server = |more: &str| format!("[{{ name: mine, common: {{ command: run }}, {more} }}]");
    let other = "targets: { codex: { args: [b] } }";
    let narrow = "targets: { codex: { enabled_tools: [r] } }";
    for (theirs, registry, want) in [
        (vec![shows("codex", &[], &[])], server(narrow), "known, 1 goes"),
        (vec![shows("codex", &["r", "s"], &[])], server(narrow), "known, 1 goes"),
        (vec![shows("codex", &["s"], &[])], server(narrow), "left"),
        (vec![shows("codex", &["s"], &[])], server(""), r#"known, 1 goes, codex {"enabled_tools":["s"]}"#),
        (
            vec![shows("codex", &[], &["w"])],
            server(narrow),
            r#"known, 1 goes, codex {"disabled_tools":["w"]}"#,
        ),
        (vec![shows("codex", &[], &[])], server(other), "left"),
        (vec![shows("gemini", &[], &[])], server(other), "known, 1 goes"),
        (vec![shows("codex", &[], &[])], server("disabled: true"), "left"),
        (vec![shows("codex", &[], &["w"]), shows("codex", &[], &[])], "[]".to_owned(), "new, 1 goes, left"),
        (vec![shows("codex", &[], &["w"]), shows("claude", &[], &[])], "[]".to_owned(), "new, 2 goes"),
    ] {
        let made = gathered(theirs, &registry);
        let line = |one: &Gathering| {
            let tools = one.tools.iter().map(|(client, tools)| format!(", {client} {}", json!(tools)));
            let known = if one.known { "known" } else { "new" };
            format!("{known}, {} goes{}", one.replaces.len(), tools.collect::<String>())
        };
        let left = made.left.iter().map(|_| "left".to_owned());
        let found = made.servers.iter().map(line).chain(left).collect::<Vec<_>>().join(", ");
        assert_eq!(found, want, "{registry}");
    }
}
