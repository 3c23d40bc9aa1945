//! The handshake: what loom answers its clients, what it asks of servers, and the instructions that tell a model
//! what it sees. Owns which protocol versions of the handshake era are spoken.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::mcp::quote::quote;
use crate::mcp::view::View;

/// What loom asks servers for, and answers when a client asks for a version that is not known.
pub const NEWEST: &str = "2025-11-25";

/// The methods that clients may ask; any other is unknown, whether a daemon runs or not.
pub const METHODS: &[&str] = &[
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tools/call",
    "tools/list",
];

/// What loom can, whatever its servers can today: they come and go.
const CAPABILITIES: &str = r#"{"completions":{},"logging":{},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}},"tools":{"listChanged":true}}"#;

/// The versions that are spoken.
pub const KNOWN: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", NEWEST];

const INTRO: &str = "loom is one door to several MCP servers. A tool is named server__tool: the server before the \
first two underscores, its own name after them.\n";

/// For what a client calls itself, in bytes.
const NAME_MAX: usize = 64;

/// For the instructions of all servers together, and at least for each that still fits, in bytes.
const TOLD_MAX: usize = 4096;
const TOLD_LEAST: usize = 240;

const OUTRO: &str = "\nRead the resource loom://tools/index to find tools by server, with their schemas.\n";

/// The version to answer a client that asked for `asked`.
pub fn negotiate(asked: Option<&str>) -> &'static str {
    KNOWN.into_iter().find(|known| Some(*known) == asked).unwrap_or(NEWEST)
}

/// What a client said of itself in its handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Introduced {
    pub name: Option<String>,
    pub version: Option<String>,
    /// The version of MCP that is spoken with it.
    pub protocol: &'static str,
}

/// What a client's `params` of `initialize` say of it.
pub fn introduced(params: &str) -> Introduced {
    let value: serde_json::Value = serde_json::from_str(params).unwrap_or_default();
    let text = |key: &str| {
        let text = value["clientInfo"][key].as_str().filter(|text| !text.is_empty())?;
        Some(text[..text.floor_char_boundary(NAME_MAX)].to_owned())
    };
    Introduced { name: text("name"), version: text("version"), protocol: negotiate(asked(params).as_deref()) }
}

/// The `initialize` result for a client's `params`. `version` is loom's own; `servers` are the capabilities of the
/// client's servers, as JSON.
pub fn answer<'s>(
    params: &str,
    version: &str,
    instructions: &str,
    servers: impl Iterator<Item = &'s str>,
) -> String {
    let protocol = negotiate(asked(params).as_deref());
    let (version, instructions) = (quote(version), quote(instructions));
    let capabilities = capabilities(servers);
    format!(
        "{{\"protocolVersion\":\"{protocol}\",\"capabilities\":{capabilities},\
         \"serverInfo\":{{\"name\":\"loom\",\"version\":{version}}},\"instructions\":{instructions}}}"
    )
}

/// What loom can, and what its servers can beyond the protocol. Where two say different things of one extension, the
/// first is told.
fn capabilities<'s>(servers: impl Iterator<Item = &'s str>) -> String {
    type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;
    #[derive(Default, Deserialize, Serialize)]
    #[serde(default)]
    struct Beyond<'a> {
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        experimental: Option<Members<'a>>,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        extensions: Option<Members<'a>>,
    }
    let mut all = Beyond::default();
    // What is no such object says nothing.
    for one in servers.filter_map(|text| serde_json::from_str::<Beyond<'_>>(text).ok()) {
        for (told, members) in
            [(&mut all.experimental, one.experimental), (&mut all.extensions, one.extensions)]
        {
            for (name, value) in members.unwrap_or_default() {
                told.get_or_insert_default().entry(name).or_insert(value);
            }
        }
    }
    let beyond = serde_json::to_string(&all).unwrap_or_default();
    match beyond.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        None | Some("") => CAPABILITIES.to_owned(),
        Some(members) => format!("{{{members},{}", &CAPABILITIES[1..]),
    }
}

/// The `initialize` params loom sends to servers. `capabilities` is a JSON object.
pub fn request(protocol: &str, capabilities: &str) -> String {
    let (protocol, version) = (quote(protocol), quote(env!("CARGO_PKG_VERSION")));
    format!(
        "{{\"protocolVersion\":{protocol},\"capabilities\":{capabilities},\"clientInfo\":{{\"name\":\"loom\",\"version\":{version}}}}}"
    )
}

