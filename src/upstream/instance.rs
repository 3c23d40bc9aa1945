//! What the daemon knows of one running or runnable server: its state, its calls, the bytes on their way to it.
//!
//! Two clients share an instance when their effective specs start the same process. All methods are plain
//! bookkeeping but `flush`, which writes what the pipe takes without waiting.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::calls::{Asker, Calls};
use super::channel::Channel;
use super::greeting::Greeting;
use super::life::{History, ServerState, Trouble};
use super::meter::Meter;
use super::refusals::Refusals;
use super::task::Tasks;
use crate::mcp::catalog::{Item, Kind};
use crate::registry::Server;
use crate::registry::spec::Spec;
use crate::wire::outbox::Outbox;
use crate::wire::reply;

/// After a list was had, the server is not asked for it again for so long, whatever it says.
const REST: Duration = Duration::from_millis(20);
const REST_MOST: Duration = Duration::from_secs(5);

/// A shorter idle time counts as this one.
const IDLE_LEAST: Duration = Duration::from_millis(100);

/// Names one instance during a daemon's life.
pub type InstanceId = u32;

/// What the process is told to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// End when idle; the next call starts it again.
    Stop,
    /// A person wants a fresh process and a clean history.
    Restart,
    /// The handshake failed.
    Fail(Trouble),
    /// A server elsewhere cannot be reached any more.
    Lost(Trouble),
}

/// Why a start is wanted. A call goes before a mere look at the tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    None,
    Tools,
    Call,
}

/// Numbers since the daemon began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub calls: u64,
    pub errors: u64,
    /// Calls answered in the present life.
    pub answered: u64,
}

/// Who an instance is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Everybody,
    /// One connection.
    Client(u32),
    /// Clients with these roots: the result of `roots/list`.
    Workspace(Rc<str>),
}

/// What is known of one list of a server.
#[derive(Debug, Default)]
pub struct Listing {
    /// `None`: never listed, not even by an earlier daemon.
    pub items: Option<Rc<[Item]>>,
    /// The last attempt to list them failed, or the list is from an earlier life of a server that is gone.
    pub stale: bool,
    /// It is that of an instance before this one, which may have been another program.
    pub inherited: bool,
    /// Pages of a listing under way.
    pub pages: Vec<Item>,
    /// What those pages had that clients could not read.
    pub left_out: Vec<String>,
    /// The same of the whole list, as a person is told it.
    pub unreadable: Option<String>,
    /// Cursors that have been followed: a server that repeats one would page for ever.
    pub cursors: HashSet<String>,
    /// A listing is under way.
    pub busy: bool,
    /// The server said that it changed while a listing was under way.
    pub again: bool,
    /// It will be asked again by itself.
    pub due: bool,
    /// When it was last had, and how long it is left alone after that.
    pub had: Option<Instant>,
    pub pause: Duration,
    /// Why there is no list.
    pub error: Option<String>,
    /// So many attempts in a row were lost on the way.
    pub lost: u32,
}

impl Listing {
    /// Nothing to wait for: it has been had, or cannot be.
    pub fn is_settled(&self) -> bool {
        self.items.is_some() && !self.inherited || self.error.is_some()
    }

    /// It was had, or not: how long it is left alone now. The longer, the more often nothing had changed.
    pub fn rests(&mut self, changed: bool) {
        self.had = Some(Instant::now());
        self.pause = if changed { REST } else { (self.pause * 2).clamp(REST, REST_MOST) };
    }
}

