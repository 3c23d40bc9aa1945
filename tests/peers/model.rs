//! A model provider on a free port of loopback. It thinks nothing: what it answers the test decides, turn by turn.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use serde_json::Value;

use crate::dialect::{Answer, Asked, Dialect, Tool};
use crate::session::Event;

/// A request to the model that offers tools. The client waits until `call` or `say`.
pub struct Turn {
    asked: Asked,
    request: String,
    answers: Sender<Answer>,
}

impl Turn {
    /// The tools that are offered under `prefix`, without it, sorted.
    pub fn offered(&self, prefix: &str) -> Vec<String> {
        let own = |tool: &Tool| tool.full_name().strip_prefix(prefix).map(str::to_owned);
        let mut names: Vec<_> = self.asked.tools.iter().filter_map(own).collect();
        names.sort();
        names
    }

    /// All that the client sends to the model.
    pub fn request(&self) -> &str {
        &self.request
    }

    /// What the calls of this session have given, oldest first.
    pub fn results(&self) -> &[String] {
        &self.asked.results
    }

    /// Answers that loom's tool `name` is to be called.
    pub fn call(self, prefix: &str, name: &str, arguments: Value) {
        let wanted = format!("{prefix}{name}");
        let tool = self.asked.tools.iter().find(|tool| tool.full_name() == wanted);
        let tool = tool.unwrap_or_else(|| panic!("{wanted} is not offered: {:?}", self.asked.tools)).clone();
        // The number tells calls of one session apart.
        let id = format!("call_{}", self.asked.results.len() + 1);
        self.answer(Answer::Call { id, tool, arguments });
    }

    /// Answers with a text, which ends the session.
    pub fn say(self, text: &str) {
        self.answer(Answer::Text(text.to_owned()));
    }

    fn answer(&self, answer: Answer) {
        self.answers.send(answer).expect("the client waits for its answer");
    }
}

/// Serves for as long as the test runs; the URL without a path.
pub fn serve(events: Sender<Event>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let events = events.clone();
            // A client that has gone away shows elsewhere whether it had good reason to.
            thread::spawn(move || answer(&stream, &events));
        }
    });
    format!("http://{address}")
}

/// One request, one answer, then the connection ends.
fn answer(stream: &TcpStream, events: &Sender<Event>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            1 | 2 => break,
            _ => head.push(line.trim_end().to_ascii_lowercase()),
        }
    }
    let length = |line: &String| line.strip_prefix("content-length:")?.trim().parse::<u64>().ok();
    let length = head.iter().find_map(length).unwrap_or(0);
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    let path = head.first().and_then(|line| line.strip_prefix("post ")?.split([' ', '?']).next());
    match path.and_then(Dialect::of) {
        Some(dialect) => {
            let answer = decide(dialect, &body, events)?;
            write(stream, "200 OK", "text/event-stream", &dialect.stream(&answer))
        }
        None => write(stream, "403 Forbidden", "text/plain", "there is only the model here\n"),
    }
}

/// What the test says. Requests without tools do not get there: clients make them on the side, for titles and such.
fn decide(dialect: Dialect, body: &[u8], events: &Sender<Event>) -> io::Result<Answer> {
    let asked = match serde_json::from_slice(body) {
        Ok(body) => dialect.asked(&body),
        Err(error) => {
            let what = format!("{error}: {}", String::from_utf8_lossy(body));
            events.send(Event::Strange(what)).map_err(|_| over())?;
            return Err(error.into());
        }
    };
    if asked.tools.is_empty() {
        return Ok(Answer::Text("ok".into()));
    }
    let (answers, answer) = channel();
    let request = String::from_utf8_lossy(body).into_owned();
    events.send(Event::Turn(Turn { asked, request, answers })).map_err(|_| over())?;
    answer.recv().map_err(|_| over())
}

fn over() -> io::Error {
    io::Error::other("the test is over")
}

fn write(mut stream: &TcpStream, status: &str, kind: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n");
    write!(stream, "{head}Connection: close\r\n\r\n{body}")
}
