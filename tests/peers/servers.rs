//! The servers of the matrix: how each is started, and the steps that a client takes with it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::installed::{Installed, source};
use crate::remote::Transport;
use crate::site::Site;
use crate::steps::{
    call, complete_prompt, get, hear, hear_updated, list, ping, read, refused, subscribe, unsubscribe,
};
use crate::{everything, own};

/// One server.
pub struct Server {
    pub name: &'static str,
    pub start: Start,
    /// Whether it asks for roots, so that one process cannot serve several clients.
    pub per_client: bool,
    pub steps: Vec<Value>,
    /// What it has none of and answers with an error, where loom has an empty list.
    pub absent: &'static [&'static str],
}

pub enum Start {
    /// Over stdio.
    Process { command: String, args: Vec<String>, env: BTreeMap<String, String> },
    /// Over HTTP: the arguments of `node`.
    Remote { args: Vec<String>, transport: Transport },
}

impl Server {
    /// What stands in the registry; `url` is where a remote server is.
    pub fn entry(&self, url: Option<&str>) -> Value {
        let mut common = match &self.start {
            Start::Process { command, args, env } => json!({"command": command, "args": args, "env": env}),
            Start::Remote { .. } => json!({"url": url.expect("a remote server has an address")}),
        };
        if self.per_client {
            common["instance"] = json!("per-client");
        }
        json!({"name": self.name, "common": common})
    }
}

/// server-everything over stdio. `tasks`: whether the client has tasks.
pub fn everything(installed: &Installed, tasks: bool) -> Server {
    let start = node(everything_args(installed, "stdio"), &[("PEERS_MARK", "kept")]);
    Server { name: "everything", start, per_client: true, steps: everything::steps(tasks), absent: &[] }
}

/// server-everything over HTTP.
pub fn remote_everything(installed: &Installed, tasks: bool, transport: Transport) -> Server {
    let start = Start::Remote { args: everything_args(installed, transport.argument()), transport };
    Server { name: "everything", start, per_client: true, steps: everything::steps(tasks), absent: &[] }
}

fn everything_args(installed: &Installed, transport: &str) -> Vec<String> {
    let clock = source("tests/peers/drivers/clock.mjs").display().to_string();
    vec!["--import".into(), clock, text(&installed.npm_server("server-everything")), transport.into()]
}

pub fn filesystem(installed: &Installed, site: &Site) -> Server {
    let files = text(&site.files());
    let path = |name: &str| format!("{files}/{name}");
    let edit = json!([{"oldText": "written", "newText": "edited"}]);
    let some = json!({"paths": [path("one.txt"), path("folder/two.json"), path("none")]});
    let steps = vec![
        // It takes the client's roots, which are its own folder, for its arguments.
        hear("roots/list", ""),
        list("tools"),
        ping(),
        call("list_allowed_directories", json!({})),
        call("list_directory", json!({"path": files})),
        call("directory_tree", json!({"path": files})),
        call("list_directory_with_sizes", json!({"path": files, "sortBy": "size"})),
        call("read_text_file", json!({"path": path("one.txt")})),
        call("read_text_file", json!({"path": path("one.txt"), "head": 1})),
        call("read_file", json!({"path": path("folder/two.json")})),
        call("read_multiple_files", some),
        call("read_media_file", json!({"path": path("dot.png")})),
        call("get_file_info", json!({"path": path("dot.png")})),
        call("create_directory", json!({"path": path("made")})),
        call("write_file", json!({"path": path("w.txt"), "content": "written\n\u{2028}line\n"})),
        call("edit_file", json!({"path": path("w.txt"), "edits": edit})),
        call("move_file", json!({"source": path("w.txt"), "destination": path("made/w.txt")})),
        call("search_files", json!({"path": files, "pattern": "**/*.txt"})),
        refused(call("read_text_file", json!({"path": path("missing")}))),
        refused(call("read_text_file", json!({"path": "/etc/hostname"}))),
    ];
    let args = vec![text(&installed.npm_server("server-filesystem")), files];
    let absent = &["resources", "resourceTemplates", "prompts"];
    Server { name: "filesystem", start: node(args, &[]), per_client: true, steps, absent }
}

