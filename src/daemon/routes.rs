//! The ways of requests that are about a prompt, a resource or a completion: which server, and what it calls it.

use std::borrow::Cow;
use std::time::Instant;

use super::call::Outgoing;
use super::request::{Refusal, Request, bad_params};
use super::session::SessionId;
use super::subscriptions::unknown;
use super::switch::Switch;
use crate::mcp::catalog::Kind;
use crate::mcp::inventory;
use crate::mcp::quote::quote;
use crate::mcp::toolname::is_short;
use crate::upstream::purpose::{Purpose, Search};
use crate::wire::code;
use crate::wire::id::Id;
use crate::wire::scan;

impl Switch {
    /// `prompts/get`: routes by name, as tools are.
    pub fn get_prompt(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let at = request.places.name.clone().ok_or_else(|| bad_params(request, "`name` is missing"))?;
        let name = scan::unquote(&request.line[at.clone()])
            .ok_or_else(|| bad_params(request, "`name` must be a text"))?;
        if is_short(&name) && self.waits_for_way(request, Kind::Prompts) {
            return Ok(());
        }
        let view = self.view_of(request.session)?;
        let (server, own) = view.prompts.route(&name).ok_or_else(|| unknown_prompt(&name))?;
        let member = view.member(server).ok_or_else(super::call::gone)?;
        self.hand_over(
            request,
            member,
            Outgoing { subject: Some((at, &own)), purpose: Purpose::Plain, tool: None },
        )
    }

    /// `resources/read`: loom's own, or a server's.
    pub fn read_resource(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let (_, uri) = request.uri()?;
        if inventory::is_own(&uri) {
            return self.read_own(request, &uri);
        }
        let view = self.view_of(request.session)?;
        if !view.resources.knows(&uri) && self.waits_for_resources(request) {
            return Ok(());
        }
        let view = self.view_of(request.session)?;
        let servers = view.resources.route(&uri).servers;
        let names = servers.iter().filter_map(|number| view.member(*number)).map(|one| one.name.clone());
        let rest = names.collect();
        let line = request.line.as_bytes().into();
        self.read_from(request, &Search { line, rest, began: request.now, likely: 0, error: None })
    }

    /// A URI that nobody is known to have may be in a list that is not known yet.
    pub fn waits_for_resources(&mut self, request: &Request<'_>) -> bool {
        self.waits_for_way(request, Kind::Resources)
    }

    /// Asks the first of these servers that can be asked for a resource; the others follow while the answer is an error.
    fn read_from(&mut self, request: &Request<'_>, search: &Search) -> Result<(), Refusal> {
        let (at, uri) = request.uri()?;
        let view = self.view_of(request.session)?;
        let route = view.resources.route(&uri);
        let own = quote(&route.own);
        let known = route.known().iter().filter_map(|number| view.member(*number));
        let known: Vec<&str> = known.map(|member| &*member.name).collect();
        let is_known = |name: &str| known.contains(&name);
        let mut refusal = unknown(&uri);
        for (place, server) in search.rest.iter().enumerate() {
            let Some(member) = view.members.iter().find(|member| member.name == *server) else {
                continue;
            };
            // Those before it have had all the time there is.
            if search.began + member.tool_timeout <= request.now {
                continue;
            }
            let is_only = search.rest.len() == 1 && search.began == request.now && search.error.is_none();
            let likely = search.rest[place..].iter().filter(|name| is_known(name)).count();
            let rest = search.rest[place + 1..].to_vec();
            let purpose = match is_only {
                true => Purpose::Plain,
                false => Purpose::Search(Box::new(Search { rest, likely, ..search.clone() })),
            };
            let outgoing = Outgoing { subject: Some((at.clone(), &own)), purpose, tool: None };
            match self.hand_over(request, member, outgoing) {
                Ok(()) => return Ok(()),
                Err(why) => refusal = why,
            }
            // The last that is likely to have it cannot be asked.
            if likely == 1 {
                break;
            }
        }
        Err(refusal)
    }

    /// A server did not know a resource: asks the next. False when there is none that can be asked.
    pub fn search_on(&mut self, session: SessionId, id: &Id, search: &Search) -> bool {
        let Ok(line) = std::str::from_utf8(&search.line) else { return false };
        let Ok(places) = scan::envelope(line.as_bytes()) else { return false };
        let Some(id_at) = places.id.clone() else { return false };
        if let Some(state) = self.sessions.get_mut(&session) {
            state.calls.remove(id.as_bytes());
        }
        let now = Instant::now();
        let method = "resources/read";
        let request =
            Request { session, line, id: &line[id_at.clone()], id_at, method, places: &places, now };
        !search.rest.is_empty() && self.read_from(&request, search).is_ok()
    }

    /// `completion/complete`: of a prompt's argument, or of a variable in a resource's URI.
    pub fn complete(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let missing = || bad_params(request, "`ref` must be a reference to a prompt or a resource");
        let reference = request.param("ref").ok_or_else(missing)?;
        let members = scan::members(&request.line.as_bytes()[reference.clone()], ["type", "name", "uri"]);
        let [kind, name, uri] = members.map_err(|_| missing())?;
        let place = |at: std::ops::Range<usize>| reference.start + at.start..reference.start + at.end;
        let kind = kind.and_then(|at| scan::unquote(&request.line[place(at)])).unwrap_or_default();
        let view = self.view_of(request.session)?;
        let (at, server, own) = match &*kind {
            "ref/prompt" => {
                let at = place(name.ok_or_else(missing)?);
                let name = scan::unquote(&request.line[at.clone()]).ok_or_else(missing)?;
                if is_short(&name) && self.waits_for_way(request, Kind::Prompts) {
                    return Ok(());
                }
                let view = self.view_of(request.session)?;
                let (server, own) = view.prompts.route(&name).ok_or_else(|| unknown_prompt(&name))?;
                (at, Some(server), Cow::into_owned(own))
            }
            "ref/resource" => {
                let at = place(uri.ok_or_else(missing)?);
                let uri = scan::unquote(&request.line[at.clone()]).ok_or_else(missing)?;
                if inventory::is_own(&uri) {
                    return self.answer(request, "{\"completion\":{\"values\":[]}}");
                }
                if !view.resources.knows(&uri) && self.waits_for_resources(request) {
                    return Ok(());
                }
                let route = view.resources.route_template(&uri);
                let able = |number: &&u32| {
                    view.member(**number).is_some_and(|one| self.server_can(one.instance, "completions"))
                };
                let server = route.likely().iter().find(able).or(route.servers.first()).copied();
                (at, server, quote(&route.own))
            }
            _ => return Err(missing()),
        };
        let nobody = || bad_params(request, "no server has what `ref` names");
        let member = server.and_then(|server| view.member(server)).ok_or_else(nobody)?;
        self.hand_over(
            request,
            member,
            Outgoing { subject: Some((at, &own)), purpose: Purpose::Plain, tool: None },
        )
    }
}

fn unknown_prompt(name: &str) -> Refusal {
    Refusal::new(code::INVALID_PARAMS, format!("unknown prompt: {name}"))
}
