//! How a client writes servers of its own: where they stand, under which keys, and what it can say of them. Data, for
//! both directions: what is written into its file, and what is read out of it.

use crate::sync::place::Place;
use crate::sync::syntax::Syntax;

/// One client's way.
#[derive(Debug)]
pub struct Dialect {
    /// The keys down to the servers.
    pub servers: &'static [&'static str],
    /// They are a list, and this member is a server's name.
    pub listed_by: Option<&'static str>,
    /// The program and its arguments are one list, under `command`.
    pub argv: bool,
    /// The member with a program's variables.
    pub env: &'static str,
    /// Members that every program has, as JSON.
    pub local: &'static str,
    /// It has `cwd` for a program.
    pub cwd: bool,
    /// It finds programs as a shell does. One whose PATH is a desktop's does not.
    pub finds_programs: bool,
    /// Servers over HTTP, where it takes them.
    pub remote: Option<Remote>,
    /// How a variable is referred to, and where that works.
    pub syntax: Syntax,
    pub refers: &'static [Field],
    /// How long a call may take, and a start.
    pub timeout: Option<Time>,
    pub startup: Option<Time>,
    /// The member with the only tools that are shown, and the one with those that are not.
    pub enabled_tools: Option<&'static str>,
    pub disabled_tools: Option<&'static str>,
}

/// How a client writes a server over HTTP.
#[derive(Debug)]
pub struct Remote {
    pub url: &'static str,
    /// The keys down to the headers.
    pub headers: &'static [&'static str],
    /// Members that every such server has, as JSON.
    pub always: &'static str,
}

/// A text of a server's entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    Command,
    Args,
    Env,
    Url,
    Headers,
}

/// A member that holds a time.
#[derive(Clone, Copy, Debug)]
pub enum Time {
    Seconds(&'static str),
    Millis(&'static str),
}

impl Field {
    pub const ALL: &'static [Field] = &[Field::Command, Field::Args, Field::Env, Field::Url, Field::Headers];
}

impl Remote {
    /// As most have it.
    pub const URL: Remote = Remote { url: "url", headers: &["headers"], always: "{}" };
}

impl Dialect {
    /// `mcpServers` with `command`, `args` and `env`, and nothing beyond.
    pub const PLAIN: Dialect = Dialect {
        servers: &["mcpServers"],
        listed_by: None,
        argv: false,
        env: "env",
        local: "{}",
        cwd: false,
        finds_programs: true,
        remote: Some(Remote::URL),
        syntax: Syntax::Literal,
        refers: &[],
        timeout: None,
        startup: None,
        enabled_tools: None,
        disabled_tools: None,
    };

    /// Where the servers stand.
    pub fn all(&self) -> Place {
        Place::keys(self.servers)
    }

    /// Where the server `name` stands.
    pub fn place(&self, name: &str) -> Place {
        match self.listed_by {
            Some(key) => self.all().item(key, name),
            None => self.all().key(name),
        }
    }
}
