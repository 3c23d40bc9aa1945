//! One server's address: what every request to it carries, how its messages are handed on, and what of its
//! texts may be shown.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};

use super::client::Client;
use super::{Endpoint, Event, Failure, Limit};
use crate::secret::Secret;
use crate::secret::mask::Mask;
use crate::wire::scan::{self, Envelope};

/// Headers that belong to the connection: a value of the registry would break the framing.
const NOT_OURS: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
];
/// Shorter values are no secrets, and hiding them would spoil the text.
const SECRET_MIN: usize = 6;
/// The longest text of a server that is shown, in characters.
const EXCERPT_MAX: usize = 200;

/// What a JSON-RPC message is by its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role<'a> {
    /// Its raw id.
    Request(&'a [u8]),
    /// Its raw id.
    Answer(&'a [u8]),
    /// Takes back the request with this raw id.
    Cancellation(&'a [u8]),
    /// Another notification, or anything without an id that could be used.
    Other,
}

/// Takes what the transport has to say.
type Sink = Box<dyn FnMut(Event<'_>)>;

pub struct Site {
    pub uri: Uri,
    client: Client,
    headers: HeaderMap,
    mask: Mask,
    sink: RefCell<Sink>,
    limit: Limit,
    /// Bytes of unfinished answers.
    held: Rc<Cell<usize>>,
}

/// What one unfinished answer takes up.
pub struct Held<'a> {
    site: &'a Site,
    bytes: usize,
}

impl Held<'_> {
    pub fn set(&mut self, bytes: usize) {
        self.site.held.set(self.site.held.get() - self.bytes + bytes);
        self.bytes = bytes;
    }

    /// How long it may become as things are.
    pub fn limit(&self) -> usize {
        (self.site.limit)(self.bytes)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Site {
    pub async fn new(endpoint: Endpoint, sink: impl FnMut(Event<'_>) + 'static) -> Result<Site, String> {
        let uri = target(endpoint.url.expose())?;
        let headers = headers(&endpoint.headers)?;
        let client = Client::new(&uri, &endpoint.env).await?;
        let mut secrets: Vec<Secret<String>> = Vec::new();
        for (_, value) in &endpoint.headers {
            secrets.push(value.clone());
            secrets.extend(value.expose().split_whitespace().map(Secret::from));
        }
        secrets.extend(uri.query().map(Secret::from));
        secrets.retain(|secret| secret.expose().len() >= SECRET_MIN);
        let mask = Mask::new(&secrets);
        let sink = RefCell::new(Box::new(sink) as Sink);
        Ok(Site { uri, client, headers, mask, sink, limit: endpoint.limit, held: endpoint.held })
    }

    /// For an answer that is about to be read.
    pub fn held(&self) -> Held<'_> {
        Held { site: self, bytes: 0 }
    }

    /// Scheme, host and port, for messages.
    pub fn name(&self) -> &str {
        self.client.name()
    }

    /// A request to `uri` with the registry's headers.
    pub fn request(&self, method: Method, uri: &Uri, accept: &'static str) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(accept));
        request
    }

    /// A POST of one message to `uri`.
    pub fn post(&self, uri: &Uri, accept: &'static str, line: Bytes) -> Request<Full<Bytes>> {
        let mut request = self.request(Method::POST, uri, accept);
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Full::new(line);
        request
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        self.client.send(request).await
    }

    pub fn emit(&self, event: Event<'_>) {
        (self.sink.borrow_mut())(event);
    }

    pub fn failed(&self, line: Bytes, failure: Failure) {
        self.emit(Event::Failed { line: line.into(), failure });
    }

    /// Hands on what a body or an event holds: a message, or a batch of them. `seen` is shown each before it is
    /// handed on.
    ///
    /// `during` is the request on whose stream it came.
    pub fn deliver(
        &self,
        text: &[u8],
        during: Option<&[u8]>,
        mut seen: impl FnMut(Role<'_>, &[u8]),
    ) -> Result<(), Failure> {
        let text = text.trim_ascii();
        if text.first() != Some(&b'[') {
            return self.deliver_one(text, during, &mut seen);
        }
        let parts: Vec<&serde_json::value::RawValue> =
            serde_json::from_slice(text).map_err(|error| self.not_json(text, &error))?;
        parts.iter().try_for_each(|part| self.deliver_one(part.get().as_bytes(), during, &mut seen))
    }

    fn deliver_one(
        &self,
        text: &[u8],
        during: Option<&[u8]>,
        seen: &mut impl FnMut(Role<'_>, &[u8]),
    ) -> Result<(), Failure> {
        let envelope = scan::envelope(text).map_err(|error| self.not_json(text, &error))?;
        if let Some(plain) = scan::plain(text, &envelope) {
            return self.deliver_one(&plain, during, seen);
        }
        seen(role(&envelope, text), text);
        // Between the values of JSON a line end is as good as a space; within a text there can be none.
        if memchr::memchr2(b'\n', b'\r', text).is_some() {
            let line: Vec<u8> =
                text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect();
            self.emit(Event::Message { text: &line, during });
        } else {
            self.emit(Event::Message { text, during });
        }
        Ok(())
    }

    fn not_json(&self, text: &[u8], error: &dyn std::fmt::Display) -> Failure {
        let said = self.excerpt(text);
        Failure::BadAnswer(format!("{} sent what is no JSON-RPC message ({error}): {said}", self.name()))
    }

    /// The beginning of a text of the server: printable, on one line, without our secrets.
    pub fn excerpt(&self, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text);
        let text = self.mask.text(&text);
        let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let words: Vec<&str> = printable.split_whitespace().collect();
        words.join(" ").chars().take(EXCERPT_MAX).collect()
    }
}

/// What a scanned message is.
pub fn role<'a>(envelope: &Envelope, text: &'a [u8]) -> Role<'a> {
    let id = envelope.id.clone().map(|id| &text[id]).filter(|id| crate::wire::id::is_id(id));
    match id {
        Some(id) if envelope.method.is_some() => Role::Request(id),
        Some(id) => Role::Answer(id),
        None => cancelled(envelope, text).map_or(Role::Other, Role::Cancellation),
    }
}

/// The request that a notification takes back.
fn cancelled<'a>(envelope: &Envelope, text: &'a [u8]) -> Option<&'a [u8]> {
    let method = &text[envelope.method.clone()?];
    let params = &text[envelope.params.clone()?];
    if method != br#""notifications/cancelled""# {
        return None;
    }
    let [id] = scan::members(params, ["requestId"]).ok()?;
    Some(&params[id?])
}

