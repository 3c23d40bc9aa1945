//! Proxies and TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::client::{Client, INITIALIZE};
use super::server::Server;
use super::{call, drive, result};
use crate::upstream::http::{Failure, Lookup};

/// Relative to the working directory of the inner test.
const CA_FILE: &str = "ca.pem";

fn proxy_at(name: &'static str, value: String) -> Lookup {
    Box::new(move |wanted| (wanted == name).then(|| value.clone()))
}

#[test]
fn a_proxy_passes_plain_requests_on() {
    drive(async {
        let mut proxy = Server::start().await;
        let env = proxy_at("http_proxy", format!("http://me:secret-1@{}", proxy.addr));
        let mut client = Client::with_env("http://mcp.example:81/mcp?x=1", &[], env);
        client.introduce(&mut proxy, "s").await.reply(405, &[], "");
        client.say(call(1));
        let asked = proxy.next().await;
        assert_eq!(asked.uri.to_string(), "http://mcp.example:81/mcp?x=1");
        assert_eq!(asked.header("host"), "mcp.example:81");
        assert_eq!(asked.header("proxy-authorization"), "Basic bWU6c2VjcmV0LTE=");
        asked.json(result(1));
        assert_eq!(client.message().await, result(1));
    });
}

#[test]
fn a_proxy_that_is_away_is_named_without_its_password() {
    drive(async {
        let addr = Server::start().await.stop().await;
        let env = proxy_at("HTTPS_PROXY", format!("http://me:secret-1@{addr}"));
        let mut client = Client::with_env("https://mcp.example/mcp", &[], env);
        client.say(INITIALIZE);
        let Failure::Unsent(text) = client.failure().await else { panic!("not unsent") };
        let want = format!("cannot connect to https://mcp.example through the proxy http://{addr}: ");
        assert!(text.starts_with(&want) && !text.contains("secret"), "{text}");
    });
}

#[test]
fn a_socks_proxy_gets_the_name_and_the_port() {
    drive(async {
        let mut server = Server::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let env = proxy_at("ALL_PROXY", format!("socks5h://{}", listener.local_addr().unwrap()));
        let client = Client::with_env("http://mcp.example/mcp", &[], env);
        client.say(INITIALIZE);
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 3];
        stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(hello, [5, 1, 0]);
        stream.write_all(&[5, 0]).await.unwrap();
        let mut wish = [0; 18];
        stream.read_exact(&mut wish).await.unwrap();
        assert_eq!(wish, *b"\x05\x01\x00\x03\x0bmcp.example\x00\x50");
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        pass_on(stream, server.addr).await;
        let asked = server.next().await;
        assert_eq!((asked.uri.to_string().as_str(), asked.header("host")), ("/mcp", "mcp.example"));
    });
}

/// The certificates are read once in a process, so this takes one of its own.
#[test]
fn tls_trusts_the_file_that_the_variable_names() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "upstream::http::tests::ways::inside_a_process_of_its_own", "--ignored"])
        .current_dir(folder.path())
        .env("SSL_CERT_FILE", CA_FILE)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by tls_trusts_the_file_that_the_variable_names"]
fn inside_a_process_of_its_own() {
    assert!(!Path::new("Cargo.toml").exists(), "not in a folder of its own");
    drive(async {
        let addr = "127.0.0.1:0".parse().unwrap();
        let (trusted, ca) = acceptor("mcp.example");
        std::fs::write(CA_FILE, ca).unwrap();
        let mut server = Server::at(addr, Some(trusted)).await;
        let (proxy, asked) = tunnel_to(server.addr).await;

        let env = proxy_at("ALL_PROXY", format!("http://me:secret-1@{proxy}"));
        let mut client = Client::with_env("https://mcp.example/mcp", &[], env);
        client.introduce(&mut server, "s").await.reply(405, &[], "");
        client.say(call(1));
        let call_1 = server.next().await;
        assert_eq!((call_1.uri.to_string().as_str(), call_1.header("host")), ("/mcp", "mcp.example"));
        assert_eq!(call_1.header("proxy-authorization"), "");
        call_1.json(result(1));
        assert_eq!(client.message().await, result(1));
        let head = asked.await.unwrap();
        assert!(head.starts_with("CONNECT mcp.example:443 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("Proxy-Authorization: Basic bWU6c2VjcmV0LTE="), "{head}");

        // Another name, and a certificate of nobody.
        let stranger = Server::at(addr, Some(acceptor("localhost").0)).await;
        for (url, want) in [
            (format!("https://localhost:{}/mcp", server.addr.port()), "not valid for name"),
            (format!("https://localhost:{}/mcp", stranger.addr.port()), "invalid peer certificate"),
        ] {
            let mut client = Client::with(&url, &[], &[]);
            client.say(INITIALIZE);
            let Failure::Unsent(text) = client.failure().await else { panic!("not unsent") };
            assert!(text.contains(want), "{text}");
        }
    });
}

/// A server's side of TLS for a name, and the certificate of who vouches for it.
fn acceptor(name: &str) -> (TlsAcceptor, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let secret = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], secret)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), ca)
}

/// A proxy that tunnels everything to one address. The head of its first request can be awaited.
async fn tunnel_to(target: SocketAddr) -> (SocketAddr, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (first, asked) = oneshot::channel();
    let mut first = Some(first);
    tokio::task::spawn_local(async move {
        loop {
            let mut stream = BufStream::new(listener.accept().await.unwrap().0);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                stream.read_line(&mut head).await.unwrap();
            }
            if let Some(first) = first.take() {
                let _ = first.send(head);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            stream.flush().await.unwrap();
            pass_on(stream, target).await;
        }
    });
    (addr, asked)
}

async fn pass_on(mut stream: impl AsyncRead + AsyncWrite + Unpin + 'static, target: SocketAddr) {
    let mut server = TcpStream::connect(target).await.unwrap();
    tokio::task::spawn_local(async move {
        // Ends with either side.
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
    });
}
