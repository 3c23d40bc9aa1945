//! Wrong registries, one mistake each, with the place and words of the finding.

use crate::registry::parse::tests::{report, run, server};

/// Every row: the text, and the one finding that it must give, without the file's name.
fn assert_findings(rows: &[(String, &str)]) {
    let mut wrong = String::new();
    for (text, want) in rows {
        let parsed = run(text);
        let got = report(text).replace("registry.yaml:", "");
        if got.trim_end() != *want {
            wrong.push_str(&format!("---\n{text}want: {want}\ngot:  {got}"));
        }
        assert_eq!(parsed.registry.is_none(), got.contains(": error: "), "{text}");
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_wrong_with_the_file_as_a_whole() {
    let deep = format!("servers: {}\n", "[".repeat(100));
    let rows: Vec<(&str, &str)> = vec![
        ("", "1:1: warning: the file is empty: no servers"),
        ("# nothing\n\n", "1:1: warning: the file is empty: no servers"),
        (
            "servers:\n\t- name: a\n",
            "2:2: error: not YAML: tabs disallowed within this context (block indentation); indent with spaces, not with tabs",
        ),
        ("servers:\n  - name: \"a\n", "2:11: error: not YAML: unclosed quote"),
        ("servers: [\n", "1:10: error: not YAML: unclosed bracket '['"),
        (
            "servers:\n  - name: a\n   command: x\n",
            "3:4: error: not YAML: while parsing a block collection, did not find expected '-' indicator; is this line indented like its neighbours?",
        ),
        (
            "a: b: c\n",
            "1:5: error: not YAML: mapping values are not allowed in this context; text with `: ` in it needs quotes",
        ),
        (&deep, "1:74: error: nested more than 64 deep"),
        ("- name: a\n", "1:1: error: a registry is a map with `servers`, not a list"),
        ("just text\n", "1:1: error: a registry is a map with `servers`, not text"),
        ("version: 1\n", "1:1: warning: there is no `servers` list: no servers"),
        ("servers: []\n---\nservers: []\n", "2:1: error: a second document begins here; only one is read"),
        ("servers: []\nservers: []\n", "2:1: error: `servers` stands here twice, first in line 1"),
        ("servers: []\n[a, b]: c\n", "2:1: error: a key must be text, not a list"),
        ("servers: []\nversion: 2\n", "2:10: warning: this loom knows version 1 only"),
        ("servers: []\nserver: []\n", "2:1: warning: unknown key `server`; did you mean `servers`?"),
        ("servers: []\nelephant: 1\n", "2:1: warning: unknown key `elephant`"),
        ("servers:\n", "1:1: warning: `servers` has no value: no servers"),
        (
            "servers: {a: 1}\n",
            "1:10: error: `servers` must be a list, each entry beginning with `- name:`, not a map",
        ),
        (
            "servers: a\n",
            "1:10: error: `servers` must be a list, each entry beginning with `- name:`, not text",
        ),
        ("servers: [a]\n", "1:11: error: a server must be a map with `name`, not text"),
        ("x-a: [*a]\nservers: []\n", "1:7: error: alias `*a` has no anchor above it"),
        ("servers: []\nnotes: &a [*a]\n", "2:12: error: an alias cannot stand inside its own anchor"),
        ("servers: []\nnotes: !secret x\n", "2:16: error: the tag `!secret` has no meaning here"),
        ("servers: []\nnotes: \"a\\0b\"\n", "2:8: error: a NUL character cannot stand in a registry"),
        ("servers: []\nx-a: { <<: 5 }\n", "2:8: error: `<<` takes an alias of a map"),
    ];
    assert_findings(&rows.into_iter().map(|(text, want)| (text.to_owned(), want)).collect::<Vec<_>>());
}

#[test]
fn what_looks_secret_is_named_and_not_shown() {
    assert_findings(&[
        (
            server("url: \"htp://u:SECRETPW@h/?token=SECRETTOK123456\""),
            "3:10: error: `htp://***@h/?***` is not an http, https, ws or wss URL",
        ),
        (
            server("command: x\nargs: \"--token SECRETARG99\""),
            "4:11: error: `args` must be a list, not text; write [--token ***]",
        ),
        (
            server("url: \"https://u:SECRETPW@h/\""),
            "3:10: error: the URL must not hold a user name or password; give an `Authorization` in `headers`",
        ),
        (
            server("url: \"https://h/?token=SECRETTOK\""),
            "3:10: warning: a secret seems to stand here as it is; `loom secrets set NAME`, and write `${secret:NAME}` in its place",
        ),
        (
            server("command: x\nargs: [--token, SECRETARG99]"),
            "4:11: warning: a secret seems to stand in `args`, which every process can read; `loom secrets set NAME`, and give it to the server in `env` as `${secret:NAME}`",
        ),
        (
            server("command: x\nenv: { DB: \"postgres://u:SECRETPW@h/d\" }"),
            "4:16: warning: a secret seems to stand here as it is; `loom secrets set NAME`, and write `${secret:NAME}` in its place",
        ),
    ]);
}

#[test]
fn what_is_wrong_with_names_and_starts() {
    let two = |a: &str, b: &str| {
        format!("servers:\n  - {{ name: {a}, command: x }}\n  - {{ name: {b}, command: x }}\n")
    };
    let one = |line: &str| format!("servers:\n  - {line}\n");
    assert_findings(&[
        (one("command: x"), "2:5: error: a server without `name`"),
        (one("{ name: , command: x }"), "2:7: error: `name` must be text, not nothing"),
        (one("{ name: 5, command: x }"), "2:13: error: `name` must be text, not a number; write \"5\""),
        (
            one("{ name: a b, command: x }"),
            "2:13: error: the server name `a b` has ` `; only letters, digits, `_` and `-` are allowed",
        ),
        (
            one("{ name: a__b, command: x }"),
            "2:13: error: the server name `a__b` has `__`, which separates server and tool",
        ),
        (one("{ name: a-, command: x }"), "2:13: error: the server name `a-` begins or ends with `_` or `-`"),
        (
            one(&format!("{{ name: {}, command: x }}", "n".repeat(33))),
            "2:13: error: the server name `nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn` is longer than 32 characters",
        ),
        (two("a", "a"), "3:13: error: a server `a` is in line 2 already"),
        (two("a", "A"), "3:13: warning: `A` differs from `a` in line 2 in case only"),
        (one("name: a"), "2:5: error: a server needs `command`, `builtin` or `url`"),
        (server("common: { description: d }"), "2:5: error: a server needs `command`, `builtin` or `url`"),
        (
            server("command: x\nurl: https://x.example"),
            "4:5: error: `url` beside `command`: a server has one of them",
        ),
        (
            server("common:\n  builtin: echo\n  command: x"),
            "5:7: error: `command` beside `builtin`: a server has one of them",
        ),
        (
            server("url: https://x.example\ncommon: { command: x }"),
            "3:5: error: `command`, `builtin` or `url` here and another one in `common`: a server has one of them",
        ),
        (server("command: \"\""), "3:14: error: `command` is empty"),
        (server("command:"), "3:5: error: `command` has no value"),
        (server("command: [npx, -y]"), "3:14: error: `command` must be text, not a list"),
        (server("builtin: ecko"), "3:14: error: unknown built-in server `ecko`; did you mean `echo`?"),
        (
            server("builtin: elephant"),
            "3:14: error: unknown built-in server `elephant`; known are echo, agents",
        ),
        (server("url: ftp://x"), "3:10: error: `ftp://x` is not an http, https, ws or wss URL"),
        (server("url: https://"), "3:10: error: `https://` is not an http, https, ws or wss URL"),
        (server("comand: x\ncommand: x"), "3:5: warning: unknown key `comand`; did you mean `command`?"),
        (server("common: x"), "3:13: error: `common` must be a map, not text"),
    ]);
}

#[test]
fn what_is_wrong_with_arguments_and_environment() {
    let with = |fields: &str| server(&format!("command: x\n{fields}"));
    assert_findings(&[
        (with("args: -y"), "4:11: error: `args` must be a list, not text; write [-y]"),
        (with("args: {a: 1}"), "4:11: error: `args` must be a list, not a map"),
        (with("args: [a, [b]]"), "4:15: error: an entry of `args` must be text, not a list"),
        (
            with("args: [a, ~]"),
            "4:15: error: an entry of `args` must be text, not nothing; write \"\" for an empty one",
        ),
        (with("args:"), "4:5: warning: `args` has no value and counts as absent"),
        (with("env: [A=1]"), "4:10: error: `env` must be a map, not a list"),
        (with("env: {A: [1]}"), "4:14: error: the variable `A` must be text, not a list"),
        (
            with("env:\n  A:"),
            "5:7: error: the variable `A` must be text, not nothing; write \"\" for an empty one",
        ),
        (with("env: {A-B: 1}"), "4:11: error: `A-B` cannot be the name of an environment variable"),
        (with("env: {5: 1}"), "4:11: error: `5` cannot be the name of an environment variable"),
        (with("env: {A: 1, A: 2}"), "4:17: error: `A` stands here twice, first in line 4"),
        (with("env_pass: A"), "4:15: error: `env_pass` must be a list, not text; write [A]"),
        (with("env_pass: [A, 'B=1']"), "4:19: error: `B=1` cannot be the name of an environment variable"),
    ]);
}

#[test]
fn what_is_wrong_with_texts_times_and_numbers() {
    let with = |fields: &str| server(&format!("command: x\n{fields}"));
    assert_findings(&[
        (with("description: {}"), "4:18: error: `description` must be text, not a map"),
        (with("description: 5"), "4:18: error: `description` must be text, not a number; write \"5\""),
        (with("hint: []"), "4:11: error: `hint` must be text, not a list"),
        (with("timeout: -1"), "4:14: error: `timeout`: `-1` is not a positive time"),
        (with("timeout: 0"), "4:14: error: `timeout`: `0` is not a positive time"),
        (
            with("tool_timeout: soon"),
            "4:19: error: `tool_timeout`: `soon` is not a time; write seconds, or `500ms`, `10s`, `5m`, `2h`",
        ),
        (
            with("startup_timeout: 1.5"),
            "4:22: error: `startup_timeout`: `1.5` is not a time; write seconds, or `500ms`, `10s`, `5m`, `2h`",
        ),
        (
            with("idle_timeout: 5 days"),
            "4:19: error: `idle_timeout`: `5 days` is not a time; write seconds, or `500ms`, `10s`, `5m`, `2h`",
        ),
        (with("timeout: [5]"), "4:14: error: `timeout` must be a time, not a list"),
        (
            with("timeout: 99999999999999999999999"),
            "4:14: error: `timeout`: `99999999999999999999999` is more than a week",
        ),
        (
            with("startup_timeout_ms: 0"),
            "4:25: error: `startup_timeout_ms` must be from 1 to 604800000, not 0",
        ),
        (with("max_concurrent: 0"), "4:21: error: `max_concurrent` must be from 1 to 10000, not 0"),
        (with("max_concurrent: many"), "4:21: error: `max_concurrent` must be a whole number, not text"),
        (
            with("max_concurrent: 99999999999999999999"),
            "4:21: error: `max_concurrent` must be a whole number that fits 64 bits, not 99999999999999999999",
        ),
        (with("priority: high"), "4:15: error: `priority` must be a whole number, not text"),
        (with("priority: 1.5"), "4:15: error: `priority` must be a whole number that fits 64 bits, not 1.5"),
        (with("disabled: no"), "4:15: error: `disabled` must be true or false, not text; write `false`"),
        (with("optional: 1"), "4:15: error: `optional` must be true or false, not a number"),
    ]);
}

#[test]
fn what_is_wrong_with_tools_and_targets() {
    let with = |fields: &str| server(&format!("command: x\n{fields}"));
    assert_findings(&[
        (with("categories: dev"), "4:17: error: `categories` must be a list, not text; write [dev]"),
        (
            with("always_allow: true"),
            "4:19: error: `always_allow` must be a list, not true or false; write [true]",
        ),
        (with("always_allow: [1]"), "4:20: error: an entry of `always_allow` must be text, not a number"),
        (with("enabled_tools: ['']"), "4:21: error: an empty entry"),
        (
            with("enabled_tools: [a, b]\ndisabled_tools: [c, b]"),
            "5:25: warning: `b` is in `enabled_tools` too; it will not be shown",
        ),
        (with("cwd: work"), "4:10: error: `cwd` must be an absolute path, not `work`; write `${repo}/work`"),
        (
            with("cwd: ~/work"),
            "4:10: error: `cwd` must be an absolute path, not `~/work`; write `${HOME}/work`",
        ),
        (with("type: stdoi"), "4:11: warning: unknown transport `stdoi`; did you mean `stdio`?"),
        (with("tools: search"), "4:12: error: `tools` must be a list of maps with `name`, not text"),
        (with("tools: [search]"), "4:13: error: a tool must be a map with `name`, not text"),
        (with("tools: [{ description: d }]"), "4:13: error: a tool without `name`"),
        (with("tools: [{ name: '' }]"), "4:21: error: `name` is empty"),
        (with("tools: [{ name: a, inputSchema: x }]"), "4:37: error: `inputSchema` must be a map, not text"),
        (
            with("tools: [{ name: a, inputschema: {} }]"),
            "4:24: warning: unknown key `inputschema`; did you mean `inputSchema`?",
        ),
        (with("targets: [codex]"), "4:14: error: `targets` must be a map, not a list"),
        (
            server("common: { command: x, disabled: true }"),
            "3:27: warning: unknown key `disabled`; it stands beside `common`, of the server itself",
        ),
        (
            with("targets: { codex: { priority: 1 } }"),
            "4:25: warning: unknown key `priority`; it stands beside `common`, of the server itself",
        ),
        (
            with("targets: { timeout: 5 }"),
            "4:16: warning: unknown target `timeout`; it stands in `common`, or in one of the targets",
        ),
        (with("codex: { timeout: 5 }"), "4:5: warning: unknown key `codex`; a client stands in `targets`"),
        (with("targets: { coodex: {} }"), "4:16: warning: unknown target `coodex`; did you mean `codex`?"),
        (with("targets: { codex: 5 }"), "4:23: error: `codex` must be a map, not a number"),
        (with("targets: { codex: { agrs: [] } }"), "4:25: warning: unknown key `agrs`; did you mean `args`?"),
        (with("targets: { codex: { timeout: 0 } }"), "4:34: error: `timeout`: `0` is not a positive time"),
    ]);
}

#[test]
fn what_is_wrong_with_templates_and_aliases() {
    let with = |fields: &str| server(&format!("command: x\n{fields}"));
    assert_findings(&[
        (with("args: [\"ab${env:A\"]"), "4:15: error: `${` without its `}`; write `\\${` for a literal `${`"),
        (with("args:\n  - ü ${home}"), "5:11: error: unknown template `${home}`; did you mean `${HOME}`?"),
        (with("env: {A: '${evn:B}'}"), "4:15: error: unknown template `${evn:B}`; did you mean `${env:B}`?"),
        (with("env: {A: \"\\t${env:}\"}"), "4:14: error: `` in `${env:}` is not a variable name"),
        (with("cwd: ${secret:}"), "4:10: error: `${secret:}` names nothing"),
        (
            server("url: https://x/${TOKEN}"),
            "3:20: error: unknown template `${TOKEN}`; \
             write `${env:TOKEN}`, or `\\${TOKEN}` for the letters themselves",
        ),
        ("servers: []\nenv_aliases: [A]\n".into(), "2:14: error: `env_aliases` must be a map, not a list"),
        ("servers: []\nenv_aliases: { A: {} }\n".into(), "2:16: error: `A` has no `fallbacks`"),
        (
            "servers: []\nenv_aliases: { A: { fallbacks: [A] } }\n".into(),
            "2:33: error: `A` is an alias of itself",
        ),
        (
            "servers: []\nenv_aliases: { A: [B C] }\n".into(),
            "2:20: error: `B C` cannot be the name of an environment variable",
        ),
        (
            "servers: []\nenv_aliases: { A-B: [C] }\n".into(),
            "2:16: error: `A-B` cannot be the name of an environment variable",
        ),
        (
            "servers: []\nenv_aliases: { A: { fallback: [C], fallbacks: [] } }\n".into(),
            "2:21: warning: unknown key `fallback`; did you mean `fallbacks`?",
        ),
    ]);
}
