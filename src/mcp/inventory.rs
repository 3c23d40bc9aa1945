//! The `loom://` resources: which there are, and the JSON of those that are about tools. What `loom://config`,
//! `loom://servers` and `loom://health` hold comes from the daemon; only their addresses are here.

use crate::mcp::quote::quote;
use crate::mcp::view::View;
use crate::nearest::nearest;

/// What every address of loom's begins with.
pub const SCHEME: &str = "loom://";
/// And every other name of a server's resource; the server's name and a slash follow.
pub const ALIAS: &str = "loom://r/";

/// Whether an address is one of loom's own resources.
pub fn is_own(uri: &str) -> bool {
    uri.starts_with(SCHEME) && !uri.starts_with(ALIAS)
}

/// A parsed `loom://` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uri {
    Config,
    Servers,
    Health,
    Tools,
    Index,
    /// `loom://tools/page/{page}`, from 1.
    Page(u32),
    /// `loom://tools/server/{server}/page/{page}`, from 1; the server may not exist.
    ServerPage {
        server: String,
        page: u32,
    },
}

/// The addresses without a variable part: address, name, description.
const FIXED: [(&str, &str, &str); 5] = [
    ("loom://config", "config", "The daemon: registry, settings in force, connected clients"),
    ("loom://servers", "servers", "Every MCP server behind loom and its state"),
    ("loom://health", "health", "The health of the daemon and of each server"),
    ("loom://tools", "tools", "All tools with their schemas; truncated when large, and says so"),
    (
        "loom://tools/index",
        "tools-index",
        "Servers with their tool counts and first pages, and page 1 of all tools",
    ),
];

const TEMPLATES: [(&str, &str, &str); 2] = [
    ("loom://tools/page/{page}", "tools-page", "One page of all tools, from 1"),
    (
        "loom://tools/server/{server}/page/{page}",
        "server-tools-page",
        "One page of the tools of one server, from 1",
    ),
];

/// Reads an address; the error is a sentence for the client.
pub fn parse(uri: &str) -> Result<Uri, String> {
    let Some(path) = uri.strip_prefix(SCHEME) else {
        return Err(format!("{uri} is not a loom:// resource"));
    };
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["config"] => Ok(Uri::Config),
        ["servers"] => Ok(Uri::Servers),
        ["health"] => Ok(Uri::Health),
        ["tools"] => Ok(Uri::Tools),
        ["tools", "index"] => Ok(Uri::Index),
        ["tools", "page", page] => Ok(Uri::Page(page_number(page)?)),
        ["tools", "server", "", "page", _] => Err(format!("{uri} names no server")),
        ["tools", "server", server, "page", page] => {
            Ok(Uri::ServerPage { server: (*server).to_owned(), page: page_number(page)? })
        }
        _ => Err(unknown(uri)),
    }
}

/// One page of all tools or of one server's: the JSON text, or a sentence for the client. Page 1 always exists,
/// so an empty catalog has one page that can be read and `totalPages` 0.
pub fn page(view: &View, server: Option<&str>, page: u32, page_size: usize) -> Result<String, String> {
    if let Some(name) = server
        && view.count_of(name).is_none()
    {
        let close = nearest(name, view.server_names()).map(|known| format!(", did you mean {known}?"));
        return Err(format!("there is no server {name}{}", close.unwrap_or_default()));
    }
    Ok(format!("{{{}}}", six_fields(view, server, page, page_size)?))
}

/// Page 1 of all tools, and in `servers` where each server's tools begin.
pub fn index(view: &View, page_size: usize) -> Result<String, String> {
    let size = page_size.max(1);
    let stretches = view.stretches();
    let with_tools = stretches.iter().map(|(server, tools, first)| {
        format!("{{\"server\":{},\"tools\":{tools},\"firstPage\":{}}}", quote(server), first / size + 1)
    });
    let without = view.server_names().filter(|name| view.count_of(name) == Some(0));
    let without =
        without.map(|name| format!("{{\"server\":{},\"tools\":0,\"firstPage\":null}}", quote(name)));
    let servers: Vec<String> = with_tools.chain(without).collect();
    Ok(format!("{{{},\"servers\":[{}]}}", six_fields(view, None, 1, size)?, servers.join(",")))
}