fn target(url: &str) -> Result<Uri, String> {
    // The parser's errors do not repeat the URL, which may hold a secret.
    let uri: Uri = url.trim().parse().map_err(|error| format!("the URL is wrong: {error}"))?;
    let http = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority().filter(|authority| http && !authority.host().is_empty());
    let authority = authority.ok_or("the URL must begin with http:// or https:// and name a host")?;
    if authority.as_str().contains('@') {
        return Err("the URL must not hold a user name or password; give an Authorization header".into());
    }
    Ok(uri)
}

fn headers(given: &[(String, Secret<String>)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"))),
    );
    for (name, value) in given {
        let header: HeaderName = name.parse().map_err(|_| format!("{name:?} cannot be a header's name"))?;
        if NOT_OURS.contains(&header) {
            return Err(format!("the header {header} belongs to the connection and cannot be set"));
        }
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| format!("the value of the header {header} has characters that cannot be sent"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = Rc<RefCell<Vec<String>>>;

    fn site(url: &str, given: &[(&str, &str)]) -> Result<(Site, Seen), String> {
        let headers = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let limit = Box::new(|bytes| 100 - bytes);
        let held = Rc::default();
        let endpoint = Endpoint { url: url.into(), headers, env: Box::new(|_| None), limit, held };
        let seen = Seen::default();
        let sink = seen.clone();
        let site = Site::new(endpoint, move |event| {
            let Event::Message { text, .. } = event else { panic!("{event:?}") };
            sink.borrow_mut().push(String::from_utf8_lossy(text).into_owned());
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(site).map(|site| (site, seen))
    }

    #[test]
    fn wrong_addresses_and_headers_are_named_without_their_values() {
        for (url, headers, want) in [
            ("http://a b/?key=topsecret", &[][..], "the URL is wrong: invalid uri character"),
            ("ftp://a/topsecret", &[], "the URL must begin with http:// or https:// and name a host"),
            ("/mcp", &[], "the URL must begin with http:// or https:// and name a host"),
            (
                "http://me:topsecret@a/",
                &[],
                "the URL must not hold a user name or password; give an Authorization header",
            ),
            ("http://a/", &[("x y", "topsecret")], "\"x y\" cannot be a header's name"),
            (
                "http://a/",
                &[("X-Key", "topsecret\n")],
                "the value of the header x-key has characters that cannot be sent",
            ),
            (
                "http://a/",
                &[("Content-Length", "5")],
                "the header content-length belongs to the connection and cannot be set",
            ),
        ] {
            assert_eq!(site(url, headers).map(|_| ()).unwrap_err(), want, "{url}");
        }
    }

    #[test]
    fn excerpts_are_short_printable_and_without_secrets() {
        let given = [("Authorization", "Bearer tok-123456"), ("X-Mode", "on")];
        let (site, _) = site("http://a/mcp?key=abcdef", &given).unwrap();
        for (text, want) in [
            ("<html>\r\n\x1b[1mno\0\u{7f}\u{9b}31m</html>", "<html> [1mno 31m</html>"),
            ("Bearer tok-123456 is on, tok-123456 too", "*** is on, *** too"),
            ("Cannot POST /mcp?key=abcdef", "Cannot POST /mcp?***"),
        ] {
            assert_eq!(site.excerpt(text.as_bytes()), want);
        }
        assert_eq!(site.excerpt("é".repeat(900).as_bytes()).chars().count(), EXCERPT_MAX);
        assert_eq!(site.excerpt(b"\xff\xfeok"), "\u{fffd}\u{fffd}ok");
    }

    #[test]
    fn unfinished_answers_of_one_server_are_counted_together() {
        let (site, _) = site("http://a/", &[]).unwrap();
        let (mut one, mut two) = (site.held(), site.held());
        one.set(30);
        two.set(20);
        assert_eq!((one.limit(), two.limit(), site.held.get()), (70, 80, 50));
        one.set(10);
        assert_eq!(site.held.get(), 30);
        drop(two);
        assert_eq!(site.held.get(), 10);
    }

    #[test]
    fn messages_are_on_one_line_and_batches_are_taken_apart() {
        let (site, seen) = site("http://a/", &[]).unwrap();
        let mut roles = Vec::new();
        for text in [
            "{\"id\":1,\n \"result\":{\r\n}}\n",
            "[{\"id\":\"a\",\"method\":\"m\"},\n{\"method\":\"n\"}, {\"id\":null,\"error\":{}}]",
            "[]",
        ] {
            site.deliver(text.as_bytes(), None, |role, _| roles.push(format!("{role:?}"))).unwrap();
        }
        assert_eq!(roles, ["Answer([49])", "Request([34, 97, 34])", "Other", "Other"]);
        let want = [
            r#"{"id":1,  "result":{  }}"#,
            r#"{"id":"a","method":"m"}"#,
            r#"{"method":"n"}"#,
            r#"{"id":null,"error":{}}"#,
        ];
        assert_eq!(*seen.borrow(), want);
        for text in ["", "nothing", "[1]", "[{}", "null"] {
            let failure = site.deliver(text.as_bytes(), None, |_, _| {}).unwrap_err();
            assert!(matches!(failure, Failure::BadAnswer(_)), "{text}");
        }
    }
}
