use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread;

use super::*;
use crate::link::connect::hello;
use crate::wire::hello::Role;

const LONG: Duration = Duration::from_secs(10);
const GREETING: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"protocol":1,"version":"0.1.0","pid":7,"epoch":2}}"#;

/// A daemon that answers one connection, a line of `answers` (which may hold several) for each line it reads.
fn daemon(answers: Vec<String>) -> (tempfile::TempDir, PathBuf, thread::JoinHandle<Vec<String>>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut heard = Vec::new();
        for answer in answers {
            let Some(Ok(line)) = lines.next() else { break };
            heard.push(line);
            stream.write_all(answer.as_bytes()).unwrap();
        }
        heard
    });
    (dir, path, served)
}

fn connect(path: &Path) -> Result<Client, ConnectError> {
    Client::connect(path, &hello(Role::Cli, Path::new("/")), LONG)
}

#[test]
fn an_answer_is_found_behind_notifications_and_late_answers() {
    let answer = concat!(
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"ping\"}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"n\":1e400}}\n",
    );
    let (_dir, path, served) = daemon(vec![format!("{GREETING}\n"), answer.to_owned()]);
    let mut client = connect(&path).unwrap();
    assert_eq!((client.greeting().pid, client.greeting().epoch), (7, 2));
    assert_eq!(client.call("loom/status", &json!({}), LONG).unwrap().get(), r#"{"n":1e400}"#);
    assert!(client.wait_closed(LONG));
    let heard = served.join().unwrap();
    assert_eq!(heard[1], r#"{"jsonrpc":"2.0","id":2,"method":"loom/status","params":{}}"#);
}

#[test]
fn a_refusal_keeps_its_kind_and_hint() {
    let error = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"the registry is wrong","data":{"kind":"config","hint":"loom check"}}}"#;
    let (_dir, path, _served) = daemon(vec![format!("{GREETING}\n"), format!("{error}\n")]);
    let error = connect(&path).unwrap().call("loom/reload", &json!({}), LONG).unwrap_err();
    assert_eq!((error.kind(), error.hint().as_deref()), (Kind::Config, Some("loom check")));
    assert_eq!(error.to_string(), "the registry is wrong");
}

#[test]
fn a_silent_daemon_and_a_dying_one_are_named() {
    let (_dir, path, _served) = daemon(vec![format!("{GREETING}\n"), String::new(), String::new()]);
    let mut client = connect(&path).unwrap();
    let error = client.call("loom/status", &json!({}), Duration::from_millis(30)).unwrap_err();
    assert_eq!(error.to_string(), "loomd did not answer loom/status within 30 ms");

    let (_dir, path, _served) = daemon(vec![format!("{GREETING}\n"), "{\"jsonrpc\"".to_owned()]);
    let error = connect(&path).unwrap().call("loom/status", &json!({}), LONG).unwrap_err();
    assert!(matches!(error, CallError::Closed { .. }), "{error}");

    let (_dir, path, _served) = daemon(vec![]);
    assert!(connect(&path).unwrap_err().is_absent());
}

#[test]
fn another_protocol_and_plain_nonsense_are_refused() {
    let other = GREETING.replace("\"protocol\":1", "\"protocol\":9");
    let (_dir, path, _served) = daemon(vec![format!("{other}\n")]);
    assert!(matches!(connect(&path), Err(ConnectError::Mismatch { protocol: 9, pid: 7, .. })));
    let (_dir, path, _served) = daemon(vec!["hello yourself\n".into()]);
    assert!(matches!(connect(&path), Err(ConnectError::Hello { .. })));
}

#[test]
fn who_goes_on_alone_gets_what_came_behind_the_greeting_and_no_deadline() {
    let more = "{\"jsonrpc\":\"2.0\",\"method\":\"loom/draining\",\"params\":{}}\n";
    let (_dir, path, _served) = daemon(vec![format!("{GREETING}\n{more}")]);
    let stream = dial(&path, LONG).unwrap();
    let client = Client::greet(stream, &path, &hello(Role::Proxy, Path::new("/")), LONG).unwrap();
    let (mut stream, mut read) = client.into_parts().unwrap();
    assert_eq!((stream.read_timeout().unwrap(), stream.write_timeout().unwrap()), (None, None));
    stream.read_to_end(&mut read).unwrap();
    assert_eq!(String::from_utf8(read).unwrap(), more);
}

#[test]
fn a_greeting_that_trickles_in_costs_no_more_than_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    let hello = hello(Role::Proxy, Path::new("/"));
    let error = Client::connect(&path, &hello, Duration::from_millis(50)).unwrap_err();
    assert_eq!((error.kind(), error.is_absent()), (Kind::Unavailable, false), "{error}");
}
