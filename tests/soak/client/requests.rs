//! The random requests of a client.

use std::time::Duration;

use super::super::cast::Sharing;
use super::super::lists::{self, Kind, Way};
use super::super::play::LEVELS;
use super::super::texts;
use super::asking::Plan;
use super::params::{self, Twin};
use super::pending::{Ending, Want};
use super::{Actor, Level, Subscription, Timer};

/// Requests that are open at the same time.
const OPEN_MAX: usize = 24;
/// And their size together, in bytes.
const BYTES_MAX: usize = 1 << 20;

impl Actor {
    pub fn has_room(&self) -> bool {
        self.open.len() < OPEN_MAX && self.bytes < BYTES_MAX
    }

    /// Does one random thing.
    pub fn act(&mut self) {
        match self.chance.below(1000) {
            0..=399 => self.call(),
            400..=449 => self.call_task(),
            450..=519 => self.get_prompt(),
            520..=599 => self.read(),
            600..=629 => self.search(),
            630..=679 => self.complete(),
            680..=719 => self.subscribe(),
            720..=739 => self.unsubscribe(),
            740..=759 => self.set_level(),
            760..=839 => self.list(),
            840..=859 => self.list_tasks(),
            860..=879 => self.ping(),
            880..=929 => self.ask_wrongly(),
            930..=949 => self.notify(),
            950..=954 => self.move_roots(),
            955..=957 => self.leave(),
            _ => self.wait_a_little(),
        }
    }

    fn wait_a_little(&mut self) {
        let ms = self.chance.below(200);
        self.wait(Duration::from_millis(ms));
    }

    fn server(&mut self) -> (usize, String) {
        let server = self.chance.index(self.world.roles.len());
        (server, self.world.roles[server].name.clone())
    }

    fn call(&mut self) {
        let (server, name) = self.server();
        let plan = self.call_plan(server, &name, Want::Server);
        let id = self.ask(plan);
        let silent = self.open.get(&id).is_some_and(|pending| pending.ending == Ending::Silence);
        if self.chance.percent(if silent { 50 } else { 8 }) {
            let ms = self.chance.below(120);
            self.later(ms, Timer::Cancel(id));
        }
    }

    pub fn call_plan(&mut self, server: usize, name: &str, want: Want) -> Plan {
        let tool = *self.chance.pick(&lists::TOOLS);
        let nonce = format!("{}{}", self.tag(), self.minted + 1);
        let arguments = params::arguments(&mut self.chance, &nonce);
        let quoted = |text: &str| serde_json::to_string(text).expect("texts are JSON");
        let members = vec![
            Twin::other(
                format!("\"name\":\"{}\"", lists::exposed(name, tool)),
                format!("\"name\":{}", quoted(tool)),
            ),
            Twin::same(format!("\"arguments\":{arguments}")),
        ];
        Plan { method: "tools/call", server, want, members, plain: false, uri: None }
    }

