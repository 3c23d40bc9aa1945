//! HTTP/1.1 connections to one host, kept open between requests.
//!
//! What is known about a request that failed decides whether it may be sent again. hyper hands a request back
//! only when its connection ended before it began to write it: then, and only then, is it tried on another
//! connection or called unsent. In every other case the server may have seen it.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Request, Response, Uri};
use tokio::time::Instant;

use super::dial::{Dialer, causes, place};
use super::{Failure, Lookup};

/// A connection without work is closed after this, unless the server says how long it keeps it. Common servers
/// (Node, uvicorn) close after 5 s, and a request that meets the close is lost.
const KEEP: Duration = Duration::from_secs(4);
const KEEP_MOST: Duration = Duration::from_secs(60);
/// So much before the server would close.
const KEEP_MARGIN: Duration = Duration::from_secs(1);
/// More connections without work are not kept.
const IDLE_MAX: usize = 32;

pub struct Client {
    dialer: Dialer,
    name: String,
    host: HeaderValue,
    pool: Rc<Pool>,
}

#[derive(Default)]
struct Pool {
    /// In the order in which they became idle.
    idle: RefCell<Vec<Idle>>,
    /// Somebody waits to close what is idle for too long.
    watched: Cell<bool>,
}

struct Idle {
    sender: SendRequest<Full<Bytes>>,
    until: Instant,
}

impl Client {
    pub async fn new(target: &Uri, variable: &Lookup) -> Result<Client, String> {
        let authority = target.authority().map(|authority| authority.as_str()).unwrap_or_default();
        let host = HeaderValue::from_str(authority).map_err(|error| error.to_string())?;
        let dialer = Dialer::new(target.clone(), variable).await?;
        Ok(Client { dialer, name: place(target), host, pool: Rc::default() })
    }

    /// Scheme, host and port, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a request whose URI is absolute; waits for the head of the answer without a deadline.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        self.address(&mut request)?;
        loop {
            let (mut sender, fresh) = match self.pool.take() {
                Some(sender) => (sender, false),
                None => (self.connect().await?, true),
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.pool.keep(sender, keep_for(&response));
                    return Ok(response);
                }
                Err(mut error) => match error.take_message() {
                    Some(_) if fresh => {
                        return Err(Failure::Unsent(format!("{} closed the connection at once", self.name)));
                    }
                    Some(unsent) => request = unsent,
                    None => return Err(broken(&self.name, &error.into_error())),
                },
            }
        }
    }

    /// The host goes into its header; the request line has the path only, unless a proxy must know the rest.
    fn address(&self, request: &mut Request<Full<Bytes>>) -> Result<(), Failure> {
        request.headers_mut().entry(HOST).or_insert_with(|| self.host.clone());
        if self.dialer.forwards() {
            if let Some(auth) = self.dialer.proxy_authorization() {
                request.headers_mut().insert(PROXY_AUTHORIZATION, auth.clone());
            }
            return Ok(());
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() =
            path.parse().map_err(|_| Failure::Unsent(format!("a path of {} is wrong", self.name)))?;
        Ok(())
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = self.dialer.dial().await.map_err(Failure::Unsent)?;
        let (sender, connection) = http1::handshake(stream)
            .await
            .map_err(|error| Failure::Unsent(format!("{}: {}", self.name, causes(&error))))?;
        // Ends with its connection: when the server closes it, or nothing of ours uses it any more.
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP connection ended early");
            }
        });
        Ok(sender)
    }
}

/// A failure after the request began to be written, or while its answer was read.
pub fn broken(name: &str, error: &hyper::Error) -> Failure {
    if error.is_parse() {
        return Failure::BadAnswer(format!("{name} does not speak HTTP/1.1: {}", causes(error)));
    }
    Failure::Cut(format!("{name} broke the connection off: {}", causes(error)))
}

/// How long the server will surely keep the connection.
fn keep_for<B>(response: &Response<B>) -> Duration {
    let header = response.headers().get("keep-alive").and_then(|value| value.to_str().ok());
    let parts = header.into_iter().flat_map(|value| value.split(','));
    let seconds = parts.filter_map(|part| part.trim().strip_prefix("timeout=")?.parse().ok()).next();
    seconds.map_or(KEEP, |seconds| Duration::from_secs(seconds).saturating_sub(KEEP_MARGIN).min(KEEP_MOST))
}

impl Pool {
    /// The connection that was used last, if it can still be used.
    fn take(&self) -> Option<SendRequest<Full<Bytes>>> {
        let now = Instant::now();
        let mut idle = self.idle.borrow_mut();
        while let Some(last) = idle.pop() {
            if last.until > now && last.sender.is_ready() {
                return Some(last.sender);
            }
        }
        None
    }

    /// Keeps a connection once its answer has been read to the end.
    fn keep(self: &Rc<Self>, mut sender: SendRequest<Full<Bytes>>, keep: Duration) {
        let pool = Rc::downgrade(self);
        // Ends with the answer: read to its end, or dropped, which closes the connection.
        tokio::task::spawn_local(async move {
            let usable = sender.ready().await.is_ok();
            let Some(pool) = pool.upgrade().filter(|_| usable) else { return };
            if pool.idle.borrow().len() < IDLE_MAX {
                pool.idle.borrow_mut().push(Idle { sender, until: Instant::now() + keep });
            }
            if !pool.watched.replace(true) {
                tokio::task::spawn_local(watch(Rc::downgrade(&pool)));
            }
        });
    }

    /// Closes what is idle for too long. Returns when to look again.
    fn tidy(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut idle = self.idle.borrow_mut();
        idle.retain(|kept| kept.until > now && !kept.sender.is_closed());
        idle.iter().map(|kept| kept.until).min()
    }
}

async fn watch(pool: Weak<Pool>) {
    loop {
        let Some(pool) = pool.upgrade() else { return };
        let Some(next) = pool.tidy() else {
            pool.watched.set(false);
            return;
        };
        drop(pool);
        tokio::time::sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_kept_as_long_as_the_server_says() {
        for (header, want) in [
            ("", KEEP),
            ("timeout=5", Duration::from_secs(4)),
            ("max=100, timeout=30", Duration::from_secs(29)),
            ("timeout=0", Duration::ZERO),
            ("timeout=86400", KEEP_MOST),
            ("timeout=soon", KEEP),
        ] {
            let response = Response::builder().header("keep-alive", header).body(()).unwrap();
            assert_eq!(keep_for(&response), want, "{header}");
        }
    }
}