/// All tools in at most `cap_bytes` (but never less than an empty list): when they do not fit, as many whole ones
/// from the start as do, and a note. Always valid JSON.
pub fn tools(view: &View, cap_bytes: usize) -> String {
    let total = view.total();
    let whole = format!("{{\"truncated\":false,\"totalTools\":{total},\"tools\":[");
    let cut =
        format!("{{\"truncated\":true,\"totalTools\":{total},\"more\":\"loom://tools/page/1\",\"tools\":[");
    let (mut sum, mut fitting) = (0, 0);
    for (at, text) in view.tools_of(None).enumerate() {
        sum += text.len() + usize::from(at > 0);
        if cut.len() + sum + 2 <= cap_bytes {
            fitting = at + 1;
        }
    }
    let fits = whole.len() + sum + 2 <= cap_bytes || total == 0;
    let (mut text, take) = if fits { (whole, total) } else { (cut, fitting) };
    push_all(&mut text, view.tools_of(None).take(take));
    text.push_str("]}");
    text
}

/// loom's own entries of `resources/list`.
pub fn resource_rows() -> Vec<String> {
    FIXED.iter().map(|row| entry("uri", row)).collect()
}

/// loom's own entries of `resources/templates/list`.
pub fn template_rows() -> Vec<String> {
    FIXED.iter().chain(&TEMPLATES).map(|row| entry("uriTemplate", row)).collect()
}

/// The `resources/read` result with one JSON text.
pub fn read_result(uri: &str, text: &str) -> String {
    let (uri, text) = (quote(uri), quote(text));
    format!("{{\"contents\":[{{\"uri\":{uri},\"mimeType\":\"application/json\",\"text\":{text}}}]}}")
}

fn entry(key: &str, (uri, name, about): &(&str, &str, &str)) -> String {
    format!(
        "{{\"{key}\":\"{uri}\",\"name\":\"{name}\",\"description\":\"{about}\",\"mimeType\":\"application/json\"}}"
    )
}

fn page_number(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(page) if digits && page > 0 => Ok(page),
        _ => Err(format!("page must be a number from 1, not {text:?}")),
    }
}

fn unknown(uri: &str) -> String {
    let known = FIXED.iter().chain(&TEMPLATES).map(|(known, ..)| *known);
    let close = nearest(uri, known).map(|known| format!(", did you mean {known}?"));
    format!("there is no resource {uri}{}", close.unwrap_or_default())
}

fn six_fields(view: &View, server: Option<&str>, page: u32, page_size: usize) -> Result<String, String> {
    let size = page_size.max(1);
    let total = server.map_or(view.total(), |name| view.count_of(name).unwrap_or(0));
    let pages = total.div_ceil(size);
    let before = (page.max(1) as usize - 1).saturating_mul(size);
    if page != 1 && before >= total {
        return Err(format!("page {page} is beyond the end, there are {pages}"));
    }
    let name = quote(server.unwrap_or("all"));
    let mut text = format!(
        "\"server\":{name},\"page\":{page},\"pageSize\":{size},\"totalTools\":{total},\"totalPages\":{pages},\"tools\":["
    );
    push_all(&mut text, view.tools_of(server).skip(before).take(size));
    text.push(']');
    Ok(text)
}

