//! `loom proxy`: the one stdio entry that an AI client has. It outlives every daemon.
//!
//! Two threads and no runtime, so that a proxy is small. `uplink` reads the client and writes the socket;
//! `downlink` connects, reads the socket and writes to the client. What both must know is in [`desk`], behind
//! one lock that is never held across a read or a write.

pub mod desk;
pub mod downlink;
pub mod message;
pub mod queue;
pub mod session;
pub mod socket;
pub mod starts;
pub mod stdio;
pub mod tasks;
pub mod uplink;
pub mod way;

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::fault::{Fault, Kind, Plain};
use crate::link::connect::hello;
use crate::paths::{Paths, check_socket};
use crate::settings::Settings;
use crate::wire::hello::{Hello, Role};
use desk::Desk;
use uplink::Ending;

/// A client that closed its end still gets the answers that come within this time.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// The same when the daemon is stuck: the errors about what is lost.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How a proxy is to run.
pub struct Options {
    pub paths: Paths,
    pub settings: Settings,
    pub agent_hint: Option<String>,
    pub profile: Option<String>,
    pub max_tools: Option<usize>,
    pub socket: PathBuf,
    pub cwd: PathBuf,
}

/// Lines from this many bytes on are passed on from where they were read, not gathered with others.
const BIG: usize = 64 << 10;

/// What both threads share.
pub struct Shared {
    pub options: Options,
    pub hello: Hello,
    desk: Mutex<Desk>,
    /// Something changed at the desk that a thread may wait for.
    pub changed: Condvar,
    /// Lines to the client are written whole.
    pub client: stdio::Out,
}

impl Shared {
    /// Wakes threads that wait for a change of the desk; without any this costs no system call.
    pub fn tell(&self, desk: MutexGuard<'_, Desk>) {
        let anybody = desk.watchers > 0;
        drop(desk);
        if anybody {
            self.changed.notify_all();
        }
    }

    /// Writes lines to the client that the desk no longer knows of: until they are written, it says that answers are
    /// expected. For one thread only.
    pub fn deliver<'s>(&'s self, mut desk: MutexGuard<'s, Desk>, lines: &[u8]) {
        desk.delivering = !lines.is_empty();
        if desk.delivering {
            drop(desk);
            self.client.write(lines);
            desk = self.desk();
            desk.delivering = false;
        }
        self.tell(desk);
    }

    /// The desk. A thread that panicked left it whole: its methods do not panic half-way.
    pub fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until the client closes its end.
pub fn run(options: Options) -> Result<(), Fault> {
    check_socket(&options.socket)?;
    let hello = Hello {
        agent_hint: options.agent_hint.clone(),
        profile: options.profile.clone(),
        max_tools: options.max_tools,
        page_size: options.settings.proxy.tool_page_size,
        max_result_bytes: options.settings.proxy.max_tool_result_bytes,
        ..hello(Role::Proxy, &options.cwd)
    };
    let waits = queue::Waits {
        call: options.settings.proxy.tool_timeout,
        control: options.settings.proxy.control_timeout,
    };
    let shared = Arc::new(Shared {
        options,
        hello,
        desk: Mutex::new(Desk::new(waits)),
        changed: Condvar::new(),
        client: stdio::Out::default(),
    });
    let down = shared.clone();
    // Ends with the process: it waits for daemons as long as there is a client.
    std::thread::Builder::new()
        .name("downlink".into())
        .spawn(move || downlink::run(&down))
        .map_err(|error| Plain::new(Kind::Unavailable, format!("no thread: {error}")))?;
    stdio::widen();
    let patience = match uplink::run(&shared) {
        Ending::Closed => LAST_ANSWERS,
        Ending::Stuck => LAST_WORDS,
    };
    let mut desk = shared.desk();
    desk.watchers += 1;
    let waited = shared.changed.wait_timeout_while(desk, patience, |desk| desk.expects_answers());
    let (mut desk, _) = waited.unwrap_or_else(PoisonError::into_inner);
    match desk.fatal.take() {
        Some(fault) => Err(fault.into()),
        None => Ok(()),
    }
}
