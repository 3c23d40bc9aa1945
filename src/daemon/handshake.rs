//! The handshake with a server: begun when its process or its session begins; calls go out after it.

use std::time::{Duration, Instant};

use super::answer::{Outcome, message_of};
use super::switch::Switch;
use crate::mcp::initialize;
use crate::upstream::calls::Asker;
use crate::upstream::greeting::Greeting;
use crate::upstream::instance::{Instance, InstanceId, Order};
use crate::upstream::life::Trouble;
use crate::wire::{reply, scan};

impl Switch {
    /// The answer to `initialize`.
    pub fn handshake_answered(&mut self, id: InstanceId, outcome: Outcome<'_>) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let version = match outcome {
            Outcome::Error(error) => Err(format!("it refused initialize: {}", message_of(error))),
            Outcome::Result(result) => {
                instance.greeting = Greeting::parse(result);
                scan::find_text(result, &["protocolVersion"])
                    .ok_or_else(|| "its answer to initialize has no protocolVersion".to_string())
                    .and_then(|version| known_version(version.into_owned()))
            }
        };
        match version {
            Ok(version) => {
                instance.protocol = Some(version);
                reply::notification(instance.out.tail(), "notifications/initialized", "{}");
                self.dirty_instances.insert(id);
                self.ready(id);
            }
            Err(text) => {
                let text = self.vault.mask().text(&text).into_owned();
                instance.give_order(Order::Fail(Trouble::new(text)));
            }
        }
    }

    /// The process runs and has shaken hands: its calls go out, and its tools are asked for.
    fn ready(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        instance.now_ready();
        tracing::info!(server = instance.name(), ms = instance.began.elapsed().as_millis(), "ready");
        self.tell_level(id);
        self.subscribe_again(id);
        self.relist_all(id);
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.send_waiting(Instant::now());
            instance.wake.notify_one();
        }
    }
}

/// The handshake versions that loom speaks with servers.
fn known_version(version: String) -> Result<String, String> {
    match initialize::negotiate(Some(&version)) == version {
        true => Ok(version),
        false => Err(format!("it speaks MCP {version}, which loom does not know")),
    }
}

/// Begins the handshake with a process that was just started.
pub fn shake_hands(instance: &mut Instance, startup: Duration) -> Instant {
    let now = Instant::now();
    let limit = instance.spec.startup_timeout.unwrap_or(startup);
    let params = initialize::request(initialize::NEWEST, &instance.declared);
    instance.ask(Asker::Initialize, "initialize", &params, now, limit);
    now + limit
}
