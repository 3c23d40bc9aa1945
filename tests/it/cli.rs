//! The command line from outside: exit codes, streams, and what a daemon's answers make of them. The daemon is played
//! by a thread, so that every answer can be had.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A home folder of its own.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("loom").tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join(".config/loom")).unwrap();
        Home { dir }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(".config/loom").join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loom"));
        command
            .args(line.split_whitespace())
            .env_clear()
            .env("HOME", self.dir.path())
            .current_dir(self.dir.path());
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command: exit code, standard output, standard error.
    fn run(&self, line: &str) -> (i32, String, String) {
        outcome(self.command(line).output().unwrap())
    }

    /// A daemon that gives these results (or `{"error": …}` objects) by method, for as long as the test runs.
    fn daemon(&self, answers: Value) {
        let answers: BTreeMap<String, Value> = serde_json::from_value(answers).unwrap();
        let listener = UnixListener::bind(self.file("loom.sock")).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &answers);
            }
        });
    }
}

fn serve(mut stream: UnixStream, answers: &BTreeMap<String, Value>) {
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let Ok(line) = line else { return };
        let request: Value = serde_json::from_str(&line).unwrap();
        let method = request["method"].as_str().unwrap();
        let greeting =
            json!({ "protocol": 1, "version": env!("CARGO_PKG_VERSION"), "pid": 4_000_000, "epoch": 1 });
        let answer = match answers.get(method) {
            Some(answer) => answer.clone(),
            None if method == "loom/hello" => greeting,
            None => panic!("nobody expected {method}"),
        };
        let mut reply = json!({ "jsonrpc": "2.0", "id": request["id"] });
        match answer.get("error") {
            Some(error) => reply["error"] = error.clone(),
            None => reply["result"] = answer,
        }
        if writeln!(stream, "{reply}").is_err() {
            return;
        }
    }
}

fn outcome(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn refusal(kind: &str, message: &str) -> Value {
    json!({ "error": { "code": -32000, "message": message, "data": { "kind": kind, "findings": ["r.yaml:1:2: error: a"] } } })
}

fn status(server: Value) -> Value {
    json!({
        "running": true, "pid": 7, "version": env!("CARGO_PKG_VERSION"), "socket": "/s",
        "registry": { "path": "/r.yaml", "source": "home", "error": null },
        "metrics": { "addr": "127.0.0.1:9876", "listening": true, "error": null },
        "servers": [server], "clients": [],
    })
}

#[test]
fn mistakes_end_with_2_and_say_nothing_on_standard_output() {
    let home = Home::new();
    for line in [
        "stat",
        "status --jsno",
        "tools",
        "tools call",
        "tools call a__b --args [1]",
        "registry use",
        "mcp x",
    ] {
        let (code, out, err) = home.run(line);
        assert_eq!((code, out.as_str()), (2, ""), "{line}: {err}");
        assert!(err.starts_with("error: "), "{line}: {err}");
    }
}

#[test]
fn a_reader_that_went_away_ends_the_command_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (code, _, err) = outcome(Home::new().command("help").stdout(writer).output().unwrap());
    assert_eq!((code, err.as_str()), (0, ""));
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let (code, _, err) = outcome(Home::new().command("help").stdout(full).output().unwrap());
    assert_eq!(code, 69, "{err}");
    assert!(err.contains("cannot write to standard output"), "{err}");
}

#[test]
fn what_a_person_stopped_stays_stopped() {
    let home = Home::new();
    let (code, out, _) = home.run("stop");
    assert_eq!((code, out.as_str()), (0, "loomd does not run; it stays stopped until `loom start`\n"));
    for line in ["tools list", "health", "servers", "reload"] {
        let (code, out, err) = home.run(line);
        assert_eq!((code, out.as_str()), (3, ""), "{line}");
        assert_eq!(err, "error: loomd was stopped with `loom stop`\nhint:  loom start\n", "{line}");
    }
    let (code, out, _) = home.run("status --json");
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &shown["running"], &shown["stopped"]), (3, &json!(false), &json!(true)));
}

#[test]
fn a_dead_daemons_socket_is_no_daemon() {
    let home = Home::new();
    drop(UnixListener::bind(home.file("loom.sock")).unwrap());
    assert_eq!(home.run("status").0, 3);
}

#[test]
fn status_ends_with_4_only_for_servers_that_matter() {
    for (server, want) in [
        (json!({ "name": "a", "state": "ready" }), 0),
        (json!({ "name": "a", "state": "failed" }), 4),
        (json!({ "name": "a", "state": "crash-loop" }), 4),
        (json!({ "name": "a", "state": "failed", "optional": true }), 0),
        (json!({ "name": "a", "state": "disabled" }), 0),
    ] {
        let home = Home::new();
        home.daemon(
            json!({ "loom/status": status(server.clone()), "loom/servers": { "servers": [server] } }),
        );
        for line in ["status", "status --json", "servers", "servers --json"] {
            let (code, _, err) = home.run(line);
            assert_eq!((code, err.as_str()), (want, ""), "{line} {server}");
        }
    }
}

