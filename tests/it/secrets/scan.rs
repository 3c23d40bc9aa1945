//! The plain value of a secret is in one server's environment, and in no file, no other process, no output.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::{fresh_value, names, said, set};
use crate::support::client::Client;
use crate::support::home::{TestHome, loom_binary, wait_until};
use crate::support::script;

const PATIENCE: Duration = Duration::from_secs(10);

/// Every command that prints JSON.
const JSON: [&[&str]; 18] = [
    &["status", "--json"],
    &["servers", "--json"],
    &["servers", "list", "--json"],
    &["health", "--json"],
    &["reload", "--json"],
    &["tools", "list", "--json"],
    &["tools", "search", "environ", "--json"],
    &["tools", "get", "forge__environ", "--json"],
    &["calls", "--json"],
    &["calls", "--summary", "--json"],
    &["check", "--json"],
    &["check", "--settings", "--json"],
    &["registry", "which", "--json"],
    &["secrets", "list", "--json"],
    &["secrets", "list", "--backends", "--json"],
    &["secrets", "doctor", "--json"],
    &["servers", "restart", "echo", "--json"],
    &["version", "--json"],
];

/// The value as it is, and as hexadecimal digits.
fn forms(value: &str) -> [Vec<u8>; 2] {
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    [value.as_bytes().to_vec(), hex.into_bytes()]
}

fn holds(bytes: &[u8], value: &str) -> bool {
    forms(value).iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the home can be read").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn leaks_in_files(home: &TestHome, value: &str) -> Vec<PathBuf> {
    let leaky = |path: &PathBuf| fs::read(path).is_ok_and(|bytes| holds(&bytes, value));
    files(home.path()).into_iter().filter(leaky).collect()
}

/// Processes of the whole machine that show the value in their command line or environment.
fn leaks_in_processes(value: &str) -> Vec<u32> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let leaky = |pid: &u32| {
        ["cmdline", "environ"]
            .iter()
            .any(|what| fs::read(format!("/proc/{pid}/{what}")).is_ok_and(|bytes| holds(&bytes, value)))
    };
    pids.filter(leaky).collect()
}

fn http(home: &TestHome, path: &str) -> String {
    let mut metrics = Value::Null;
    let listens = || {
        metrics = home.loom_json(&["status", "--json"])["metrics"].take();
        metrics["listening"] == true
    };
    assert!(wait_until(PATIENCE, listens), "{metrics}");
    let addr = metrics["addr"].as_str().expect("an address");
    let mut stream = TcpStream::connect(addr).expect("the daemon listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the daemon reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the daemon answers and closes");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

fn no_output_has(home: &TestHome, value: &str) {
    for args in JSON {
        let output = home.loom(args);
        assert!(!said(&output).is_empty(), "{args:?}");
        assert!(!holds(said(&output).as_bytes(), value), "{args:?}: {output:?}");
    }
    for args in [&["status"][..], &["check"], &["secrets", "list"], &["secrets", "doctor"], &["calls"]] {
        let output = home.loom(args);
        assert!(!holds(said(&output).as_bytes(), value), "{args:?}: {output:?}");
    }
    for path in ["/health", "/metrics"] {
        assert!(!holds(http(home, path).as_bytes(), value), "{path}");
    }
}

#[test]
fn a_value_is_in_one_servers_environment_and_nowhere_else() {
    let mut home = TestHome::new();
    home.set_env("LOOM_LOG", "debug");
    let entry = "env: { AUTH: \"Bearer ${secret:FORGE_TOKEN}\" }";
    home.echo_registry(&[("forge", "--test-tools", entry), ("echo", "--test-tools", "")]);
    let value = fresh_value();
    set(&home, "FORGE_TOKEN", &format!("{value}\n"));
    assert_eq!(leaks_in_files(&home, &value), [""; 0].map(PathBuf::from));
    home.loom_ok(&["start"]);
    let mut client = home.client();
    let seen = client.call_text("forge__environ", json!({}));
    let seen: Value = serde_json::from_str(&seen).expect("an object");
    assert_eq!(seen["AUTH"], format!("Bearer {value}"));
    assert!(!client.call_text("echo__environ", json!({})).contains(&value), "another server has it");

    let pid = home.server("forge")["pid"].as_u64().expect("it runs");
    assert_eq!(leaks_in_processes(&value), [u32::try_from(pid).expect("a pid")], "but for the server");
    no_output_has(&home, &value);
    assert_eq!(leaks_in_files(&home, &value), [""; 0].map(PathBuf::from));

    let deleted = home.loom_ok(&["secrets", "delete", "FORGE_TOKEN"]);
    assert!(deleted.contains("forge"), "{deleted}");
    let id = client.begin_call("forge__environ", json!({}));
    let error = client.failure(id);
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("FORGE_TOKEN is not among the secrets"), "{error}");
    assert_eq!(error["data"]["hint"], "loom secrets set FORGE_TOKEN", "{error}");
    let row = home.server("forge");
    assert_eq!((&row["state"], &row["hint"]), (&json!("failed"), &json!("loom secrets set FORGE_TOKEN")));
    let check = home.loom_ok(&["check"]);
    assert!(check.contains("forge") && check.contains("loom secrets set FORGE_TOKEN"), "{check}");
    assert!(
        wait_until(PATIENCE, || leaks_in_processes(&value).is_empty()),
        "{:?}",
        leaks_in_processes(&value)
    );
    no_output_has(&home, &value);
    assert_eq!(leaks_in_files(&home, &value), [""; 0].map(PathBuf::from));
    assert_eq!(names(&home), [""; 0]);
}

