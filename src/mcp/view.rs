//! What one client sees of all servers: its tool list, and where each name leads. Built from catalogs and the
//! client's filters; a view never changes, a new one is built instead. Starts and calls nothing.

use foldhash::HashMap;
use std::cmp::Reverse;
use std::ops::Range;
use std::rc::Rc;

use crate::mcp::catalog::Item;
use crate::mcp::profile::matches;
use crate::mcp::toolname::expose;
use crate::nearest::nearest;
use crate::settings::file::Profile;

/// One server, as the view needs it. Its index in the slice given to [`View::build`] is the server number.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub server: &'a str,
    /// What it listed; `None` when it never did.
    pub tools: Option<&'a [Item]>,
    /// While `tools` is `None`: tools that another instance of the server had. They say what a name stands for, and are
    /// shown to nobody.
    pub hints: &'a [Item],
    /// Advertised while `tools` is `None`.
    pub static_tools: &'a [Item],
    /// Only these tools are allowed (patterns, see [`matches`]).
    pub enabled: Option<&'a [String]>,
    /// These are not (patterns).
    pub disabled: &'a [String],
    /// Servers of higher priority are listed first.
    pub priority: i64,
    pub categories: &'a [String],
}

/// What the client asked to be left out.
#[derive(Clone, Copy, Default)]
pub struct Filter<'a> {
    /// The name of the profile, and the profile.
    pub profile: Option<(&'a str, &'a Profile)>,
    /// How many tools are listed at most; the rest stays callable.
    pub max_tools: Option<usize>,
}

/// Where a tool name leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Route<'v> {
    Tool {
        server: u32,
        /// The server's own name, unescaped.
        own: &'v Rc<str>,
        /// The same as the JSON string the server wrote, quotes included.
        own_json: &'v str,
    },
    /// A known server that never listed its tools: routed by prefix. `own` is the tool's own name as far as a hint says
    /// it, else what follows `server__`.
    Unlisted {
        server: u32,
        own: &'v str,
    },
    Refused {
        server: u32,
        reason: Refusal,
    },
    /// No such tool; the exposed names that may have been meant, best first.
    Unknown {
        nearest: Vec<String>,
    },
}

/// Why an existing tool may not be called by this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The registry's `enabled_tools` or `disabled_tools` say so.
    Disabled,
    /// The client's `--tool-profile` does not hold it.
    NotInProfile,
}

/// See the module.
pub struct View {
    /// The `tools/list` result: `{"tools":[…]}`, each text as its server sent it but for the name.
    pub list: Rc<str>,
    /// Exposed names over the budget: not listed, still callable, in the order they would have had.
    pub hidden: Vec<String>,
    /// Which profile made it, by name.
    pub profile: Option<String>,
    /// Texts of the hidden tools, one after the other.
    hidden_texts: Box<str>,
    /// Listed tools, then hidden ones.
    tools: Vec<Shown>,
    index: HashMap<Box<str>, Slot>,
    servers: Vec<Seen>,
}

struct Shown {
    server: u32,
    own: Rc<str>,
    own_json: Box<str>,
    /// In `list`, or in `hidden_texts`.
    text: Range<usize>,
}

#[derive(Clone, Copy)]
enum Slot {
    Tool(u32),
    Refused(u32, Refusal),
}

struct Seen {
    name: Box<str>,
    tools: usize,
    /// What decides about names of a server that never listed.
    unlisted: Option<Gate>,
    /// Exposed names that do not say the own one.
    hints: HashMap<Box<str>, Box<str>>,
}

/// The rules of one server, owned.
struct Gate {
    enabled: Option<Vec<String>>,
    disabled: Vec<String>,
    categories: Vec<String>,
    profile: Option<Profile>,
}

impl View {
    /// The view of `sources`, given in registry order.
    pub fn build(sources: &[Source], filter: &Filter) -> View {
        let mut draft = Draft::new(sources, filter);
        let mut order: Vec<usize> = (0..sources.len()).collect();
        order.sort_by_key(|&number| Reverse(sources[number].priority));
        for number in order {
            let source = &sources[number];
            for tool in source.tools.unwrap_or(source.static_tools) {
                draft.add(number, source, tool);
            }
        }
        draft.finish()
    }