#[test]
fn health_tells_a_script() {
    for (word, want) in [("healthy", 0), ("degraded", 4), ("unhealthy", 4)] {
        let home = Home::new();
        home.daemon(json!({ "loom/health": { "status": word, "servers": {}, "summary": {} } }));
        assert_eq!(home.run("health --json").0, want, "{word}");
    }
}

#[test]
fn reload_of_a_broken_registry_names_the_place() {
    let home = Home::new();
    home.daemon(json!({ "loom/reload": refusal("config", "the registry has an error") }));
    let (code, _, err) = home.run("reload");
    assert_eq!((code, err.as_str()), (78, "error: the registry has an error\n  r.yaml:1:2: error: a\n"));
    let (code, out, _) = home.run("reload --json");
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &shown["findings"][0]), (78, &json!("r.yaml:1:2: error: a")));
}

#[test]
fn a_calls_exit_code_tells_how_it_went() {
    let text = json!([{ "type": "text", "text": "hi" }]);
    for (answer, want, said) in [
        (json!({ "content": text }), 0, "hi\n"),
        (json!({ "content": text, "isError": true }), 1, "hi\n"),
        (refusal("unavailable", "the server is gone"), 69, ""),
        (refusal("usage", "no such tool"), 2, ""),
        (refusal("not_running", "stopped"), 3, ""),
    ] {
        let home = Home::new();
        home.daemon(json!({ "tools/call": answer }));
        let (code, out, err) = home.run("tools call a__b --args={}");
        assert_eq!((code, out.as_str()), (want, said), "{err}");
        let (code, out, _) = home.run("tools call a__b --json");
        assert_eq!(code, want);
        serde_json::from_str::<Value>(&out).unwrap();
    }
}

#[test]
fn arguments_come_from_a_file_or_standard_input() {
    let home = Home::new();
    home.daemon(json!({ "tools/call": { "content": [] } }));
    std::fs::write(home.dir.path().join("a.json"), "{\n\"n\": 1\n}\n").unwrap();
    assert_eq!(home.run("tools call a__b --args @a.json").0, 0);
    assert_eq!(home.run("tools call a__b --args @absent.json").0, 2);
    let mut child = home.command("tools call a__b --args -").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{}").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn another_protocol_is_mended_by_a_restart() {
    let home = Home::new();
    home.daemon(json!({ "loom/hello": { "protocol": 99, "version": "9.9.9", "pid": 4_000_000 } }));
    let (code, _, err) = home.run("status");
    assert_eq!(code, 4, "{err}");
    assert!(err.ends_with("hint:  loom restart\n"), "{err}");
}

#[test]
fn a_registry_is_chosen_and_given_back() {
    let home = Home::new();
    let registry = "version: 1\nservers:\n  - name: echo\n    common: { builtin: echo }\n";
    std::fs::write(home.file("registry.yaml"), registry).unwrap();
    std::fs::write(home.dir.path().join("other.yaml"), registry).unwrap();
    let (code, out, err) = home.run("registry use other.yaml");
    assert_eq!(code, 0, "{out}{err}");
    let choice = std::fs::read_to_string(home.file("state/registry-choice")).unwrap();
    let other = home.dir.path().join("other.yaml").canonicalize().unwrap();
    assert_eq!(choice, format!("{}\n", other.display()));
    assert_eq!(home.run("registry use --home").0, 0);
    assert!(!home.file("state/registry-choice").exists());
    let (code, out, _) = home.run("registry which");
    assert_eq!((code, out.as_str()), (0, "~/.config/loom/registry.yaml (the home registry)\n"));
    assert_eq!(home.run("registry use absent.yaml").0, 78);
    assert_eq!(home.run("check").0, 0);
}

#[test]
fn a_running_daemon_takes_over_the_shells_environment() {
    let home = Home::new();
    std::fs::write(home.file("registry.yaml"), "version: 1\nservers: []\n").unwrap();
    assert_eq!(home.run("stop").0, 0);
    home.daemon(json!({ "loom/adopt": { "adopted": true } }));
    let (code, out, err) = home.run("start");
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("loomd runs already (pid 4000000)"), "{out}");
    assert!(!home.file("state/stopped").exists());
    let recorded: Value =
        serde_json::from_str(&std::fs::read_to_string(home.file("state/environment.json")).unwrap()).unwrap();
    assert_eq!(recorded["env"]["HOME"], json!(home.dir.path()));
}
