//! The transport of 2024-11-05, HTTP+SSE: one stream on which everything comes, and an address, named by the
//! stream's first event, to which everything is sent.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use foldhash::HashMap;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Uri};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::Failure;
use super::answer::{self, Kind};
use super::ask::owner;
use super::client::broken;
use super::lanes::{Lanes, Next, is_built_on};
use super::site::{Role, Site, role};
use super::sse::{Item, Parser};
use crate::wire::LINE_MAX;
use crate::wire::id::Id;
use crate::wire::oversize::Oversized;
use crate::wire::scan;

/// How long the server has to name its address.
const ENDPOINT_WAIT: Duration = Duration::from_secs(10);
/// How long it has to accept a notification or an answer of ours.
const ACCEPT_WAIT: Duration = Duration::from_secs(30);

/// A stream whose address is known.
pub struct Opened {
    body: Incoming,
    parser: Parser,
    target: Uri,
}

/// Requests that have not been answered, for the time when the stream ends.
type Open = Rc<RefCell<HashMap<Id, Bytes>>>;

/// What a task leaves behind.
enum Done {
    Posted,
    /// The stream has ended, for this reason.
    Ended(String),
}

/// Finds out whether the server speaks this transport.
pub async fn open(site: &Site) -> Option<Opened> {
    timeout(ENDPOINT_WAIT, async {
        let request = site.request(Method::GET, &site.uri, "text/event-stream");
        let response = site.send(request).await.ok()?;
        if !response.status().is_success() || answer::kind(response.headers()) != Kind::Events {
            return None;
        }
        let (mut body, mut parser, mut target) = (response.into_body(), Parser::default(), None);
        loop {
            let frame = body.frame().await?.ok()?;
            let Some(chunk) = frame.data_ref() else { continue };
            parser.feed(chunk, LINE_MAX, |item| {
                if let Item::Event { kind: b"endpoint", data } = item {
                    target.get_or_insert_with(|| resolve(&site.uri, data));
                }
            });
            if let Some(target) = target {
                return Some(Opened { body, parser, target: target? });
            }
        }
    })
    .await
    .ok()
    .flatten()
}

/// Serves until nothing more will be sent, or the stream ends, which is an error. `first` is sent at once.
pub async fn serve(
    site: &Rc<Site>,
    opened: Opened,
    first: Bytes,
    outgoing: &mut UnboundedReceiver<Bytes>,
) -> Result<(), String> {
    let open = Open::default();
    let target = Rc::new(opened.target);
    let mut lanes = Lanes::new();
    lanes.beside(hear(site.clone(), opened.body, opened.parser, open.clone()));
    dispatch(site, &target, first, &open, &mut lanes);
    loop {
        match lanes.next(outgoing).await {
            Next::Line(line) => dispatch(site, &target, line, &open, &mut lanes),
            Next::Done(Done::Posted) => {}
            Next::Done(Done::Ended(text)) => {
                drop(lanes);
                for (_, line) in open.take() {
                    site.failed(line, Failure::Cut(text.clone()));
                }
                return Err(text);
            }
            Next::Closed => return Ok(()),
        }
    }
}

fn dispatch(site: &Rc<Site>, target: &Rc<Uri>, line: Bytes, open: &Open, lanes: &mut Lanes<Done>) {
    let message = line.clone();
    let text = message.trim_ascii();
    let Ok(envelope) = scan::envelope(text) else {
        site.failed(line, Failure::Unsent("it is no JSON-RPC message".to_owned()));
        return;
    };
    let (site, target) = (site.clone(), target.clone());
    match role(&envelope, text) {
        Role::Request(id) => {
            open.borrow_mut().insert(Id::from(id), line.clone());
            let (open, key) = (open.clone(), id.to_vec());
            lanes.request(id, Rc::default(), async move {
                let sent = post(&site, &target, line.clone()).await;
                // The answer may have come first.
                if let Err(failure) = sent
                    && open.borrow_mut().remove(&key[..]).is_some()
                {
                    site.failed(line, failure);
                }
                Done::Posted
            });
            if envelope.method.clone().is_some_and(|method| is_built_on(&text[method])) {
                lanes.until_arrived(id, Done::Posted);
            }
        }
        Role::Cancellation(id) => {
            open.borrow_mut().remove(id);
            lanes.take_back(id, tell(site, target, line));
        }
        Role::Answer(_) | Role::Other => lanes.in_order(tell(site, target, line)),
    }
}

