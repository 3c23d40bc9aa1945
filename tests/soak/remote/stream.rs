//! A stream of events: what was said on it, and how far its readers are.

use std::io;
use std::net::TcpStream;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::super::support::elsewhere::http;
use super::session::OWN;

/// How often a stream looks whether its reader is still there.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Default)]
struct Told {
    events: Vec<Vec<u8>>,
    /// Nothing more is said.
    ended: bool,
    /// Its session is over: it ends as if the server had died.
    dead: bool,
    /// Counts the readers: only the last one reads on.
    readers: u64,
    reads: bool,
}

#[derive(Default)]
pub struct Stream {
    told: Mutex<Told>,
    changed: Condvar,
}

impl Stream {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("nobody panics with this lock")
    }

    /// One message, as it was written.
    pub fn say(&self, line: &[u8]) {
        self.lock().events.push(line.to_owned());
        self.changed.notify_all();
    }

    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    pub fn die(&self) {
        self.lock().dead = true;
        self.changed.notify_all();
    }

    /// Breaks its reader off.
    pub fn cut(&self) {
        self.lock().readers += 1;
        self.changed.notify_all();
    }

    pub fn is_read(&self) -> bool {
        self.lock().reads
    }

    /// Makes room for a reader, whose number is returned.
    pub fn open(&self) -> u64 {
        let mut told = self.lock();
        told.readers += 1;
        told.reads = true;
        self.changed.notify_all();
        told.readers
    }

    /// Writes the events from this one on, each with its id, to the end of the stream. An error when it was cut.
    pub fn read(&self, reader: u64, number: u64, from: usize, onto: &TcpStream) -> io::Result<()> {
        let result = self.read_to_end(reader, number, from, onto);
        let mut told = self.lock();
        if told.readers == reader || result.is_err() && told.readers == reader + 1 {
            told.reads = false;
        }
        result
    }

    fn read_to_end(&self, reader: u64, number: u64, from: usize, onto: &TcpStream) -> io::Result<()> {
        let mut next = from;
        loop {
            let mut told = self.lock();
            while told.readers == reader && !told.dead && !told.ended && told.events.len() <= next {
                told = self.changed.wait_timeout(told, LOOK).expect("nobody panics with this lock").0;
                if has_left(onto) {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
            // Without the id of its first event, an answer's stream could not be continued: that one always goes out.
            let may_be_cut = next > 0 || number == OWN;
            if told.readers != reader && may_be_cut || told.dead && told.events.len() <= next {
                http::cut(onto);
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            let Some(line) = told.events.get(next).cloned() else { return http::end_events(onto) };
            drop(told);
            next += 1;
            http::say_bytes(onto, &event(&format!("{number}.{next}"), &line))?;
        }
    }
}

/// Whether the reader has closed the connection. It says nothing more on it until it has heard all.
fn has_left(connection: &TcpStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    match rustix::net::recv(connection, &mut [0_u8; 1], flags) {
        Ok((_, 0)) => true,
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => false,
        Err(_) => true,
    }
}

/// A carriage return ends a line of an event, too.
fn event(id: &str, line: &[u8]) -> Vec<u8> {
    let mut event = format!("id: {id}\n").into_bytes();
    for part in line.split(|byte| *byte == b'\r') {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(part);
        event.push(b'\n');
    }
    event.push(b'\n');
    event
}