fn push_all<'a>(out: &mut String, texts: impl Iterator<Item = &'a str>) {
    for (at, text) in texts.enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::mcp::catalog::{Item, Kind};
    use crate::mcp::view::{Filter, Source};

    fn view(counts: &[(&str, usize)], max_tools: Option<usize>) -> View {
        let lists: Vec<Vec<Item>> = counts
            .iter()
            .map(|(_, n)| {
                (0..*n).map(|i| Item::parse(Kind::Tools, &format!(r#"{{"name":"t{i}"}}"#)).unwrap()).collect()
            })
            .collect();
        let sources: Vec<Source> = counts
            .iter()
            .zip(&lists)
            .map(|((server, _), tools)| Source {
                server,
                tools: Some(tools),
                static_tools: &[],
                hints: &[],
                enabled: None,
                disabled: &[],
                priority: 0,
                categories: &[],
            })
            .collect();
        View::build(&sources, &Filter { profile: None, max_tools })
    }

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn addresses() {
        for (uri, want) in [
            ("loom://config", Ok(Uri::Config)),
            ("loom://servers", Ok(Uri::Servers)),
            ("loom://health", Ok(Uri::Health)),
            ("loom://tools", Ok(Uri::Tools)),
            ("loom://tools/index", Ok(Uri::Index)),
            ("loom://tools/page/7", Ok(Uri::Page(7))),
            ("loom://tools/server/a/page/1", Ok(Uri::ServerPage { server: "a".into(), page: 1 })),
            ("loom://tools/page/0", Err("page must be a number from 1, not \"0\"")),
            ("loom://tools/page/-1", Err("page must be a number from 1, not \"-1\"")),
            ("loom://tools/page/+1", Err("page must be a number from 1, not \"+1\"")),
            ("loom://tools/page/x", Err("page must be a number from 1, not \"x\"")),
            ("loom://tools/page/", Err("page must be a number from 1, not \"\"")),
            ("loom://tools/page/99999999999", Err("page must be a number from 1, not \"99999999999\"")),
            ("loom://tools/server//page/1", Err("loom://tools/server//page/1 names no server")),
            ("loom://tools/server/a", Err("there is no resource loom://tools/server/a")),
            ("loom://tools/page/1/2", Err("there is no resource loom://tools/page/1/2")),
            ("loom://tool", Err("there is no resource loom://tool, did you mean loom://tools?")),
            ("loom://", Err("there is no resource loom://")),
            ("file:///x", Err("file:///x is not a loom:// resource")),
        ] {
            let got = parse(uri);
            match (&got, want) {
                (Ok(got), Ok(want)) => assert_eq!(*got, want, "{uri}"),
                (Err(got), Err(want)) => assert!(got.starts_with(want), "{uri}: {got}"),
                _ => panic!("{uri}: {got:?}"),
            }
        }
    }

    #[test]
    fn pages_begin_and_end_where_they_should() {
        let five = view(&[("a", 3), ("b", 2), ("c", 0)], Some(1));
        for (server, number, want) in [
            (None, 1, json!(["a__t0", "a__t1"])),
            (None, 3, json!(["b__t1"])),
            (Some("b"), 1, json!(["b__t0", "b__t1"])),
            (Some("c"), 1, json!([])),
        ] {
            let got = json(&page(&five, server, number, 2).unwrap());
            let names: Vec<&Value> =
                got["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
            assert_eq!(json!(names), want, "{server:?} {number}");
            assert_eq!(got["server"], server.unwrap_or("all"));
            assert_eq!(got["page"], number);
            assert_eq!(got["pageSize"], 2);
        }
        let first = json(&page(&five, None, 1, 2).unwrap());
        assert_eq!((&first["totalTools"], &first["totalPages"]), (&json!(5), &json!(3)));
        let empty = json(&page(&five, Some("c"), 1, 2).unwrap());
        assert_eq!((&empty["totalTools"], &empty["totalPages"]), (&json!(0), &json!(0)));
        for (server, number, want) in [
            (None, 4, "page 4 is beyond the end, there are 3"),
            (Some("c"), 2, "page 2 is beyond the end, there are 0"),
            (Some("d"), 1, "there is no server d"),
            (None, u32::MAX, "page 4294967295 is beyond the end, there are 3"),
        ] {
            assert_eq!(page(&five, server, number, 2).unwrap_err(), want);
        }
    }

    #[test]
    fn the_index_says_where_each_server_begins() {
        let got = json(&index(&view(&[("c", 0), ("a", 3), ("b", 2)], None), 2).unwrap());
        assert_eq!(
            got["servers"],
            json!([
                {"server":"a","tools":3,"firstPage":1},
                {"server":"b","tools":2,"firstPage":2},
                {"server":"c","tools":0,"firstPage":null}
            ])
        );
        assert_eq!(got["tools"].as_array().unwrap().len(), 2);
        assert_eq!((&got["server"], &got["totalPages"]), (&json!("all"), &json!(3)));
    }

    #[test]
    fn all_tools_are_cut_between_tools_only() {
        let many = view(&[("a", 50)], None);
        let whole = tools(&many, usize::MAX);
        for cap in 0..whole.len() + 2 {
            let text = tools(&many, cap);
            let got = json(&text);
            let listed = got["tools"].as_array().unwrap().len();
            assert_eq!(got["totalTools"], 50);
            assert_eq!(got["truncated"], json!(cap < whole.len()), "{cap}");
            assert!(text.len() <= cap || listed == 0, "{cap}");
            assert_eq!(got.get("more").is_some(), cap < whole.len(), "{cap}");
        }
        assert_eq!(tools(&view(&[], None), 0), r#"{"truncated":false,"totalTools":0,"tools":[]}"#);
    }

    #[test]
    fn lists_and_answers_are_what_a_client_expects() {
        assert_eq!(resource_rows().len(), 5);
        let templates = json(&format!(r#"{{"resourceTemplates":[{}]}}"#, template_rows().join(",")));
        assert_eq!(templates["resourceTemplates"].as_array().unwrap().len(), 7);
        assert_eq!(templates["resourceTemplates"][5]["uriTemplate"], "loom://tools/page/{page}");
        assert_eq!(
            json(&read_result("loom://health", r#"{"a":"ü"}"#)),
            json!({"contents":[{"uri":"loom://health","mimeType":"application/json","text":"{\"a\":\"ü\"}"}]})
        );
        for (uri, ..) in FIXED {
            assert!(parse(uri).is_ok(), "{uri}");
        }
    }
}
