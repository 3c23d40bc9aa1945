//! One request and its answer, in whatever form that comes: at once, on a stream, or on a stream that goes on
//! after it was cut.

use std::rc::Rc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, Incoming};
use tokio::time::{sleep, timeout};

use super::Failure;
use super::answer::{self, Kind};
use super::client::broken;
use super::lanes::Arrival;
use super::legacy::{self, Opened};
use super::listen::{self, Pace, Shut};
use super::session::Session;
use super::site::{Held, Role};
use super::sse::{Item, Parser};
use super::talk::Talk;
use crate::wire::oversize::{Oversized, Tracker};
use crate::wire::scan;

/// What we take.
pub const ACCEPT: &str = "application/json, text/event-stream";
/// So many attempts in a row to go on with a stream may fail.
const RESUMES_MAX: u32 = 5;
/// How long the end of a stream is waited for once the answer is there, so that the connection stays of use.
const LINGER: Duration = Duration::from_secs(1);

/// The server speaks the old transport only; the line, an `initialize`, has not been processed.
pub struct Old {
    pub opened: Box<Opened>,
    pub line: Bytes,
}

/// Sends a request and sees to its answer. `introduces`: it is an `initialize`. `arrival` is told when the server begins to
/// answer.
pub async fn ask(
    talk: Rc<Talk>,
    line: Bytes,
    id: Vec<u8>,
    session: Session,
    introduces: bool,
    arrival: Rc<Arrival>,
) -> Option<Old> {
    let first = introduces && !session.was_open();
    let mut ask = Ask { talk: &talk, line, session, id: &id, introduces, arrival: &arrival, answered: false };
    let failure = ask.run().await.err().filter(|_| !ask.answered)?;
    let line = ask.line;
    // What a server that knows only the old transport says to a POST.
    if first
        && matches!(failure, Failure::Refused { status: 400 | 404 | 405, .. })
        && let Some(opened) = legacy::open(&talk.site).await
    {
        return Some(Old { opened: Box::new(opened), line });
    }
    talk.site.failed(line, failure);
    None
}

/// Whose answer a text is that was too long, or is no JSON.
pub fn owner(text: &[u8]) -> Oversized {
    let mut tracker = Tracker::default();
    tracker.feed(text);
    tracker.finish()
}

struct Ask<'a> {
    talk: &'a Talk,
    /// Until it is answered.
    line: Bytes,
    session: Session,
    /// Raw JSON.
    id: &'a [u8],
    introduces: bool,
    arrival: &'a Arrival,
    answered: bool,
}

