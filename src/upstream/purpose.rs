//! What becomes of the answers to clients' requests. Pure.

use std::rc::Rc;
use std::time::Instant;

/// What is done with the answer to a client's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The result of a tool, which may be cut to the client's limit.
    Tool,
    /// Passed on as it is.
    Plain,
    /// Of a tool call that is to become a task.
    Task,
    /// Of a question about a task, by its server's id. These wait for nothing and count for nothing: a task must be
    /// stoppable.
    TaskWord(Box<str>),
    /// A page of tasks, after which other servers' come.
    TaskPage,
    /// The client's URI: it is subscribed to once the server has agreed.
    Subscribe(Box<str>),
    /// An error is no answer yet: other servers may know the resource.
    Search(Box<Search>),
}

impl Purpose {
    /// Whether it is a question about a task.
    pub fn is_of_task(&self) -> bool {
        matches!(self, Purpose::TaskWord(_) | Purpose::TaskPage)
    }
}

/// Servers that may still know what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The client's line.
    pub line: Box<[u8]>,
    /// Their names, the next one first.
    pub rest: Vec<Rc<str>>,
    /// When the first server was asked, or last made progress: one call has one time, whoever is asked.
    pub began: Instant,
    /// So many of the server that is asked now and of the rest are likely to have it.
    pub likely: usize,
    /// The first error of a likely server, or that said more than that the resource is not known, as JSON.
    pub error: Option<Box<str>>,
}

impl Search {
    /// The server that is asked now may have it, but it does not come to an answer.
    pub fn keep_to_likes(&mut self) {
        if self.likely > 0 {
            self.rest.truncate(self.likely - 1);
        }
    }

    /// After this error another server may still know the resource. The one to tell when none does is kept.
    pub fn goes_on_after(&mut self, error: &str) -> bool {
        let value: serde_json::Value = serde_json::from_str(error).unwrap_or_default();
        match value["code"].as_i64() {
            // The user must go to a page first: this is the server.
            Some(-32042) => false,
            Some(-32002 | -32601 | -32602) => {
                if self.likely > 0 {
                    self.error.get_or_insert_with(|| error.into());
                }
                true
            }
            // Something went wrong.
            _ => {
                self.keep_to_likes();
                self.error.get_or_insert_with(|| error.into());
                true
            }
        }
    }
}
