//! From the daemon to the client; and a daemon, when there is none.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::desk::Way;
use super::{BIG, Shared, stdio};
use crate::fault::{Explain, Kind, Plain};
use crate::link::client::Client;
use crate::link::connect::{ConnectError, dial};
use crate::link::start::{own_executable, spawn_daemon};
use crate::wire::code;
use crate::wire::lines::{Item, Lines};

/// How much is read at once, in bytes.
const CHUNK: usize = 128 << 10;
const DIAL: Duration = Duration::from_secs(2);
const START: Duration = Duration::from_secs(10);
const HELLO: Duration = Duration::from_secs(5);
/// After a person's stop, or a start that failed: how often to look again.
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// While an old daemon makes way for the next.
const SOON: Duration = Duration::from_millis(20);
/// Proxies that lost the same daemon do not all start one at the same moment.
const SPREAD: u64 = 50;

/// Why there is no connection, and what to do about it.
enum Trouble {
    /// A moment later it may be there.
    Soon,
    /// Whoever waits is told; then we look again.
    Closed { code: code::Code, text: String, hint: Option<String> },
    /// This proxy was started with something that cannot be.
    Fatal(Plain),
}

/// Connects, serves, connects again, as long as the process lives.
pub fn run(shared: &Shared) {
    let mut lost_one = false;
    loop {
        match connect(shared, lost_one) {
            Ok((stream, rest)) => {
                serve(shared, &stream, rest);
                lost(shared);
                lost_one = true;
            }
            Err(trouble) => rest(shared, trouble),
        }
    }
}

/// No daemon yet: tells whoever must be told, and waits a little.
fn rest(shared: &Shared, trouble: Trouble) {
    let mut down = Vec::new();
    let pause = match trouble {
        Trouble::Soon => SOON,
        Trouble::Closed { code, text, hint } => {
            shared.desk().close(code, &text, hint, &mut down);
            LOOK_AGAIN
        }
        Trouble::Fatal(fault) => {
            let mut desk = shared.desk();
            desk.close(code::CONFIG, &fault.to_string(), Explain::hint(&fault), &mut down);
            desk.fatal = Some(fault);
            LOOK_AGAIN
        }
    };
    shared.desk().expire(Instant::now(), &mut down);
    shared.client.write(&down);
    shared.tell(shared.desk());
    std::thread::sleep(pause);
}

fn connect(shared: &Shared, lost_one: bool) -> Result<(UnixStream, Vec<u8>), Trouble> {
    let socket = &shared.options.socket;
    match dial(socket, DIAL) {
        Ok(stream) => return greet(shared, stream),
        Err(error) if error.is_absent() => {}
        Err(error) => return Err(closed(&error)),
    }
    if shared.options.paths.stopped_marker().exists() {
        let text = "loom was stopped; nothing is served until it is started again".to_string();
        return Err(Trouble::Closed { code: code::STOPPED, text, hint: Some("loom start".into()) });
    }
    if lost_one {
        std::thread::sleep(Duration::from_millis(u64::from(std::process::id()) % SPREAD));
        if let Ok(stream) = dial(socket, DIAL) {
            return greet(shared, stream);
        }
    }
    start(shared, socket)?;
    let stream = dial(socket, DIAL).map_err(|_| Trouble::Soon)?;
    greet(shared, stream)
}

fn start(shared: &Shared, socket: &Path) -> Result<(), Trouble> {
    let who = shared.options.agent_hint.as_deref().unwrap_or("a client");
    let started_by = format!("loom proxy for {who} (pid {})", std::process::id());
    let exe = own_executable().map_err(|error| Trouble::Closed {
        code: code::STOPPED,
        text: format!("loomd cannot be started: {error}"),
        hint: None,
    })?;
    match spawn_daemon(&exe, socket, None, &started_by, START) {
        Ok(()) => Ok(()),
        // The daemon before it has not let go of the lock yet.
        Err(error) if error.gave_way() => Err(Trouble::Soon),
        Err(error) => Err(closed(&error)),
    }
}

