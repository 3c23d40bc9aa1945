//! One connection to the daemon: a client's proxy, or a `loom` command.
//!
//! The task reads and hands chunks to the switch; a second small task writes only what did not fit at once.

use foldhash::{HashMap, HashSet};
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::asks::Ask;
use super::claims::Claims;
use super::hello::{Hello, Role};
use super::levels::Level;
use super::scopes::Roots;
use super::subscriptions::Subscription;
use super::switch::Shared;
use super::views::ClientView;
use crate::mcp::capabilities::Capabilities;
use crate::mcp::initialize::Introduced;
use crate::upstream::instance::InstanceId;
use crate::wire::BUFFER_MAX;
use crate::wire::id::Id;
use crate::wire::lines::{Item, Lines};
use crate::wire::outbox::Outbox;

/// Names one connection during a daemon's life.
pub type SessionId = u32;

/// A connection must say who it is within this time.
const HELLO_WAIT: Duration = Duration::from_secs(5);

/// A client that leaves more than this unread loses notifications, in bytes.
pub const NOTIFY_BACKLOG: usize = 4 << 20;

/// More than this is not gathered for one peer: calls and answers beyond it become errors, in bytes.
pub const UNREAD_MAX: usize = BUFFER_MAX / 4;

/// Room for long lines is given back after so long without any.
const FAT_FOR: Duration = Duration::from_secs(1);

/// How much is read at once, in bytes.
pub const CHUNK: usize = 128 << 10;

pub struct Session {
    pub hello: Hello,
    /// What it is called: by its command line, else as it introduced itself.
    pub label: Rc<str>,
    /// What it said of itself in its handshake.
    pub introduced: Option<Introduced>,
    pub out: Outbox,
    /// Bytes of a line that has not come whole.
    pub held: usize,
    pub stream: Rc<OwnedWriteHalf>,
    pub backlog: Rc<Notify>,
    /// Open calls by the client's own id (raw JSON).
    pub calls: HashMap<Id, (InstanceId, u64)>,
    /// Servers that this client has called.
    pub used: HashSet<InstanceId>,
    pub view: Option<Rc<ClientView>>,
    /// By [`Kind`]: the list that this client has last had, or was last told to ask for.
    pub announced: [Option<Rc<str>>; 4],
    /// What it can be asked for.
    pub capabilities: Capabilities,
    /// What it was asked and has not answered, by loom's id.
    pub asks: HashMap<u64, Ask>,
    pub roots: Roots,
    /// Requests that wait until its roots are known.
    pub held_back: Vec<Box<[u8]>>,
    /// The least urgent log messages that it wants.
    pub level: Option<Level>,
    /// By the URI that it used.
    pub subscriptions: HashMap<String, Subscription>,
    pub claims: Claims,
    /// Requests for lists that wait for servers never listed before.
    pub lists: Vec<super::local::WaitingList>,
    pub initialized: bool,
    /// Calls so far.
    pub called: u64,
}

impl Session {
    pub fn new(hello: Hello, stream: OwnedWriteHalf) -> Self {
        let unnamed = if hello.role == Role::Cli { "cli" } else { "unnamed" };
        Session {
            label: hello.agent_hint.as_deref().unwrap_or(unnamed).into(),
            introduced: None,
            hello,
            out: Outbox::default(),
            held: 0,
            stream: Rc::new(stream),
            backlog: Rc::default(),
            calls: HashMap::default(),
            used: HashSet::default(),
            view: None,
            announced: Default::default(),
            capabilities: Capabilities::default(),
            asks: HashMap::default(),
            roots: Roots::default(),
            held_back: Vec::new(),
            level: None,
            subscriptions: HashMap::default(),
            claims: Claims::default(),
            lists: Vec::new(),
            initialized: false,
            called: 0,
        }
    }

    /// It says who it is.
    pub fn introduce(&mut self, introduced: Introduced) {
        if let (None, Some(name)) = (&self.hello.agent_hint, &introduced.name) {
            self.label = name.as_str().into();
        }
        self.introduced = Some(introduced);
    }

    /// Writes what the socket takes now; the rest is left to the writer of the backlog.
    pub fn flush(&mut self) {
        while !self.out.pending().is_empty() {
            match self.stream.try_write(self.out.pending()) {
                Ok(n) => self.out.wrote(n),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.backlog.notify_one();
                    return;
                }
                // The reader sees the end of the connection and closes the session.
                Err(_) => return,
            }
        }
    }
}

