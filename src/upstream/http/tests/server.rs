//! An HTTP server whose every answer the test gives itself.

use std::net::SocketAddr;
use std::rc::Rc;

use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::PATIENCE;

type Broken = std::io::Error;
type Answer = Option<Response<Channel<Bytes, Broken>>>;

pub struct Server {
    pub addr: SocketAddr,
    requests: mpsc::UnboundedReceiver<Asked>,
    listener: AbortHandle,
}

/// A request that waits for its answer.
pub struct Asked {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: String,
    answer: oneshot::Sender<Answer>,
}

impl Server {
    pub async fn start() -> Server {
        Server::at("127.0.0.1:0".parse().unwrap(), None).await
    }

    pub async fn at(addr: SocketAddr, tls: Option<TlsAcceptor>) -> Server {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (asked, requests) = mpsc::unbounded_channel();
        let listener = tokio::task::spawn_local(listen(listener, asked, tls)).abort_handle();
        Server { addr, requests, listener }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.addr)
    }

    /// The next request, whichever connection it comes on.
    pub async fn next(&mut self) -> Asked {
        timeout(PATIENCE, self.requests.recv()).await.expect("no request came").expect("the server runs")
    }

    pub fn is_quiet(&self) -> bool {
        self.requests.is_empty()
    }

    /// Closes all connections and the port.
    pub async fn stop(self) -> SocketAddr {
        self.listener.abort();
        // All that the listener had is gone when no sender is left.
        let mut requests = self.requests;
        while timeout(PATIENCE, requests.recv()).await.expect("the server stops").is_some() {}
        self.addr
    }
}

async fn listen(listener: TcpListener, asked: mpsc::UnboundedSender<Asked>, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (asked, tls) = (asked.clone(), tls.clone());
        connections.spawn_local(async move {
            match tls {
                // A handshake may fail: some tests want it to.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, asked).await;
                    }
                }
                None => serve(stream, asked).await,
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, asked: mpsc::UnboundedSender<Asked>) {
    let asked = Rc::new(asked);
    let service = service_fn(move |request: Request<Incoming>| {
        let asked = asked.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(Broken::other)?.to_bytes();
            let (answer, answered) = oneshot::channel();
            let body = String::from_utf8_lossy(&body).into_owned();
            let (method, uri, headers) = (head.method, head.uri, head.headers);
            let _ = asked.send(Asked { method, uri, headers, body, answer });
            answered.await.ok().flatten().ok_or_else(|| Broken::other("hung up"))
        }
    });
    // However it ends: the test looks at it from the other side.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The method and what is asked, as far as tests tell requests apart.
    pub fn what(&self) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        let text = |key: &str| value.get(key).map(ToString::to_string).unwrap_or_default().replace('"', "");
        format!("{} {} {}", self.method, text("method"), text("id")).trim().to_owned()
    }

    pub fn reply(self, status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) {
        let body: Bytes = body.into();
        let length = body.len().to_string();
        let all: Vec<_> = headers.iter().copied().chain([("content-length", length.as_str())]).collect();
        let stream = self.begin(status, &all);
        if !body.is_empty() {
            tokio::task::spawn_local(async move { stream.say(body).await });
        }
    }

    pub fn json(self, body: impl Into<Bytes>) {
        self.reply(200, &[("content-type", "application/json")], body);
    }

    pub fn accept(self) {
        self.reply(202, &[], "");
    }

    pub fn events(self) -> Stream {
        self.begin(200, &[("content-type", "text/event-stream")])
    }

    /// Answers with a head; the body follows.
    pub fn begin(self, status: u16, headers: &[(&str, &str)]) -> Stream {
        let (sender, body) = Channel::new(4);
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let _ = self.answer.send(Some(response.body(body).unwrap()));
        Stream { sender }
    }

    /// Closes the connection without a word.
    pub fn hang_up(self) {
        let _ = self.answer.send(None);
    }

    /// Waits until the client has gone away.
    pub async fn abandoned(mut self) {
        timeout(PATIENCE, self.answer.closed()).await.expect("the request is abandoned");
    }
}

/// A body under way. Dropped, it ends as it should.
pub struct Stream {
    sender: Sender<Bytes, Broken>,
}

impl Stream {
    pub async fn say(mut self, text: impl Into<Bytes>) -> Stream {
        // A client that has gone away is looked at from the other side.
        let _ = self.sender.send_data(text.into()).await;
        self
    }

    /// Breaks the connection off, once all of it has been written.
    pub async fn cut(mut self) {
        while self.sender.capacity() < self.sender.max_capacity() {
            tokio::task::yield_now().await;
        }
        self.sender.abort(Broken::other("cut"));
    }
}
