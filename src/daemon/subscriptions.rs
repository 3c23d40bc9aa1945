//! Subscriptions to resources: each client's own, one at the server for all of them.

use std::rc::Rc;

use super::call::Outgoing;
use super::request::{Refusal, Request};
use super::session::SessionId;
use super::switch::Switch;
use super::views::{ClientView, Member};
use crate::mcp::catalog::Kind;
use crate::mcp::inventory;
use crate::mcp::quote::quote;
use crate::upstream::instance::{Demand, InstanceId};
use crate::upstream::purpose::Purpose;
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
    /// `resources/subscribe`: the server is told of every one, and answers.
    pub fn subscribe(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let (at, uri) = request.uri()?;
        if inventory::is_own(&uri) {
            return Err(Refusal::new(
                code::INVALID_PARAMS,
                format!("{uri} is loom's own; nobody tells of changes"),
            ));
        }
        let view = self.view_of(request.session)?;
        if !view.resources.knows(&uri) && self.waits_for_resources(request) {
            return Ok(());
        }
        let view = self.view_of(request.session)?;
        let (member, own) = self.server_of(&view, &uri).ok_or_else(|| unknown(&uri))?;
        let own = quote(&own);
        let purpose = Purpose::Subscribe((&*uri).into());
        self.hand_over(request, member, Outgoing { subject: Some((at, &own)), purpose, tool: None })
    }

    /// The server of a view that a subscription is for, and the URI as it has it. The same at each call, as long as the
    /// view is.
    fn server_of<'v>(&self, view: &'v Rc<ClientView>, uri: &str) -> Option<(&'v Member, String)> {
        let route = view.resources.route(uri);
        let mut members = route.servers.iter().filter_map(|number| view.member(*number));
        let member = members.find(|member| self.may_have(member.instance, Kind::Resources))?;
        Some((member, route.own.into_owned()))
    }

    /// A server has agreed.
    pub fn subscribed(&mut self, id: InstanceId, session: SessionId, uri: &str) {
        let Ok(view) = self.view_of(session) else { return };
        let own = view.resources.route(uri).own.into_owned();
        if let Some(session) = self.sessions.get_mut(&session) {
            session.subscriptions.insert(uri.to_owned(), Subscription { instance: id, own });
        }
    }

    /// `resources/unsubscribe`: the server is told when it was the last.
    pub fn unsubscribe(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let (at, uri) = request.uri()?;
        let view = self.view_of(request.session)?;
        let session = self.sessions.get_mut(&request.session).ok_or_else(super::call::gone)?;
        // What was never subscribed to, or is not any more, is as it should be.
        let subscription = session.subscriptions.remove(&*uri);
        let last = subscription.filter(|subscription| !self.is_subscribed(subscription));
        let found = last.and_then(|last| {
            let member = view.members.iter().find(|member| member.instance == last.instance)?;
            Some((member, quote(&last.own)))
        });
        match found {
            None => self.answer(request, "{}"),
            // A server that is not ready is told at its next start what it is to watch. One that is busy must not hear of
            // this after what others ask later: it is told now, beside its queue.
            Some((member, own)) if !self.goes_at_once(member.instance, request.session) => {
                self.send_errand(member.instance, "resources/unsubscribe", &format!("{{\"uri\":{own}}}"));
                self.answer(request, "{}")
            }
            Some((member, own)) => {
                let outgoing = Outgoing { subject: Some((at, &own)), purpose: Purpose::Plain, tool: None };
                self.hand_over(request, member, outgoing)
            }
        }
    }

    fn goes_at_once(&self, id: InstanceId, session: SessionId) -> bool {
        self.instances.get(&id).is_some_and(|instance| instance.open_for_calls(session))
    }

    fn is_subscribed(&self, subscription: &Subscription) -> bool {
        self.sessions.values().any(|session| session.subscriptions.values().any(|own| own == subscription))
    }

    /// `notifications/resources/updated`: to whoever subscribed, under the URI it used; also of a part of what it
    /// subscribed to.
    pub fn resource_updated(&mut self, id: InstanceId, params: &str) {
        let Ok([Some(at)]) = scan::members(params.as_bytes(), ["uri"]) else { return };
        let Some(uri) = scan::unquote(&params[at.clone()]) else { return };
        let mut told: Vec<(SessionId, String)> = Vec::new();
        for (session, state) in &self.sessions {
            let own = || state.subscriptions.iter().filter(|(_, one)| one.instance == id);
            let exact = own().find(|(_, one)| one.own == uri).map(|(used, _)| quote(used));
            let part = own().any(|(_, one)| is_part(&uri, &one.own)).then(|| quote(&uri));
            told.extend(exact.or(part).map(|used| (*session, used)));
        }
        for (session, used) in told {
            let params = reply::spliced(params, &[(at.clone(), used.as_bytes())]);
            let params = self.told(id, &params).into_owned();
            self.notify(session, "notifications/resources/updated", &params);
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

    /// The view of a session may have other instances now: subscriptions at one that it has no more go along.
    pub fn move_subscriptions(&mut self, id: SessionId) {
        if self.sessions.get(&id).is_none_or(|session| session.subscriptions.is_empty()) {
            return;
        }
        let Ok(view) = self.view_of(id) else { return };
        let lost = |one: &Subscription| view.number(one.instance).is_none();
        let Some(session) = self.sessions.get(&id) else { return };
        let uris: Vec<String> =
            session.subscriptions.iter().filter(|(_, one)| lost(one)).map(|(uri, _)| uri.clone()).collect();
        for uri in uris {
            let Some((member, own)) = self.server_of(&view, &uri) else { continue };
            let instance = member.instance;
            if let Some(session) = self.sessions.get_mut(&id) {
                session.subscriptions.insert(uri, Subscription { instance, own: own.clone() });
            }
            match self.instances.get_mut(&instance) {
                Some(state) if state.is_ready() => {
                    self.send_errand(
                        instance,
                        "resources/subscribe",
                        &format!("{{\"uri\":{}}}", quote(&own)),
                    );
                }
                // It subscribes when it is ready.
                Some(state) => state.want(Demand::Call),
                None => {}
            }
        }
    }
}

/// Whether a URI names a part of a resource.
fn is_part(uri: &str, whole: &str) -> bool {
    let rest = uri.strip_prefix(whole).filter(|rest| !whole.is_empty() && !rest.is_empty());
    rest.is_some_and(|rest| whole.ends_with('/') || rest.starts_with(['/', '?', '#']))
}

pub fn unknown(uri: &str) -> Refusal {
    Refusal::new(code::RESOURCE_NOT_FOUND, format!("there is no resource {uri}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_begin_at_a_boundary() {
        for (uri, whole, want) in [
            ("u://a/b", "u://a", true),
            ("u://a/b", "u://a/", true),
            ("u://a?x", "u://a", true),
            ("u://ab", "u://a", false),
            ("u://a", "u", false),
            ("u://a", "", false),
            ("u://a", "u://a", false),
        ] {
            assert_eq!(is_part(uri, whole), want, "{uri} {whole}");
        }
    }
}