pub struct Instance {
    pub server: Rc<Server>,
    pub spec: Rc<Spec>,
    pub key: u64,
    pub state: ServerState,
    pub history: History,
    pub calls: Calls,
    pub tasks: Tasks,
    /// What it said of tasks before the answer that says whose they are: own id and params.
    pub early: Vec<(String, String)>,
    /// Elicitations by URL that have not been completed: the connection of the client that was asked.
    pub elicitations: BTreeMap<String, u32>,
    /// The call on whose stream the message came that is handled now, where the transport says so.
    pub during: Option<u64>,
    /// The log level that it was told in this life.
    pub level: Option<usize>,
    pub out: Outbox,
    /// Bytes of what it says and has not come whole.
    pub held: Rc<Cell<usize>>,
    /// While a life lasts.
    pub channel: Option<Channel>,
    pub demand: Demand,
    pub order: Option<Order>,
    /// The keeper looks again: a demand or an order came.
    pub wake: Rc<Notify>,
    /// The writer of the backlog looks again.
    pub backlog: Rc<Notify>,
    pub scope: Scope,
    /// The roots of its workspace, as a client said them.
    pub roots: Rc<str>,
    /// The capabilities that loom declares to it, as JSON.
    pub declared: Rc<str>,
    pub greeting: Option<Greeting>,
    /// By [`Kind`].
    pub lists: [Listing; 4],
    /// A list changed since they were last written to disk.
    pub unsaved: bool,
    pub counts: Counts,
    pub meter: Option<Meter>,
    pub used: Instant,
    pub began: Instant,
    /// The process group, as long as anything of it may be alive; else 0.
    pub pid: i32,
    /// No longer wanted, for good: it finishes what it has, until the time given.
    pub retiring: Option<Instant>,
    /// The version that the server chose in its handshake.
    pub protocol: Option<String>,
    /// So many of its sessions in a row were forgotten by it before any call was answered.
    pub forgotten: u32,
    /// Questions of its own that loom refused.
    pub refusals: Refusals,
    /// Why nothing can be heard from it for now, although it is ready.
    pub away: Option<String>,
}

impl Instance {
    pub fn new(server: Rc<Server>, spec: Rc<Spec>, scope: Scope, declared: Rc<str>, now: Instant) -> Self {
        Instance {
            key: spec.key(),
            server,
            spec,
            state: ServerState::Idle,
            history: History::default(),
            calls: Calls::default(),
            tasks: Tasks::default(),
            early: Vec::new(),
            elicitations: BTreeMap::new(),
            during: None,
            level: None,
            out: Outbox::default(),
            held: Rc::default(),
            channel: None,
            demand: Demand::None,
            order: None,
            wake: Rc::default(),
            backlog: Rc::default(),
            scope,
            roots: "{\"roots\":[]}".into(),
            declared,
            greeting: None,
            lists: Default::default(),
            unsaved: false,
            counts: Counts::default(),
            meter: None,
            used: now,
            began: now,
            pid: 0,
            retiring: None,
            protocol: None,
            forgotten: 0,
            refusals: Refusals::default(),
            away: None,
        }
    }

    pub fn name(&self) -> &str {
        self.server.name.as_str()
    }

    /// Whether a client's call can go straight to the process.
    pub fn open_for_calls(&self, session: u32) -> bool {
        matches!(self.state, ServerState::Ready { .. })
            && self.calls.has_room(session, self.spec.max_concurrent)
    }

    /// How long it may be without work before it is stopped; never so short that its keeper would be busy looking.
    pub fn idle_limit(&self, default: Duration) -> Duration {
        self.spec.idle_timeout.unwrap_or(default).max(IDLE_LEAST)
    }

    /// The handshake is done.
    pub fn now_ready(&mut self) {
        self.state = ServerState::Ready { pid: self.pid };
    }

    pub fn is_ready(&self) -> bool {
        matches!(self.state, ServerState::Ready { .. })
    }

    /// Something can be written to it.
    pub fn is_linked(&self) -> bool {
        self.channel.is_some()
    }

    /// Asks the keeper for a start, unless a process runs.
    pub fn want(&mut self, demand: Demand) {
        if self.channel.is_none() && self.demand < demand {
            self.demand = demand;
            self.wake.notify_one();
        }
    }

    /// Tells the keeper.
    pub fn give_order(&mut self, order: Order) {
        self.order = Some(order);
        self.wake.notify_one();
    }

    /// It is to go for good, whatever else is said of it; open calls may end until `by`.
    pub fn retire(&mut self, by: Instant) {
        self.retiring = Some(self.retiring.map_or(by, |before| before.min(by)));
        self.wake.notify_one();
    }

    /// Something goes on that its end would cut off.
    pub fn is_busy(&self) -> bool {
        !self.calls.is_empty() || self.has_open_tasks(Instant::now())
    }

    pub fn has_open_tasks(&self, now: Instant) -> bool {
        self.tasks.values().any(|task| task.is_open(now))
    }