pub fn memory(installed: &Installed, site: &Site) -> Server {
    const GRAPH: &str = "memory://knowledge-graph";
    let entity = |name: &str| json!({"name": name, "entityType": "person", "observations": ["is \u{fc}ber"]});
    let relation = json!({"from": "Ada", "to": "Bob", "relationType": "knows"});
    let observed = |name: &str| json!({"entityName": name, "contents": ["wrote \"notes\""]});
    let forgotten = json!({"deletions": [{"entityName": "Ada", "observations": ["is \u{fc}ber"]}]});
    let steps = vec![
        list("tools"),
        list("resources"),
        list("resourceTemplates"),
        ping(),
        call("read_graph", json!({})),
        subscribe(GRAPH),
        call("create_entities", json!({"entities": [entity("Ada"), entity("Bob"), entity("Cy")]})),
        hear_updated(GRAPH),
        unsubscribe(GRAPH),
        call("create_relations", json!({"relations": [relation]})),
        call("add_observations", json!({"observations": [observed("Ada")]})),
        refused(call("add_observations", json!({"observations": [observed("Nobody")]}))),
        call("search_nodes", json!({"query": "ada"})),
        call("open_nodes", json!({"names": ["Ada", "Bob"]})),
        read(GRAPH),
        call("delete_observations", forgotten),
        call("delete_relations", json!({"relations": [relation]})),
        call("delete_entities", json!({"entityNames": ["Bob"]})),
        call("read_graph", json!({})),
        read(GRAPH),
    ];
    let start = node(
        vec![text(&installed.npm_server("server-memory"))],
        &[("MEMORY_FILE_PATH", &text(&site.memory_file()))],
    );
    Server { name: "memory", start, per_client: false, steps, absent: &["prompts"] }
}

pub fn git(installed: &Installed, site: &Site) -> Server {
    let repository = text(&site.repository());
    let in_repository = |tool: &str, more: Value| {
        let mut arguments = json!({"repo_path": repository});
        arguments.as_object_mut().expect("it is one").extend(more.as_object().cloned().unwrap_or_default());
        call(tool, arguments)
    };
    let mut steps: Vec<_> = ["tools", "resources", "resourceTemplates", "prompts"].map(list).into();
    steps.extend([
        ping(),
        in_repository("git_status", json!({})),
        in_repository("git_log", json!({"max_count": 5})),
        in_repository("git_diff_unstaged", json!({})),
        in_repository("git_add", json!({"files": ["new.txt"]})),
        in_repository("git_diff_staged", json!({})),
        in_repository("git_commit", json!({"message": "second: \u{2603}"})),
        in_repository("git_show", json!({"revision": "HEAD"})),
        in_repository("git_create_branch", json!({"branch_name": "side"})),
        in_repository("git_checkout", json!({"branch_name": "side"})),
        in_repository("git_branch", json!({"branch_type": "local"})),
        in_repository("git_diff", json!({"target": "HEAD~1"})),
        in_repository("git_add", json!({"files": ["a.txt"]})),
        in_repository("git_reset", json!({})),
        in_repository("git_status", json!({})),
        refused(in_repository("git_show", json!({"revision": "no-such-revision"}))),
    ]);
    let program = installed.python("mcp-server-git");
    let start = process(&program, vec!["--repository".into(), repository.clone()], Site::commit_env());
    Server { name: "git", start, per_client: false, steps, absent: &[] }
}

pub fn time(installed: &Installed) -> Server {
    // The date of today is in the answers: a zone without summer time keeps the rest the same.
    let convert = |zone: &str| {
        call("convert_time", json!({"source_timezone": "Etc/UTC", "time": "12:30", "target_timezone": zone}))
    };
    let mut steps: Vec<_> = ["tools", "resources", "resourceTemplates", "prompts"].map(list).into();
    steps.extend([
        ping(),
        convert("Asia/Kathmandu"),
        convert("Asia/Tokyo"),
        refused(convert("No/Such_Zone")),
        call("get_current_time", json!({"timezone": "Asia/Tokyo"})),
    ]);
    let args = vec!["--local-timezone".into(), "Etc/UTC".into()];
    let start = process(&installed.python("mcp-server-time"), args, BTreeMap::new());
    Server { name: "time", start, per_client: false, steps, absent: &[] }
}

pub fn fetch(installed: &Installed, site: &Site) -> Server {
    let url = site.page_url();
    let mut steps: Vec<_> = ["tools", "resources", "resourceTemplates", "prompts"].map(list).into();
    steps.extend([
        ping(),
        call("fetch", json!({"url": url})),
        call("fetch", json!({"url": url, "raw": true, "max_length": 20, "start_index": 4})),
        refused(call("fetch", json!({"url": format!("{url}.missing")}))),
        refused(call("fetch", json!({"url": "not a url"}))),
        get("fetch", json!({"url": url})),
        refused(get("fetch", json!({}))),
        refused(complete_prompt("fetch", ("url", "h"), json!({}))),
    ]);
    let args = vec!["--ignore-robots-txt".into(), "--allow-private-ips".into()];
    let start = process(&installed.python("mcp-server-fetch"), args, BTreeMap::new());
    Server { name: "fetch", start, per_client: false, steps, absent: &[] }
}

/// The rmcp server of ours.
pub fn own(program: &Path) -> Server {
    let start = process(program, Vec::new(), BTreeMap::new());
    Server { name: "own", start, per_client: true, steps: own::steps(), absent: &[] }
}

fn node(args: Vec<String>, env: &[(&str, &str)]) -> Start {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Start::Process { command: "node".into(), args, env }
}

fn process(program: &Path, args: Vec<String>, env: BTreeMap<String, String>) -> Start {
    Start::Process { command: text(program), args, env }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