fn closed(error: &dyn Explain) -> Trouble {
    let code = match error.kind() {
        Kind::Config => code::CONFIG,
        Kind::Found | Kind::Usage | Kind::NotRunning | Kind::Unhealthy | Kind::Unavailable | Kind::Bug => {
            code::STOPPED
        }
    };
    Trouble::Closed { code, text: format!("loomd does not run: {error}"), hint: error.hint() }
}

/// Says hello. Returns the stream and what came after the answer.
fn greet(shared: &Shared, stream: UnixStream) -> Result<(UnixStream, Vec<u8>), Trouble> {
    let greeted = Client::greet(stream, &shared.options.socket, &shared.hello, HELLO);
    greeted.map_err(|error| refused(&error))?.into_parts().map_err(|_| Trouble::Soon)
}

fn refused(error: &ConnectError) -> Trouble {
    let (text, hint) = (error.to_string(), error.hint());
    match error.kind() {
        // It was just ending, or is not at it yet.
        Kind::NotRunning | Kind::Unavailable => Trouble::Soon,
        Kind::Config => {
            let fault = Plain::new(Kind::Config, text);
            Trouble::Fatal(match hint {
                Some(hint) => fault.hint(hint),
                None => fault,
            })
        }
        Kind::Found | Kind::Usage | Kind::Unhealthy | Kind::Bug => {
            Trouble::Closed { code: code::VERSION_MISMATCH, text, hint }
        }
    }
}

/// Opens the way, then passes on what the daemon says until it is gone.
fn serve(shared: &Shared, stream: &UnixStream, rest: Vec<u8>) {
    let Ok(handle) = stream.try_clone() else { return };
    let handle = Arc::new(handle);
    let mut down = Vec::new();
    {
        let mut desk = shared.desk();
        let mut up = desk.replay();
        up.extend(desk.open(handle, &mut down));
        // Written under the lock: nothing of the client's may overtake what waited longer. The daemon reads
        // whatever happens, so this ends.
        if (&mut &*stream).write_all(&up).is_err() {
            desk.take_back(&up, Instant::now());
            desk.way = Way::Soon;
        }
    }
    shared.client.write(&down);
    let mut lines = Lines::default();
    pass(shared, &mut lines, &rest, &mut down);
    let mut chunk = vec![0; CHUNK];
    let mut socket = stream;
    loop {
        if (lines.is_fat() || down.capacity() > CHUNK) && stdio::quiet(stream.as_fd()) {
            lines.trim();
            down.shrink_to(0);
        }
        match socket.read(&mut chunk) {
            Ok(0) => return,
            Ok(n) => pass(shared, &mut lines, &chunk[..n], &mut down),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Passes on complete lines, in one write.
fn pass(shared: &Shared, lines: &mut Lines, chunk: &[u8], down: &mut Vec<u8>) {
    down.clear();
    let now = Instant::now();
    let mut desk = Some(shared.desk());
    // The daemon keeps the bound on lines; here only the framing matters.
    lines.feed(chunk, usize::MAX, |item| {
        let Item::Line(line) = item else { return };
        if !desk.get_or_insert_with(|| shared.desk()).daemon_line(line, now) {
            return;
        }
        if line.len() < BIG {
            down.extend_from_slice(line);
            down.push(b'\n');
        } else {
            // Never written under the lock: the client may be waiting for `uplink` to read.
            desk = None;
            shared.client.write(down);
            down.clear();
            shared.client.write_line(line);
        }
    });
    let desk = desk.unwrap_or_else(|| shared.desk());
    let watched = desk.watchers > 0;
    drop(desk);
    if !down.is_empty() {
        shared.client.write(down);
    }
    if watched {
        shared.changed.notify_all();
    }
}

/// The daemon is gone. `uplink` may be writing still; it fails at once, and then it is known what had left.
fn lost(shared: &Shared) {
    let mut down = Vec::new();
    let mut desk = shared.desk();
    desk.watchers += 1;
    let settled = shared.changed.wait_while(desk, |desk| desk.writing);
    let mut desk = settled.unwrap_or_else(PoisonError::into_inner);
    desk.watchers -= 1;
    desk.daemon_gone(Instant::now(), &mut down);
    drop(desk);
    shared.client.write(&down);
    shared.tell(shared.desk());
}
