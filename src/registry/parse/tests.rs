//! Whole reports, the model that comes out, the examples, and random text. Single mistakes are in `wrong`.

use std::time::Duration;

use super::*;
use crate::registry::spec::{Launch, Spec};

mod wrong;

fn run(text: &str) -> Parsed {
    parse(text, Path::new("registry.yaml"), Path::new("/home/u"), &["echo", "agents"])
}

fn report(text: &str) -> String {
    run(text).findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// A registry of one server with `fields`, each line of which begins in line 3, column 5.
fn server(fields: &str) -> String {
    format!("servers:\n  - name: a\n    {}\n", fields.replace('\n', "\n    "))
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    let text = "version: 2
server: []
servers:
  - name: git hub
    comand: npx
  - name: loki
    common:
      command: loki
      args: --all
      env: { LOKI-URL: x, TOKEN: \"${LOKI_TOKEN}\" }
      timeout: -5
    targets:
      claud: { timeout: 1 }
  - name: loki
    builtin: ecko
  - 5
";
    insta::assert_snapshot!(report(text), @r#"
    registry.yaml:1:10: warning: this loom knows version 1 only
    registry.yaml:2:1: warning: unknown key `server`; did you mean `servers`?
    registry.yaml:4:5: error: a server needs `command`, `builtin` or `url`
    registry.yaml:4:11: error: the server name `git hub` has ` `; only letters, digits, `_` and `-` are allowed
    registry.yaml:5:5: warning: unknown key `comand`; did you mean `command`?
    registry.yaml:9:13: error: `args` must be a list, not text; write [--all]
    registry.yaml:10:14: error: `LOKI-URL` cannot be the name of an environment variable
    registry.yaml:10:35: error: unknown template `${LOKI_TOKEN}`; write `${env:LOKI_TOKEN}`, or `\${LOKI_TOKEN}` for the letters themselves
    registry.yaml:11:16: error: `timeout`: `-5` is not a positive time
    registry.yaml:13:7: warning: unknown target `claud`; did you mean `claude`?
    registry.yaml:14:11: error: a server `loki` is in line 6 already
    registry.yaml:15:14: error: unknown built-in server `ecko`; did you mean `echo`?
    registry.yaml:16:5: error: a server must be a map with `name`, not a number
    "#);
}

#[test]
fn findings_name_their_place_in_the_structure() {
    let parsed =
        run("servers:\n  - { name: a, command: x }\n  - { name: b, common: { command: x, args: [[]] } }\n");
    let finding = &parsed.findings[0];
    assert_eq!((finding.path.as_str(), finding.line, finding.column), ("servers[1].common.args[0]", 3, 45));
}

#[test]
fn a_bomb_of_aliases_is_refused_and_cheap() {
    let mut text = "x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("x-{level}: &a{level} [{}]\n", before.trim_end_matches(", ")));
    }
    let parsed = run(&text);
    assert!(parsed.registry.is_none());
    assert!(
        parsed.findings.iter().any(|finding| finding.text.contains("far too much")),
        "{:?}",
        parsed.findings
    );
}

#[test]
fn nesting_by_aliases_is_bounded() {
    let mut text = "x-0: &a0 []\n".to_owned();
    for level in 1..200 {
        text.push_str(&format!("x-{level}: &a{level} [*a{}]\n", level - 1));
    }
    let parsed = run(&text);
    assert!(
        parsed.findings.iter().any(|finding| finding.text.contains("far too much")),
        "{:?}",
        parsed.findings
    );
}

#[test]
fn a_name_is_taken_even_between_names_that_differ_in_case() {
    let text = "servers: [{ name: a, command: x }, { name: A, command: x }, { name: A, command: x }]";
    insta::assert_snapshot!(report(text), @r"
    registry.yaml:1:44: warning: `A` differs from `a` in line 1 in case only
    registry.yaml:1:69: error: a server `A` is in line 1 already
    ");
}

#[test]
fn many_warnings_do_not_make_a_registry_unusable() {
    let extra: String = (0..300).map(|n| format!("odd{n}: 1\n")).collect();
    let parsed = run(&format!("servers: []\n{extra}"));
    assert!(parsed.registry.is_some());
    assert_eq!(
        parsed.findings[200].to_string(),
        "registry.yaml:201:1: warning: 100 more findings are not shown"
    );
}

#[test]
fn a_file_of_mistakes_only_is_cut_short() {
    let parsed = run(&format!("servers: [{}]", "5, ".repeat(1000)));
    assert_eq!(parsed.findings.len(), 201);
    assert_eq!(parsed.findings[200].text, "800 more findings are not shown");
}

#[test]
fn bytes_that_are_no_text_and_too_many_bytes_are_findings() {
    let bytes = |bytes: &[u8]| {
        let parsed = parse_bytes(bytes, Path::new("r.yaml"), Path::new("/h"), &[]);
        parsed.findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(bytes(b"servers: []\nnotes: \xc3\xbc\xff\n"), ["r.yaml:2:9: error: not UTF-8 text"]);
    assert_eq!(bytes(&vec![b'#'; MAX_BYTES + 1]), ["r.yaml:1:1: error: the file is larger than 4 MiB"]);
    assert_eq!(bytes("\u{feff}servers: []\r\n".as_bytes()), [""; 0]);
}

fn only_server(text: &str) -> Server {
    let parsed = run(text);
    assert_eq!(parsed.findings, []);
    parsed.registry.unwrap().servers.remove(0)
}

#[test]
fn common_wins_over_the_server_and_a_target_over_common() {
    let server = only_server(&server(
        "command: own
description: own
args: [1, true, 1.10, 0x1f, no, '7']
timeout: 1
env: { A: own, B: own }
common: { command: common, timeout: 2, env: { B: common, C: 3 } }
targets:
  codex: { timeout: 3m, args: [x], env: { C: codex } }
  claude: { url: 'https://x.example/mcp' }",
    ));
    let common = server.spec_for(None);
    let args = ["1", "true", "1.10", "0x1f", "no", "7"].map(str::to_owned).to_vec();
    assert_eq!(common.launch, Launch::Command { command: "common".into(), args });
    assert_eq!(common.description, "own");
    assert_eq!(common.timeout, Some(Duration::from_secs(2)));
    assert_eq!(
        common.env,
        [("A", "own"), ("B", "common"), ("C", "3")].map(|(n, v)| (n.into(), v.into())).into()
    );
    assert_eq!(server.spec_for(Some("zed")), common);

    let codex = server.spec_for(Some("codex"));
    let want = Spec {
        launch: Launch::Command { command: "common".into(), args: vec!["x".into()] },
        timeout: Some(Duration::from_secs(180)),
        env: [("A", "own"), ("B", "common"), ("C", "codex")].map(|(n, v)| (n.into(), v.into())).into(),
        ..common
    };
    assert_eq!(codex, want);
    assert_eq!(server.spec_for(Some("claude")).launch, Launch::Url { url: "https://x.example/mcp".into() });
}

#[test]
fn anchors_merge_keys_and_own_keys_are_understood() {
    let server = only_server(
        "x-base: &base { command: node, timeout: 5, hint: base }
x-more: &more { hint: more, description: more }
servers:
  - name: a
    common: { <<: [*base, *more], timeout: 7 }
",
    );
    let spec = server.spec_for(None);
    assert_eq!((spec.hint.as_str(), spec.description.as_str()), ("base", "more"));
    assert_eq!(spec.timeout, Some(Duration::from_secs(7)));
}

#[test]
fn static_tools_become_json() {
    let server = only_server(&server(
        "command: x
tools:
  - { name: a, inputSchema: { type: object, properties: { n: { type: integer, maximum: 5, default: ~, x: 1.5 } } } }
  - { name: b, description: 'no \"schema\"' }",
    ));
    assert_eq!(
        server.spec_for(None).static_tools,
        [
            r#"{"name":"a","inputSchema":{"type":"object","properties":{"n":{"type":"integer","maximum":5,"default":null,"x":1.5}}}}"#,
            r#"{"name":"b","description":"no \"schema\"","inputSchema":{"type":"object"}}"#,
        ]
    );
}

#[test]
fn the_root_is_the_folder_that_holds_mcp_context() {
    for (file, want) in [
        ("/x/mcp/context/registry.yaml", "/x"),
        ("/x/platform/gitops/mcp/context/registry.yaml", "/x/platform/gitops"),
        ("/home/u/.config/loom/registry.yaml", "/home/u/workspace"),
        ("registry.yaml", "/home/u/workspace"),
    ] {
        assert_eq!(root(Path::new(file), Path::new("/home/u")), Path::new(want), "{file}");
    }
}

#[test]
fn aliases_of_the_file_stand_over_the_built_in_ones() {
    let text = "servers: []\nenv_aliases: { GH_TOKEN: [MINE], NEW: { fallbacks: [A, B] } }\n";
    let aliases = run(text).registry.unwrap().aliases;
    assert_eq!(aliases["GH_TOKEN"], ["MINE"]);
    assert_eq!(aliases["NEW"], ["A", "B"]);
    assert_eq!(aliases["QDRANT_API_KEY"], ["MORPH_API_KEY"]);
}

#[test]
fn the_example_that_is_installed_is_clean_and_needs_nothing() {
    let text = include_str!("../../../registry-examples/registry.yaml");
    let parsed = parse(text, Path::new("registry.yaml"), Path::new("/home/u"), &["echo"]);
    assert_eq!(parsed.findings, []);
    let servers = parsed.registry.unwrap().servers;
    assert!(!servers.is_empty());
    for server in servers {
        assert!(matches!(server.spec_for(None).launch, Launch::Builtin { .. }), "{}", server.name);
    }
    let uncommented: String = text.lines().map(uncommented).collect();
    let parsed = parse(&uncommented, Path::new("registry.yaml"), Path::new("/home/u"), &["echo"]);
    assert_eq!(parsed.findings, [], "{uncommented}");
    assert_eq!(parsed.registry.unwrap().servers.len(), 7);
}

/// A line of the example with its server block switched on; prose stays a comment.
fn uncommented(line: &str) -> String {
    let block =
        line.strip_prefix("  # ").filter(|rest| rest.starts_with("- name:") || rest.starts_with("  "));
    block.map_or_else(|| format!("{line}\n"), |rest| format!("  {rest}\n"))
}

#[test]
fn the_full_example_has_every_key_and_no_finding() {
    let text = include_str!("../../../registry-examples/full.yaml");
    assert_eq!(report(text), "");
    for key in TOP_KEYS.iter().chain(&patch::SPEC_KEYS).chain(&server::SERVER_KEYS) {
        assert!(text.contains(&format!("{key}:")), "{key} is missing");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        run(&text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        parse_bytes(&bytes, Path::new("r"), Path::new("/h"), &[]);
    }

    #[test]
    fn no_arrangement_of_words_makes_it_panic(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..60)
    ) {
        let text = words.concat();
        let parsed = run(&text);
        let lines = text.lines().count() + 1;
        for finding in parsed.findings {
            proptest::prop_assert!((1..=lines).contains(&finding.line) && finding.column >= 1, "{finding}\n{text}");
        }
    }
}

/// What registries are made of.
const WORDS: &[&str] = &[
    "servers:",
    "\n",
    "\n  ",
    "\n    ",
    "- ",
    "name: a",
    "command: x",
    "args: ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "&a ",
    "*a",
    "<<: ",
    "env:",
    "A: ",
    "${env:A}",
    "${",
    "\\${",
    "'",
    "\"",
    "!t ",
    "|",
    ">",
    "#",
    " ",
    "\t",
    "common:",
    "targets:",
    "codex:",
    "tools:",
    "inputSchema:",
    "0",
    "~",
    "true",
    "ü",
    "\u{feff}",
    "\r\n",
    "---",
    "? ",
    ": ",
    "%",
    "timeout: ",
];
