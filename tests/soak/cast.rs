//! Who plays: the servers of the registry, and what each is good for.

use std::path::Path;
use std::time::Duration;

/// For whom an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    Everybody,
    Client,
    Workspace,
}

/// One server.
#[derive(Clone, Debug)]
pub struct Role {
    pub name: String,
    pub sharing: Sharing,
    pub max_concurrent: Option<usize>,
    /// Calls that are left without an answer end after this.
    pub tool_timeout: Option<Duration>,
    /// It is killed, and dies on calls unless it is fleeting, too.
    pub frail: bool,
    /// The registry loses it, gets it back, and changes it.
    pub fleeting: bool,
    /// Its lists change.
    pub changing: bool,
    /// It is reached over HTTP.
    pub remote: bool,
}

impl Role {
    /// Its process outlives the sessions that clients have with it, and so do the tasks on it.
    pub fn lasts(&self) -> bool {
        self.remote && self.sharing == Sharing::Everybody
    }
}

pub const SERVERS: usize = 20;

/// The servers in the order of the registry.
pub fn roles() -> Vec<Role> {
    (0..SERVERS).map(role).collect()
}

fn role(number: usize) -> Role {
    Role {
        name: format!("s{number:02}"),
        sharing: match number {
            8..=10 | 17 => Sharing::Client,
            11..=13 => Sharing::Workspace,
            _ => Sharing::Everybody,
        },
        max_concurrent: match number {
            4 | 15 => Some(2),
            5 | 12 => Some(4),
            17 => Some(1),
            _ => None,
        },
        tool_timeout: matches!(number, 6 | 7 | 10).then_some(Duration::from_secs(3)),
        frail: matches!(number, 2 | 3 | 5 | 7 | 9 | 12 | 15 | 18),
        fleeting: matches!(number, 14..=16),
        changing: matches!(number, 0 | 2 | 4 | 14 | 19),
        remote: matches!(number, 1 | 10 | 18 | 19),
    }
}

/// The entries of these servers; `color` makes a process another one. `url`: where those over HTTP are.
pub fn registry<'a>(
    present: impl Iterator<Item = (&'a Role, u64)>,
    program: &Path,
    folder: &Path,
    url: impl Fn(&str) -> String,
) -> String {
    let mut text = String::from("version: 1\nservers:\n");
    for (role, color) in present {
        let args = ["serve", &role.name, &folder.to_string_lossy(), &color.to_string()];
        let mut entry = match role.remote {
            true => format!("url: {:?}", url(&role.name)),
            false => format!("command: {program:?}, args: {args:?}"),
        };
        entry += match role.sharing {
            Sharing::Everybody => "",
            Sharing::Client => ", instance: per-client",
            Sharing::Workspace => ", instance: per-workspace",
        };
        if let Some(max) = role.max_concurrent {
            entry += &format!(", max_concurrent: {max}");
        }
        if let Some(limit) = role.tool_timeout {
            entry += &format!(", tool_timeout: {}s", limit.as_secs());
        }
        text += &format!("  - name: {}\n    common: {{ {entry} }}\n", role.name);
    }
    text
}
