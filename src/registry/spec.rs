//! How a server is started and used, and how a target's differences are laid over what all targets share. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

/// What one client target gets of a server: how to start it, and the rules for its use.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Spec {
    pub launch: Launch,
    pub description: String,
    /// Variables of the child; values are templates, unexpanded.
    pub env: BTreeMap<String, String>,
    /// HTTP headers for a server elsewhere; values are templates, unexpanded.
    pub headers: BTreeMap<String, String>,
    pub sharing: Sharing,
    /// Names of variables that the child gets from loom's own environment.
    pub env_pass: Vec<String>,
    /// Working directory of the child; a template.
    pub cwd: Option<String>,
    /// How long a client should wait for a call. Only written into client configurations.
    pub timeout: Option<Duration>,
    /// How long the daemon waits for a call; progress starts it anew.
    pub tool_timeout: Option<Duration>,
    /// How long the daemon waits for a started child to answer `initialize`.
    pub startup_timeout: Option<Duration>,
    /// How long the child may be idle before it is stopped.
    pub idle_timeout: Option<Duration>,
    /// How many calls the child may have in flight; at least 1.
    pub max_concurrent: Option<usize>,
    /// The only tools that are shown, by the server's own names.
    pub enabled_tools: Option<Vec<String>>,
    /// Tools that are not shown.
    pub disabled_tools: Vec<String>,
    /// Tools that a client need not ask for; `*` is all of them.
    pub always_allow: Vec<String>,
    /// Tools known without starting the child: each one a JSON object with `name`, `description`, `inputSchema`.
    pub static_tools: Vec<String>,
    /// A free label.
    pub hint: String,
}

/// Which clients share one instance of a server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Sharing {
    /// All of them: it is offered no roots, and may ask a client only while that client alone has calls on it.
    #[default]
    Shared,
    /// Each client has its own, and is asked whatever that asks.
    PerClient,
    /// Clients with equal roots share one.
    PerWorkspace,
}

impl Sharing {
    /// The words of the registry.
    pub const WORDS: [&'static str; 3] = ["shared", "per-client", "per-workspace"];

    /// Reads a word of the registry.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Sharing::Shared, Sharing::PerClient, Sharing::PerWorkspace];
        Self::WORDS.iter().position(|known| *known == word).map(|at| all[at])
    }
}

/// What is behind a server.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Launch {
    /// A program; `command` and `args` are templates.
    Command { command: String, args: Vec<String> },
    /// A server inside loom's own binary.
    Builtin { name: String, args: Vec<String> },
    /// A server elsewhere; a template.
    Url { url: String },
}

/// The one field that says what is behind a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Start {
    Command(String),
    Builtin(String),
    Url(String),
}

/// The fields that one block of the registry gives. What is absent stays as it was.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SpecPatch {
    pub start: Option<Start>,
    pub args: Option<Vec<String>>,
    pub description: Option<String>,
    pub env: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub sharing: Option<Sharing>,
    pub env_pass: Option<Vec<String>>,
    pub cwd: Option<String>,
    pub timeout: Option<Duration>,
    pub tool_timeout: Option<Duration>,
    pub startup_timeout: Option<Duration>,
    pub idle_timeout: Option<Duration>,
    pub max_concurrent: Option<usize>,
    pub enabled_tools: Option<Vec<String>>,
    pub disabled_tools: Option<Vec<String>>,
    pub always_allow: Option<Vec<String>>,
    pub static_tools: Option<Vec<String>>,
    pub hint: Option<String>,
}

impl Start {
    /// The command, the name of the built-in server, or the URL.
    pub fn text(&self) -> &str {
        match self {
            Start::Command(text) | Start::Builtin(text) | Start::Url(text) => text,
        }
    }

    fn with(self, args: Vec<String>) -> Launch {
        match self {
            Start::Command(command) => Launch::Command { command, args },
            Start::Builtin(name) => Launch::Builtin { name, args },
            Start::Url(url) => Launch::Url { url },
        }
    }
}

