//! What becomes of the answers to clients' requests. Pure.

use std::rc::Rc;
use std::time::Instant;

use crate::wire::scan;

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
        match scan::find(error, &["code"]).and_then(|code| code.parse::<i32>().ok()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_means_for_a_search() {
        for (error, likely, goes_on, left, kept) in [
            (r#"{"code":-32002,"message":"no"}"#, 1, true, 2, true),
            (r#"{"code":-32002,"message":"no"}"#, 0, true, 2, false),
            (r#"{"message":"no","code" : -32602,"data":{"n":1e400}}"#, 1, true, 2, true),
            (r#"{"code":-32603,"message":"broken"}"#, 2, true, 1, true),
            (r#"{"code":-32042,"message":"go there first"}"#, 1, false, 2, false),
        ] {
            let rest = vec!["a".into(), "b".into()];
            let line = b"{}".as_slice().into();
            let mut search = Search { line, rest, began: Instant::now(), likely, error: None };
            assert_eq!(search.goes_on_after(error), goes_on, "{error}");
            assert_eq!((search.rest.len(), search.error.is_some()), (left, kept), "{error}");
        }
    }
}
