//! The tools of the echo server: names, schemas, and the text of its list.

use crate::mcp::quote::quote;

/// What a tool does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Echo,
    Sleep,
    Size,
    Fail,
    Pid,
    Cwd,
    Die,
    Garbage,
    HalfLine,
    WrongId,
    Silent,
    BadUtf8,
    Stderr,
    Grandchild,
    Env,
    Environ,
    Count,
    ChangeTools,
    Ask,
}

struct Def {
    what: What,
    name: &'static str,
    about: &'static str,
    /// The members of `properties`, as JSON.
    properties: &'static str,
    /// The items of `required`, as JSON.
    required: &'static str,
    /// `readOnlyHint`: calling it twice is as calling it once.
    read_only: bool,
}

const fn def(
    what: What,
    name: &'static str,
    about: &'static str,
    properties: &'static str,
    required: &'static str,
    read_only: bool,
) -> Def {
    Def { what, name, about, properties, required, read_only }
}

const MESSAGE: &str = r#""message":{"type":"string","description":"The text"}"#;

const DEMO: [Def; 6] = [
    def(What::Echo, "echo", "Answers the message it is given, unchanged.", MESSAGE, r#""message""#, true),
    def(
        What::Sleep,
        "sleep",
        "Answers after some milliseconds; other calls go on meanwhile. Can report progress and can be cancelled.",
        r#""ms":{"type":"integer","minimum":0,"description":"How long"},"message":{"type":"string","description":"The answer"},"progress_ms":{"type":"integer","minimum":1,"description":"Report progress this often"}"#,
        r#""ms""#,
        true,
    ),
    def(
        What::Size,
        "size",
        "Answers a text of exactly so many bytes.",
        r#""bytes":{"type":"integer","minimum":0,"maximum":268435456}"#,
        r#""bytes""#,
        true,
    ),
    def(What::Fail, "fail", "Answers with an error that says the message.", MESSAGE, r#""message""#, true),
    def(What::Pid, "pid", "The process id of this server.", "", "", true),
    def(What::Cwd, "cwd", "The working directory of this server.", "", "", true),
];

const TEST: [Def; 13] = [
    def(What::Die, "die", "Exits without answering.", r#""code":{"type":"integer"}"#, "", false),
    def(
        What::Garbage,
        "garbage",
        "Writes lines that are not JSON to stdout, then answers.",
        r#""lines":{"type":"integer","minimum":0}"#,
        "",
        false,
    ),
    def(What::HalfLine, "half_line", "Writes half an answer and exits.", "", "", false),
    def(What::WrongId, "wrong_id", "Answers with an id that nobody asked with.", "", "", false),
    def(What::Silent, "silent", "Never answers.", "", "", false),
    def(What::BadUtf8, "bad_utf8", "Answers with a text that is not valid UTF-8.", "", "", false),
    def(
        What::Stderr,
        "stderr",
        "Writes so many bytes to stderr.",
        r#""bytes":{"type":"integer","minimum":0}"#,
        r#""bytes""#,
        false,
    ),
    def(
        What::Grandchild,
        "grandchild",
        "Starts a process that ignores the end of its input and TERM, and answers its process id.",
        "",
        "",
        false,
    ),
    def(
        What::Env,
        "env",
        "One environment variable of this server.",
        r#""name":{"type":"string"}"#,
        r#""name""#,
        true,
    ),
    def(What::Environ, "environ", "The whole environment of this server, as a JSON object.", "", "", true),
    def(
        What::Count,
        "count",
        "Appends a line to the count file and answers how many lines with this key there are.",
        r#""key":{"type":"string"}"#,
        r#""key""#,
        false,
    ),
    def(What::ChangeTools, "change_tools", "Adds a tool and says that the list changed.", "", "", false),
    def(
        What::Ask,
        "ask",
        "Sends a request to the client and answers what it said.",
        r#""method":{"type":"string"},"params":{"type":"object"}"#,
        r#""method""#,
        false,
    ),
];

/// What the tool `name` does; `None` when this server has none of that name.
pub fn find(name: &str, test_tools: bool) -> Option<What> {
    defs(test_tools).find(|def| def.name == name).map(|def| def.what)
}

/// The texts of all tools: the own ones, `inert` numbered ones, and `added` that came later.
pub fn texts(test_tools: bool, inert: usize, added: usize) -> Vec<String> {
    let own = defs(test_tools).map(|def| {
        format!(
            "{{\"name\":\"{0}\",\"description\":{1},\"inputSchema\":{{\"type\":\"object\",\"properties\":{{{2}}},\"required\":[{3}],\
             \"additionalProperties\":false}},\"annotations\":{{\"readOnlyHint\":{4},\"destructiveHint\":false,\"idempotentHint\":{4},\"openWorldHint\":false}}}}",
            def.name,
            quote(def.about),
            def.properties,
            def.required,
            def.read_only
        )
    });
    let inert = (1..=inert).map(inert_text);
    let added = (1..=added).map(|n| {
        format!("{{\"name\":\"added_{n}\",\"description\":\"Came later.\",\"inputSchema\":{{\"type\":\"object\"}}}}")
    });
    own.chain(inert).chain(added).collect()
}

/// Whether `name` is one of the tools that only answer their name.
pub fn is_inert(name: &str, inert: usize, added: usize) -> bool {
    let number = |prefix: &str| name.strip_prefix(prefix).and_then(|digits| digits.parse::<usize>().ok());
    number("tool_").is_some_and(|n| (1..=inert).contains(&n) && name == inert_name(n))
        || number("added_").is_some_and(|n| (1..=added).contains(&n))
}

fn defs(test_tools: bool) -> impl Iterator<Item = &'static Def> {
    DEMO.iter().chain(TEST.iter().filter(move |_| test_tools))
}

fn inert_name(n: usize) -> String {
    format!("tool_{n:04}")
}

/// About as long as a tool of a real server.
fn inert_text(n: usize) -> String {
    format!(
        "{{\"name\":\"{}\",\"title\":\"Inert tool {n}\",\"description\":\"Does nothing but answer its name. It stands for a tool of ordinary \
         size in a long list: a sentence or two of description, and a schema with a few properties.\",\"inputSchema\":{{\"type\":\"object\",\
         \"properties\":{{\"query\":{{\"type\":\"string\",\"description\":\"What to look for\"}},\"limit\":{{\"type\":\"integer\",\"minimum\":1,\
         \"maximum\":100,\"default\":10}},\"order\":{{\"type\":\"string\",\"enum\":[\"newest\",\"oldest\"]}}}},\"required\":[\"query\"]}},\
         \"annotations\":{{\"readOnlyHint\":true}}}}",
        inert_name(n)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_tool_is_listed_well_formed_and_found() {
        let texts = texts(true, 2, 1);
        let names: Vec<String> = texts
            .iter()
            .map(|text| {
                let tool: Value = serde_json::from_str(text).unwrap();
                assert_eq!(tool["inputSchema"]["type"], "object", "{text}");
                assert!(tool["description"].as_str().unwrap().ends_with('.'), "{text}");
                tool["name"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(
            names.join(" "),
            "echo sleep size fail pid cwd die garbage half_line wrong_id silent bad_utf8 stderr grandchild env environ \
             count change_tools ask tool_0001 tool_0002 added_1"
        );
        for name in &names {
            assert!(find(name, true).is_some() != is_inert(name, 2, 1), "{name}");
        }
        for name in ["tool_0003", "tool_1", "tool_0000", "added_2", "tool_", ""] {
            assert!(!is_inert(name, 2, 1) && find(name, true).is_none(), "{name}");
        }
        assert_eq!(find("die", false), None);
    }
}
