//! What all tasks of one server share: its address and the session. Here it is found out that a session is over.

use std::cell::RefCell;
use std::rc::Rc;

use hyper::Response;
use hyper::body::Incoming;

use super::answer::{self, Refusal};
use super::session::Session;
use super::site::Site;
use super::{Event, Failure};

pub struct Talk {
    pub site: Rc<Site>,
    pub session: RefCell<Session>,
}

impl Talk {
    pub fn new(site: Rc<Site>) -> Talk {
        Talk { site, session: RefCell::default() }
    }

    /// What a refusal means for the request that met it, and what was said.
    pub async fn refused(&self, session: &Session, response: Response<Incoming>) -> (Vec<u8>, Failure) {
        let mut refusal = answer::refusal(&self.site, response).await;
        let body = std::mem::take(&mut refusal.body);
        if self.forgets(session, &refusal, &body) {
            return (body, Failure::Unsent(format!("the session with {} has expired", self.site.name())));
        }
        (body, refusal.into())
    }

    /// Whether the server refused because it does not know the session; if that is news, it is said.
    fn forgets(&self, session: &Session, refusal: &Refusal, body: &[u8]) -> bool {
        let forgotten = session.has_id()
            && match refusal.status.as_u16() {
                404 => true,
                // Servers that were restarted: "No valid session ID provided", "Server not initialized".
                400 => {
                    let said = String::from_utf8_lossy(body).to_lowercase();
                    said.contains("session") || said.contains("not initialized")
                }
                _ => false,
            };
        if forgotten && self.session.borrow_mut().expire(session.number()) {
            self.site.emit(Event::Expired);
        }
        forgotten
    }
}
