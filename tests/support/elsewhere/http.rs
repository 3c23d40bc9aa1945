//! As much of HTTP/1.1 as a server of the tests needs: requests with a length, answers and streams of events.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    /// The next request of a connection. An error when the client has gone.
    pub fn read(connection: &mut BufReader<TcpStream>) -> io::Result<Self> {
        let first = line(connection)?;
        let mut words = first.split(' ').map(str::to_owned);
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut headers = Vec::new();
        loop {
            let line = line(connection)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Request { method, path, headers, body: String::new() };
        let length = request.header("content-length").parse().unwrap_or(0);
        connection.take(length).read_to_string(&mut request.body)?;
        Ok(request)
    }

    /// A header's value; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

fn line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    match connection.read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}

/// A whole answer. `headers` are lines, each with its end.
pub fn answer(mut stream: &TcpStream, status: u16, headers: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes())
}

/// The head of a stream of events.
pub fn begin_events(mut stream: &TcpStream, headers: &str) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n";
    stream.write_all(format!("{head}{headers}\r\n").as_bytes())
}

/// A part of a stream of events.
pub fn say(stream: &TcpStream, text: &str) -> io::Result<()> {
    say_bytes(stream, text.as_bytes())
}

/// The same, whatever the bytes are.
pub fn say_bytes(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    stream.write_all(&chunk)
}

/// The end of a stream of events, as it should be.
pub fn end_events(mut stream: &TcpStream) -> io::Result<()> {
    stream.write_all(b"0\r\n\r\n")
}

/// Ends a connection with a reset, whatever is still to be read.
pub fn reset(stream: &TcpStream) {
    let now = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
    now.expect("a socket can be told how to close");
}

/// Breaks a connection off in the middle of whatever it carries.
pub fn cut(stream: &TcpStream) {
    // One that the client has closed is gone already.
    let _ = stream.shutdown(Shutdown::Both);
}