/// Serves one connection to its end.
pub async fn serve(shared: Shared, stream: UnixStream) {
    let (mut read, write) = stream.into_split();
    let mut lines = Lines::default();
    let mut chunk = vec![0; CHUNK];
    let Some((id, rest)) = greet(&shared, &mut read, write, &mut lines, &mut chunk).await else { return };
    let _open = OpenSession { shared: shared.clone(), id };
    // Ends when its session does.
    tokio::task::spawn_local(write_backlog(shared.clone(), id));
    take(&shared, id, &mut lines, &rest);
    drop((rest, chunk));
    let scratch = shared.borrow().scratch.clone();
    let mut fat = false;
    loop {
        match read_or_rest(&mut read, &scratch, fat).await {
            Heard::Bytes(n) => fat = take(&shared, id, &mut lines, &scratch.borrow()[..n]),
            Heard::Nothing => {
                fat = false;
                lines.trim();
                if let Some(session) = shared.borrow_mut().sessions.get_mut(&id) {
                    session.out.trim();
                }
            }
            Heard::End => return,
        }
    }
}

/// Closes its session when the task that serves it is over, in whatever way.
struct OpenSession {
    shared: Shared,
    id: SessionId,
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        let mut switch = self.shared.borrow_mut();
        switch.close_session(self.id);
        switch.flush();
    }
}

/// Reads up to the first line, which must be the hello. Returns what came after it.
async fn greet(
    shared: &Shared,
    read: &mut OwnedReadHalf,
    write: OwnedWriteHalf,
    lines: &mut Lines,
    chunk: &mut [u8],
) -> Option<(SessionId, Vec<u8>)> {
    let first = timeout(HELLO_WAIT, async {
        let mut held = Vec::new();
        loop {
            if let Some(end) = memchr::memchr(b'\n', &held) {
                let rest = held.split_off(end + 1);
                return Some((held, rest));
            }
            let n = tokio::io::AsyncReadExt::read(read, chunk).await.ok()?;
            if n == 0 || held.len() > CHUNK {
                return None;
            }
            held.extend_from_slice(&chunk[..n]);
        }
    });
    let (line, rest) = first.await.ok().flatten()?;
    debug_assert_eq!(lines.held(), 0);
    let id = shared.borrow_mut().open_session(&line, write)?;
    Some((id, rest))
}

/// What a read brought.
pub enum Heard {
    Bytes(usize),
    /// Nothing for a while: time to give back room.
    Nothing,
    End,
}

/// Reads into the buffer that all readers of this thread share: it is borrowed only while the read is polled,
/// and then while its bytes are handled, neither of which waits. With `fat`, gives up after a while.
pub async fn read_or_rest(
    read: &mut (impl AsyncRead + Unpin),
    scratch: &Rc<RefCell<Vec<u8>>>,
    fat: bool,
) -> Heard {
    let reading = poll_fn(|cx| {
        let mut scratch = scratch.borrow_mut();
        let mut buf = ReadBuf::new(&mut scratch);
        Pin::new(&mut *read).poll_read(cx, &mut buf).map_ok(|()| buf.filled().len())
    });
    let n = match fat {
        false => reading.await,
        true => match timeout(FAT_FOR, reading).await {
            Ok(n) => n,
            Err(_) => return Heard::Nothing,
        },
    };
    match n {
        Ok(n) if n > 0 => Heard::Bytes(n),
        _ => Heard::End,
    }
}

/// Hands over complete lines. True when buffers have grown that an idle session should give back.
fn take(shared: &Shared, id: SessionId, lines: &mut Lines, chunk: &[u8]) -> bool {
    let now = Instant::now();
    let mut switch = shared.borrow_mut();
    let limit = switch.client_line_limit(id, lines.held());
    // What has come of it is now in the line that is handed over: it does not count twice.
    if lines.held() > 0
        && let Some(session) = switch.sessions.get_mut(&id)
    {
        session.held = 0;
    }
    lines.feed(chunk, limit, |item| match item {
        Item::Line(line) => switch.client_line(id, line, now),
        Item::Oversized(lost) => switch.client_oversized(id, &lost),
    });
    switch.flush();
    let Some(session) = switch.sessions.get_mut(&id) else { return false };
    session.held = lines.held();
    lines.is_fat() || session.out.is_fat()
}

/// Writes what `flush` could not.
async fn write_backlog(shared: Shared, id: SessionId) {
    let Some((stream, backlog)) =
        shared.borrow().sessions.get(&id).map(|session| (session.stream.clone(), session.backlog.clone()))
    else {
        return;
    };
    loop {
        backlog.notified().await;
        if !shared.borrow().sessions.contains_key(&id) || stream.writable().await.is_err() {
            return;
        }
        let mut switch = shared.borrow_mut();
        switch.tell_lost(id);
        match switch.sessions.get_mut(&id) {
            Some(session) => session.flush(),
            None => return,
        }
    }
}
