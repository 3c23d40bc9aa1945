//! Subscriptions to resources: each client's own, one at the server for all of them.

use super::call::Outgoing;
use super::request::{Refusal, Request, bad_params};
use super::session::SessionId;
use super::switch::Switch;
use crate::mcp::quote::quote;
use crate::upstream::calls::Purpose;
use crate::upstream::instance::InstanceId;
use crate::wire::code;
use crate::wire::reply;
use crate::wire::scan;

/// What a client has subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub instance: InstanceId,
    /// The URI as the server has it.
    pub own: String,
}

impl Switch {
    /// `resources/subscribe`: every one is told the server, which answers.
    pub fn subscribe(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let (at, uri) = request.uri()?;
        let view = self.view_of(request.session)?;
        let route = view.resources.route(&uri);
        let subscribes = |id| self.server_can(id, "resources");
        let member = route.servers.iter().filter_map(|number| view.member(*number));
        let member = member.min_by_key(|member| !subscribes(member.instance)).ok_or_else(|| unknown(&uri))?;
        if let Some(session) = self.sessions.get_mut(&request.session) {
            let own = route.own.clone().into_owned();
            session.subscriptions.insert(uri.to_string(), Subscription { instance: member.instance, own });
        }
        let own = quote(&route.own);
        self.hand_over(
            request,
            member,
            Outgoing { subject: Some((at, &own)), purpose: Purpose::Plain, tool: None },
        )
    }

    /// `resources/unsubscribe`: the server is told when it was the last.
    pub fn unsubscribe(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let (at, uri) = request.uri()?;
        let view = self.view_of(request.session)?;
        let session = self.sessions.get_mut(&request.session).ok_or_else(super::call::gone)?;
        let Some(subscription) = session.subscriptions.remove(&*uri) else {
            return Err(bad_params(request, &format!("{uri} is not subscribed to")));
        };
        let member = view.members.iter().find(|member| member.instance == subscription.instance);
        let Some(member) = member.filter(|_| !self.is_subscribed(&subscription)) else {
            return self.answer(request, "{}");
        };
        let own = quote(&subscription.own);
        self.hand_over(
            request,
            member,
            Outgoing { subject: Some((at, &own)), purpose: Purpose::Plain, tool: None },
        )
    }

    fn is_subscribed(&self, subscription: &Subscription) -> bool {
        self.sessions.values().any(|session| session.subscriptions.values().any(|own| own == subscription))
    }

    /// `notifications/resources/updated`: to whoever subscribed, under the URI it used. A part of a resource, which
    /// nobody subscribed to by name, goes to whoever subscribed to what it begins with.
    pub fn resource_updated(&mut self, id: InstanceId, params: &str) {
        let Ok([Some(at)]) = scan::members(params.as_bytes(), ["uri"]) else { return };
        let Some(uri) = scan::unquote(&params[at.clone()]) else { return };
        for (session, state) in &mut self.sessions {
            let own = state.subscriptions.iter().filter(|(_, one)| one.instance == id);
            let exact = own.clone().find(|(_, one)| one.own == uri).map(|(used, _)| quote(used));
            let part = own.clone().any(|(_, one)| uri.starts_with(&one.own)).then(|| quote(&uri));
            let Some(used) = exact.or(part) else { continue };
            let mut told = Vec::new();
            reply::splice(&mut told, params.as_bytes(), &[(at.clone(), used.as_bytes())]);
            told.pop();
            let told = String::from_utf8_lossy(&told);
            reply::notification(state.out.tail(), "notifications/resources/updated", &told);
            self.dirty_sessions.insert(*session);
        }
    }

    /// A server begins a new life: it is told again what its clients subscribed to.
    pub fn subscribe_again(&mut self, id: InstanceId) {
        let sessions = self.sessions.values().flat_map(|session| session.subscriptions.values());
        let mut uris: Vec<String> =
            sessions.filter(|one| one.instance == id).map(|one| one.own.clone()).collect();
        uris.sort_unstable();
        uris.dedup();
        for uri in uris {
            self.send_errand(id, "resources/subscribe", &format!("{{\"uri\":{}}}", quote(&uri)));
        }
    }

    /// A client is gone: what nobody else subscribed to ends.
    pub fn drop_subscriptions(&mut self, subscriptions: impl Iterator<Item = Subscription>) {
        for one in subscriptions {
            if !self.is_subscribed(&one) {
                let params = format!("{{\"uri\":{}}}", quote(&one.own));
                self.send_errand(one.instance, "resources/unsubscribe", &params);
            }
        }
    }

    /// The view of a session has other instances now: its subscriptions go along.
    pub fn move_subscriptions(&mut self, id: SessionId) {
        let Ok(view) = self.view_of(id) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let mut moved = Vec::new();
        for (uri, one) in &mut session.subscriptions {
            let route = view.resources.route(uri);
            let now = route.servers.first().and_then(|number| view.member(*number));
            if let Some(member) = now.filter(|member| member.instance != one.instance) {
                one.instance = member.instance;
                moved.push(one.clone());
            }
        }
        for one in moved {
            let params = format!("{{\"uri\":{}}}", quote(&one.own));
            self.send_errand(one.instance, "resources/subscribe", &params);
        }
    }
}

pub fn unknown(uri: &str) -> Refusal {
    Refusal::new(code::RESOURCE_NOT_FOUND, format!("there is no resource {uri}"))
}