#[test]
fn what_a_wrong_registry_has_in_the_wrong_place_is_not_repeated() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    home.loom_ok(&["start"]);
    let values = [fresh_value(), fresh_value(), fresh_value()];
    let [password, query, flag] = &values;
    home.registry(&format!(
        "servers:\n  - {{ name: a, url: \"htp://u:{password}@h/?token={query}\" }}\n  \
         - {{ name: b, command: x, args: \"--token {flag}\" }}\n"
    ));
    let commands = [
        &["check"][..],
        &["check", "--json"],
        &["reload"],
        &["reload", "--json"],
        &["status"],
        &["status", "--json"],
        &["health", "--json"],
        &["logs"],
        &["add", "c", "--", "x"],
    ];
    for args in commands {
        let output = home.loom(args);
        for value in &values {
            let seen = [&output.stdout, &output.stderr].into_iter().any(|bytes| holds(bytes, value));
            assert!(!seen, "{args:?}: {output:?}");
        }
    }
    let of_the_registry = [home.config_dir().join("registry.yaml")];
    for value in &values {
        assert_eq!(leaks_in_files(&home, value), of_the_registry);
    }
}

#[test]
fn what_a_server_says_of_its_secret_is_hidden() {
    let home = TestHome::new();
    let script = r#"printf 'starting with %s' "${TOKEN%??????}" >&2
printf '%s and more\n' "${TOKEN#"${TOKEN%??????}"}" >&2
echo "cannot log in with $TOKEN" >&2
exit 1
"#;
    let env = "env: { TOKEN: \"${secret:LOUD}\", URL: \"https://x/?k=${secret:LOUD}\" }";
    home.script_registry("loud", script, env);
    let value = fresh_value();
    set(&home, "LOUD", &value);
    home.loom_ok(&["start"]);
    let call = home.loom(&["tools", "call", "loud__any", "--args", "{}"]);
    assert!(!said(&call).contains(&value), "{call:?}");
    let row = home.server("loud");
    let error = row["error"].as_str().expect("it failed");
    assert!(error.contains("cannot log in with ***"), "{row}");
    let log = fs::read_to_string(home.config_dir().join("logs/servers/loud.log")).expect("it has a log");
    assert!(log.contains("starting with *** and more\ncannot log in with ***\n"), "{log}");
    assert!(!http(&home, "/health").contains(&value));
    assert_eq!(leaks_in_files(&home, &value), [""; 0].map(PathBuf::from));
}

#[test]
fn what_a_server_says_of_its_secret_in_the_protocol_is_kept_nowhere() {
    let refusal = r#"read -r line
id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32000,"message":"bad token %s"}}\n' "$id" "$TOKEN"
cat >/dev/null
"#;
    let tool = script::tool("with_'\"$TOKEN\"'");
    let server = script::server(&tool, r#"{"content":[{"type":"text","text":"done"}]}"#);
    for (script, answer) in [(refusal.to_owned(), "bad token ***"), (server, "done")] {
        let home = TestHome::new();
        home.script_registry("loud", &script, "env: { TOKEN: \"${secret:LOUD}\" }");
        let value = fresh_value();
        set(&home, "LOUD", &value);
        home.loom_ok(&["start"]);
        let call = said(&home.loom(&["tools", "call", "loud__any", "--args", "{}"]));
        assert!(call.contains(answer) && !call.contains(&value), "{call}");
        assert!(!http(&home, "/health").contains(&value));
        assert!(!said(&home.loom(&["status", "--json"])).contains(&value));
        // Files are written as soon as the lists are there.
        home.loom_ok(&["stop"]);
        assert_eq!(leaks_in_files(&home, &value), [""; 0].map(PathBuf::from));
    }
}

#[test]
fn watchers_of_calls_do_not_see_it() {
    let home = TestHome::new();
    home.echo_registry(&[("forge", "--test-tools", "env: { A: \"${secret:K}\" }"), ("echo", "", "")]);
    let value = fresh_value();
    set(&home, "K", &value);
    home.loom_ok(&["start"]);
    let mut client = home.client();
    client.call_text("forge__environ", json!({}));
    let args = ["calls", "--follow", "--args", "--json", "--limit", "1"];
    let mut watcher = Client::spawn(home.command(loom_binary()).args(args));
    watcher.recv();
    client.call_text("echo__echo", json!({ "message": format!("it is {value}!") }));
    let row = watcher.recv();
    assert_eq!(row["args"], r#"{"message":"it is ***!"}"#, "{row}");
}
