//! The official SDKs as clients: the same lists and the same results with and without loom between.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::installed::{Installed, source};
use crate::servers::{self, Server};
use crate::site::Site;
use crate::support::home::{TestHome, loom_binary};

/// What a driver of `clients/` prints.
#[derive(Deserialize)]
struct Seen {
    tools: Vec<Value>,
    results: Vec<Value>,
}

#[test]
fn typescript_sdk_sees_the_same_through_loom() {
    let installed = Installed::find();
    compare(&installed, "node".into(), "ts.mjs");
}

#[test]
fn python_sdk_sees_the_same_through_loom() {
    let installed = Installed::find();
    compare(&installed, installed.python("python").into(), "py.py");
}

fn compare(installed: &Installed, interpreter: OsString, driver: &str) {
    let site = Site::new();
    let servers = servers::all(installed, &site);
    let mut home = TestHome::new();
    // Six interpreters start at once here; the list is to have them all.
    home.set_env("LOOM_LIST_WAIT", "60s");
    home.set_env("PEERS_NPM", installed.npm());
    home.registry(&servers::registry(&servers));
    let drive = |plan: Value| drive(&home, home.command(interpreter.clone()), driver, &plan);

    let direct: Vec<Seen> = servers.iter().map(|server| drive(plan_direct(&home, server))).collect();
    site.reset();
    let through = drive(plan_through(&home, &servers));

    let wanted: usize = direct.iter().map(|seen| seen.tools.len()).sum();
    assert_eq!(through.tools.len(), wanted, "number of listed tools");
    let mut results = through.results.iter();
    for (server, direct) in servers.iter().zip(&direct) {
        assert_eq!(tools_of(&through, server.name), direct.tools, "tools of {}", server.name);
        assert_eq!(direct.results.len(), server.calls.len());
        for (call, want) in server.calls.iter().zip(&direct.results) {
            call.check(want);
            let got = results.next().unwrap_or_else(|| panic!("no result of {}: {call:?}", server.name));
            assert_eq!(got, want, "{}: {call:?}", server.name);
        }
    }
}

/// The tools that loom lists for one server, under the names that the server gave them.
fn tools_of(seen: &Seen, server: &str) -> Vec<Value> {
    let own = |tool: &Value| {
        let name = tool["name"].as_str()?.strip_prefix(server)?.strip_prefix("__")?;
        let mut tool = tool.clone();
        tool["name"] = json!(name);
        Some(tool)
    };
    seen.tools.iter().filter_map(own).collect()
}

fn plan_direct(home: &TestHome, server: &Server) -> Value {
    let calls = server.calls.iter().map(|call| json!({"name": call.tool, "arguments": call.arguments}));
    let mut env = json!(environment(home));
    for (name, value) in &server.env {
        env[name] = json!(value);
    }
    plan(home, &server.command, &server.args, env, calls.collect())
}

fn plan_through(home: &TestHome, servers: &[Server]) -> Value {
    let calls = servers.iter().flat_map(|server| {
        let exposed = |tool: &str| format!("{}__{tool}", server.name);
        server.calls.iter().map(move |call| json!({"name": exposed(call.tool), "arguments": call.arguments}))
    });
    plan(home, loom_binary(), &["proxy".into()], json!(environment(home)), calls.collect())
}

fn plan(home: &TestHome, command: &str, args: &[String], env: Value, calls: Vec<Value>) -> Value {
    json!({"command": command, "args": args, "env": env, "cwd": home.path(), "list": true, "calls": calls})
}

fn environment(home: &TestHome) -> Value {
    let pairs = home.env().iter().map(|(name, value)| (name.clone(), json!(value.to_string_lossy())));
    Value::Object(pairs.collect())
}

fn drive(home: &TestHome, mut command: Command, driver: &str, plan: &Value) -> Seen {
    let file = home.path().join("plan.json");
    fs::write(&file, plan.to_string()).expect("the home can be written");
    let output = home.finish(command.arg(source("tests/peers/clients").join(driver)).arg(&file));
    assert!(output.status.success(), "{driver} with {plan}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{driver}: {error}: {output:?}"))
}
