//! Streamable HTTP: every message of ours is a POST to the one URL.

use std::rc::Rc;
use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::Failure;
use super::answer::{self, Kind};
use super::ask::{self, ACCEPT, Old};
use super::lanes::{Arrival, Lanes, Next, is_built_on};
use super::listen;
use super::session::Session;
use super::site::{Role, Site, role};
use super::talk::Talk;
use crate::wire::scan;

/// How long a server has to accept a notification or an answer of ours.
const ACCEPT_WAIT: Duration = Duration::from_secs(30);
/// How long it has to end the session.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// How it ended.
pub enum End {
    Closed,
    /// The server speaks the old transport only.
    Old(Old),
}

/// What a task leaves behind.
enum Done {
    Nothing,
    /// `notifications/initialized` has been accepted.
    Introduced,
    Old(Old),
}

pub async fn serve(site: &Rc<Site>, outgoing: &mut UnboundedReceiver<Bytes>) -> End {
    let talk = Rc::new(Talk::new(site.clone()));
    let mut lanes = Lanes::new();
    let mut listener: Option<AbortHandle> = None;
    loop {
        match lanes.next(outgoing).await {
            Next::Line(line) => {
                let anew = dispatch(&talk, line, &mut lanes);
                if anew && let Some(listener) = listener.take() {
                    listener.abort();
                }
            }
            Next::Done(Done::Nothing) => {}
            Next::Done(Done::Introduced) => {
                let session = talk.session.borrow().clone();
                let listening = listen::listen(talk.clone(), session);
                let new = lanes.beside(async {
                    listening.await;
                    Done::Nothing
                });
                if let Some(old) = listener.replace(new) {
                    old.abort();
                }
            }
            Next::Done(Done::Old(old)) => return End::Old(old),
            Next::Closed => {
                drop(lanes);
                let session = talk.session.borrow().clone();
                close(&talk, &session).await;
                return End::Closed;
            }
        }
    }
}

/// Starts what a line asks for. True when it begins a session.
fn dispatch(talk: &Rc<Talk>, line: Bytes, lanes: &mut Lanes<Done>) -> bool {
    let Ok(envelope) = scan::envelope(line.trim_ascii()) else {
        talk.site.failed(line, Failure::Unsent("it is no JSON-RPC message".to_owned()));
        return false;
    };
    let text = line.trim_ascii();
    let method = envelope.method.clone().map_or(&b""[..], |method| &text[method]);
    let role = role(&envelope, text);
    let anew = matches!(role, Role::Request(_)) && method == br#""initialize""#;
    if anew {
        let (talk, old) = (talk.clone(), talk.session.borrow().clone());
        talk.session.borrow_mut().begin();
        lanes.beside(async move {
            close(&talk, &old).await;
            Done::Nothing
        });
    } else if !talk.session.borrow().is_open() {
        talk.site.failed(line, Failure::Forgotten(format!("there is no session with {}", talk.site.name())));
        return false;
    }
    let session = talk.session.borrow().clone();
    match role {
        Role::Request(id) => {
            let arrival = Rc::<Arrival>::default();
            let asking = ask::ask(talk.clone(), line.clone(), id.to_vec(), session, anew, arrival.clone());
            lanes.request(id, arrival, async { asking.await.map_or(Done::Nothing, Done::Old) });
            if is_built_on(method) {
                lanes.until_arrived(id, Done::Nothing);
            }
        }
        // A server that is slow with it must not hold up others.
        Role::Cancellation(id) => lanes.take_back(id, tell(talk.clone(), line.clone(), session, false)),
        Role::Answer(_) | Role::Other => {
            let introduces = method == br#""notifications/initialized""#;
            lanes.in_order(tell(talk.clone(), line.clone(), session, introduces));
        }
    }
    anew
}

/// Sends what has no answer.
async fn tell(talk: Rc<Talk>, line: Bytes, session: Session, introduces: bool) -> Done {
    match accept(&talk, line.clone(), session).await {
        Ok(()) if introduces => Done::Introduced,
        Ok(()) => Done::Nothing,
        Err(failure) => {
            talk.site.failed(line, failure);
            Done::Nothing
        }
    }
}

async fn accept(talk: &Talk, line: Bytes, session: Session) -> Result<(), Failure> {
    let mut request = talk.site.post(&talk.site.uri, ACCEPT, line);
    session.mark(&mut request);
    let late = || Failure::Cut(format!("{} did not accept it in time", talk.site.name()));
    let response = timeout(ACCEPT_WAIT, talk.site.send(request)).await.map_err(|_| late())??;
    if !response.status().is_success() {
        return Err(talk.refused(&session, response, b"").await.1);
    }
    if answer::kind(response.headers()) == Kind::Events {
        // Not what the specification says, but a stream is a stream. It is not kept: there is one for each message.
        let _ = timeout(ACCEPT_WAIT, listen::hear(&talk.site, response.into_body(), &mut Default::default()))
            .await;
    } else {
        answer::beginning(response.into_body()).await;
    }
    Ok(())
}

/// Tells the server that nobody comes back.
async fn close(talk: &Talk, session: &Session) {
    if session.is_kept() {
        let mut request = talk.site.request(Method::DELETE, &talk.site.uri, ACCEPT);
        session.mark(&mut request);
        // A server need not know DELETE, and need not be there any more.
        let _ = timeout(CLOSE_WAIT, talk.site.send(request)).await;
    }
}
