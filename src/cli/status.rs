//! `loom status`: the daemon, its servers and its clients on one screen.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::Ending;
use crate::cli::args::StatusArgs;
use crate::cli::context::{ANSWER_WAIT, Context};
use crate::cli::out::{Out, Paint, first_line};
use crate::cli::server_table::{self, ServerRow, counted, is_degraded};
use crate::cli::service_line::{self, Service};
use crate::fault::{Fault, Kind, Plain};
use crate::paths::tilde;
use crate::wire::hello::{COMMIT, VERSION, build};

#[derive(Deserialize)]
struct Status {
    pid: u32,
    version: String,
    #[serde(default)]
    commit: Option<String>,
    #[serde(default)]
    uptime_s: u64,
    #[serde(default)]
    started_by: String,
    socket: String,
    registry: RegistryPart,
    metrics: MetricsPart,
    #[serde(default)]
    draining: bool,
    #[serde(default)]
    active_calls: u64,
    #[serde(default)]
    servers: Vec<ServerRow>,
    #[serde(default)]
    clients: Vec<ClientRow>,
    #[serde(default)]
    counters: serde_json::Map<String, Value>,
}

impl Status {
    fn build(&self) -> String {
        build(&self.version, self.commit.as_deref())
    }
}

#[derive(Deserialize)]
struct RegistryPart {
    path: String,
    source: String,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct MetricsPart {
    addr: String,
    listening: bool,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct ClientRow {
    #[serde(default)]
    agent: Option<String>,
    pid: u32,
    /// What it calls itself.
    #[serde(default)]
    client: Option<String>,
    #[serde(default)]
    client_version: Option<String>,
    /// The version of MCP that it speaks.
    #[serde(default)]
    protocol: Option<String>,
    #[serde(default)]
    id: u32,
    #[serde(default)]
    cwd: String,
    #[serde(default)]
    tools: u64,
    /// Over the client's budget: callable, not listed.
    #[serde(default)]
    hidden_tools: Vec<String>,
    #[serde(default)]
    calls: u64,
    #[serde(default)]
    in_flight: u64,
}

pub fn run(args: StatusArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let mut client = match context.dial() {
        Err(error) if error.is_absent() && args.json => {
            let service = service_line::ask(context, None);
            out.json(&json!({
                "running": false, "stopped": context.is_stopped(), "socket": context.socket.to_string_lossy(),
                "service": service_line::to_json(service.as_ref()),
            }));
            return Ok(Ending::With(Kind::NotRunning));
        }
        Err(error) if error.is_absent() => {
            let why = if context.is_stopped() { ": it was stopped with `loom stop`" } else { "" };
            out.line(format!("loomd does not run{why}"));
            out.line(format!("socket    {}", context.show(&context.socket)));
            service_line::render(service_line::ask(context, None).as_ref(), out);
            out.line("start it  loom start");
            return Ok(Ending::With(Kind::NotRunning));
        }
        other => other?,
    };
    let result = client.call("loom/status", &json!({}), ANSWER_WAIT)?;
    let odd = |error| Plain::new(Kind::Bug, format!("loomd answered loom/status oddly: {error}"));
    let status: Status = serde_json::from_str(result.get()).map_err(odd)?;
    let service = service_line::ask(context, Some(&status.started_by));
    if args.json {
        let mut answer: Value = serde_json::from_str(result.get()).map_err(odd)?;
        answer["service"] = service_line::to_json(service.as_ref());
        out.json(&answer);
    } else {
        render(&status, service.as_ref(), context.paths.home(), out);
    }
    Ok(if is_degraded(&status.servers) { Ending::With(Kind::Unhealthy) } else { Ending::Done })
}

fn render(status: &Status, service: Option<&Service>, home: &Path, out: &mut Out) {
    let runs =
        if status.draining { out.paint(Paint::Warn, "drains") } else { out.paint(Paint::Good, "runs") };
    let up = span(status.uptime_s);
    let head = format!("loomd {runs}: pid {}, version {}, up {up}", status.pid, status.build());
    out.line(match status.started_by.is_empty() {
        true => head,
        false => format!("{head}, started by {}", first_line(&status.started_by, 60)),
    });
    service_line::render(service, out);
    if status.build() != build(VERSION, COMMIT) {
        let this = build(VERSION, COMMIT);
        let text = format!("this loom is version {this}: `loom restart` brings the daemon up to date");
        out.line(out.paint(Paint::Warn, &text));
    }
    let registry = &status.registry;
    out.line(format!("registry  {} ({})", tilde(Path::new(&registry.path), home), registry.source));
    if let Some(error) = &registry.error {
        let text = format!("not reloaded: {}", first_line(error, 200));
        out.line(format!("          {}", out.paint(Paint::Bad, &text)));
        out.line("          hint: loom check");
    }
    out.line(format!("socket    {}", tilde(Path::new(&status.socket), home)));
    out.line(match &status.metrics {
        MetricsPart { addr, listening: true, .. } => format!("http      http://{addr}/health and /metrics"),
        MetricsPart { addr, error, .. } => {
            let why = first_line(error.as_deref().unwrap_or("not listening"), 200);
            format!("http      {addr}: {}", out.paint(Paint::Warn, &why))
        }
    });
    out.line(format!("calls     {} open", status.active_calls));
    out.line(format!("\n{}", out.paint(Paint::Bold, "Servers")));
    server_table::render(&status.servers, out);
    out.line(format!("\n{}", out.paint(Paint::Bold, "Clients")));
    render_clients(&status.clients, home, out);
    render_counters(&status.counters, out);
}

fn render_clients(clients: &[ClientRow], home: &Path, out: &mut Out) {
    if clients.is_empty() {
        out.line("  none connected");
    }
    for client in clients {
        let named = client.agent.as_deref().or(client.client.as_deref());
        let agent = first_line(named.unwrap_or("unnamed"), 24);
        let cwd = first_line(&tilde(Path::new(&client.cwd), home), 60);
        let open = if client.in_flight > 0 { format!(", {} open", client.in_flight) } else { String::new() };
        let tools = counted(client.tools, "tool");
        let calls = counted(client.calls, "call");
        out.line(format!("  {agent}  #{}, pid {}  {tools}, {calls}{open}  {cwd}", client.id, client.pid));
        if let Some(protocol) = &client.protocol {
            let name = first_line(client.client.as_deref().unwrap_or("a client without a name"), 64);
            let version = first_line(client.client_version.as_deref().unwrap_or_default(), 64);
            let who = format!("{name} {version}");
            out.line(format!("    {}, MCP {}", who.trim_end(), first_line(protocol, 10)));
        }
        if !client.hidden_tools.is_empty() {
            let over = counted(client.hidden_tools.len() as u64, "tool");
            out.line(format!(
                "    {over} over its budget, callable but not listed: {}",
                client.hidden_tools.join(", ")
            ));
        }
    }
}

/// Only what happened is worth a line.
fn render_counters(counters: &serde_json::Map<String, Value>, out: &mut Out) {
    let seen: Vec<String> = counters
        .iter()
        .filter(|(_, count)| count.as_u64().is_some_and(|count| count > 0))
        .map(|(name, count)| format!("{} {count}", name.replace('_', " ")))
        .collect();
    if !seen.is_empty() {
        out.line(format!("\nnoise     {}", seen.join(", ")));
    }
}

/// `75` → `1m 15s`: the two largest units.
fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds;
    let mut parts = Vec::new();
    for (length, unit) in units {
        if left >= length {
            parts.push(format!("{}{unit}", left / length));
            left %= length;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts[..parts.len().min(2)].join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: Value) -> String {
        let mut out = Out::new(false, false);
        render(&serde_json::from_value(status).unwrap(), None, Path::new("/home/ann"), &mut out);
        out.text().to_owned()
    }

    #[test]
    fn spans_have_two_units() {
        for (seconds, want) in [(0, "0s"), (59, "59s"), (75, "1m 15s"), (3_600, "1h"), (90_061, "1d 1h")] {
            assert_eq!(span(seconds), want, "{seconds}");
        }
    }

    #[test]
    fn a_quiet_daemon() {
        let status = json!({
            "running": true, "pid": 7, "version": VERSION, "uptime_s": 5, "socket": "/home/ann/.config/loom/loom.sock",
            "registry": { "path": "/home/ann/.config/loom/registry.yaml", "source": "home", "error": null },
            "metrics": { "addr": "127.0.0.1:9876", "listening": true, "error": null },
            "counters": { "garbage_lines": 0 },
        });
        insta::assert_snapshot!(shown(status), @r"
        loomd runs: pid 7, version 0.1.0, up 5s
        registry  ~/.config/loom/registry.yaml (home)
        socket    ~/.config/loom/loom.sock
        http      http://127.0.0.1:9876/health and /metrics
        calls     0 open

        Servers
          none; add one to the registry, then `loom reload`

        Clients
          none connected
        ");
    }

    #[test]
    fn a_daemon_with_troubles() {
        let status = json!({
            "running": true, "pid": 7, "version": "0.0.9", "uptime_s": 11_520, "epoch": 4,
            "started_by": "loom start (pid 3)", "socket": "/tmp/loom.sock", "draining": true, "active_calls": 2,
            "registry": { "path": "/home/ann/r.yaml", "source": "chosen", "error": "r.yaml:3:1: error: no name" },
            "metrics": { "addr": "127.0.0.1:9876", "listening": false, "error": "address in use" },
            "servers": [
                { "name": "echo", "state": "ready", "tools": 12, "calls": 34, "errors": 1, "in_flight": 2, "restarts": 0, "stale": false, "optional": false },
                { "name": "forge", "state": "failed", "error": "FORGE_TOKEN is not set\u{1b}[2J", "hint": "export FORGE_TOKEN=…; loom start", "tools": null },
                { "name": "notes", "state": "idle", "tools": 1, "stale": true, "optional": true },
            ],
            "clients": [
                { "id": 1, "agent": "claude", "pid": 44, "version": "0.0.9", "client": "Claude Code", "client_version": "2.1.0", "protocol": "2025-06-18", "cwd": "/home/ann/src/app", "tools": 12, "hidden_tools": ["echo__a", "echo__b"], "calls": 3, "in_flight": 1 },
                { "id": 2, "agent": null, "pid": 45, "cwd": "/srv", "tools": 1, "calls": 1 },
            ],
            "counters": { "invalid_utf8": 0, "garbage_lines": 3, "late_answers": 1 },
        });
        insta::assert_snapshot!(shown(status), @r"
        loomd drains: pid 7, version 0.0.9, up 3h 12m, started by loom start (pid 3)
        this loom is version 0.1.0: `loom restart` brings the daemon up to date
        registry  ~/r.yaml (chosen)
                  not reloaded: r.yaml:3:1: error: no name
                  hint: loom check
        socket    /tmp/loom.sock
        http      127.0.0.1:9876: address in use
        calls     2 open

        Servers
          echo   ready       12 tools       34 calls, 1 error, 2 open
          forge  failed      tools unknown
                 FORGE_TOKEN is not set�[2J
                 hint: export FORGE_TOKEN=…; loom start
          notes  idle        1 tool         list is old, optional

        Clients
          claude  #1, pid 44  12 tools, 3 calls, 1 open  ~/src/app
            Claude Code 2.1.0, MCP 2025-06-18
            2 tools over its budget, callable but not listed: echo__a, echo__b
          unnamed  #2, pid 45  1 tool, 1 call  /srv

        noise     garbage lines 3, late answers 1
        ");
    }
}
