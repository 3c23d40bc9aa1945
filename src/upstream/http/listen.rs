//! Streams that are opened with a GET: the one for what the server says by itself, and the rest of one that was
//! cut.

use std::rc::Rc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use tokio::time::sleep;

use super::answer::{self, Kind};
use super::session::Session;
use super::site::Site;
use super::sse::{Item, Parser};
use super::talk::Talk;
use super::{Event, Failure};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The pause before a stream is opened again, unless the server says another.
const USUAL_PAUSE: Duration = Duration::from_secs(1);
/// No server needs us faster than this.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// Pauses grow up to this while nothing comes.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A stream that lasted so long was of use, even if nothing came.
const STEADY: Duration = Duration::from_secs(30);

/// Why there is no stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Shut {
    /// The server has none, or does not know this one.
    ForGood,
    /// The server cannot be reached, or asks to come later.
    ForNow(Failure),
}

/// How fast to try again. Pure.
#[derive(Debug, Default)]
pub struct Pace {
    /// Attempts since an event came.
    misses: u32,
}

impl Pace {
    /// An attempt is made, or failed.
    pub fn missed(&mut self) {
        self.misses += 1;
    }

    /// An event came.
    pub fn heard(&mut self) {
        self.misses = 0;
    }

    /// Exactly what the server asked for, until nothing comes.
    pub fn pause(&self, asked: Option<Duration>) -> Duration {
        let base = asked.unwrap_or(USUAL_PAUSE).max(SHORTEST_PAUSE);
        match self.misses {
            0 | 1 => base,
            misses => (base.max(USUAL_PAUSE / 2) * (1 << (misses - 2).min(10))).min(LONGEST_PAUSE.max(base)),
        }
    }
}

/// Opens a stream, from the beginning or after an event. There is no deadline: many servers send the head of
/// the answer with the first event. A server that says when to come again is given that time first.
///
/// `known`: the server has had such a stream under this session. One that knows no GET at all may say so with the
/// status that else means that it does not know the session.
pub async fn open(
    talk: &Talk,
    session: &Session,
    after: Option<&[u8]>,
    known: bool,
) -> Result<Incoming, Shut> {
    let site = &talk.site;
    let mut request = site.request(Method::GET, &site.uri, "text/event-stream");
    session.mark(&mut request);
    if let Some(id) = after {
        let id = HeaderValue::from_bytes(id).map_err(|_| Shut::ForGood)?;
        request.headers_mut().insert(LAST_EVENT_ID, id);
    }
    let response = site.send(request).await.map_err(Shut::ForNow)?;
    if response.status().is_success() {
        let events = answer::kind(response.headers()) == Kind::Events;
        return if events { Ok(response.into_body()) } else { Err(Shut::ForGood) };
    }
    let failure = match known {
        true => talk.refused(session, response, b"").await.1,
        false => answer::refusal(site, response).await.into(),
    };
    match failure {
        Failure::Refused { status: 408 | 425 | 429 | 500 | 502..=504 | 506..=599, retry_after, .. } => {
            sleep(retry_after.unwrap_or_default().min(LONGEST_PAUSE)).await;
            Err(Shut::ForNow(failure))
        }
        _ => Err(Shut::ForGood),
    }
}

/// Keeps the stream open on which the server says things by itself, for as long as it has one.
pub async fn listen(talk: Rc<Talk>, session: Session) {
    let mut parser = Parser::default();
    let mut pace = Pace::default();
    let (mut known, mut away) = (false, false);
    loop {
        pace.missed();
        match open(&talk, &session, parser.last_id(), known).await {
            Ok(body) => {
                known = true;
                if std::mem::take(&mut away) {
                    talk.site.emit(Event::Away(None));
                }
                let began = Instant::now();
                if hear(&talk.site, body, &mut parser).await || began.elapsed() >= STEADY {
                    pace.heard();
                }
            }
            // A server that lost its events may still have new ones.
            Err(Shut::ForGood) if parser.last_id().is_some() && talk.session.borrow().is_open() => {
                parser = Parser::default();
            }
            Err(Shut::ForGood) => return,
            Err(Shut::ForNow(Failure::Unsent(text))) if !std::mem::replace(&mut away, true) => {
                talk.site.emit(Event::Away(Some(&text)));
            }
            Err(Shut::ForNow(_)) => {}
        }
        parser.restart();
        sleep(pace.pause(parser.retry())).await;
    }
}

/// Hands on what comes until the stream ends, however that is. True when any event was complete.
pub async fn hear(site: &Site, mut body: Incoming, parser: &mut Parser) -> bool {
    let mut any = false;
    let mut held = site.held();
    while let Some(Ok(frame)) = body.frame().await {
        let Some(chunk) = frame.data_ref() else { continue };
        let limit = held.limit();
        held.set(0);
        any |= parser.feed(chunk, limit, |item| match item {
            Item::Event { kind: b"" | b"message", data } if !data.trim_ascii().is_empty() => {
                if site.deliver(data, None, |_, _| {}).is_err() {
                    tracing::debug!("an event was no JSON-RPC message");
                }
            }
            Item::Event { .. } => {}
            Item::Oversized(text) => tracing::debug!(bytes = text.len, "an event was too long"),
        });
        held.set(parser.held());
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_as_asked_and_grow_while_nothing_comes() {
        let ms = Duration::from_millis;
        let mut pace = Pace::default();
        assert_eq!((pace.pause(None), pace.pause(Some(ms(70)))), (ms(1000), ms(70)));
        let pauses: Vec<_> = (0..12)
            .map(|_| {
                pace.missed();
                pace.pause(Some(ms(70))).as_millis()
            })
            .collect();
        assert_eq!(pauses[..5], [70, 500, 1000, 2000, 4000]);
        assert_eq!(pauses[11], 60_000);
        assert_eq!(pace.pause(Some(ms(90_000))), ms(90_000));
        pace.heard();
        assert_eq!(pace.pause(Some(ms(0))), SHORTEST_PAUSE);
    }
}