    /// Where `name` leads.
    pub fn route<'v>(&'v self, name: &'v str) -> Route<'v> {
        match self.index.get(name) {
            Some(Slot::Tool(at)) => {
                let tool = &self.tools[*at as usize];
                Route::Tool { server: tool.server, own: &tool.own, own_json: &tool.own_json }
            }
            Some(Slot::Refused(server, reason)) => Route::Refused { server: *server, reason: *reason },
            None => self.route_by_prefix(name),
        }
    }

    /// How many tools there are, hidden ones too.
    pub fn total(&self) -> usize {
        self.tools.len()
    }

    /// How many tools `server` has here, hidden ones too; `None` for a server that is not known.
    pub fn count_of(&self, server: &str) -> Option<usize> {
        self.servers.iter().find(|seen| &*seen.name == server).map(|seen| seen.tools)
    }

    /// The names of all servers, by server number.
    pub fn server_names(&self) -> impl Iterator<Item = &str> {
        self.servers.iter().map(|seen| &*seen.name)
    }

    /// The JSON texts of all tools, or those of one server, in listing order, hidden ones too.
    pub fn tools_of<'v>(&'v self, server: Option<&'v str>) -> impl Iterator<Item = &'v str> {
        let listed = self.tools.len() - self.hidden.len();
        let wanted =
            move |tool: &Shown| server.is_none_or(|name| *self.servers[tool.server as usize].name == *name);
        self.tools.iter().enumerate().filter(move |(_, tool)| wanted(tool)).map(move |(at, tool)| {
            let texts: &str = if at < listed { &self.list } else { &self.hidden_texts };
            &texts[tool.text.clone()]
        })
    }

    /// The servers that have tools here, in listing order: name, how many, and the place of the first in
    /// `tools_of(None)`.
    pub fn stretches(&self) -> Vec<(&str, usize, usize)> {
        let mut stretches: Vec<(&str, usize, usize)> = Vec::new();
        let mut last = None;
        for (at, tool) in self.tools.iter().enumerate() {
            match stretches.last_mut() {
                Some(stretch) if last == Some(tool.server) => stretch.1 += 1,
                _ => stretches.push((&self.servers[tool.server as usize].name, 1, at)),
            }
            last = Some(tool.server);
        }
        stretches
    }

    fn route_by_prefix<'v>(&'v self, name: &'v str) -> Route<'v> {
        let found = name.split_once("__").and_then(|(prefix, rest)| {
            let number = self.servers.iter().position(|seen| &*seen.name == prefix)?;
            let gate = self.servers[number].unlisted.as_ref()?;
            (!rest.is_empty()).then_some((prefix, rest, number as u32, gate))
        });
        let Some((prefix, rest, server, gate)) = found else {
            return Route::Unknown { nearest: self.nearest(name) };
        };
        let own = self.servers[server as usize].hints.get(name).map_or(rest, |own| own);
        match refusal(gate.enabled.as_deref(), &gate.disabled, name, own) {
            Some(reason) => Route::Refused { server, reason },
            None if !in_profile(gate.profile.as_ref(), prefix, &gate.categories, name, own) => {
                Route::Refused { server, reason: Refusal::NotInProfile }
            }
            None => Route::Unlisted { server, own },
        }
    }

    /// At most three names: tools whose own name was given without its server, then the closest spelling.
    fn nearest(&self, name: &str) -> Vec<String> {
        let bare = name.split_once("__").map_or(name, |(_, rest)| rest);
        let mut names: Vec<String> = self
            .index
            .iter()
            .filter(|(_, slot)| matches!(slot, Slot::Tool(at) if &*self.tools[*at as usize].own == bare))
            .map(|(exposed, _)| exposed.to_string())
            .collect();
        names.sort_unstable();
        names.truncate(2);
        let callable = self.index.iter().filter(|(_, slot)| matches!(slot, Slot::Tool(_)));
        let mut candidates: Vec<&str> = callable.map(|(exposed, _)| &**exposed).collect();
        candidates.sort_unstable();
        if let Some(close) = nearest(name, candidates)
            && !names.iter().any(|known| known == close)
        {
            names.push(close.to_owned());
        }
        names
    }
}

