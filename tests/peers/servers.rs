//! The six real servers, how each is started, and calls whose answers depend on nothing but the site.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::installed::Installed;
use crate::site::Site;

/// One server of the registry.
pub struct Server {
    pub name: &'static str,
    pub command: String,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// In the order in which they are made.
    pub calls: Vec<Call>,
}

/// One planned call.
#[derive(Debug)]
pub struct Call {
    /// The server's own name of the tool.
    pub tool: &'static str,
    pub arguments: Value,
    /// Whether the server is to refuse it: equal answers prove little when a call fails by accident.
    pub refused: bool,
}

impl Call {
    /// Panics when the answer is a success or failure against the plan. `result` may be `{"error": …}`.
    pub fn check(&self, result: &Value) {
        let refused = result["isError"] == true || result.get("error").is_some();
        assert_eq!(refused, self.refused, "{self:?}: {result}");
    }
}

fn works(tool: &'static str, arguments: Value) -> Call {
    Call { tool, arguments, refused: false }
}

fn refused(tool: &'static str, arguments: Value) -> Call {
    Call { tool, arguments, refused: true }
}

/// All of them.
pub fn all(installed: &Installed, site: &Site) -> Vec<Server> {
    vec![
        everything(installed),
        filesystem(installed, site),
        memory(installed, site),
        git(installed, site),
        time(installed),
        fetch(installed, site),
    ]
}

/// A registry with these servers; JSON is YAML too.
pub fn registry(servers: &[Server]) -> String {
    let entry = |server: &Server| {
        let common = json!({"command": server.command, "args": server.args, "env": server.env});
        json!({"name": server.name, "common": common})
    };
    json!({"version": 1, "servers": servers.iter().map(entry).collect::<Vec<_>>()}).to_string()
}

fn everything(installed: &Installed) -> Server {
    let calls = vec![
        works("echo", json!({"message": "h\u{e9}llo \u{2603} \"quoted\" \\ \u{1f600} \u{0}end"})),
        works("get-sum", json!({"a": 0.1, "b": 0.2})),
        refused("get-sum", json!({"a": "not a number", "b": 2})),
        works("get-tiny-image", json!({})),
        works("get-structured-content", json!({"location": "Chicago"})),
        works("get-annotated-message", json!({"messageType": "error", "includeImage": true})),
        works("get-resource-links", json!({"count": 4})),
    ];
    node("everything", installed, "server-everything", &[], calls)
}

fn filesystem(installed: &Installed, site: &Site) -> Server {
    let files = site.files().display().to_string();
    let path = |name: &str| format!("{files}/{name}");
    let edit = json!([{"oldText": "written", "newText": "edited"}]);
    let calls = vec![
        works("list_allowed_directories", json!({})),
        works("list_directory", json!({"path": files})),
        works("directory_tree", json!({"path": files})),
        works("list_directory_with_sizes", json!({"path": files, "sortBy": "size"})),
        works("read_text_file", json!({"path": path("one.txt")})),
        works("read_text_file", json!({"path": path("one.txt"), "head": 1})),
        works(
            "read_multiple_files",
            json!({"paths": [path("one.txt"), path("folder/two.json"), path("none")]}),
        ),
        works("read_media_file", json!({"path": path("dot.png")})),
        works("write_file", json!({"path": path("w.txt"), "content": "written\n\u{2028}line\n"})),
        works("edit_file", json!({"path": path("w.txt"), "edits": edit})),
        works("move_file", json!({"source": path("w.txt"), "destination": path("folder/w.txt")})),
        works("search_files", json!({"path": files, "pattern": "**/*.txt"})),
        refused("read_text_file", json!({"path": path("missing")})),
        refused("read_text_file", json!({"path": "/etc/hostname"})),
    ];
    node("filesystem", installed, "server-filesystem", std::slice::from_ref(&files), calls)
}

fn memory(installed: &Installed, site: &Site) -> Server {
    let entity = |name: &str| json!({"name": name, "entityType": "person", "observations": ["is \u{fc}ber"]});
    let relation = json!({"from": "Ada", "to": "Bob", "relationType": "knows"});
    let calls = vec![
        works("read_graph", json!({})),
        works("create_entities", json!({"entities": [entity("Ada"), entity("Bob")]})),
        works("create_relations", json!({"relations": [relation]})),
        works(
            "add_observations",
            json!({"observations": [{"entityName": "Ada", "contents": ["wrote \"notes\""]}]}),
        ),
        refused("add_observations", json!({"observations": [{"entityName": "Nobody", "contents": ["x"]}]})),
        works("search_nodes", json!({"query": "ada"})),
        works("delete_entities", json!({"entityNames": ["Bob"]})),
        works("read_graph", json!({})),
    ];
    let mut server = node("memory", installed, "server-memory", &[], calls);
    server.env.insert("MEMORY_FILE_PATH".into(), site.memory_file().display().to_string());
    server
}

fn git(installed: &Installed, site: &Site) -> Server {
    let repository = site.repository().display().to_string();
    let calls = vec![
        works("git_status", json!({"repo_path": repository})),
        works("git_log", json!({"repo_path": repository, "max_count": 5})),
        works("git_diff_unstaged", json!({"repo_path": repository})),
        works("git_add", json!({"repo_path": repository, "files": ["new.txt"]})),
        works("git_diff_staged", json!({"repo_path": repository})),
        works("git_show", json!({"repo_path": repository, "revision": "HEAD"})),
        works("git_create_branch", json!({"repo_path": repository, "branch_name": "side"})),
        works("git_branch", json!({"repo_path": repository, "branch_type": "local"})),
        refused("git_show", json!({"repo_path": repository, "revision": "no-such-revision"})),
    ];
    python("git", installed.python("mcp-server-git"), &["--repository".into(), repository.clone()], calls)
}

fn time(installed: &Installed) -> Server {
    // The date of today is in the answers: a zone without summer time keeps the rest the same.
    let convert =
        |zone: &str| json!({"source_timezone": "Etc/UTC", "time": "12:30", "target_timezone": zone});
    let calls = vec![
        works("convert_time", convert("Asia/Kathmandu")),
        works("convert_time", convert("Asia/Tokyo")),
        refused("convert_time", convert("No/Such_Zone")),
    ];
    python("time", installed.python("mcp-server-time"), &["--local-timezone".into(), "Etc/UTC".into()], calls)
}

fn fetch(installed: &Installed, site: &Site) -> Server {
    let url = site.page_url();
    let calls = vec![
        works("fetch", json!({"url": url})),
        works("fetch", json!({"url": url, "raw": true, "max_length": 20, "start_index": 4})),
        refused("fetch", json!({"url": format!("{url}.missing")})),
        refused("fetch", json!({"url": "not a url"})),
    ];
    python(
        "fetch",
        installed.python("mcp-server-fetch"),
        &["--ignore-robots-txt".into(), "--allow-private-ips".into()],
        calls,
    )
}

fn node(
    name: &'static str,
    installed: &Installed,
    package: &str,
    args: &[String],
    calls: Vec<Call>,
) -> Server {
    let entry = installed.npm_server(package).display().to_string();
    let args = [&[entry], args].concat();
    Server { name, command: "node".into(), args, env: BTreeMap::new(), calls }
}

fn python(name: &'static str, program: PathBuf, args: &[String], calls: Vec<Call>) -> Server {
    Server { name, command: program.display().to_string(), args: args.to_vec(), env: BTreeMap::new(), calls }
}
