//! `GET /health` and `GET /metrics` on loopback, for people and for Prometheus.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::metrics;
use super::status;
use super::switch::Shared;

/// A client that sends no complete request head within this time is dropped.
const HEAD_WAIT: Duration = Duration::from_secs(5);

/// Serves until the daemon ends. A busy port is said in `loom status`; the socket works all the same.
pub async fn serve(shared: Shared) {
    let addr = shared.borrow().context.settings.metrics_addr.clone();
    let listener = match listen(&addr).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(addr, error, "no /health and /metrics");
            shared.borrow_mut().http.error = Some(error);
            return;
        }
    };
    let bound = listener.local_addr().map_or(addr, |addr| addr.to_string());
    tracing::info!(addr = bound, "serving /health and /metrics");
    shared.borrow_mut().http.listening = Some(bound);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: whoever asked will ask again.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shared = shared.clone();
        // Ends with its connection, which is bounded by `HEAD_WAIT` between requests.
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| {
                let response = answer(&shared, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WAIT)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "an HTTP connection ended early");
            }
        });
    }
}

/// Binds the address, which must be this machine's own.
async fn listen(addr: &str) -> Result<TcpListener, String> {
    let resolved: Vec<_> =
        tokio::net::lookup_host(addr).await.map_err(|error| format!("{addr}: {error}"))?.collect();
    match resolved.iter().find(|addr| !addr.ip().is_loopback()) {
        Some(other) => Err(format!("{other} is not a loopback address: loom answers this machine only")),
        None => TcpListener::bind(&resolved[..]).await.map_err(|error| format!("{addr}: {error}")),
    }
}

fn answer(shared: &Shared, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    // A page from the web that has its own name resolve to 127.0.0.1 must not read this.
    if !host_is_local(request.headers().get(HOST)) {
        return plain(
            StatusCode::FORBIDDEN,
            "text/plain",
            "this address is for 127.0.0.1 and localhost only\n".into(),
        );
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/health") => {
            let body = status::health(&shared.borrow()).to_string();
            plain(StatusCode::OK, "application/json", body)
        }
        (&Method::GET, "/metrics") => {
            let body = metrics::render(&shared.borrow());
            plain(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", body)
        }
        (_, "/health" | "/metrics") => {
            plain(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET only\n".into())
        }
        _ => plain(StatusCode::NOT_FOUND, "text/plain", "there are /health and /metrics\n".into()),
    }
}

fn plain(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn host_is_local(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host.and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_names_are_answered() {
        for (host, want) in [
            ("127.0.0.1:9876", true),
            ("localhost", true),
            ("[::1]:9876", true),
            ("evil.example:9876", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            let value = HeaderValue::from_str(host).unwrap();
            assert_eq!(host_is_local(Some(&value)), want, "{host}");
        }
        assert!(!host_is_local(None));
    }
}
