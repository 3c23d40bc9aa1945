//! The way to the server's host: directly or through the proxy that the variables name, with TLS where the URL
//! says so. One deadline covers all of it; nothing of a request is sent here.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::Scheme;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use rustls::ClientConfig;
use tokio::sync::OnceCell;
use tower_service::Service;

use super::Lookup;

/// Name look-up, connection, proxy and TLS together.
const DIAL_WAIT: Duration = Duration::from_secs(15);
/// A silent connection is probed after this; with the pauses below a dead peer is noticed within a minute.
const PROBE_AFTER: Duration = Duration::from_secs(20);
const PROBE_PAUSE: Duration = Duration::from_secs(8);
const PROBES: u32 = 4;
/// Where a SOCKS proxy listens when its variable does not say.
const SOCKS_PORT: u16 = 1080;
/// Sent bytes that nobody acknowledges for so long end the connection.
#[cfg(target_os = "linux")]
const ACK_WAIT: Duration = Duration::from_secs(50);

/// A connection that is ready for HTTP.
pub trait Stream: hyper::rt::Read + hyper::rt::Write + Unpin + Send {}
impl<T: hyper::rt::Read + hyper::rt::Write + Unpin + Send> Stream for T {}

type Cause = Box<dyn Error + Send + Sync>;

enum Route {
    Direct,
    /// Plain HTTP through a proxy: the request itself goes to the proxy.
    Forward(Intercept),
    /// HTTPS through a proxy.
    Tunnel(Intercept),
    Socks(Intercept),
}

/// Connects to one host.
pub struct Dialer {
    target: Uri,
    route: Route,
    tcp: HttpConnector,
    /// Present when anything on the way is HTTPS.
    tls: Option<Arc<ClientConfig>>,
}

impl Dialer {
    /// `target` has a scheme, `http` or `https`, and a host.
    pub async fn new(target: Uri, variable: &Lookup) -> Result<Dialer, String> {
        let route = route(&target, variable)?;
        let over_tls = |uri: &Uri| uri.scheme() == Some(&Scheme::HTTPS);
        let proxy = match &route {
            Route::Direct => None,
            Route::Forward(proxy) | Route::Tunnel(proxy) | Route::Socks(proxy) => Some(proxy.uri()),
        };
        let tls = if over_tls(&target) || proxy.is_some_and(over_tls) { Some(tls().await?) } else { None };
        Ok(Dialer { target, route, tcp: tcp(), tls })
    }

    /// Whether requests are sent to a proxy that passes them on, and so name the whole URL.
    pub fn forwards(&self) -> bool {
        matches!(self.route, Route::Forward(_))
    }

    /// What a forwarding proxy wants to see with each request.
    pub fn proxy_authorization(&self) -> Option<&HeaderValue> {
        match &self.route {
            Route::Forward(proxy) => proxy.basic_auth(),
            Route::Direct | Route::Tunnel(_) | Route::Socks(_) => None,
        }
    }

    /// Opens a connection. The error is a text for people, without anything secret.
    pub async fn dial(&self) -> Result<Box<dyn Stream>, String> {
        let text = match tokio::time::timeout(DIAL_WAIT, self.way()).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(cause)) => causes(cause.as_ref()),
            Err(_) => format!("no connection within {} s", DIAL_WAIT.as_secs()),
        };
        let through = match &self.route {
            Route::Direct => String::new(),
            Route::Forward(proxy) | Route::Tunnel(proxy) | Route::Socks(proxy) => {
                format!(" through the proxy {}", place(proxy.uri()))
            }
        };
        Err(format!("cannot connect to {}{through}: {text}", place(&self.target)))
    }

    async fn way(&self) -> Result<Box<dyn Stream>, Cause> {
        let target = self.target.clone();
        match &self.route {
            Route::Direct => self.reach(self.tcp.clone(), target).await,
            Route::Forward(proxy) => self.reach(self.tcp.clone(), proxy.uri().clone()).await,
            Route::Tunnel(proxy) => match &self.tls {
                // The proxy itself may be spoken to over TLS.
                Some(tls) => {
                    let hop = HttpsConnector::from((self.tcp.clone(), tls.clone()));
                    let mut tunnel = Tunnel::new(proxy.uri().clone(), hop);
                    if let Some(auth) = proxy.basic_auth() {
                        tunnel = tunnel.with_auth(auth.clone());
                    }
                    self.reach(tunnel, target).await
                }
                None => Err("no TLS".into()),
            },
            Route::Socks(proxy) => {
                let local_names = proxy.uri().scheme_str() == Some("socks5");
                let hop = with_port(proxy.uri(), SOCKS_PORT)?;
                let mut socks = SocksV5::new(hop, self.tcp.clone()).local_dns(local_names);
                if let Some((user, password)) = proxy.raw_auth() {
                    socks = socks.with_auth(user.to_owned(), password.to_owned());
                }
                // The connector takes 443 for every target without a port.
                let port = if target.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
                self.reach(socks, with_port(&target, port)?).await
            }
        }
    }

    /// The last step: through the connector to `uri`, with TLS when its scheme says so.
    async fn reach<C>(&self, mut connector: C, uri: Uri) -> Result<Box<dyn Stream>, Cause>
    where
        C: Service<Uri>,
        C::Response: hyper::rt::Read
            + hyper::rt::Write
            + hyper_util::client::legacy::connect::Connection
            + Unpin
            + Send
            + 'static,
        C::Future: Send + 'static,
        C::Error: Into<Cause>,
    {
        match &self.tls {
            Some(tls) if uri.scheme() == Some(&Scheme::HTTPS) => {
                Ok(Box::new(HttpsConnector::from((connector, tls.clone())).call(uri).await?))
            }
            _ => Ok(Box::new(connector.call(uri).await.map_err(Into::into)?)),
        }
    }
}

