//! What the daemon tells of itself: `loom status`, `/health`, `loom://servers`.

use std::collections::HashSet;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::hello::Role;
use super::switch::{Phase, Switch};
use super::tally::percentiles;
use crate::mcp::catalog::{Item, Kind};
use crate::registry::Server;
use crate::upstream::instance::Instance;
use crate::upstream::life::{ServerState, Trouble};
use crate::wire::hello;

/// The result of `loom/status`.
pub fn status(switch: &mut Switch) -> Value {
    let clients = clients(switch);
    let context = &switch.context;
    let active = switch.active_calls();
    let http = &switch.http;
    let counters = &switch.counters;
    json!({
        "running": true,
        "pid": std::process::id(),
        "guardian_pid": switch.guardian.pid(),
        "version": hello::VERSION,
        "commit": hello::COMMIT,
        "uptime_s": context.began.elapsed().as_secs(),
        "epoch": context.epoch,
        "started_by": context.started_by,
        "socket": context.socket,
        "registry": registry(switch),
        "metrics": {
            "addr": http.listening.as_deref().unwrap_or(&context.settings.metrics_addr),
            "listening": http.listening.is_some(),
            "error": http.error,
        },
        "draining": switch.phase() != Phase::Run,
        "active_calls": active,
        "drain_ready": switch.is_idle(),
        "servers": servers(switch),
        "clients": clients,
        "counters": {
            "invalid_utf8": counters.invalid_utf8,
            "garbage_lines": counters.garbage_lines,
            "oversized_lines": counters.oversized_lines,
            "dropped_notifications": counters.dropped_notifications,
            "late_answers": counters.late_answers,
        },
    })
}

fn registry(switch: &Switch) -> Value {
    let found = &switch.loaded.found;
    json!({ "path": found.path, "source": found.source.as_str(), "error": switch.loaded.error })
}

/// A row for each server of the registry; one that runs in several shapes shows the busiest of them.
pub fn servers(switch: &Switch) -> Vec<Value> {
    let rows = switch.loaded.registry.servers.iter().map(|server| row(switch, server));
    rows.collect()
}

fn instances_of<'s>(switch: &'s Switch, server: &Server) -> Vec<&'s Instance> {
    let name = server.name.as_str();
    let mut found: Vec<(&u32, &Instance)> =
        switch.instances.iter().filter(|(_, instance)| instance.name() == name).collect();
    found.sort_by_key(|(id, instance)| (rank(&instance.state), **id));
    found.into_iter().map(|(_, instance)| instance).collect()
}

/// Trouble first, then what runs: what a person wants to see of several instances.
fn rank(state: &ServerState) -> u8 {
    match state {
        ServerState::CrashLoop { .. } => 0,
        ServerState::Failed { .. } => 1,
        ServerState::Ready { .. } => 2,
        ServerState::Starting => 3,
        ServerState::Idle => 4,
    }
}

fn row(switch: &Switch, server: &Server) -> Value {
    let instances = instances_of(switch, server);
    let [p50, p95, p99] = percentiles(&switch.tap.tallies.times_of(server.name.as_str()));
    let first = instances.first();
    let sum = |count: fn(&Instance) -> u64| instances.iter().map(|instance| count(instance)).sum::<u64>();
    let word = first.map_or("idle", |instance| instance.state.word());
    let trouble = first.and_then(|instance| instance.state.trouble());
    let pid = instances.iter().find_map(|instance| match instance.state {
        ServerState::Ready { pid } if pid != 0 => Some(pid),
        _ => None,
    });
    let error = trouble.map(Trouble::full).or_else(|| first.and_then(|instance| instance.complaint()));
    json!({
        "name": server.name.as_str(),
        "state": if server.disabled { "disabled" } else { word },
        "error": error,
        "trouble": trouble.map(|trouble| &trouble.text),
        "hint": hint(server, first.map(|instance| &instance.state)),
        "pid": pid,
        "instances": instances.len(),
        "tools": first.and_then(|instance| instance.list(Kind::Tools).items.as_deref()).map(count_offered),
        "stale": first.is_some_and(|instance| instance.list(Kind::Tools).stale),
        "restarts": sum(|instance| instance.history.crashes),
        "calls": sum(|instance| instance.counts.calls),
        "errors": sum(|instance| instance.counts.errors),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "in_flight": sum(|instance| instance.calls.len() as u64),
        "optional": server.optional,
        "description": server.spec_for(None).description,
        "categories": server.categories,
    })
}

