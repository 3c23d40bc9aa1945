//! What a response is, whoever asked: a message, a stream of them, or a refusal; and reading it within bounds.

use std::time::{Duration, SystemTime};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use hyper::{Response, StatusCode};
use tokio::time::timeout;

use super::Failure;
use super::client::broken;
use super::site::Site;
use crate::wire::LINE_MAX;
use crate::wire::id::plain;
use crate::wire::scan;

/// So much of a refusal is read, in bytes.
const REFUSAL_MAX: usize = 64 << 10;
/// And for so long.
const REFUSAL_WAIT: Duration = Duration::from_secs(2);
/// Room that is made for an announced body before it comes, in bytes.
const READ_AT_FIRST: usize = 1 << 20;

#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    Json,
    Events,
    /// Nothing that the protocol knows: what it calls itself.
    Other(String),
}

pub fn kind(headers: &HeaderMap) -> Kind {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let encoding = text(CONTENT_ENCODING).trim();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        // None was offered.
        return Kind::Other(format!("encoding {encoding}"));
    }
    let media = text(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "application/json" => Kind::Json,
        "text/event-stream" => Kind::Events,
        _ if media.starts_with("application/") && media.ends_with("+json") => Kind::Json,
        "" => Kind::Other("no content type".to_owned()),
        _ => Kind::Other(media),
    }
}

/// A refused request.
pub struct Refusal {
    pub status: StatusCode,
    pub retry_after: Option<Duration>,
    /// For people.
    pub text: String,
    /// The beginning of what the server said; all of it, unless it is long or slow.
    pub body: Vec<u8>,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let Refusal { status, text, retry_after, .. } = refusal;
        Failure::Refused { status: status.as_u16(), text, retry_after }
    }
}

/// Reads the answer to a request that did not succeed.
pub async fn refusal(site: &Site, response: Response<Incoming>) -> Refusal {
    let (head, body) = response.into_parts();
    let body = beginning(body).await;
    let said = || match message(&body) {
        Some(message) => site.excerpt(message.as_bytes()),
        None => site.excerpt(&body),
    };
    let text = match redirect(head.status, &head.headers) {
        Some(to) => format!("it redirects to {}", site.excerpt(to.as_bytes())),
        None => said(),
    };
    let text = match text.as_str() {
        "" => head.status.canonical_reason().unwrap_or("no reason given").to_owned(),
        _ => text,
    };
    let retry_after =
        head.headers.get(RETRY_AFTER).and_then(|value| later(value.to_str().ok()?, SystemTime::now()));
    Refusal { status: head.status, retry_after, text, body }
}

/// In seconds, or a date.
fn later(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        // A date that is over means at once.
        Err(_) => Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()),
    }
}

/// Whether a body is the JSON-RPC error that answers the request with this id.
pub fn is_error_for(body: &[u8], id: &[u8]) -> bool {
    let body = body.trim_ascii();
    let is_same = |raw: &[u8]| raw == id || plain(raw).is_some_and(|plain| plain.as_bytes() == id);
    scan::envelope(body)
        .is_ok_and(|envelope| envelope.error.is_some() && envelope.id.is_some_and(|at| is_same(&body[at])))
}

/// Where to, without a query: that may hold a secret.
fn redirect(status: StatusCode, headers: &HeaderMap) -> Option<&str> {
    let to = headers.get(LOCATION).filter(|_| status.is_redirection())?.to_str().ok()?;
    to.split(['?', '#']).next()
}

/// The message of a JSON-RPC error, or of the objects that OAuth and most frameworks answer with.
fn message(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let places = ["/error/message", "/error_description", "/message", "/error"];
    places.iter().find_map(|place| value.pointer(place)?.as_str().map(str::to_owned))
}

/// An answer of a kind that cannot be one.
pub async fn strange(site: &Site, status: StatusCode, kind: &str, body: Incoming) -> Failure {
    let said = site.excerpt(&beginning(body).await);
    let kind = site.excerpt(kind.as_bytes());
    Failure::BadAnswer(format!("{} answered {} with {kind}: {said}", site.name(), status.as_u16()))
}

/// Reads the first bytes, for a short time. To the end if it is near, so that the connection stays of use.
pub async fn beginning(mut body: Incoming) -> Vec<u8> {
    let mut read = Vec::new();
    // What has come until then is kept.
    let _ = timeout(REFUSAL_WAIT, async {
        while read.len() < REFUSAL_MAX {
            let Some(Ok(frame)) = body.frame().await else { break };
            if let Some(data) = frame.data_ref() {
                read.extend_from_slice(&data[..data.len().min(REFUSAL_MAX - read.len())]);
            }
        }
    })
    .await;
    read
}

/// Reads all of a body that is one message or one batch.
pub async fn whole(site: &Site, response: Response<Incoming>) -> Result<Vec<u8>, Failure> {
    let announced =
        response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let announced: usize = announced.unwrap_or_default();
    if announced > LINE_MAX {
        return Err(too_large(site, announced));
    }
    let mut held = site.held();
    let mut read = Vec::with_capacity(announced.min(READ_AT_FIRST));
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(site.name(), &error))?;
        let Some(data) = frame.data_ref() else { continue };
        if read.len() + data.len() > held.limit() {
            return Err(too_large(site, read.len() + data.len()));
        }
        read.extend_from_slice(data);
        held.set(read.len());
    }
    Ok(read)
}

/// `len`: how much of it has been seen, in bytes.
pub fn too_large(site: &Site, len: usize) -> Failure {
    if len <= LINE_MAX {
        return Failure::NoRoom(format!("the answer of {} is more than loom can hold back now", site.name()));
    }
    let (len, limit) = (len >> 20, LINE_MAX >> 20);
    Failure::TooLarge(format!(
        "the answer of {} has {len} MiB or more; {limit} MiB are passed on",
        site.name()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn kinds_are_read_as_servers_write_them() {
        for (media, want) in [
            ("application/json", Kind::Json),
            ("Application/JSON; charset=utf-8", Kind::Json),
            ("application/problem+json", Kind::Json),
            ("text/event-stream;charset=UTF-8", Kind::Events),
            ("text/html", Kind::Other("text/html".to_owned())),
            ("", Kind::Other("no content type".to_owned())),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
            assert_eq!(kind(&headers), want, "{media}");
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            assert_eq!(kind(&headers), Kind::Other("encoding gzip".to_owned()));
        }
    }

    #[test]
    fn the_time_to_come_again_is_in_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        for (value, want) in [
            (" 7", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(later(value, now), want.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn the_reason_is_found_in_usual_bodies() {
        for (body, want) in [
            (r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"no"},"id":null}"#, Some("no")),
            (r#"{"error":"invalid_token","error_description":"it is old"}"#, Some("it is old")),
            (r#"{"error":"rate limited"}"#, Some("rate limited")),
            (r#"{"message":"nope"}"#, Some("nope")),
            (r#"{"x":1}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(message(body.as_bytes()).as_deref(), want, "{body}");
        }
    }
}
