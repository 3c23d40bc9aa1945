//! From the daemon to the client; and a daemon, when there is none.

use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::socket::{self, Ends};
use super::starts::Starts;
use super::way::{Absence, Way};
use super::{BIG, Shared, stdio};
use crate::fault::{Explain, Kind, Plain};
use crate::link::client::Client;
use crate::link::connect::{ConnectError, dial};
use crate::link::start::{StartError, own_executable, spawn_daemon};
use crate::wire::code;
use crate::wire::lines::{Item, Lines};

/// How much is read at once, in bytes.
const CHUNK: usize = 128 << 10;
const DIAL: Duration = Duration::from_secs(2);
const START: Duration = Duration::from_secs(10);
const HELLO: Duration = Duration::from_secs(5);
/// What `uplink` writes to a closed socket fails at once.
const SETTLE: Duration = Duration::from_secs(5);
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
    Closed(Absence),
    /// As before: it is too early for another start.
    Same,
    /// This proxy was started with something that cannot be.
    Fatal(Plain),
}

/// Connects, serves, connects again, as long as the process lives.
pub fn run(shared: &Shared) {
    let mut lost_one = false;
    let mut starts = Starts::default();
    loop {
        match connect(shared, &mut starts, lost_one) {
            Ok((stream, rest)) => {
                let stream = Arc::new(stream);
                serve(shared, &stream, &rest);
                lost(shared, &stream);
                starts.lost(Instant::now());
                lost_one = true;
            }
            Err(trouble) => rest(shared, trouble),
        }
    }
}

/// No daemon yet: tells whoever must be told, and waits a little.
fn rest(shared: &Shared, trouble: Trouble) {
    let mut down = Vec::new();
    let mut desk = shared.desk();
    let pause = match trouble {
        Trouble::Soon => SOON,
        Trouble::Same if matches!(desk.way, Way::Closed(_)) => LOOK_AGAIN,
        Trouble::Same => SOON,
        Trouble::Closed(absence) => {
            desk.close(absence, &mut down);
            LOOK_AGAIN
        }
        Trouble::Fatal(fault) => {
            let (text, hint) = (fault.to_string(), Explain::hint(&fault));
            desk.close(Absence { code: code::CONFIG, text, hint }, &mut down);
            desk.fatal = Some(fault);
            LOOK_AGAIN
        }
    };
    desk.expire(Instant::now(), &mut down);
    shared.deliver(desk, &down);
    std::thread::sleep(pause);
}

/// The steps have a deadline each, so that `rest` comes to those who wait too long.
fn connect(shared: &Shared, starts: &mut Starts, lost_one: bool) -> Result<(UnixStream, Vec<u8>), Trouble> {
    let socket = &shared.options.socket;
    match dial(socket, DIAL) {
        Ok(stream) => return greet(shared, stream),
        Err(error) if error.is_absent() => {}
        Err(error) => return Err(closed(&error)),
    }
    if shared.options.paths.stopped_marker().exists() {
        starts.reset();
        let text = "loom was stopped; nothing is served until it is started again".to_string();
        let hint = Some("loom start".into());
        return Err(Trouble::Closed(Absence { code: code::STOPPED, text, hint }));
    }
    if !starts.may_start(Instant::now()) {
        return Err(Trouble::Same);
    }
    if lost_one {
        std::thread::sleep(Duration::from_millis(u64::from(std::process::id()) % SPREAD));
        if let Ok(stream) = dial(socket, DIAL) {
            return greet(shared, stream);
        }
    }
    start(shared, starts, socket)?;
    let greeted = dial(socket, DIAL).map_err(|_| Trouble::Soon).and_then(|stream| greet(shared, stream));
    greeted.inspect_err(|_| starts.lost(Instant::now()))
}