/// Of several tools of one name clients get the first.
fn count_offered(tools: &[Item]) -> usize {
    tools.iter().map(|tool| &tool.name).collect::<HashSet<_>>().len()
}

fn hint(server: &Server, state: Option<&ServerState>) -> Option<String> {
    match state? {
        ServerState::CrashLoop { .. } => Some(format!("loom servers restart {}", server.name.as_str())),
        ServerState::Failed { trouble, .. } => trouble.hint.clone(),
        ServerState::Idle | ServerState::Starting | ServerState::Ready { .. } => None,
    }
}

fn clients(switch: &mut Switch) -> Vec<Value> {
    let mut ids: Vec<u32> = switch.sessions.keys().copied().collect();
    ids.sort_unstable();
    let mut rows = Vec::new();
    for id in ids {
        if switch.sessions.get(&id).is_none_or(|session| session.hello.role != Role::Proxy) {
            continue;
        }
        // One that has not said what it can may not have a view yet.
        let view = switch.view_of(id).ok();
        let tools = view.as_ref().map(|view| view.view.total() - view.view.hidden.len());
        let Some(session) = switch.sessions.get(&id) else { continue };
        let introduced = session.introduced.as_ref();
        rows.push(json!({
            "id": id,
            "agent": session.hello.agent_hint,
            "pid": session.hello.pid,
            "version": session.hello.version,
            "client": introduced.and_then(|it| it.name.as_ref()),
            "client_version": introduced.and_then(|it| it.version.as_ref()),
            "protocol": introduced.map(|it| it.protocol),
            "cwd": session.hello.cwd,
            "git_top": session.hello.git_top,
            "profile": session.hello.profile,
            "tools": tools.unwrap_or_default(),
            "hidden_tools": view.as_ref().map_or(&[][..], |view| &view.view.hidden),
            "calls": session.called,
            "in_flight": session.calls.len(),
        }));
    }
    rows
}

/// The body of `/health`: 200 as long as the daemon answers; idle servers are healthy.
pub fn health(switch: &Switch) -> Value {
    let rows = servers(switch);
    let count = |state: &str| rows.iter().filter(|row| row["state"] == state).count();
    let bad = |row: &&Value| row["state"] == "failed" || row["state"] == "crash-loop";
    let broken = rows.iter().filter(bad).filter(|row| row["optional"] == false).count();
    let usable = rows.len() - count("disabled");
    let status = match broken {
        0 if switch.loaded.error.is_none() => "healthy",
        broken if broken > 0 && broken == usable => "unhealthy",
        _ => "degraded",
    };
    let details = rows.iter().map(|row| {
        let name = row["name"].as_str().unwrap_or_default().to_string();
        let healthy = !bad(&row);
        (
            name,
            json!({
                "name": row["name"],
                "state": row["state"],
                "healthy": healthy,
                // Not what the server said: whoever is on this machine may ask.
                "last_error": row["trouble"],
                "restart_count": row["restarts"],
                "total_calls": row["calls"],
                "total_failures": row["errors"],
            }),
        )
    });
    json!({
        "status": status,
        "timestamp": SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        "uptime": Instant::now().duration_since(switch.context.began).as_secs(),
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "registry_error": switch.loaded.error,
        "servers": serde_json::Map::from_iter(details),
        "summary": {
            "total": rows.len(),
            "ready": count("ready"),
            "idle": count("idle"),
            "starting": count("starting"),
            "failed": count("failed"),
            "crash_loop": count("crash-loop"),
            "disabled": count("disabled"),
        },
    })
}

/// `loom://config`: where this daemon has its settings and registry from.
pub fn config(switch: &Switch) -> Value {
    let context = &switch.context;
    json!({
        "loom/status": {
            "running": true,
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
            "epoch": context.epoch,
            "draining": switch.phase() != Phase::Run,
            "servers": switch.loaded.registry.servers.len(),
        },
        "loom/profile": { "known": switch.loaded.profiles.keys().collect::<Vec<_>>() },
        "loom/config-hash": {
            "registry": switch.loaded.found.path,
            "registryHash": registry_hash(switch),
            "serverCount": switch.loaded.registry.servers.len(),
        },
    })
}

/// Differs when what any server is started with differs.
fn registry_hash(switch: &Switch) -> String {
    let keys = switch.loaded.registry.servers.iter().map(|server| server.spec_for(None).key());
    format!("{:016x}", keys.fold(0u64, |hash, key| hash.rotate_left(7) ^ key))
}
