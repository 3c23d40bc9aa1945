//! The session with the server, from one `initialize` to the next.

use hyper::Request;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

const ID: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    None,
    Open,
    Expired,
}

/// A copy goes with every request: what came of it belongs to the session under which it was sent.
#[derive(Debug, Default, Clone)]
pub struct Session {
    number: u64,
    /// This session or an earlier one was open: the server speaks this transport.
    was_open: bool,
    state: State,
    id: Option<HeaderValue>,
    version: Option<HeaderValue>,
}

impl Session {
    /// An `initialize` is about to be sent.
    pub fn begin(&mut self) {
        *self = Session { number: self.number + 1, was_open: self.was_open, ..Session::default() };
    }

    /// The head of the answer to `initialize`.
    pub fn name(&mut self, number: u64, headers: &HeaderMap) {
        if self.number == number
            && let Some(id) = headers.get(ID)
        {
            let mut id = id.clone();
            id.set_sensitive(true);
            self.id = Some(id);
        }
    }

    /// `initialize` has a result, which names this version.
    pub fn open(&mut self, number: u64, version: Option<&str>) {
        if self.number == number {
            self.state = State::Open;
            self.was_open = true;
            self.version = version.and_then(|version| HeaderValue::from_str(version).ok());
        }
    }

    /// The server does not know it. Whether that is news.
    pub fn expire(&mut self, number: u64) -> bool {
        let news = self.number == number && self.state != State::Expired;
        if news {
            self.state = State::Expired;
        }
        news
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// The server gave it an id, and so may forget it.
    pub fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// The server keeps something for it, as far as we know.
    pub fn is_kept(&self) -> bool {
        self.has_id() && self.state != State::Expired
    }

    pub fn was_open(&self) -> bool {
        self.was_open
    }

    /// Tells the server which session a request belongs to.
    pub fn mark<B>(&self, request: &mut Request<B>) {
        for (name, value) in [(ID, &self.id), (VERSION, &self.version)] {
            match value {
                Some(value) => {
                    request.headers_mut().insert(name, value.clone());
                }
                None => {
                    request.headers_mut().remove(name);
                }
            }
        }
    }
}
