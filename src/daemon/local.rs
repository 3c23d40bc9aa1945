//! What the daemon answers by itself: the handshake, the merged list of tools, the `loom://` resources.

use std::rc::Rc;
use std::time::Instant;

use super::control;
use super::hello::{self, Hello};
use super::request::{Refusal, Request, bad_params};
use super::session::{Session, SessionId};
use super::switch::Switch;
use super::{reload, status};
use crate::mcp::capabilities::Capabilities;
use crate::mcp::catalog::Kind;
use crate::mcp::initialize;
use crate::mcp::inventory::{self, Uri};
use crate::upstream::instance::Instance;
use crate::wire::code;
use crate::wire::reply;

/// `loom://tools` lists whole tools up to this size, in bytes (the original's resource limit).
const RESOURCE_MAX: usize = 64_000;

/// A request that waits until the tools of all its servers are known, or its time is up.
#[derive(Debug)]
pub struct WaitingList {
    pub id: String,
    pub deadline: Instant,
    pub kind: ListKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// One of a client's lists.
    Of(Kind),
    /// `loom/tools` of the command line.
    Inventory,
    /// A request of a client that a list may show the way: its line, which is looked at again then.
    Way(Kind, Box<[u8]>),
}

impl Switch {
    /// The hello line of a new connection. `None`: it was answered with an error and is to be closed.
    pub fn open_session(
        &mut self,
        line: &[u8],
        stream: tokio::net::unix::OwnedWriteHalf,
    ) -> Option<SessionId> {
        let mut out = Vec::new();
        let outcome = hello::parse(line).and_then(|(id, hello)| match self.check_profile(&hello) {
            Some(text) => Err((id, code::CONFIG, text)),
            None => Ok((id, hello)),
        });
        let (id, hello) = match outcome {
            Ok(accepted) => accepted,
            Err((id, code, text)) => {
                let mut detail = reply::Detail::default();
                if code == code::VERSION_MISMATCH {
                    detail.hint = Some("loom restart".into());
                }
                reply::error(&mut out, id.to_string().as_bytes(), code, &text, &detail);
                // A fresh socket takes a line; if it is gone already, nobody wants the answer.
                let _ = stream.try_write(&out);
                return None;
            }
        };
        let answer = serde_json::json!({
            "protocol": hello::PROTOCOL,
            "version": crate::wire::hello::VERSION,
            "pid": std::process::id(),
            "epoch": self.context.epoch,
            "commit": crate::wire::hello::COMMIT,
        });
        let session_id = self.next_session_id();
        tracing::info!(
            session = session_id,
            client = hello.agent_hint,
            pid = hello.pid,
            cwd = hello.cwd,
            "client came"
        );
        let proxy = hello.role == hello::Role::Proxy;
        let mut session = Session::new(hello, stream);
        reply::result(session.out.tail(), id.to_string().as_bytes(), answer.to_string().as_bytes());
        self.sessions.insert(session_id, session);
        self.dirty_sessions.insert(session_id);
        // Servers that depend on who the client is wait for its handshake.
        if proxy && let Ok(view) = self.view_of(session_id) {
            self.discover(&view);
        }
        Some(session_id)
    }

    /// What is wrong with the profile that a client asks for. One that is not known may have been written since
    /// the file was last read.
    fn check_profile(&mut self, hello: &Hello) -> Option<String> {
        let name = hello.profile.as_deref()?;
        if !self.loaded.profiles.contains_key(name) {
            match reload::read_profiles(&self.context) {
                Ok(profiles) => self.loaded.profiles = Rc::new(profiles),
                Err(error) => return Some(error.to_string()),
            }
        }
        if self.loaded.profiles.contains_key(name) {
            return None;
        }
        let file = self.context.paths.config_file();
        let known: Vec<&str> = self.loaded.profiles.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none is defined".into() } else { known.join(", ") };
        Some(format!("no tool profile `{name}` in {} (known: {known})", file.display()))
    }

    pub fn initialize(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        if let Some(session) = self.sessions.get_mut(&request.session) {
            session.capabilities = Capabilities::of_initialize(request.params());
            session.view = None;
            session.introduce(initialize::introduced(request.params()));
        }
        self.retire_outdated(request.session);
        self.expect_roots(request.session);
        let view = self.view_of(request.session)?;
        if !self.waits_for_roots(request.session) {
            self.discover(&view);
        }
        let mut servers = Vec::new();
        let mut failed = Vec::new();
        let mut told_by = Vec::new();
        for member in &view.members {
            let Some(instance) = self.instances.get(&member.instance) else { continue };
            let name = member.name.to_string();
            match instance.state.trouble() {
                Some(trouble) => failed.push((name, trouble.full())),
                None => servers.push((name, instance.spec.description.clone())),
            }
            if let Some(told) = instance.greeting.as_ref().and_then(|greeting| greeting.instructions.clone())
            {
                told_by.push((member.name.to_string(), told));
            }
        }
        if let Some(session) = self.sessions.get_mut(&request.session) {
            session.announced = Kind::ALL.map(|kind| Some(view.list(kind).clone()));
        }
        let instructions = initialize::instructions(&view.view, &servers, &failed, &told_by);
        let greetings = view.members.iter().filter_map(|member| {
            self.instances.get(&member.instance).and_then(|instance| instance.greeting.as_ref())
        });
        let can = greetings.map(|greeting| &*greeting.capabilities);
        let answer = initialize::answer(request.params(), env!("CARGO_PKG_VERSION"), &instructions, can);
        self.answer(request, &answer)
    }