fn start(shared: &Shared, starts: &mut Starts, socket: &Path) -> Result<(), Trouble> {
    let who = shared.options.agent_hint.as_deref().unwrap_or("a client");
    let started_by = format!("loom proxy for {who} (pid {})", std::process::id());
    let exe = match own_executable() {
        Ok(exe) => exe,
        Err(error) => {
            starts.failed(Instant::now());
            let text = format!("loomd cannot be started: {error}");
            return Err(Trouble::Closed(Absence { code: code::NO_DAEMON, text, hint: None }));
        }
    };
    let outcome = spawn_daemon(&exe, socket, None, &started_by, START);
    let now = Instant::now();
    match outcome {
        Ok(()) => {
            starts.succeeded(now);
            Ok(())
        }
        // The daemon before it has not let go of the lock yet.
        Err(error) if error.gave_way() => {
            starts.gave_way(now);
            Err(Trouble::Soon)
        }
        // It may only be slow; whoever waits has a time of its own.
        Err(StartError::Slow { .. }) => {
            starts.failed(now);
            Err(Trouble::Soon)
        }
        Err(error) => {
            starts.failed(now);
            Err(closed(&error))
        }
    }
}

fn closed(error: &dyn Explain) -> Trouble {
    let code = match error.kind() {
        Kind::Config => code::CONFIG,
        Kind::NotRunning => code::STOPPED,
        Kind::Found | Kind::Usage | Kind::Unhealthy | Kind::Unavailable | Kind::Bug => code::NO_DAEMON,
    };
    Trouble::Closed(Absence { code, text: format!("loomd does not run: {error}"), hint: error.hint() })
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
            Trouble::Closed(Absence { code: code::VERSION_MISMATCH, text, hint })
        }
    }
}

/// Opens the way, then passes on what the daemon says until it is gone.
fn serve(shared: &Shared, stream: &Arc<UnixStream>, rest: &[u8]) {
    let mut down = Vec::new();
    if !open(shared, stream, &mut down) {
        return;
    }
    shared.deliver(shared.desk(), &down);
    let mut lines = Lines::default();
    pass(shared, &mut lines, rest, &mut down);
    let mut chunk = vec![0; CHUNK];
    loop {
        if (lines.is_fat() || down.capacity() > CHUNK) && stdio::quiet(stream.as_fd()) {
            lines.trim();
            down.shrink_to(0);
        }
        match (&**stream).read(&mut chunk) {
            Ok(0) => return,
            Ok(n) => pass(shared, &mut lines, &chunk[..n], &mut down),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Writes the handshake and what waited, and what comes from the client meanwhile; then nothing is left that could be
/// overtaken. False when the daemon is gone again.
fn open(shared: &Shared, stream: &Arc<UnixStream>, down: &mut Vec<u8>) -> bool {
    let mut up = shared.desk().begin(down);
    loop {
        if let Err(cut) = socket::write(stream, &up, Ends::of_client()) {
            shared.desk().take_back(socket::unsent(&up, cut.written), Instant::now());
            return false;
        }
        up = shared.desk().go_on(stream);
        if up.is_empty() {
            return true;
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
        let noted = desk.get_or_insert_with(|| shared.desk());
        if !noted.daemon_line(line, now) {
            return;
        }
        if line.len() < BIG {
            down.extend_from_slice(line);
            down.push(b'\n');
        } else {
            // Never written under the lock: the client may be waiting for `uplink` to read.
            noted.delivering = true;
            desk = None;
            shared.client.write(down);
            down.clear();
            shared.client.write_line(line);
        }
    });
    shared.deliver(desk.unwrap_or_else(|| shared.desk()), down);
}

/// The daemon is gone. `uplink` may be writing still; it fails at once, and then it is known what had left.
fn lost(shared: &Shared, stream: &UnixStream) {
    // Fails when nobody is at the other end, which is as good.
    let _ = stream.shutdown(Shutdown::Both);
    let mut down = Vec::new();
    let mut desk = shared.desk();
    desk.watchers += 1;
    let settled = shared.changed.wait_timeout_while(desk, SETTLE, |desk| desk.writing);
    let (mut desk, _) = settled.unwrap_or_else(PoisonError::into_inner);
    desk.watchers -= 1;
    desk.daemon_gone(Instant::now(), &mut down);
    shared.deliver(desk, &down);
}
