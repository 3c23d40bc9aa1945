//! What a client's request is about, in the words that people who watch calls read. Names are shared, not copied:
//! every call carries this.

use std::rc::Rc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// What the client is called.
    pub client: Rc<str>,
    pub server: Rc<str>,
    pub asked: Asked,
    /// Length of the client's line.
    pub bytes: usize,
    /// Redacted and short; only while somebody wants to see them.
    pub args: Option<Box<str>>,
}

/// What the server was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// `tools/call`, with the server's own name of the tool.
    Tool(Rc<str>),
    Method(&'static str),
}

impl Asked {
    pub fn as_str(&self) -> &str {
        match self {
            Asked::Tool(name) => name,
            Asked::Method(method) => method,
        }
    }

    pub fn method(&self) -> &'static str {
        match self {
            Asked::Tool(_) => "tools/call",
            Asked::Method(method) => method,
        }
    }

    pub fn tool(&self) -> Option<&str> {
        match self {
            Asked::Tool(name) => Some(name),
            Asked::Method(_) => None,
        }
    }
}

impl Topic {
    /// Of a call that no test asks about.
    #[cfg(test)]
    pub fn untold() -> Self {
        Topic {
            client: "".into(),
            server: "".into(),
            asked: Asked::Method("tools/call"),
            bytes: 0,
            args: None,
        }
    }
}