/// What a model is told: the servers (name, description), those that failed (name, why), which tools are not listed
/// but can be called, and what servers themselves have to say (name, instructions). At most 4096 bytes without that,
/// and as much again with it; what does not fit is counted or cut.
pub fn instructions(
    view: &View,
    servers: &[(String, String)],
    failed: &[(String, String)],
    told: &[(String, String)],
) -> String {
    let mut text = String::from(INTRO);
    let row = |(name, about): &(String, String)| match one_line(about) {
        about if about.is_empty() => format!("- {name}\n"),
        about => format!("- {name}: {about}\n"),
    };
    let up: Vec<String> = servers.iter().map(row).collect();
    section(&mut text, "\nServers:\n", &up, 2000, |more| format!("- and {more} more\n"));
    let down: Vec<String> = failed.iter().map(row).collect();
    section(&mut text, "\nNot available now:\n", &down, 700, |more| format!("- and {more} more\n"));
    let hidden: Vec<String> = view.hidden.iter().map(|name| format!("- {name}\n")).collect();
    let title = format!("\nNot listed to keep the list short, but callable by name ({}):\n", hidden.len());
    section(&mut text, &title, &hidden, 900, |more| format!("- and {more} more, also callable\n"));
    text.push_str(OUTRO);
    let each = (TOLD_MAX / told.len().max(1)).max(TOLD_LEAST);
    let most = text.len() + TOLD_MAX;
    for (name, told) in told {
        let cut = told.floor_char_boundary(each.saturating_sub(name.len() + 40));
        let more = if cut < told.len() { " […]" } else { "" };
        // Quoted, so that no server can speak in the name of another.
        let quoted = told[..cut].trim_end().replace('\n', "\n> ");
        let section = format!("\nInstructions of {name}:\n> {quoted}{more}\n");
        if text.len() + section.len() > most {
            break;
        }
        text.push_str(&section);
    }
    text
}

/// `params.protocolVersion`, if it is a string.
fn asked(params: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow, rename = "protocolVersion")]
        version: &'a RawValue,
    }
    let params: Params = serde_json::from_str(params).ok()?;
    serde_json::from_str(params.version.get()).ok()
}

/// Title and rows, as many as fit into `cap_bytes`, then how many are left; nothing when there is no row.
fn section(out: &mut String, title: &str, rows: &[String], cap_bytes: usize, more: fn(usize) -> String) {
    if rows.is_empty() {
        return;
    }
    out.push_str(title);
    let mut left = cap_bytes;
    let fitting = rows.iter().take_while(|row| {
        let fits = row.len() <= left;
        left = left.saturating_sub(row.len());
        fits
    });
    let fitting = fitting.count();
    for row in &rows[..fitting] {
        out.push_str(row);
    }
    if fitting < rows.len() {
        // A String takes every write.
        let _ = write!(out, "{}", more(rows.len() - fitting));
    }
}