impl Ask<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        let site = self.talk.site.clone();
        let mut request = site.post(&site.uri, ACCEPT, self.line.clone());
        self.session.mark(&mut request);
        let response = site.send(request).await?;
        self.arrival.tell();
        let status = response.status();
        if !status.is_success() {
            let (body, failure) = self.talk.refused(&self.session, response, self.id).await;
            return self.answered_by_refusal(&body, failure);
        }
        if self.introduces {
            let mut session = self.talk.session.borrow_mut();
            session.name(self.session.number(), response.headers());
        }
        match answer::kind(response.headers()) {
            Kind::Json => {
                let text = answer::whole(&site, response).await?;
                self.deliver(&text)?;
                if self.answered { Ok(()) } else { Err(self.unanswered(&text)) }
            }
            Kind::Events => self.follow(response.into_body()).await,
            Kind::Other(kind) => Err(answer::strange(&site, status, &kind, response.into_body()).await),
        }
    }

    /// Some servers send the JSON-RPC error that answers the request with a status of HTTP.
    fn answered_by_refusal(&mut self, body: &[u8], failure: Failure) -> Result<(), Failure> {
        let Failure::Refused { status: 400 | 404..=406 | 409..=428, .. } = failure else {
            return Err(failure);
        };
        if answer::is_error_for(body, self.id) { self.deliver(body) } else { Err(failure) }
    }

    fn unanswered(&self, text: &[u8]) -> Failure {
        let site = &self.talk.site;
        Failure::BadAnswer(format!("{} did not answer this request but: {}", site.name(), site.excerpt(text)))
    }

    fn deliver(&mut self, text: &[u8]) -> Result<(), Failure> {
        let (talk, number, introduces, id) = (self.talk, self.session.number(), self.introduces, self.id);
        let (answered, line) = (&mut self.answered, &mut self.line);
        talk.site.deliver(text, Some(id), |role, message| {
            if role == Role::Answer(id) {
                *answered = true;
                *line = Bytes::new();
                if introduces {
                    opened(talk, number, message);
                }
            }
        })
    }

    /// Reads the stream, and what continues it, until the answer has come.
    async fn follow(&mut self, mut body: Incoming) -> Result<(), Failure> {
        let mut parser = Parser::default();
        let mut pace = Pace::default();
        let site = self.talk.site.clone();
        loop {
            pace.missed();
            let cut = self.hear(&mut parser, site.held(), body, &mut pace).await?;
            if self.answered {
                return Ok(());
            }
            if parser.last_id().is_none() {
                return Err(cut);
            }
            body = self.resume(&parser, &mut pace, cut).await?;
            parser.restart();
        }
    }

    /// Reads one stream to its end, which is returned as what it means without an answer.
    async fn hear(
        &mut self,
        parser: &mut Parser,
        mut held: Held<'_>,
        mut body: Incoming,
        pace: &mut Pace,
    ) -> Result<Failure, Failure> {
        let name = self.talk.site.name().to_owned();
        loop {
            let frame = if self.answered {
                timeout(LINGER, body.frame()).await.ok().flatten()
            } else {
                body.frame().await
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                None => return Ok(Failure::Cut(format!("{name} ended the stream without the answer"))),
                Some(Err(error)) => return Ok(broken(&name, &error)),
                Some(Ok(Ok(data))) => {
                    if self.take(parser, &mut held, &data)? {
                        pace.heard();
                    }
                }
                // Trailers say nothing to us.
                Some(Ok(Err(_))) => {}
            }
        }
    }

    /// Hands on the messages of a chunk. True when an event was complete.
    fn take(&mut self, parser: &mut Parser, held: &mut Held<'_>, chunk: &[u8]) -> Result<bool, Failure> {
        let mut wrong = None;
        let ours = |text: Oversized, id: &[u8]| !text.has_method && text.id.as_deref() == Some(id);
        let limit = held.limit();
        // What has come of it is handed over now: it does not count twice.
        held.set(0);
        let any = parser.feed(chunk, limit, |item| match item {
            Item::Event { kind: b"" | b"message", data } if !data.trim_ascii().is_empty() => {
                match self.deliver(data) {
                    Err(failure) if ours(owner(data), self.id) => wrong = Some(failure),
                    Err(_) => tracing::debug!("an event was no JSON-RPC message"),
                    Ok(()) => {}
                }
            }
            Item::Event { .. } => {}
            Item::Oversized(text) => {
                let len = text.len;
                if ours(text, self.id) {
                    wrong = Some(answer::too_large(&self.talk.site, len));
                }
            }
        });
        held.set(parser.held());
        wrong.filter(|_| !self.answered).map_or(Ok(any), Err)
    }

    /// Goes on with a cut stream after its last event. `cut` is the failure when that cannot be done.
    async fn resume(&self, parser: &Parser, pace: &mut Pace, cut: Failure) -> Result<Incoming, Failure> {
        // The session may have got its name from the very answer that was cut.
        let session = match self.talk.session.borrow().clone() {
            current if current.number() == self.session.number() => current,
            _ => self.session.clone(),
        };
        for _ in 0..RESUMES_MAX {
            sleep(pace.pause(parser.retry())).await;
            match listen::open(self.talk, &session, parser.last_id(), true).await {
                Ok(body) => return Ok(body),
                Err(Shut::ForGood) => return Err(cut),
                Err(Shut::ForNow(_)) => pace.missed(),
            }
        }
        Err(cut)
    }
}

/// The result of `initialize` has come: the session is open for other lines.
fn opened(talk: &Talk, number: u64, message: &[u8]) {
    let Ok([Some(result)]) = scan::members(message, ["result"]) else { return };
    let result = &message[result];
    let version = scan::members(result, ["protocolVersion"]).ok().and_then(|[version]| version);
    let version = version.and_then(|place| std::str::from_utf8(&result[place]).ok()).and_then(scan::unquote);
    talk.session.borrow_mut().open(number, version.as_deref());
}
