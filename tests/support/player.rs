//! A server that tests direct through its tools, and what it has heard: `player.py`, which says how.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::home::{TestHome, wait_until};

const SCRIPT: &str = include_str!("player.py");
/// How long a message to a server may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// One server of a registry: its name, options of the script, more keys of the entry.
pub type Part<'a> = (&'a str, &'a str, &'a str);

/// Writes a registry of players.
pub fn play(home: &TestHome, parts: &[Part<'_>]) -> PathBuf {
    let file = home.path().join("player.py");
    fs::write(&file, SCRIPT).expect("the home can be written");
    let entry = |(name, options, more): &Part<'_>| {
        let mut args = ["-Su".to_owned(), file.display().to_string(), format!("name={name}")].to_vec();
        args.extend(options.split_whitespace().map(str::to_owned));
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        format!("  - name: {name}\n    common: {{ command: python3, args: {args:?}{more} }}\n")
    };
    home.registry(&format!("version: 1\nservers:\n{}", parts.iter().map(entry).collect::<String>()))
}

/// A home with a registry of players.
pub fn home(parts: &[Part<'_>]) -> TestHome {
    let home = TestHome::new();
    play(&home, parts);
    home
}

/// All that the processes of a server have heard, oldest first.
pub fn journal(home: &TestHome, server: &str) -> Vec<Value> {
    let text = fs::read_to_string(home.path().join(format!("{server}.heard"))).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect("the journal is JSON")).collect()
}

/// The params of all messages of one method.
pub fn heard(home: &TestHome, server: &str, method: &str) -> Vec<Value> {
    let found = journal(home, server).into_iter().filter(|message| message["method"] == method);
    found.map(|mut message| message["params"].take()).collect()
}

/// Waits until a server has heard so many messages of a method; their params.
pub fn hears(home: &TestHome, server: &str, method: &str, count: usize) -> Vec<Value> {
    let come = wait_until(PATIENCE, || heard(home, server, method).len() >= count);
    assert!(come, "{server} has not heard {count} of {method}: {:?}", journal(home, server));
    heard(home, server, method)
}

/// Waits until processes of a server have begun or ended so often (`begins`, `ends`).
pub fn lives(home: &TestHome, server: &str, what: &str, count: usize) {
    let lines = || journal(home, server).iter().filter(|line| line["life"] == what).count();
    assert!(wait_until(PATIENCE, || lines() >= count), "{server}: {:?}", journal(home, server));
}

impl Client {
    /// Lets a player send messages, all before the call's end.
    pub fn let_send(&mut self, server: &str, messages: &[Value]) {
        let said = self.call_text(&format!("{server}__send"), json!({"messages": messages}));
        assert_eq!(said, "sent");
    }

    /// Lets a player send messages after the call's end, when it works for nobody.
    pub fn let_send_after(&mut self, server: &str, messages: &[Value]) {
        let said = self.call_text(&format!("{server}__send"), json!({"messages": messages, "after": true}));
        assert_eq!(said, "sent");
    }

    /// Begins a call that a player answers when its `release` is called, and waits until the player has it.
    pub fn begin_hold(&mut self, server: &str, key: &str) -> u64 {
        self.begin_watched(server, "hold", &json!({"key": key}))
    }

    /// Begins a call whose tool makes progress at once, and waits for that.
    pub fn begin_watched(&mut self, server: &str, tool: &str, arguments: &Value) -> u64 {
        let token = format!("{tool} {arguments}");
        let name = format!("{server}__{tool}");
        let params = json!({"name": name, "arguments": arguments, "_meta": {"progressToken": token}});
        let id = self.begin("tools/call", params);
        self.recv_where(|message| message["params"]["progressToken"] == json!(token));
        id
    }

    /// All that has come and that nobody waited for, but for changes of lists: those come when servers get ready.
    pub fn news(&mut self) -> Vec<Value> {
        let of_lists = |method: &str| method.ends_with("/list_changed");
        let mut all = self.passed_over();
        all.retain(|message| !message["method"].as_str().is_some_and(of_lists));
        all
    }

    /// Of all that has come and that nobody waited for, the params of one method.
    pub fn told(&mut self, method: &str) -> Vec<Value> {
        let all = self.passed_over().into_iter().filter(|message| message["method"] == method);
        all.map(|mut message| message["params"].take()).collect()
    }

    /// Waits for a notification; its params.
    pub fn notified(&mut self, method: &str) -> Value {
        self.recv_where(|message| message["method"] == method)["params"].take()
    }

    /// Takes a request back.
    pub fn cancel(&mut self, id: u64) {
        let params = json!({"requestId": id});
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
    }
}

/// A notification as a player may send it.
pub fn notice(method: &str, params: &Value) -> Value {
    json!({"method": format!("notifications/{method}"), "params": params})
}