/// As curl reads the variables; this machine itself is never reached through a proxy.
fn route(target: &Uri, variable: &Lookup) -> Result<Route, String> {
    let first = |names: [&str; 2]| names.iter().find_map(|name| variable(name)).unwrap_or_default();
    let matcher = Matcher::builder()
        .all(first(["ALL_PROXY", "all_proxy"]))
        .http(first(["HTTP_PROXY", "http_proxy"]))
        .https(first(["HTTPS_PROXY", "https_proxy"]))
        .no(first(["NO_PROXY", "no_proxy"]))
        .build();
    let Some(proxy) = matcher.intercept(target).filter(|_| !is_loopback(target)) else {
        return Ok(Route::Direct);
    };
    match proxy.uri().scheme_str() {
        Some("http" | "https") if target.scheme() == Some(&Scheme::HTTPS) => Ok(Route::Tunnel(proxy)),
        Some("http" | "https") => Ok(Route::Forward(proxy)),
        Some("socks5" | "socks5h") => Ok(Route::Socks(proxy)),
        other => Err(format!("a proxy of the kind {} is not supported", other.unwrap_or("unknown"))),
    }
}

/// The same scheme and host, with a port.
fn with_port(uri: &Uri, usual: u16) -> Result<Uri, Cause> {
    let port = uri.port_u16().unwrap_or(usual);
    let authority = format!("{}:{port}", uri.host().unwrap_or_default());
    let scheme = uri.scheme_str().unwrap_or("http");
    Ok(Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build()?)
}

fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(PROBE_AFTER));
    tcp.set_keepalive_interval(Some(PROBE_PAUSE));
    tcp.set_keepalive_retries(Some(PROBES));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(ACK_WAIT));
    tcp
}

/// One configuration for all servers: it holds the system's certificates, or those of `SSL_CERT_FILE`.
/// Made when the first server needs it, off the thread that serves, as it reads many files.
async fn tls() -> Result<Arc<ClientConfig>, String> {
    static TLS: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();
    let make = || async {
        let made = tokio::task::spawn_blocking(|| {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let builder =
                ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
            Ok::<_, rustls::Error>(Arc::new(builder.try_with_platform_verifier()?.with_no_client_auth()))
        });
        let made = made.await.map_err(|error| error.to_string())?;
        made.map_err(|error| format!("the system's certificates cannot be used: {error}"))
    };
    TLS.get_or_try_init(make).await.cloned()
}

/// Scheme, host and port: what an error may name of a URL.
pub fn place(uri: &Uri) -> String {
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", uri.scheme_str().unwrap_or("http"), uri.host().unwrap_or_default())
}

/// An error with its causes. Outer errors that already say what the inner one says are left out.
pub fn causes(error: &dyn Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        texts.retain(|outer| !outer.contains(&text));
        texts.push(text);
        next = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After sleep, or behind a firewall that forgot the connection, nobody says that it is gone.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_peer_that_fell_silent_is_noticed_within_a_minute() {
        use rustix::net::sockopt;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let uri: Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let stream = runtime.block_on(async { tcp().call(uri).await }).unwrap().into_inner();
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        let (idle, pause) =
            (sockopt::tcp_keepidle(&stream).unwrap(), sockopt::tcp_keepintvl(&stream).unwrap());
        let probes = sockopt::tcp_keepcnt(&stream).unwrap();
        assert!(idle + pause * probes < Duration::from_secs(60), "{idle:?}, {probes} times {pause:?}");
        let unheard = Duration::from_millis(sockopt::tcp_user_timeout(&stream).unwrap().into());
        assert!(!unheard.is_zero() && unheard < Duration::from_secs(60), "{unheard:?}");
    }

    #[test]
    fn the_variables_choose_the_way() {
        let all = &[("ALL_PROXY", "socks5h://p:1")][..];
        let both = &[("http_proxy", "http://p:1"), ("HTTPS_PROXY", "q:2"), ("NO_PROXY", "in.example")][..];
        for (url, variables, want) in [
            ("http://a.example/mcp", &[][..], "direct"),
            ("http://a.example/mcp", both, "forward http://p:1"),
            ("https://a.example/mcp", both, "tunnel http://q:2"),
            ("https://a.example/mcp", all, "socks socks5h://p:1"),
            ("http://x.in.example/mcp", both, "direct"),
            ("http://localhost:3/mcp", both, "direct"),
            ("http://127.0.0.9/mcp", both, "direct"),
            ("http://[::1]:3/mcp", both, "direct"),
            ("http://a.example/", &[("ALL_PROXY", "socks4://p:1")], "refused"),
        ] {
            let lookup: Lookup = Box::new(move |name| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            });
            let got = match route(&url.parse().unwrap(), &lookup) {
                Ok(Route::Direct) => "direct".to_owned(),
                Ok(Route::Forward(proxy)) => format!("forward {}", place(proxy.uri())),
                Ok(Route::Tunnel(proxy)) => format!("tunnel {}", place(proxy.uri())),
                Ok(Route::Socks(proxy)) => format!("socks {}", place(proxy.uri())),
                Err(_) => "refused".to_owned(),
            };
            assert_eq!(got, want, "{url}");
        }
    }
}
