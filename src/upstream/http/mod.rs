//! The transport to one MCP server elsewhere: streamable HTTP (2025-03-26 to 2025-11-25), and HTTP+SSE
//! (2024-11-05) for servers that know only that.
//!
//! It moves JSON-RPC messages and knows nothing of calls, clients or deadlines: whoever asked holds the deadline
//! and takes the request back with `notifications/cancelled`. It says of every message whether it surely did not arrive, and never sends one
//! twice that might have. Values of headers, and what follows `?` in the URL, may be secret: they are in no text
//! that comes from here.
//!
//! Runs on a current-thread runtime inside a `LocalSet`. What happens where:
//! Lines come from `outgoing`; `streamable` (with `talk`, `session`, `ask`, `listen`) or `legacy`, the two protocols, start tasks in `lanes` → those
//! read responses with `answer` and `sse` → `site` is the server's address, and where events go → `client` has
//! the connections → `dial` makes them, with TLS and proxies.

mod answer;
mod ask;
mod client;
mod dial;
mod lanes;
mod legacy;
mod listen;
pub mod outgoing;
mod session;
mod site;
mod sse;
mod streamable;
mod talk;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::mpsc::UnboundedReceiver;

use site::Site;

use crate::secret::Secret;

/// Looks a variable up by its name.
pub type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// How many bytes an answer may have of which so many have come, as things are now; at most `wire::LINE_MAX`.
pub type Limit = Box<dyn Fn(usize) -> usize>;

/// Where the server is and what it must be told with every request, and how much it may say at once.
pub struct Endpoint {
    /// `http://` or `https://`, without a user name.
    pub url: Secret<String>,
    /// Sent with every request. The protocol's own headers win over these.
    pub headers: Vec<(String, Secret<String>)>,
    /// Looks up `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals and in small letters.
    pub env: Lookup,
    /// Asked while an answer comes, between events.
    pub limit: Limit,
    /// Counts the bytes of all answers that have not come whole.
    pub held: Rc<Cell<usize>>,
}

/// What the transport has to say.
#[derive(Debug)]
pub enum Event<'a> {
    /// One JSON-RPC message from the server: an object, on one line, without a newline. A batch is taken apart.
    /// Its envelope has been scanned.
    ///
    /// `during`: it came on the stream of this request of ours (its id as raw JSON), which says whose it is.
    Message { text: &'a [u8], during: Option<&'a [u8]> },
    /// This line of ours (as given) did not arrive, or its answer will not come. Said at most once of a line,
    /// and of no request whose answer was a [`Event::Message`].
    Failed { line: Vec<u8>, failure: Failure },
    /// The server does not know our session any more. Said once per session, before the failure of the line
    /// that showed it. Until the next `initialize`, every line fails as forgotten.
    Expired,
    /// The stream on which the server says things by itself is gone and cannot be opened again for now, for this
    /// reason; with `None` it is there again. Said when it changes.
    Away(Option<&'a str>),
}

/// Why a message failed. The texts are for people and short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Surely not processed: no connection.
    Unsent(String),
    /// Surely not processed: the session has expired, or there is none.
    Forgotten(String),
    /// The server answered with this HTTP status; `text` is what it said, shortened.
    Refused { status: u16, text: String, retry_after: Option<Duration> },
    /// It was sent, and the answer was lost: it may have been processed.
    Cut(String),
    /// The answer is not one: HTML, another content type, not JSON, or no answer to this request.
    BadAnswer(String),
    /// The answer is longer than `wire::LINE_MAX`.
    TooLarge(String),
    /// The answer is longer than the limit of the moment.
    NoRoom(String),
}

/// Serves one server. `outgoing`: JSON-RPC messages for it, each with or without its newline. Requests go side by side;
/// a cancellation follows its request, whose answer is then no longer waited for; other notifications, and answers, are
/// accepted by the server before later lines are sent, or have had their time.
///
/// Ends when `outgoing` closes: then the session is ended, and what is under way is dropped
/// without a word. An error, with a text for people, means that the transport can do no more (a wrong URL or
/// header, no certificates: then no line has been taken; or the stream of an old server ended: then all lines
/// still open or queued have failed).
///
/// `event` is called on this thread between awaits; it must not wait. It may send commands.
pub async fn run(
    endpoint: Endpoint,
    mut outgoing: UnboundedReceiver<Bytes>,
    event: impl FnMut(Event<'_>) + 'static,
) -> Result<(), String> {
    let site = Rc::new(Site::new(endpoint, event).await?);
    let ended = match streamable::serve(&site, &mut outgoing).await {
        streamable::End::Closed => Ok(()),
        streamable::End::Old(old) => legacy::serve(&site, *old.opened, old.line, &mut outgoing).await,
    };
    if let Err(text) = &ended {
        outgoing.close();
        while let Ok(line) = outgoing.try_recv() {
            site.failed(line, Failure::Unsent(text.clone()));
        }
    }
    ended
}

#[cfg(test)]
mod tests;