/// Sends what has no answer.
async fn tell(site: Rc<Site>, target: Rc<Uri>, line: Bytes) -> Done {
    let sent = timeout(ACCEPT_WAIT, post(&site, &target, line.clone())).await;
    let late = || Err(Failure::Cut(format!("{} did not accept it in time", site.name())));
    if let Err(failure) = sent.unwrap_or_else(|_| late()) {
        site.failed(line, failure);
    }
    Done::Posted
}

async fn post(site: &Site, target: &Uri, line: Bytes) -> Result<(), Failure> {
    let response = site.send(site.post(target, "*/*", line)).await?;
    if !response.status().is_success() {
        return Err(answer::refusal(site, response).await.into());
    }
    // Mostly the word "Accepted".
    answer::beginning(response.into_body()).await;
    Ok(())
}

/// Hands on what comes on the stream until it ends.
async fn hear(site: Rc<Site>, mut body: Incoming, mut parser: Parser, open: Open) -> Done {
    let lost = |text: Oversized, failure: Failure| {
        let id = text.id.filter(|_| !text.has_method);
        let line = id.and_then(|id| open.borrow_mut().remove(&id[..]));
        if let Some(line) = line {
            site.failed(line, failure);
        }
    };
    let mut held = site.held();
    loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                let Some(chunk) = frame.data_ref() else { continue };
                let limit = held.limit();
                held.set(0);
                parser.feed(chunk, limit, |item| match item {
                    Item::Event { kind: b"" | b"message", data } if !data.trim_ascii().is_empty() => {
                        let seen = |role: Role<'_>, _: &[u8]| {
                            if let Role::Answer(id) = role {
                                open.borrow_mut().remove(id);
                            }
                        };
                        if let Err(failure) = site.deliver(data, None, seen) {
                            lost(owner(data), failure);
                        }
                    }
                    Item::Event { .. } => {}
                    Item::Oversized(text) => {
                        let failure = answer::too_large(&site, text.len);
                        lost(text, failure);
                    }
                });
                held.set(parser.held());
            }
            Some(Err(error)) => {
                let (Failure::Cut(text) | Failure::BadAnswer(text)) = broken(site.name(), &error) else {
                    return Done::Ended(format!("the stream of {} broke", site.name()));
                };
                return Done::Ended(text);
            }
            None => return Done::Ended(format!("{} ended its stream", site.name())),
        }
    }
}

/// Where a reference leads that a document at `base` holds, if that is on the same host.
fn resolve(base: &Uri, reference: &[u8]) -> Option<Uri> {
    let reference = std::str::from_utf8(reference).ok()?.trim();
    let origin = format!("{}://{}", base.scheme_str()?, base.authority()?);
    let path = base.path();
    let full = match reference.as_bytes() {
        [] => return None,
        _ if reference.contains("://") && !reference.starts_with(['/', '?']) => reference.to_owned(),
        [b'/', b'/', ..] => format!("{}:{reference}", base.scheme_str()?),
        [b'/', ..] => format!("{origin}{reference}"),
        [b'?', ..] => format!("{origin}{path}{reference}"),
        _ => format!("{origin}{}/{reference}", &path[..path.rfind('/').unwrap_or(0)]),
    };
    let uri: Uri = full.parse().ok()?;
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let same = uri.scheme() == base.scheme()
        && uri.host().is_some_and(|host| base.host().is_some_and(|ours| host.eq_ignore_ascii_case(ours)))
        && port(&uri) == port(base)
        && !uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    same.then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_resolved_and_stays_on_the_host() {
        let base: Uri = "https://a.example/v1/sse?x=1".parse().unwrap();
        for (reference, want) in [
            ("/messages?s=1", Some("https://a.example/messages?s=1")),
            ("messages/?s=1", Some("https://a.example/v1/messages/?s=1")),
            ("?s=1", Some("https://a.example/v1/sse?s=1")),
            ("https://A.example:443/m", Some("https://a.example:443/m")),
            ("//a.example/m", Some("https://a.example/m")),
            ("/m?to=http://b.example", Some("https://a.example/m?to=http://b.example")),
            ("https://b.example/m", None),
            ("http://a.example/m", None),
            ("https://a.example:8443/m", None),
            ("//b.example/m", None),
            ("https://me@a.example/m", None),
            ("https://a.example@b.example/m", None),
            ("", None),
            ("/a b", None),
        ] {
            let got = resolve(&base, reference.as_bytes()).map(|uri| uri.to_string());
            let want = want.map(str::to_owned);
            assert_eq!(got.map(|uri| uri.to_lowercase()), want, "{reference}");
        }
    }
}