impl Launch {
    /// `command`, `builtin` or `url`: the key of the registry that it was written with.
    pub fn kind(&self) -> &'static str {
        match self {
            Launch::Command { .. } => "command",
            Launch::Builtin { .. } => "builtin",
            Launch::Url { .. } => "url",
        }
    }

    pub fn args(&self) -> &[String] {
        match self {
            Launch::Command { args, .. } | Launch::Builtin { args, .. } => args,
            Launch::Url { .. } => &[],
        }
    }

    /// Another kind of start drops the arguments, since they were meant for something else.
    fn patched(&self, start: Option<&Start>, args: Option<&Vec<String>>) -> Launch {
        let start = start.cloned().unwrap_or_else(|| self.start());
        let bare = start.with(Vec::new());
        let kept = if bare.kind() == self.kind() { self.args() } else { &[] };
        bare.start().with(args.map_or_else(|| kept.to_vec(), Clone::clone))
    }

    fn start(&self) -> Start {
        match self {
            Launch::Command { command, .. } => Start::Command(command.clone()),
            Launch::Builtin { name, .. } => Start::Builtin(name.clone()),
            Launch::Url { url } => Start::Url(url.clone()),
        }
    }
}

impl Spec {
    /// A server that is started by `start`, without arguments, everything else at its default.
    pub fn new(start: Start) -> Self {
        Spec {
            launch: start.with(Vec::new()),
            description: String::new(),
            env: BTreeMap::new(),
            headers: BTreeMap::new(),
            sharing: Sharing::default(),
            env_pass: Vec::new(),
            cwd: None,
            timeout: None,
            tool_timeout: None,
            startup_timeout: None,
            idle_timeout: None,
            max_concurrent: None,
            enabled_tools: None,
            disabled_tools: Vec::new(),
            always_allow: Vec::new(),
            static_tools: Vec::new(),
            hint: String::new(),
        }
    }

    /// This spec with `patch` over it: a text replaces when it is not empty, a list replaces whole, `env` is
    /// merged name by name and the patch wins.
    pub fn patched(&self, patch: &SpecPatch) -> Spec {
        let mut env = self.env.clone();
        env.extend(patch.env.clone());
        let mut headers = self.headers.clone();
        headers.extend(patch.headers.clone());
        Spec {
            launch: self.launch.patched(patch.start.as_ref(), patch.args.as_ref()),
            description: text_over(&patch.description, &self.description),
            env,
            headers,
            sharing: patch.sharing.unwrap_or(self.sharing),
            env_pass: over(&patch.env_pass, &self.env_pass),
            cwd: patch.cwd.clone().or_else(|| self.cwd.clone()),
            timeout: patch.timeout.or(self.timeout),
            tool_timeout: patch.tool_timeout.or(self.tool_timeout),
            startup_timeout: patch.startup_timeout.or(self.startup_timeout),
            idle_timeout: patch.idle_timeout.or(self.idle_timeout),
            max_concurrent: patch.max_concurrent.or(self.max_concurrent),
            enabled_tools: patch.enabled_tools.clone().or_else(|| self.enabled_tools.clone()),
            disabled_tools: over(&patch.disabled_tools, &self.disabled_tools),
            always_allow: over(&patch.always_allow, &self.always_allow),
            static_tools: over(&patch.static_tools, &self.static_tools),
            hint: text_over(&patch.hint, &self.hint),
        }
    }

    /// A number for everything that the child process depends on: launch, `env`, `env_pass`, `cwd`, and for a server
    /// elsewhere `headers`; and who shares it. Specs with
    /// equal keys share a process. The same over runs, machines and builds (FNV-1a, 64 bits).
    pub fn key(&self) -> u64 {
        let mut key = Fnv::new();
        match &self.launch {
            Launch::Command { command, args } => key.list("command", std::iter::once(command).chain(args)),
            Launch::Builtin { name, args } => key.list("builtin", std::iter::once(name).chain(args)),
            Launch::Url { url } => key.list("url", [url]),
        }
        key.list("env", self.env.iter().flat_map(|(name, value)| [name, value]));
        key.list("env_pass", &self.env_pass);
        key.list("cwd", &self.cwd);
        if !self.headers.is_empty() {
            key.list("headers", self.headers.iter().flat_map(|(name, value)| [name, value]));
        }
        if self.sharing != Sharing::Shared {
            key.list(Sharing::WORDS[self.sharing as usize], []);
        }
        key.0
    }
}

fn over<T: Clone>(new: &Option<T>, old: &T) -> T {
    new.as_ref().unwrap_or(old).clone()
}