/// The first 120 characters of a text's first line, control characters left out.
fn one_line(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let mut shown: String = line.chars().filter(|c| !c.is_control()).take(120).collect();
    if shown.len() < line.len() && line.chars().count() > 120 {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::mcp::catalog::{Item, Kind};
    use crate::mcp::view::{Filter, Source};

    fn pairs(rows: &[(&str, &str)]) -> Vec<(String, String)> {
        rows.iter().map(|(name, about)| ((*name).to_owned(), (*about).to_owned())).collect()
    }

    fn view(hidden: usize) -> View {
        let tools: Vec<Item> = (0..hidden)
            .map(|n| Item::parse(Kind::Tools, &format!(r#"{{"name":"tool_number_{n}"}}"#)).unwrap())
            .collect();
        let source = Source {
            server: "db",
            tools: Some(&tools),
            static_tools: &[],
            hints: &[],
            enabled: None,
            disabled: &[],
            priority: 0,
            categories: &[],
        };
        View::build(&[source], &Filter { profile: None, max_tools: Some(0) })
    }

    #[test]
    fn versions() {
        for (params, want) in [
            (r#"{"protocolVersion":"2024-11-05"}"#, "2024-11-05"),
            (r#"{"protocolVersion":"2025-03-26"}"#, "2025-03-26"),
            (r#"{"x":1,"protocolVersion":"2025-06-18"}"#, "2025-06-18"),
            (r#"{"protocolVersion":"2025-11-25"}"#, "2025-11-25"),
            (r#"{"protocolVersion":"2026-07-28"}"#, NEWEST),
            (r#"{"protocolVersion":7}"#, NEWEST),
            ("{}", NEWEST),
            ("", NEWEST),
        ] {
            let got: Value =
                serde_json::from_str(&answer(params, "1.2.3", "hi \"you\"\n", std::iter::empty())).unwrap();
            let want = json!({
                "protocolVersion":want,"capabilities":serde_json::from_str::<Value>(CAPABILITIES).unwrap(),
                "serverInfo":{"name":"loom","version":"1.2.3"},"instructions":"hi \"you\"\n"
            });
            assert_eq!(got, want, "{params}");
        }
        let sent: Value = serde_json::from_str(&request(NEWEST, "{}")).unwrap();
        assert_eq!((&sent["protocolVersion"], &sent["capabilities"]), (&json!(NEWEST), &json!({})));
        assert_eq!(sent["clientInfo"]["name"], "loom");
    }

    #[test]
    fn what_servers_can_beyond_the_protocol_is_told() {
        let servers = [
            r#"{"tools":{},"experimental":{"a/x":{"n":1e400}},"extensions":null}"#,
            "",
            r#"{"extensions":{"io.example/ui":{"types":["t"]}}}"#,
            r#"{"experimental":{"a/x":{"n":2},"b":{}},"extensions":{"io.example/ui":{}}}"#,
        ];
        let told = capabilities(servers.into_iter());
        let own = &CAPABILITIES[1..];
        let beyond =
            r#""experimental":{"a/x":{"n":1e400},"b":{}},"extensions":{"io.example/ui":{"types":["t"]}}"#;
        assert_eq!(told, format!("{{{beyond},{own}"));
        assert_eq!(capabilities(["{}"].into_iter()), CAPABILITIES);
    }

    #[test]
    fn a_client_says_who_it_is() {
        let params = r#"{"protocolVersion":"2025-06-18","clientInfo":{"name":"ann","version":7}}"#;
        let want = Introduced { name: Some("ann".into()), version: None, protocol: "2025-06-18" };
        assert_eq!(introduced(params), want);
        assert_eq!(introduced("{}"), Introduced { protocol: NEWEST, ..Introduced::default() });
    }

    #[test]
    fn a_model_reads_what_there_is() {
        let servers = pairs(&[("db", "Queries\nsecond line"), ("bare", "")]);
        let failed = pairs(&[("loki", "LOKI_URL is \u{1b}[31mnot set")]);
        insta::assert_snapshot!(instructions(&view(2), &servers, &failed, &[]), @"
        loom is one door to several MCP servers. A tool is named server__tool: the server before the first two underscores, its own name after them.

        Servers:
        - db: Queries
        - bare

        Not available now:
        - loki: LOKI_URL is [31mnot set

        Not listed to keep the list short, but callable by name (2):
        - db__tool_number_0
        - db__tool_number_1

        Read the resource loom://tools/index to find tools by server, with their schemas.
        ");
        insta::assert_snapshot!(instructions(&view(0), &[], &[], &[]), @"
        loom is one door to several MCP servers. A tool is named server__tool: the server before the first two underscores, its own name after them.

        Read the resource loom://tools/index to find tools by server, with their schemas.
        ");
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let many: Vec<(String, String)> =
            (0..500).map(|n| (format!("{n}{}", "s".repeat(29)), "ü".repeat(5000))).collect();
        let text = instructions(&view(10_000), &many, &many, &[]);
        assert!(text.len() <= 4096, "{}", text.len());
        assert!(text.contains("also callable\n"), "{text}");
        assert!(text.ends_with(OUTRO), "{text}");
        let told = instructions(
            &view(0),
            &[],
            &[],
            &[("db".into(), "é".repeat(9000)), ("x".into(), "Be nice.".into())],
        );
        assert!(
            told.len() <= 8192
                && told.contains("[…]\n")
                && told.contains("\nInstructions of x:\n> Be nice.\n"),
            "{told}"
        );
    }
}