    /// The clients that it may be working for now; those too that have gone and left a task behind: what it says may be
    /// about that, and is not for another client.
    pub fn callers(&self) -> BTreeSet<u32> {
        let now = Instant::now();
        let tasks = self.tasks.values().filter(|task| task.until > now).map(|task| task.session);
        self.calls.callers(now).chain(tasks).collect()
    }

    /// The client that it works for, when it is one, or that the message is for that is handled now.
    pub fn only_caller(&self) -> Option<u32> {
        if let Some(Asker::Client { session, .. }) =
            self.during.and_then(|call| Some(&self.calls.get(call)?.asker))
        {
            return Some(*session);
        }
        let callers = self.callers();
        callers.first().copied().filter(|_| callers.len() == 1)
    }

    /// Sends a request of loom's own.
    pub fn ask(&mut self, asker: Asker, method: &str, params: &str, now: Instant, limit: Duration) {
        let id = self.calls.mint();
        let start = self.out.end();
        reply::request(self.out.tail(), id, method, params);
        self.calls.sent(id, asker, now, limit, start..self.out.end());
    }

    /// Hands waiting calls to a ready process, as many as it may have at once.
    pub fn send_waiting(&mut self, now: Instant) {
        while matches!(self.state, ServerState::Ready { .. }) {
            let Some((id, line)) = self.calls.next_waiting(self.spec.max_concurrent) else { return };
            let start = self.out.end();
            self.out.tail().extend_from_slice(&line);
            self.calls.now_sent(id, start..self.out.end(), now);
        }
    }

    /// Writes what the pipe takes now; the rest is left to the writer of the backlog.
    pub fn flush(&mut self) {
        if let Some(channel) = &self.channel
            && channel.write(&mut self.out)
        {
            self.backlog.notify_one();
        }
    }

    /// Bytes of what is said to it, and is still held for it.
    pub fn unwritten(&self) -> usize {
        self.out.pending().len() + self.channel.as_ref().map_or(0, Channel::held)
    }

    /// The process has ended: calls of which no byte left wait for the next life; the others are returned.
    pub fn abandon(&mut self) -> Vec<u64> {
        self.channel = None;
        self.protocol = None;
        self.forgotten = 0;
        self.away = None;
        let mut unsent = Vec::new();
        for id in self.calls.ids(|open| open.sent.is_some() && matches!(open.asker, Asker::Client { .. })) {
            let sent = self.calls.get(id).and_then(|open| open.sent.clone());
            if let Some(line) = sent.and_then(|sent| self.out.unsent(&sent).map(<[u8]>::to_vec)) {
                unsent.push((id, line));
            }
        }
        self.calls.wait_again(unsent);
        self.calls.forget_left();
        self.out.reset();
        // The transport of a server elsewhere may still be at its last.
        self.held = Rc::default();
        self.level = None;
        self.early.clear();
        for list in &mut self.lists {
            list.busy = false;
            list.again = false;
            list.pages.clear();
        }
        self.calls.ids(|open| open.sent.is_some())
    }

    pub fn list(&self, kind: Kind) -> &Listing {
        &self.lists[kind as usize]
    }

    pub fn list_mut(&mut self, kind: Kind) -> &mut Listing {
        &mut self.lists[kind as usize]
    }

    /// Nothing to wait for: a list is known, or cannot be.
    pub fn is_settled(&self, kind: Kind) -> bool {
        self.list(kind).is_settled() || self.state.trouble().is_some()
    }

    pub fn lists_tasks(&self) -> bool {
        self.greeting.as_ref().is_some_and(Greeting::lists_tasks)
    }

    /// What is wrong with it while it runs: why it is not heard, why there is no list of some kind, or what is left
    /// out of one.
    pub fn complaint(&self) -> Option<String> {
        let error = self.away.as_ref().or_else(|| self.lists.iter().find_map(|list| list.error.as_ref()));
        let unreadable = || {
            let all: Vec<&str> = self.lists.iter().filter_map(|list| list.unreadable.as_deref()).collect();
            (!all.is_empty()).then(|| all.join("; "))
        };
        error.cloned().or_else(unreadable)
    }

    /// What kept its lists from being had may be over.
    pub fn forgive_lists(&mut self) {
        for list in &mut self.lists {
            list.error = None;
        }
    }
}