fn text_over(new: &Option<String>, old: &str) -> String {
    new.as_deref().filter(|text| !text.is_empty()).unwrap_or(old).to_owned()
}

/// A number for a text, the same over runs, machines and builds.
pub fn fnv(text: &str) -> u64 {
    let mut sum = Fnv::new();
    sum.bytes(text.as_bytes());
    sum.0
}

/// FNV-1a over a text in which every part has its length before it, so that no two lists look alike.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn list<'a>(&mut self, title: &str, items: impl IntoIterator<Item = &'a String>) {
        self.bytes(title.as_bytes());
        for item in items {
            self.bytes(format!(" {}:", item.len()).as_bytes());
            self.bytes(item.as_bytes());
        }
        self.bytes(b"\n");
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(command: &str, args: &[&str]) -> Launch {
        Launch::Command { command: command.into(), args: args.iter().map(|a| a.to_string()).collect() }
    }

    fn base() -> Spec {
        Spec {
            launch: command("run", &["-a"]),
            env: BTreeMap::from([("A".into(), "1".into()), ("B".into(), "2".into())]),
            description: "text".into(),
            always_allow: vec!["x".into()],
            timeout: Some(Duration::from_secs(5)),
            ..Spec::new(Start::Command("run".into()))
        }
    }

    #[test]
    fn a_patch_replaces_what_it_names_and_nothing_else() {
        let args = || Some(vec!["-b".to_owned()]);
        let rows: [(&str, SpecPatch, Spec); 8] = [
            ("nothing", SpecPatch::default(), base()),
            (
                "args whole",
                SpecPatch { args: args(), ..SpecPatch::default() },
                Spec { launch: command("run", &["-b"]), ..base() },
            ),
            (
                "command keeps args",
                SpecPatch { start: Some(Start::Command("go".into())), ..SpecPatch::default() },
                Spec { launch: command("go", &["-a"]), ..base() },
            ),
            (
                "another kind drops args",
                SpecPatch { start: Some(Start::Builtin("echo".into())), ..SpecPatch::default() },
                Spec { launch: Launch::Builtin { name: "echo".into(), args: vec![] }, ..base() },
            ),
            (
                "env by name",
                SpecPatch {
                    env: BTreeMap::from([("B".into(), "3".into()), ("C".into(), "4".into())]),
                    ..SpecPatch::default()
                },
                Spec {
                    env: [("A", "1"), ("B", "3"), ("C", "4")].map(|(n, v)| (n.into(), v.into())).into(),
                    ..base()
                },
            ),
            (
                "an empty text does not replace",
                SpecPatch { description: Some(String::new()), ..SpecPatch::default() },
                base(),
            ),
            (
                "an empty list does",
                SpecPatch { always_allow: Some(vec![]), ..SpecPatch::default() },
                Spec { always_allow: vec![], ..base() },
            ),
            (
                "times",
                SpecPatch { timeout: Some(Duration::from_secs(9)), ..SpecPatch::default() },
                Spec { timeout: Some(Duration::from_secs(9)), ..base() },
            ),
        ];
        for (row, patch, want) in rows {
            assert_eq!(base().patched(&patch), want, "{row}");
        }
    }

    #[test]
    fn the_key_is_the_same_in_every_build() {
        // FNV-1a of "command 3:run 2:-a\nenv 1:A 1:1 1:B 1:2\nenv_pass\ncwd\n".
        assert_eq!(base().key(), 0x5071_02d2_38cf_6818);
    }

    #[test]
    fn the_key_tells_processes_apart_and_ignores_the_rest() {
        let key = base().key();
        assert_eq!(
            Spec { timeout: None, description: String::new(), always_allow: vec![], ..base() }.key(),
            key
        );
        let others = [
            Spec { launch: command("run", &["-", "a"]), ..base() },
            Spec { launch: command("run-a", &[]), ..base() },
            Spec { launch: Launch::Builtin { name: "run".into(), args: vec!["-a".into()] }, ..base() },
            Spec { env: BTreeMap::new(), ..base() },
            Spec { env_pass: vec!["A".into()], ..base() },
            Spec { cwd: Some(String::new()), ..base() },
        ];
        for other in others {
            assert_ne!(other.key(), key, "{other:?}");
        }
    }
}
