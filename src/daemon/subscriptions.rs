//! Subscriptions to resources: each client's own, one at the server for all of them.

use std::rc::Rc;

use super::call::Outgoing;
use super::ending::CallEnd;
use super::local::ListKind;
use super::request::{Refusal, Request};
use super::session::SessionId;
use super::switch::Switch;
use super::views::{ClientView, Member};
use crate::mcp::catalog::Kind;
use crate::mcp::inventory;
use crate::mcp::quote::quote;
use crate::upstream::calls::Asker;
use crate::upstream::greeting::Greeting;
use crate::upstream::instance::{Demand, InstanceId};
use crate::upstream::purpose::Purpose;
use crate::wire::code;
use crate::wire::reply;
use crate::wire::scan;

/// What a client has subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub instance: InstanceId,
    /// Its server.
    pub server: Rc<str>,
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

    /// The server of a view that a subscription is for, and the URI as it has it: of the likely ones the first that
    /// may tell of changes, else the first.
    fn server_of<'v>(&self, view: &'v Rc<ClientView>, uri: &str) -> Option<(&'v Member, String)> {
        let route = view.resources.route(uri);
        let members = route.likely().iter().filter_map(|number| view.member(*number));
        let members = members.filter(|member| self.may_have(member.instance, Kind::Resources));
        let members: Vec<&Member> = members.collect();
        // One that has not greeted yet may be able to.
        let able = |member: &&&Member| {
            let greeting =
                self.instances.get(&member.instance).and_then(|instance| instance.greeting.as_ref());
            greeting.is_none_or(Greeting::tells_of_resources)
        };
        let member = members.iter().find(able).or(members.first())?;
        Some((member, route.own.into_owned()))
    }

    /// A server has agreed.
    pub fn subscribed(&mut self, id: InstanceId, session: SessionId, uri: &str) {
        let Ok(view) = self.view_of(session) else { return };
        let Some(instance) = self.instances.get(&id) else { return };
        let server = instance.name().into();
        let own = view.resources.route(uri).own.into_owned();
        if let Some(session) = self.sessions.get_mut(&session) {
            session.subscriptions.insert(uri.to_owned(), Subscription { instance: id, server, own });
        }
        // While it waited for the server, lists may have come that say whose the URI is.
        self.announce_soon();
    }

    /// `resources/unsubscribe`: the server is told when it was the last.
    pub fn unsubscribe(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let (at, uri) = request.uri()?;
        // It must not overtake the subscription that it ends.
        if self.subscription_waits(request.session, &uri) && self.waits_for_resources(request) {
            return Ok(());
        }
        let view = self.view_of(request.session)?;
        let session = self.sessions.get_mut(&request.session).ok_or_else(super::call::gone)?;
        // What was never subscribed to, or is not any more, is as it should be.
        let subscription = session.subscriptions.remove(&*uri);
        let subscription = subscription.or_else(|| self.take_back(request.session, &view, &uri));
        let last = subscription.filter(|subscription| !self.is_wanted(subscription));
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

    /// Whether a subscription to this URI waits for the lists that say whose it is.
    fn subscription_waits(&self, session: SessionId, uri: &str) -> bool {
        let is_it = |line: &[u8]| {
            let line = std::str::from_utf8(line).unwrap_or_default();
            scan::find_text(line, &["method"]).is_some_and(|method| method == "resources/subscribe")
                && scan::find_text(line, &["params", "uri"]).is_some_and(|found| found == uri)
        };
        let mut lists = self.sessions.get(&session).into_iter().flat_map(|state| &state.lists);
        lists.any(|list| matches!(&list.kind, ListKind::Way(_, line) if is_it(line)))
    }

    fn goes_at_once(&self, id: InstanceId, session: SessionId) -> bool {
        self.instances.get(&id).is_some_and(|instance| instance.open_for_calls(session))
    }

    /// A subscription that its server has not agreed to yet: it will not be one. `None` also of one that the server has
    /// not heard of.
    fn take_back(&mut self, session: SessionId, view: &ClientView, uri: &str) -> Option<Subscription> {
        let calls = &self.sessions.get(&session)?.calls;
        let (id, call) = *calls.values().find(|(id, call)| {
            let instance = self.instances.get_mut(id);
            instance.is_some_and(|instance| instance.calls.forget_subscription(*call, uri))
        })?;
        let instance = self.instances.get(&id)?;
        if instance.calls.get(call)?.sent.is_some() {
            let own = view.resources.route(uri).own.into_owned();
            return Some(Subscription { instance: id, server: instance.name().into(), own });
        }
        let open = self.withdraw(id, call, "the client unsubscribed")?;
        if let Asker::Client { id: request, .. } = &open.asker {
            self.sessions.get_mut(&session)?.calls.remove(request.as_bytes());
            self.answer_to(session, &String::from_utf8_lossy(request.as_bytes()), "{}");
        }
        self.tapped_open(Some(open), CallEnd::Cancelled);
        None
    }

    fn is_subscribed(&self, subscription: &Subscription) -> bool {
        self.sessions.values().any(|session| session.subscriptions.values().any(|own| own == subscription))
    }

    /// Whether somebody is subscribed, or has asked to be.
    fn is_wanted(&self, subscription: &Subscription) -> bool {
        // A view that is being made anew may lead there.
        let leads_there = |session: SessionId, uri: &str| {
            let view = self.sessions.get(&session).and_then(|session| session.view.as_ref());
            view.is_none_or(|view| view.resources.route(uri).own == *subscription.own)
        };
        let instance = self.instances.get(&subscription.instance);
        let mut asked = instance.into_iter().flat_map(|instance| instance.calls.subscribing());
        self.is_subscribed(subscription) || asked.any(|(session, uri)| leads_there(session, uri))
    }

    /// `notifications/resources/updated`: to whoever subscribed, under the URI it used; also of a part of what it
    /// subscribed to.
    pub fn resource_updated(&mut self, id: InstanceId, params: &str) {
        let Ok([Some(at)]) = scan::members(params.as_bytes(), ["uri"]) else { return };
        let Some(uri) = scan::unquote(&params[at.clone()]) else { return };
        let mut told: Vec<(SessionId, String)> = Vec::new();
        for (session, state) in &self.sessions {
            let own = || state.subscriptions.iter().filter(|(_, one)| one.instance == id);
            let before = told.len();
            told.extend(own().filter(|(_, one)| one.own == uri).map(|(used, _)| (*session, quote(used))));
            if told.len() == before && own().any(|(_, one)| is_part(&uri, &one.own)) {
                told.push((*session, quote(&uri)));
            }
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
            if !self.is_wanted(&one) {
                let params = format!("{{\"uri\":{}}}", quote(&one.own));
                self.send_errand(one.instance, "resources/unsubscribe", &params);
            }
        }
    }

    /// The view of a session may have other instances now, or know better whose a URI is: subscriptions go along.
    pub fn move_subscriptions(&mut self, id: SessionId) {
        if self.sessions.get(&id).is_none_or(|session| session.subscriptions.is_empty()) {
            return;
        }
        let Ok(view) = self.view_of(id) else { return };
        let Some(session) = self.sessions.get(&id) else { return };
        let moved: Vec<(String, Subscription)> = session
            .subscriptions
            .iter()
            .filter_map(|(uri, one)| Some((uri.clone(), self.successor(&view, uri, one)?)))
            .collect();
        for (uri, new) in moved {
            let known = self.is_subscribed(&new);
            let Some(session) = self.sessions.get_mut(&id) else { return };
            let old = session.subscriptions.insert(uri, new.clone());
            self.drop_subscriptions(old.into_iter());
            match self.instances.get_mut(&new.instance) {
                Some(state) if state.is_ready() && !known => {
                    let params = format!("{{\"uri\":{}}}", quote(&new.own));
                    self.send_errand(new.instance, "resources/subscribe", &params);
                }
                // It subscribes when it is ready.
                Some(state) => state.want(Demand::Call),
                None => {}
            }
        }
    }

    /// What takes the place of a subscription, if anything must: of a URI that can be one server's only, that server;
    /// else, when its instance is no longer the client's, the new one of the same server.
    fn successor(&self, view: &Rc<ClientView>, uri: &str, old: &Subscription) -> Option<Subscription> {
        let route = view.resources.route(uri);
        let lost = view.number(old.instance).is_none();
        let namesake = || view.members.iter().find(|member| member.name == old.server);
        let member = match *route.likely() {
            [owner] => view.member(owner)?,
            _ if lost => namesake().or_else(|| Some(self.server_of(view, uri)?.0))?,
            _ => return None,
        };
        let own = route.own.into_owned();
        let new = Subscription { instance: member.instance, server: member.name.clone(), own };
        Some(new).filter(|new| new != old)
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