/// A view under construction.
struct Draft<'a> {
    filter: &'a Filter<'a>,
    list: String,
    hidden_texts: String,
    hidden: Vec<String>,
    tools: Vec<Shown>,
    index: HashMap<Box<str>, Slot>,
    servers: Vec<Seen>,
}

impl<'a> Draft<'a> {
    fn new(sources: &[Source], filter: &'a Filter<'a>) -> Self {
        let gate = |source: &Source| Gate {
            enabled: source.enabled.map(<[String]>::to_vec),
            disabled: source.disabled.to_vec(),
            categories: source.categories.to_vec(),
            profile: filter.profile.map(|(_, profile)| profile.clone()),
        };
        let servers = sources.iter().map(|source| Seen {
            name: source.server.into(),
            tools: 0,
            unlisted: source.tools.is_none().then(|| gate(source)),
            hints: hints(source),
        });
        Draft {
            filter,
            list: String::from("{\"tools\":["),
            hidden_texts: String::new(),
            hidden: Vec::new(),
            tools: Vec::new(),
            index: HashMap::default(),
            servers: servers.collect(),
        }
    }

    /// Adds one tool; of two with one exposed name the first stays.
    fn add(&mut self, number: usize, source: &Source, tool: &Item) {
        let (server, exposed) = (number as u32, expose(source.server, &tool.name));
        if self.index.contains_key(exposed.as_str()) {
            return;
        }
        let profile = self.filter.profile.map(|(_, profile)| profile);
        let refused = refusal(source.enabled, source.disabled, &exposed, &tool.name).or_else(|| {
            let admitted = in_profile(profile, source.server, source.categories, &exposed, &tool.name);
            (!admitted).then_some(Refusal::NotInProfile)
        });
        if let Some(reason) = refused {
            self.index.insert(exposed.into(), Slot::Refused(server, reason));
            return;
        }
        let text = self.write(&exposed, tool);
        self.index.insert(exposed.into(), Slot::Tool(self.tools.len() as u32));
        self.servers[number].tools += 1;
        self.tools.push(Shown {
            server,
            own: Rc::from(&*tool.name),
            own_json: tool.name_json().into(),
            text,
        });
    }

    /// Puts the tool's text into the list or, over the budget, beside it.
    fn write(&mut self, exposed: &str, tool: &Item) -> Range<usize> {
        let over = self.filter.max_tools.is_some_and(|most| self.tools.len() >= most);
        if over {
            self.hidden.push(exposed.to_owned());
        } else if !self.tools.is_empty() {
            self.list.push(',');
        }
        let texts = if over { &mut self.hidden_texts } else { &mut self.list };
        let start = texts.len();
        tool.write_named(exposed, texts);
        start..texts.len()
    }

    fn finish(mut self) -> View {
        self.list.push_str("]}");
        self.tools.shrink_to_fit();
        View {
            list: self.list.into(),
            hidden: self.hidden,
            profile: self.filter.profile.map(|(name, _)| name.to_owned()),
            hidden_texts: self.hidden_texts.into(),
            tools: self.tools,
            index: self.index,
            servers: self.servers,
        }
    }
}

fn hints(source: &Source) -> HashMap<Box<str>, Box<str>> {
    let unlisted = source.hints.iter().filter(|_| source.tools.is_none());
    let named = unlisted.map(|tool| (expose(source.server, &tool.name), &tool.name));
    let odd = named.filter(|(exposed, own)| exposed.strip_prefix(source.server) != Some(&format!("__{own}")));
    odd.map(|(exposed, own)| (exposed.into_boxed_str(), own.clone())).collect()
}

fn refusal(enabled: Option<&[String]>, disabled: &[String], exposed: &str, own: &str) -> Option<Refusal> {
    let named = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, exposed, own));
    let allowed = enabled.is_none_or(named) && !named(disabled);
    (!allowed).then_some(Refusal::Disabled)
}

fn in_profile(
    profile: Option<&Profile>,
    server: &str,
    categories: &[String],
    exposed: &str,
    own: &str,
) -> bool {
    profile.is_none_or(|profile| profile.admits(server, categories, exposed, own))
}

#[cfg(test)]
mod tests;
