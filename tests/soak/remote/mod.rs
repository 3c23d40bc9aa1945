//! Servers over HTTP: each session is a process of the scripted server, whose lines become events of streams that can be
//! continued after they were cut. A process that lasts has one session after the other.

mod session;
mod stream;
mod talk;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use super::cast::Role;
use session::Session;

/// The number under which a process waits for its next session.
const RESTS: u64 = 0;

/// What all connections of one server share.
struct Site {
    name: String,
    /// Where the servers keep their books, and the home that they belong to.
    folder: PathBuf,
    home: PathBuf,
    /// Its process outlives sessions.
    lasts: bool,
    sessions: Mutex<Sessions>,
    over: AtomicBool,
}

#[derive(Default)]
struct Sessions {
    /// By their number.
    open: BTreeMap<u64, Arc<Session>>,
    minted: u64,
}

/// One server over HTTP. On drop it is gone with all its sessions.
pub struct Remote {
    addr: SocketAddr,
    site: Arc<Site>,
    listener: Option<thread::JoinHandle<()>>,
}

impl Remote {
    pub fn start(role: &Role, folder: PathBuf, home: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let addr = listener.local_addr().expect("it is bound");
        let (name, over) = (role.name.clone(), AtomicBool::new(false));
        let lasts = role.lasts();
        let site = Arc::new(Site { name, folder, home, lasts, sessions: Mutex::default(), over });
        let shared = site.clone();
        let accept = move || {
            for stream in listener.incoming() {
                if shared.over.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shared) = (stream, shared.clone()) else { continue };
                thread::spawn(move || talk::while_open(&stream, &shared));
            }
        };
        Remote { addr, site, listener: Some(thread::spawn(accept)) }
    }

    pub fn name(&self) -> &str {
        &self.site.name
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.addr)
    }

    /// Breaks off every stream in the middle. Each can be continued.
    pub fn cut(&self) {
        self.site.all().iter().for_each(|session| session.cut());
    }

    /// Ends the sessions that nobody listens to: those of daemons that have died.
    pub fn forget_abandoned(&self) {
        let all = self.site.all();
        let abandoned = all.iter().filter(|session| !self.site.lasts && session.is_abandoned());
        abandoned.for_each(|session| session.end());
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.site.over.store(true, Ordering::Relaxed);
        // Wakes the listener, which sees that it is over.
        drop(TcpStream::connect(self.addr));
        if let Some(listener) = self.listener.take() {
            // It has nothing to panic of, and this may be a panic already.
            let _ = listener.join();
        }
        self.site.all().iter().for_each(|session| session.end());
    }
}

impl Site {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().expect("nobody panics with this lock")
    }

    fn all(&self) -> Vec<Arc<Session>> {
        self.sessions().open.values().cloned().collect()
    }

    fn session(&self, named: &str) -> Option<Arc<Session>> {
        let number = named.parse().ok().filter(|number| *number != RESTS)?;
        self.sessions().open.get(&number).cloned()
    }

    /// A new session and its number: with the process that lasts, if there is one, else with a new one, which is known
    /// until it ends.
    fn open(self: &Arc<Self>) -> (u64, Arc<Session>) {
        let mut sessions = self.sessions();
        sessions.minted += 1;
        let number = sessions.minted;
        if self.lasts
            && let Some((_, session)) = sessions.open.pop_first()
        {
            session.rest();
            sessions.open.insert(number, session.clone());
            return (number, session);
        }
        let (session, lines) = Session::begin(&self.name, &self.folder, &self.home);
        sessions.open.insert(number, session.clone());
        let (site, kept) = (self.clone(), session.clone());
        thread::spawn(move || {
            kept.hear(lines);
            site.sessions().open.retain(|_, other| !Arc::ptr_eq(other, &kept));
            kept.bury();
        });
        (number, session)
    }

    /// A client says that its session is over.
    fn close(&self, session: &Arc<Session>) {
        if !self.lasts {
            return session.end();
        }
        let mut sessions = self.sessions();
        let before = sessions.open.len();
        sessions.open.retain(|_, other| !Arc::ptr_eq(other, session));
        // Its process may have ended just now.
        if sessions.open.len() < before {
            session.rest();
            sessions.open.insert(RESTS, session.clone());
        }
    }
}
