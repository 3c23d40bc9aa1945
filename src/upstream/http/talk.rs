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

    /// What a refusal means for the message that met it, and what was said. `id`: of a request, as raw JSON.
    pub async fn refused(
        &self,
        session: &Session,
        response: Response<Incoming>,
        id: &[u8],
    ) -> (Vec<u8>, Failure) {
        let mut refusal = answer::refusal(&self.site, response).await;
        let body = std::mem::take(&mut refusal.body);
        if self.forgets(session, &refusal, &body, id) {
            let text = format!("the session with {} has expired: {}", self.site.name(), refusal.text);
            return (body, Failure::Forgotten(text));
        }
        (body, refusal.into())
    }

    /// Whether the server refused because it does not know the session; if that is news, it is said.
    fn forgets(&self, session: &Session, refusal: &Refusal, body: &[u8], id: &[u8]) -> bool {
        let said = || String::from_utf8_lossy(body).to_lowercase();
        let forgotten = session.has_id()
            && match refusal.status.as_u16() {
                404 => true,
                // Servers that were restarted: "No valid session ID provided", "Server not initialized". One that
                // names the request in its error has dealt with it.
                400 if !answer::is_error_for(body, id) => {
                    said().contains("session") || said().contains("not initialized")
                }
                // Servers made with the Rust SDK before 1.0.
                401 => said().contains("session not found"),
                _ => false,
            };
        if forgotten && self.session.borrow_mut().expire(session.number()) {
            self.site.emit(Event::Expired);
        }
        forgotten
    }
}
