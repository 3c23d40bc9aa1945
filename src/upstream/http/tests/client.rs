//! The transport under test, and what it said.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::outgoing::Outgoing;
use super::super::{Endpoint, Event, Failure, Lookup, run};
use super::PATIENCE;
use super::server::{Asked, Server};
use super::taken_back;
use crate::wire::LINE_MAX;

#[derive(Debug, PartialEq)]
pub enum Got {
    Message(String),
    Failed(String, Failure),
    Expired,
    Away(Option<String>),
}

pub struct Client {
    commands: Outgoing,
    pub events: mpsc::UnboundedReceiver<Got>,
    /// How long an answer may be.
    pub room: Rc<Cell<usize>>,
    running: JoinHandle<Result<(), String>>,
}

impl Client {
    pub fn start(server: &Server) -> Client {
        Client::with(&server.url(), &[], &[])
    }

    pub fn with(url: &str, headers: &[(&str, &str)], env: &'static [(&'static str, &'static str)]) -> Client {
        let lookup = move |name: &str| Some(env.iter().find(|(key, _)| *key == name)?.1.to_owned());
        Client::with_env(url, headers, Box::new(lookup))
    }

    pub fn with_env(url: &str, headers: &[(&str, &str)], env: Lookup) -> Client {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let (commands, outgoing) = Outgoing::new();
        let (seen, events) = mpsc::unbounded_channel();
        let room = Rc::new(Cell::new(LINE_MAX));
        let (limit, held) = (room.clone(), Rc::default());
        let endpoint =
            Endpoint { url: url.into(), headers, env, limit: Box::new(move |_| limit.get()), held };
        let running = tokio::task::spawn_local(run(endpoint, outgoing, move |event| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let _ = seen.send(match event {
                Event::Message { text: message, .. } => Got::Message(text(message)),
                Event::Failed { line, failure } => Got::Failed(text(&line), failure),
                Event::Expired => Got::Expired,
                Event::Away(why) => Got::Away(why.map(str::to_owned)),
            });
        }));
        Client { commands, events, room, running }
    }

    /// With a session: the handshake is done, and the server has no stream of its own.
    pub async fn open(server: &mut Server, session: &str) -> Client {
        let mut client = Client::start(server);
        let get = client.introduce(server, session).await;
        get.reply(405, &[], "");
        client
    }

    /// Shakes hands. The request for the server's own stream is returned.
    pub async fn introduce(&mut self, server: &mut Server, session: &str) -> Asked {
        self.say(INITIALIZE);
        let asked = server.next().await;
        assert_eq!((asked.what().as_str(), asked.header("mcp-session-id")), ("POST initialize 0", ""));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend((!session.is_empty()).then_some(("mcp-session-id", session)));
        asked.reply(200, &headers, INITIALIZED);
        assert_eq!(self.message().await, INITIALIZED);
        self.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        let asked = server.next().await;
        assert_eq!(asked.what(), "POST notifications/initialized");
        asked.accept();
        let get = server.next().await;
        assert_eq!(get.what(), "GET");
        get
    }

    pub fn say(&self, line: impl Into<String>) {
        assert!(self.commands.hand_over(line.into().as_bytes()), "it runs");
    }

    pub fn take_back(&self, id: &str) {
        self.say(taken_back(id));
    }

    pub async fn next(&mut self) -> Got {
        timeout(PATIENCE, self.events.recv()).await.expect("nothing is said").expect("it runs")
    }

    pub async fn message(&mut self) -> String {
        match self.next().await {
            Got::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    pub async fn failure(&mut self) -> Failure {
        match self.next().await {
            Got::Failed(_, failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    /// Says that nothing more will be sent, and waits for the end.
    pub async fn close(self) -> Result<(), String> {
        drop(self.commands);
        timeout(PATIENCE, self.running).await.expect("it ends").unwrap()
    }

    /// Waits for an end that comes by itself.
    pub async fn ended(self) -> Result<(), String> {
        timeout(PATIENCE, self.running).await.expect("it ends").unwrap()
    }
}

pub const INITIALIZE: &str =
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;
pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18"}}"#;
