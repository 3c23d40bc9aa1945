//! The lists of each server: a pure function of its name and of how often the list was made longer.

use super::texts::odd;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

/// A row of a list: what it is known by, the text before the name, the text after it.
pub struct Row {
    pub name: String,
    head: String,
    tail: String,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Tools, Kind::Prompts, Kind::Resources, Kind::Templates];

    pub fn method(self) -> &'static str {
        match self {
            Kind::Tools => "tools/list",
            Kind::Prompts => "prompts/list",
            Kind::Resources => "resources/list",
            Kind::Templates => "resources/templates/list",
        }
    }

    /// The member of the result that holds the rows.
    pub fn member(self) -> &'static str {
        match self {
            Kind::Tools => "tools",
            Kind::Prompts => "prompts",
            Kind::Resources => "resources",
            Kind::Templates => "resourceTemplates",
        }
    }

    pub fn changed(self) -> &'static str {
        match self {
            Kind::Tools => "notifications/tools/list_changed",
            Kind::Prompts => "notifications/prompts/list_changed",
            Kind::Resources | Kind::Templates => "notifications/resources/list_changed",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Kind::Tools | Kind::Prompts => "name",
            Kind::Resources => "uri",
            Kind::Templates => "uriTemplate",
        }
    }
}

impl Row {
    /// The row under a name; `name` needs no escape.
    pub fn text(&self, name: &str) -> String {
        format!("{}\"{name}\"{}", self.head, self.tail)
    }

    /// The row as its server says it.
    pub fn own(&self) -> String {
        let name = serde_json::to_string(&self.name).expect("texts are JSON");
        format!("{}{name}{}", self.head, self.tail)
    }
}

/// The tools that every server has; the second needs another name at a client.
pub const TOOLS: [&str; 2] = ["do", "\u{e4}.b/c"];
pub const PROMPTS: [&str; 2] = ["say", "p.2"];

/// The server with a template for the addresses of all servers.
pub const WIDE: usize = 4;

/// What is known of a resource that no list names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Its server has a template for it.
    Template,
    /// A tool of its server links to it.
    Link,
    /// Nothing.
    Nowhere,
}

impl Way {
    /// Whether a server may be asked for a resource of this owner's: templates count first, then links, then the order of
    /// the registry.
    pub fn leads_to(self, server: usize, owner: usize) -> bool {
        let wide_first = match self {
            Way::Template => owner > WIDE,
            Way::Link | Way::Nowhere => owner != WIDE,
        };
        let before = self == Way::Nowhere && owner != WIDE && server < owner;
        server == owner || (server == WIDE && wide_first) || before
    }
}

/// What a server lists after so many changes.
pub fn rows(server: &str, kind: Kind, version: u64) -> Vec<Row> {
    let mut names: Vec<String> = match kind {
        Kind::Tools => TOOLS.map(Into::into).to_vec(),
        Kind::Prompts => PROMPTS.map(Into::into).to_vec(),
        Kind::Resources => {
            let own = (0..3).map(|n| resource(server, n));
            own.chain([COMMON.to_owned()]).collect()
        }
        Kind::Templates if is_wide(server) => vec![template(server), WIDE_TEMPLATE.to_owned()],
        Kind::Templates => vec![template(server)],
    };
    if version > 0 {
        names.push(newest(server, kind, version));
    }
    names.into_iter().map(|name| row(server, kind, name)).collect()
}

fn row(server: &str, kind: Kind, name: String) -> Row {
    let odd = odd(&format!("{server}/{name}"));
    let tail = match kind {
        Kind::Tools => format!(
            r#","inputSchema":{{"type":"object"}},"_meta":{{"ui":{{"resourceUri":"{}"}}}},"execution":{{"taskSupport":"optional"}}}}"#,
            linked(server)
        ),
        Kind::Prompts => r#","arguments":[{"name":"n"}]}"#.to_owned(),
        Kind::Resources | Kind::Templates => r#","name":"r"}"#.to_owned(),
    };
    Row { name, head: format!("{{{odd},\"{}\" : ", kind.key()), tail }
}

/// The name of what the last change brought.
pub fn newest(server: &str, kind: Kind, version: u64) -> String {
    match kind {
        Kind::Tools | Kind::Prompts => format!("v{version}"),
        Kind::Resources => format!("soak://{server}/v{version}"),
        Kind::Templates => format!("soak://{server}/v{version}/{{id}}"),
    }
}

/// Every server lists this one.
pub const COMMON: &str = "soak://common/one";

pub fn resource(server: &str, number: u64) -> String {
    format!("soak://{server}/r/{number}")
}

pub fn template(server: &str) -> String {
    format!("soak://{server}/t/{{id}}")
}

/// One of a template's resources.
pub fn templated(server: &str, number: u64) -> String {
    format!("soak://{server}/t/{number}")
}

/// It matches every resource of every server, listed or not.
const WIDE_TEMPLATE: &str = "soak{+rest}";

fn is_wide(server: &str) -> bool {
    server.strip_prefix('s').is_some_and(|number| number.parse() == Ok(WIDE))
}

/// Whether only templates match one of these.
pub fn is_templated(uri: &str) -> bool {
    uri.starts_with("soak://") && uri.contains("/t/")
}

/// What makes a URI that of a part of a resource.
pub const PART: &str = "/part?n=1";
/// And what makes it another one.
pub const NO_PART: &str = "0";

/// The resource of which a URI may name a part.
pub fn whole(uri: &str) -> &str {
    uri.strip_suffix(PART).unwrap_or(uri)
}

/// A resource to which only tools lead.
pub fn linked(server: &str) -> String {
    format!("soak-x://{server}/linked")
}

/// A resource that no list and no template of its server's knows.
pub fn unlisted(server: &str, number: u64) -> String {
    format!("soak-x://{server}/{number}")
}

/// Whether a server has a resource.
pub fn has(server: &str, uri: &str) -> bool {
    uri == COMMON
        || uri
            .strip_prefix("soak://")
            .or(uri.strip_prefix("soak-x://"))
            .is_some_and(|rest| rest.strip_prefix(server).is_some_and(|rest| rest.starts_with('/')))
}

/// The name of a tool or prompt at clients, written after README.md and `toolname.rs`.
pub fn exposed(server: &str, name: &str) -> String {
    let full = format!("{server}__{name}");
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if full.chars().all(plain) {
        return full;
    }
    let fnv = full
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let safe: String = full.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    format!("{safe}_{:08x}", (fnv ^ (fnv >> 32)) & 0xffff_ffff)
}

/// The other name of a resource of which an earlier server has one like it.
pub fn alias(server: &str, uri: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut text = format!("loom://r/{server}/");
    for byte in uri.bytes() {
        match plain(byte) {
            true => text.push(char::from(byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
