//! Servers over HTTP: each session is a process of the scripted server, whose lines become events of streams that can be
//! continued after they were cut.

mod session;
mod stream;
mod talk;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use session::Session;

/// What all connections of one server share.
struct Site {
    name: String,
    /// Where the servers keep their books, and the home that they belong to.
    folder: PathBuf,
    home: PathBuf,
    /// By their number.
    sessions: Mutex<BTreeMap<u64, Arc<Session>>>,
    over: AtomicBool,
}

/// One server over HTTP. On drop it is gone with all its sessions.
pub struct Remote {
    addr: SocketAddr,
    site: Arc<Site>,
    listener: Option<thread::JoinHandle<()>>,
}

impl Remote {
    pub fn start(name: &str, folder: PathBuf, home: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let addr = listener.local_addr().expect("it is bound");
        let (name, over) = (name.to_owned(), AtomicBool::new(false));
        let site = Arc::new(Site { name, folder, home, sessions: Mutex::default(), over });
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
        self.site.all().iter().filter(|session| session.is_abandoned()).for_each(|session| session.end());
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
    fn all(&self) -> Vec<Arc<Session>> {
        self.sessions.lock().expect("nobody panics with this lock").values().cloned().collect()
    }

    fn session(&self, named: &str) -> Option<Arc<Session>> {
        let number = named.parse().ok()?;
        self.sessions.lock().expect("nobody panics with this lock").get(&number).cloned()
    }

    /// A new session, which is known until its process ends.
    fn open(self: &Arc<Self>) -> Arc<Session> {
        let (session, lines) = Session::begin(&self.name, &self.folder, &self.home);
        let number = u64::from(session.pid());
        self.sessions.lock().expect("nobody panics with this lock").insert(number, session.clone());
        let (site, kept) = (self.clone(), session.clone());
        thread::spawn(move || {
            kept.hear(lines);
            site.sessions.lock().expect("nobody panics with this lock").remove(&number);
            kept.bury();
        });
        session
    }
}