    /// A list: from the catalog, at once; servers never listed before are waited for, for a while.
    pub fn list(&mut self, request: &Request<'_>, kind: Kind) -> Result<(), Refusal> {
        // Each list is one page; some clients say "from the beginning" with an empty cursor.
        if let Some(at) = request.param("cursor")
            && !matches!(&request.line[at], "null" | "\"\"")
        {
            return Err(bad_params(request, "this `cursor` is not one of ours"));
        }
        let wait = self.context.settings.list_wait;
        self.wait_for_list(request, ListKind::Of(kind), wait)
    }

    pub fn wait_for_list(
        &mut self,
        request: &Request<'_>,
        kind: ListKind,
        wait: std::time::Duration,
    ) -> Result<(), Refusal> {
        let view = self.view_of(request.session)?;
        self.discover(&view);
        let list = WaitingList { id: request.id.into(), deadline: request.now + wait, kind };
        if self.settled(request.session, &list.kind) || wait.is_zero() {
            self.answer_list(request.session, &list);
        } else if let Some(session) = self.sessions.get_mut(&request.session) {
            self.clock.note(list.deadline);
            session.lists.push(list);
        }
        Ok(())
    }

    /// A request whose way a list may show that is not known yet: it waits for that, for a while. False when there is
    /// nothing to wait for, or it has waited.
    pub fn waits_for_way(&mut self, request: &Request<'_>, kind: Kind) -> bool {
        let kind = ListKind::Way(kind, request.line.as_bytes().into());
        if self.on_the_way || self.settled(request.session, &kind) {
            return false;
        }
        if let Ok(view) = self.view_of(request.session) {
            self.discover(&view);
        }
        let deadline = request.now + self.context.settings.list_wait;
        let Some(session) = self.sessions.get_mut(&request.session) else { return false };
        session.lists.push(WaitingList { id: request.id.into(), deadline, kind });
        self.clock.note(deadline);
        true
    }

    fn go_the_way(&mut self, session: SessionId, line: &[u8]) {
        self.on_the_way = true;
        self.client_line(session, line, Instant::now());
        self.on_the_way = false;
    }

    /// Whether every server of this client's view has its list known, or cannot have one.
    fn settled(&mut self, session: SessionId, list: &ListKind) -> bool {
        let Ok(view) = self.view_of(session) else { return true };
        let kinds: &[Kind] = match list {
            // Both say whose a URI is.
            ListKind::Way(Kind::Resources, _) => &[Kind::Resources, Kind::Templates],
            ListKind::Of(kind) | ListKind::Way(kind, _) => &[*kind],
            ListKind::Inventory => &[Kind::Tools],
        };
        let is_settled = |instance: &Instance| kinds.iter().all(|kind| instance.is_settled(*kind));
        view.instances().all(|id| self.instances.get(&id).is_none_or(is_settled))
    }

    fn answer_list(&mut self, session: SessionId, list: &WaitingList) {
        let Ok(view) = self.view_of(session) else { return };
        match &list.kind {
            ListKind::Way(_, line) => self.go_the_way(session, line),
            ListKind::Of(kind) => {
                let kind = *kind;
                self.answer_to(session, &list.id, view.list(kind));
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.announced[kind as usize] = Some(view.list(kind).clone());
                }
            }
            ListKind::Inventory => {
                let inventory = control::inventory(self, &view);
                self.answer_to(session, &list.id, &inventory);
            }
        }
    }

    /// Something about a server's tools became known: lists that wait for nothing more are answered.
    pub fn answer_settled_lists(&mut self) {
        let waiting: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| !session.lists.is_empty())
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            let lists = self.sessions.get_mut(&id).map(|session| std::mem::take(&mut session.lists));
            for list in lists.unwrap_or_default() {
                if self.settled(id, &list.kind) {
                    self.answer_list(id, &list);
                } else if let Some(session) = self.sessions.get_mut(&id) {
                    session.lists.push(list);
                }
            }
        }
    }

    /// Lists whose time is up get what is known.
    pub fn expire_lists(&mut self, now: Instant) {
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in ids {
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            let (late, rest) =
                std::mem::take(&mut session.lists).into_iter().partition(|list| list.deadline <= now);
            session.lists = rest;
            let late: Vec<WaitingList> = late;
            for list in late {
                self.answer_list(id, &list);
            }
        }
    }

    /// `resources/read` of loom's own resources.
    pub fn read_own(&mut self, request: &Request<'_>, uri: &str) -> Result<(), Refusal> {
        let wrong = |text: String| Refusal::new(code::INVALID_PARAMS, text);
        let parsed = inventory::parse(uri).map_err(wrong)?;
        // Of servers that were never listed it waits for the list, as a list of tools does.
        let lists_tools = matches!(parsed, Uri::Tools | Uri::Index | Uri::Page(_) | Uri::ServerPage { .. });
        if lists_tools && self.waits_for_way(request, Kind::Tools) {
            return Ok(());
        }
        let view = self.view_of(request.session)?;
        let size = self.sessions.get(&request.session).map_or(100, |session| session.hello.page_size);
        let size = size.clamp(10, 500);
        let pretty = |value: serde_json::Value| serde_json::to_string_pretty(&value).unwrap_or_default();
        let text = match parsed {
            Uri::Config => pretty(status::config(self)),
            Uri::Servers => pretty(serde_json::json!({ "servers": status::servers(self) })),
            Uri::Health => pretty(status::health(self)),
            Uri::Tools => inventory::tools(&view.view, RESOURCE_MAX),
            Uri::Index => inventory::index(&view.view, size).map_err(wrong)?,
            Uri::Page(page) => inventory::page(&view.view, None, page, size).map_err(wrong)?,
            Uri::ServerPage { server, page } => {
                inventory::page(&view.view, Some(&server), page, size).map_err(wrong)?
            }
        };
        self.answer(request, &inventory::read_result(uri, &text))
    }
}
