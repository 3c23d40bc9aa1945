//! What a server says of itself in the handshake. Pure.

use std::rc::Rc;

use crate::mcp::catalog::Kind;
use crate::wire::scan;

/// What a server answered to `initialize`.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// The result as it came.
    pub text: Rc<str>,
    /// As JSON; empty: it declared none.
    pub capabilities: Box<str>,
    pub instructions: Option<String>,
}

impl Greeting {
    /// `None`: not a JSON object.
    pub fn parse(text: &str) -> Option<Self> {
        let [capabilities, instructions] =
            scan::members(text.as_bytes(), ["capabilities", "instructions"]).ok()?;
        let instructions = instructions.and_then(|at| scan::unquote(&text[at]));
        Some(Greeting {
            text: text.into(),
            capabilities: capabilities.map_or("", |at| &text[at]).into(),
            instructions: instructions.map(std::borrow::Cow::into_owned),
        })
    }

    /// Whether it declares a capability.
    pub fn can(&self, capability: &str) -> bool {
        scan::find(&self.capabilities, &[capability]).is_some_and(|found| found != "null")
    }

    /// Whether resources can be subscribed to.
    pub fn tells_of_resources(&self) -> bool {
        scan::find(&self.capabilities, &["resources", "subscribe"]) == Some("true")
    }

    /// Whether it can list its tasks.
    pub fn lists_tasks(&self) -> bool {
        scan::find(&self.capabilities, &["tasks", "list"]).is_some_and(|found| found != "null")
    }

    /// Whether it is worth asking for a list. A server that declares nothing at all is asked for tools.
    pub fn lists(&self, kind: Kind) -> bool {
        let inside = self.capabilities.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let nothing = inside.is_none_or(|inside| inside.trim_ascii().is_empty());
        self.can(kind.capability()) || (nothing && kind == Kind::Tools)
    }
}
