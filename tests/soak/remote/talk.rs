//! One connection: requests of HTTP one after the other.

use std::io::{self, BufReader};
use std::net::TcpStream;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::support::elsewhere::http::{self, Request};
use super::session::{Head, OWN, Session};
use super::{RESTS, Site};

#[derive(Deserialize)]
struct Cancelled<'a> {
    #[serde(borrow)]
    params: CancelledParams<'a>,
}

#[derive(Deserialize)]
struct CancelledParams<'a> {
    #[serde(borrow, rename = "requestId")]
    id: &'a RawValue,
}

/// Until the client goes or a stream is cut.
pub fn while_open(stream: &TcpStream, site: &Arc<Site>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let request = Request::read(&mut reader).ok()?;
        one(stream, site, &request).ok()?;
    }
}

fn one(stream: &TcpStream, site: &Arc<Site>, request: &Request) -> io::Result<()> {
    let head: Head<'_> = serde_json::from_str(&request.body).unwrap_or_default();
    let begins = head.method.as_deref() == Some("initialize");
    let session = match begins {
        true => Some(site.open()),
        false => site.session(request.header("mcp-session-id")).map(|session| (RESTS, session)),
    };
    let Some((begun, session)) = session else { return http::answer(stream, 404, "", "Session not found") };
    match request.method.as_str() {
        "GET" => listen(stream, &session, request.header("last-event-id")),
        "DELETE" => {
            site.close(&session);
            http::answer(stream, 200, "", "")
        }
        _ => match (head.id, head.method.as_deref()) {
            (Some(id), Some(_)) => {
                let (number, events) = session.expect(id.get(), &request.body);
                let named = format!("Mcp-Session-Id: {begun}\r\n");
                let reader = events.open();
                // Who hears that it was taken may build on that.
                session.tell(&request.body);
                http::begin_events(stream, if begins { &named } else { "" })?;
                events.read(reader, number, 0, stream)?;
                session.forget(number);
                Ok(())
            }
            (_, method) => {
                session.tell(&request.body);
                if method == Some("notifications/cancelled")
                    && let Ok(cancelled) = serde_json::from_str::<Cancelled<'_>>(&request.body)
                {
                    session.give_up(cancelled.params.id.get());
                }
                http::answer(stream, 202, "", "")
            }
        },
    }
}

/// The stream of what belongs to no request, or one that goes on after this event.
fn listen(stream: &TcpStream, session: &Session, after: &str) -> io::Result<()> {
    let place =
        after.split_once('.').and_then(|(number, from)| Some((number.parse().ok()?, from.parse().ok()?)));
    let (number, from) = place.unwrap_or((OWN, 0));
    let Some(events) = session.stream(number) else { return http::answer(stream, 404, "", "No such stream") };
    http::begin_events(stream, "")?;
    let reader = events.open();
    events.read(reader, number, from, stream)?;
    session.forget(number);
    Ok(())
}
