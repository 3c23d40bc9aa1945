//! What `loom` commands ask of the daemon: the `loom/…` methods.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::local::ListKind;
use super::request::{Refusal, Request};
use super::status;
use super::switch::{Phase, Switch};
use super::views::ClientView;
use crate::mcp::catalog::Kind;
use crate::registry::spec::Sharing;
use crate::secrets::place::Keys;
use crate::upstream::instance::{Order, Scope};
use crate::upstream::life::{ServerState, Trouble};
use crate::wire::code;

/// `loom/tools` waits no longer, whatever is asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

impl Switch {
    /// A request of the command line.
    pub fn control(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let result = match request.method {
            "loom/status" => status::status(self),
            "loom/servers" => json!({ "servers": status::servers(self) }),
            "loom/health" => status::health(self),
            "loom/reload" => self.reload_for_person()?,
            "loom/stop" => self.stop(&params(request)?),
            "loom/adopt" => self.adopt(params(request)?),
            "loom/secrets/changed" => self.secrets_changed(&params(request)?),
            "loom/server/restart" => self.restart_server(&params::<Named>(request)?.name)?,
            "loom/calls" => return self.list_calls(request),
            "loom/calls/summary" => self.sum_up_calls(request)?,
            "loom/tools" => {
                let wait = Duration::from_millis(params::<Wait>(request)?.wait_ms).min(LONGEST_WAIT);
                return self.wait_for_list(request, ListKind::Inventory, wait);
            }
            other => {
                return Err(Refusal::new(
                    code::METHOD_NOT_FOUND,
                    format!("loom does not know the method {other}"),
                ));
            }
        };
        self.answer(request, &result.to_string())
    }

    /// Checked and begun in one step: no call can come between.
    fn stop(&mut self, asked: &Stop) -> Value {
        if asked.when_idle && !self.is_idle() {
            return json!({ "stopping": false, "active_calls": self.active_calls() });
        }
        tracing::info!("stop was asked for");
        self.enter(Phase::Drain);
        json!({ "stopping": true, "pid": std::process::id() })
    }

    fn adopt(&mut self, mut asked: Adopt) -> Value {
        self.vault.keys.adopt(Keys::take(&mut asked.environment));
        self.environment.adopt(asked.environment);
        // Whatever failed for want of a variable or a PATH may be tried at once.
        for instance in self.instances.values_mut() {
            if matches!(instance.state, ServerState::Failed { .. }) {
                instance.history.forgive();
                instance.state = ServerState::Idle;
                instance.forgive_lists();
                instance.wake.notify_one();
            }
        }
        self.discover_for_clients();
        json!({ "adopted": true })
    }

    fn restart_server(&mut self, name: &str) -> Result<Value, Refusal> {
        let names: Vec<String> =
            self.loaded.registry.servers.iter().map(|server| server.name.as_str().to_string()).collect();
        let Some(server) =
            self.loaded.registry.servers.iter().find(|server| server.name.as_str() == name).cloned()
        else {
            let refusal = Refusal::new(code::INVALID_PARAMS, format!("no server `{name}` in the registry"));
            return Err(match crate::nearest::nearest(name, names.iter().map(String::as_str)) {
                Some(near) => refusal.hint(format!("loom servers restart {near}")),
                None => refusal.hint("loom servers"),
            });
        };
        if server.disabled {
            let text = format!("{name} is disabled in the registry");
            return Err(Refusal::new(code::INVALID_PARAMS, text).hint("loom registry which"));
        }
        if server.spec_for(None).sharing == Sharing::Shared {
            self.instance_for(&server, None, Scope::Everybody);
        }
        for instance in self.instances.values_mut().filter(|one| one.name() == name && one.retiring.is_none())
        {
            instance.forgive_lists();
            instance.give_order(Order::Restart);
        }
        Ok(json!({ "restarted": true }))
    }
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Stop {
    /// Only if no call and no task is under way.
    #[serde(default)]
    when_idle: bool,
}

#[derive(Deserialize)]
struct Wait {
    #[serde(default)]
    wait_ms: u64,
}

#[derive(Deserialize)]
struct Adopt {
    environment: std::collections::BTreeMap<String, String>,
}

/// The parameters of a request, as they must be.
pub fn params<'a, T: Deserialize<'a>>(request: &'a Request<'_>) -> Result<T, Refusal> {
    serde_json::from_str(request.params())
        .map_err(|error| Refusal::new(code::INVALID_PARAMS, format!("{}: {error}", request.method)))
}

/// The result of `loom/tools`: every tool as clients see it, and where each server stands.
pub fn inventory(switch: &Switch, view: &ClientView) -> String {
    let mut servers = Vec::new();
    for member in &view.members {
        let Some(instance) = switch.instances.get(&member.instance) else { continue };
        let trouble = instance.state.trouble().map(Trouble::full);
        servers.push(json!({
            "name": *member.name,
            "tools": instance.list(Kind::Tools).items.as_ref().map(|_| view.view.count_of(&member.name)),
            "state": instance.state.word(),
            "error": trouble.or_else(|| instance.complaint()),
        }));
    }
    // The list is `{"tools":[…]}`; the servers go in before its last brace, so that no tool is parsed.
    let list = view.view.list.strip_suffix('}').unwrap_or(&view.view.list);
    format!(r#"{list},"servers":{}}}"#, Value::from(servers))
}
