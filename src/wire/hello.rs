//! The first exchange on the daemon's socket, as both ends see it: who comes, and who answers.

use serde::{Deserialize, Serialize};

/// Number of the socket protocol; both sides must have the same.
pub const PROTOCOL: u32 = 1;

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that this program was built from, as `make build` found it.
pub const COMMIT: Option<&str> = option_env!("LOOM_COMMIT");

/// Tools on a page of the inventory resources, for who does not say.
const PAGE_SIZE: usize = 100;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// `loom proxy`: one MCP session of an AI client.
    Proxy,
    /// Requests of a person: a `loom` command.
    Cli,
}

/// The `params` of `loom/hello`: what the connecting side says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    #[serde(default)]
    pub protocol: u32,
    #[serde(default)]
    pub version: String,
    pub role: Role,
    /// Name of the AI client, when it was told.
    #[serde(default)]
    pub agent_hint: Option<String>,
    #[serde(default)]
    pub cwd: String,
    /// Top of the git work tree that `cwd` is in.
    #[serde(default)]
    pub git_top: Option<String>,
    #[serde(default)]
    pub pid: u32,
    /// `--tool-profile`.
    #[serde(default)]
    pub profile: Option<String>,
    /// `--max-tools`.
    #[serde(default)]
    pub max_tools: Option<usize>,
    /// Tools on one page of `loom://tools/page/N`.
    #[serde(default = "page_size")]
    pub page_size: usize,
    /// Longer text results are cut, in bytes; absent: never.
    #[serde(default)]
    pub max_result_bytes: Option<usize>,
}

/// The `result` of `loom/hello`: what the daemon says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    pub protocol: u32,
    pub version: String,
    pub pid: u32,
    /// When the daemon began, in milliseconds since 1970: differs from one daemon to the next, and stays.
    #[serde(default)]
    pub epoch: u64,
    /// What the daemon was built from, when it knows.
    #[serde(default)]
    pub commit: Option<String>,
}

impl Greeting {
    /// Whether the daemon is of the same build as this program, as far as both know.
    pub fn is_this_build(&self) -> bool {
        self.version == VERSION
            && (self.commit.is_none() || COMMIT.is_none() || self.commit.as_deref() == COMMIT)
    }

    /// `0.1.0 (5f3c1d2)`.
    pub fn build(&self) -> String {
        build(&self.version, self.commit.as_deref())
    }
}

/// A version, and the commit where it is known.
pub fn build(version: &str, commit: Option<&str>) -> String {
    commit.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
}

impl Hello {
    /// The hello of this process, without any wish.
    pub fn new(role: Role, cwd: String, git_top: Option<String>) -> Self {
        Hello {
            protocol: PROTOCOL,
            version: VERSION.to_owned(),
            role,
            agent_hint: None,
            cwd,
            git_top,
            pid: std::process::id(),
            profile: None,
            max_tools: None,
            page_size: PAGE_SIZE,
            max_result_bytes: None,
        }
    }
}

fn page_size() -> usize {
    PAGE_SIZE
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hello_names_everything_and_is_read_back_as_it_was() {
        let hello = Hello { max_tools: Some(40), ..Hello::new(Role::Proxy, "/nowhere".into(), None) };
        let params = serde_json::to_value(&hello).unwrap();
        let want = json!({
            "protocol": PROTOCOL, "version": VERSION, "role": "proxy", "agent_hint": null, "cwd": "/nowhere",
            "git_top": null, "pid": std::process::id(), "profile": null, "max_tools": 40, "page_size": 100,
            "max_result_bytes": null,
        });
        assert_eq!(params, want);
        assert_eq!(serde_json::from_value::<Hello>(params).unwrap(), hello);
    }

    #[test]
    fn only_the_role_must_be_there() {
        let hello: Hello = serde_json::from_value(json!({ "role": "cli", "unknown": 1 })).unwrap();
        assert_eq!((hello.role, hello.protocol, hello.page_size), (Role::Cli, 0, 100));
    }
}
