//! The daemon that runs, or does not: its version, that of its clients, its port, its servers.

use std::net::TcpListener;

use serde::Deserialize;
use serde_json::json;

use super::trouble::Trouble;
use crate::cli::context::{ANSWER_WAIT, Context};
use crate::cli::service_line;
use crate::fault::Explain;
use crate::link::client::Client;
use crate::service::State;
use crate::wire::hello::{COMMIT, build};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The part of a status that is looked at.
#[derive(Debug, Default, Deserialize)]
pub struct Status {
    pub started_by: String,
    pub registry: Registry,
    pub metrics: Metrics,
    pub servers: Vec<Server>,
    pub clients: Vec<Peer>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Registry {
    pub error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Metrics {
    pub addr: String,
    pub listening: bool,
    pub error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Server {
    pub name: String,
    pub state: String,
    pub trouble: Option<String>,
    pub error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Peer {
    pub agent: Option<String>,
    pub pid: u32,
    pub version: String,
}

/// Asks a running daemon.
pub fn look(client: &mut Client, context: &Context, troubles: &mut Vec<Trouble>) {
    if !client.greeting().is_this_build() {
        let text = format!("{} runs, and {} is installed", client.greeting().build(), build(VERSION, COMMIT));
        let fix = ["loom", "restart", "--when-idle", "1m"];
        troubles.push(Trouble::warning("binary_drift", "loomd", text).safe_command(fix));
    }
    let status = client.call("loom/status", &json!({}), ANSWER_WAIT);
    match status.map(|text| serde_json::from_str::<Status>(text.get())) {
        Ok(Ok(status)) => {
            judge(&status, troubles);
            service(context, Some(&status.started_by), troubles);
        }
        Ok(Err(error)) => {
            let text = format!("it answers oddly: {error}");
            troubles.push(Trouble::error("daemon", "loomd", text).command(["loom", "restart"]));
        }
        Err(error) => troubles.push(Trouble::error("daemon", "loomd", error.to_string())),
    }
}

fn judge(status: &Status, troubles: &mut Vec<Trouble>) {
    if let Some(error) = &status.registry.error {
        let text = format!("it goes on with the registry of before: {error}");
        troubles.push(Trouble::error("registry_reload", "loomd", text).command(["loom", "reload"]));
    }
    if !status.metrics.listening
        && let Some(error) = &status.metrics.error
    {
        troubles.push(port_taken(&status.metrics.addr, error));
    }
    for server in status.servers.iter().filter(|server| server.state == "crash-loop") {
        let why = server.trouble.as_deref().unwrap_or("no reason is known");
        let text = format!("it ends again and again, and is not started any more: {why}");
        let fix = ["loom", "servers", "restart", &server.name];
        troubles.push(Trouble::error("server_crashes", &server.name, text).command(fix));
    }
    let runs = |server: &&Server| server.state == "ready" || server.state == "idle";
    for server in status.servers.iter().filter(runs) {
        if let Some(error) = &server.error {
            let trouble = Trouble::warning("server_complaint", &server.name, error);
            troubles.push(trouble.advice("it goes on; tell whoever makes it"));
        }
    }
    for peer in status.clients.iter().filter(|peer| peer.version != VERSION) {
        let name = peer.agent.as_deref().unwrap_or("a client");
        let text = format!("its loom proxy (pid {}) is of version {}", peer.pid, peer.version);
        let trouble = Trouble::warning("binary_drift", name, text);
        troubles.push(trouble.advice("it goes on working; start the client anew to have the new version"));
    }
}

/// The service that is to start the daemon, where there is one.
pub fn service(context: &Context, started_by: Option<&str>, troubles: &mut Vec<Trouble>) {
    let Some(service) = service_line::ask(context, started_by) else { return };
    let place = format!("{} {}", service.manager, service.unit);
    let text = match &service.state {
        Err(error) => format!("it cannot be asked: {error}"),
        Ok(State::Failed { .. }) => "it has failed; `loom logs --errors` says why".to_owned(),
        Ok(State::Unknown) => "its manager does not know it".to_owned(),
        Ok(_) if service.owner == Some(false) => "it did not start the daemon that runs".to_owned(),
        Ok(_) => return,
    };
    let words = match service.state {
        Ok(State::Unknown) => ["loom", "install"],
        _ => ["loom", "restart"],
    };
    troubles.push(Trouble::warning("service", place, text).command(words));
}

/// No daemon runs.
pub fn absent(context: &Context, troubles: &mut Vec<Trouble>) {
    if context.is_stopped() {
        let text = "it was stopped with `loom stop`, so that no client starts it";
        troubles.push(Trouble::warning("daemon", "loomd", text).command(["loom", "start"]));
    }
    let addr = &context.settings.metrics_addr;
    if !addr.is_empty()
        && let Err(error) = TcpListener::bind(addr)
    {
        troubles.push(port_taken(addr, &error.to_string()));
    }
}

/// A daemon runs that cannot be spoken to.
pub fn mute(error: &dyn Explain, troubles: &mut Vec<Trouble>) {
    troubles.push(Trouble::error("daemon", "loomd", error.to_string()).command(["loom", "restart"]));
}

fn port_taken(addr: &str, error: &str) -> Trouble {
    let text = format!("/health and /metrics cannot be had there: {error}");
    Trouble::warning("metrics_port", addr, text)
        .advice("end what listens there, or set metrics_addr in config.toml")
}