    fn get_prompt(&mut self) {
        let (server, name) = self.server();
        let prompt = *self.chance.pick(&lists::PROMPTS);
        let members = vec![
            Twin::same(r#""arguments":{"n":"\u00fc"}"#),
            Twin::other(
                format!("\"name\":\"{}\"", lists::exposed(&name, prompt)),
                format!("\"name\":\"{prompt}\""),
            ),
        ];
        self.ask(Plan {
            method: "prompts/get",
            server,
            want: Want::Server,
            members,
            plain: false,
            uri: None,
        });
    }

    /// A resource of this server: the URI that is used, and its own.
    fn uri_of(&mut self, server: usize, name: &str) -> (String, String) {
        let own = match self.chance.below(5) {
            0 if server == 0 => return (lists::COMMON.into(), lists::COMMON.into()),
            0 => lists::COMMON.into(),
            1 => lists::templated(name, self.chance.below(5)),
            _ => return (lists::resource(name, 0), lists::resource(name, 0)),
        };
        match own == lists::COMMON {
            true => (lists::alias(name, &own), own),
            false => (own.clone(), own),
        }
    }

    fn uri_member(used: &str, own: &str) -> Twin {
        Twin::other(format!("\"uri\":\"{used}\""), format!("\"uri\":\"{own}\""))
    }

    fn read(&mut self) {
        let (server, name) = self.server();
        let (used, own) = self.uri_of(server, &name);
        if lists::is_templated(&own) {
            return self.look_for(server, own, Way::Template);
        }
        let members = vec![Self::uri_member(&used, &own)];
        self.ask(Plan {
            method: "resources/read",
            server,
            want: Want::Server,
            members,
            plain: false,
            uri: Some(own),
        });
    }

    /// Reads what no list knows.
    fn search(&mut self) {
        let (server, name) = self.server();
        match self.chance.below(3) {
            0 => self.look_for(server, lists::linked(&name), Way::Link),
            _ => {
                let uri = lists::unlisted(&name, self.chance.below(9));
                self.look_for(server, uri, Way::Nowhere);
            }
        }
    }

    fn look_for(&mut self, server: usize, uri: String, way: Way) {
        // What is known of a server for somebody may not be known of another instance.
        let is_shared = self.world.roles[server].sharing == Sharing::Everybody;
        let way = if is_shared { way } else { Way::Nowhere };
        self.used[lists::WIDE] = true;
        if way != Way::Template {
            // Every server may be asked.
            self.used.fill(true);
        }
        let members = vec![Self::uri_member(&uri, &uri)];
        self.ask(Plan {
            method: "resources/read",
            server,
            want: Want::Search(way),
            members,
            plain: true,
            uri: Some(uri),
        });
    }

    fn complete(&mut self) {
        let (server, name) = self.server();
        let reference = match self.chance.percent(50) {
            true => Twin::other(
                format!(
                    r#""ref":{{"type":"ref/prompt","name":"{}"}}"#,
                    lists::exposed(&name, lists::PROMPTS[1])
                ),
                format!(r#""ref":{{"type":"ref/prompt","name":"{}"}}"#, lists::PROMPTS[1]),
            ),
            false => {
                Twin::same(format!(r#""ref":{{"uri":"{}","type":"ref/resource"}}"#, lists::template(&name)))
            }
        };
        let members = vec![reference, Twin::same(r#""argument":{"name":"n","value":"\u00fc"}"#)];
        self.ask(Plan {
            method: "completion/complete",
            server,
            want: Want::Server,
            members,
            plain: false,
            uri: None,
        });
    }

    fn subscribe(&mut self) {
        let (mut server, name) = self.server();
        let (used, own) = self.uri_of(server, &name);
        if lists::is_templated(&own) {
            // The first that has a template for it.
            server = server.min(lists::WIDE);
        }
        if self.subscriptions.contains_key(&used) || self.has_open_about(&own) {
            return;
        }
        let members = vec![Self::uri_member(&used, &own)];
        self.subscriptions.insert(used.clone(), Subscription { server, own, certain: false });
        self.ask(Plan {
            method: "resources/subscribe",
            server,
            want: Want::Server,
            members,
            plain: true,
            uri: Some(used),
        });
    }

    fn unsubscribe(&mut self) {
        let certain = self.subscriptions.iter().filter(|(_, one)| one.certain);
        let certain: Vec<(String, Subscription)> =
            certain.map(|(used, one)| (used.clone(), one.clone())).collect();
        if certain.is_empty() {
            return;
        }
        let (used, one) = self.chance.pick(&certain).clone();
        if let Some(kept) = self.subscriptions.get_mut(&used) {
            kept.certain = false;
        }
        self.loosen(|course| course.updates.iter_mut().for_each(|due| due.must = false));
        let members = vec![Self::uri_member(&used, &one.own)];
        let want = Want::Server;
        self.ask(Plan {
            method: "resources/unsubscribe",
            server: one.server,
            want,
            members,
            plain: true,
            uri: Some(used),
        });
    }

    fn has_open_about(&self, uri: &str) -> bool {
        self.open.values().any(|pending| pending.uri.as_deref() == Some(uri))
    }

    fn set_level(&mut self) {
        if matches!(self.level, Level::Moving(_)) {
            return;
        }
        let new = self.chance.index(8);
        self.level = Level::Moving(match self.level {
            Level::Set(old) => old.min(new),
            Level::Unset | Level::Moving(_) => 0,
        });
        self.loosen(|course| course.logs.iter_mut().for_each(|due| due.must = false));
        let params = format!(r#"{{"level":"{}"}}"#, LEVELS[new]);
        let id = self.ask_loom("logging/setLevel", &params, Want::Exactly("{}"));
        if let Some(pending) = self.open.get_mut(&id) {
            pending.uri = Some(new.to_string());
        }
    }

    fn list(&mut self) {
        let kind = *self.chance.pick(&Kind::ALL);
        self.ask_list(kind);
    }

    pub fn ask_list(&mut self, kind: Kind) {
        self.told[kind as usize] = false;
        self.ask_loom(kind.method(), "{}", Want::List(kind));
    }

    fn ping(&mut self) {
        self.ask_loom("ping", "{}", Want::Exactly("{}"));
    }

    /// Something that loom itself answers in its turn: what was taken back before it gets no answer after it.
    pub fn ask_barrier(&mut self) {
        let params = r#"{"ref":{"type":"ref/resource","uri":"loom://tools/page/{page}"},"argument":{"name":"page","value":""}}"#;
        self.ask_loom("completion/complete", params, Want::Exactly(r#"{"completion":{"values":[]}}"#));
    }

    pub fn cancel(&mut self, id: &str) {
        let Some(pending) = self.open.get_mut(id).filter(|pending| pending.cancelled.is_none()) else {
            return;
        };
        pending.cancelled = Some(self.lines + 1);
        let params = texts::cancellation(id, &pending.nonce);
        let line = format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#);
        self.send(&line);
        self.ask_barrier();
    }
}
