//! Tables for tool texts, listings and kept entries.

use proptest::prelude::*;

use super::*;

#[test]
fn a_tool_keeps_every_byte_but_its_name() {
    for (text, want) in [
        (r#"{"name":"q"}"#, r#"{"name":"s__q"}"#),
        (
            r#"{ "z" : 1e400, "name" : "q" , "y":12345678901234567890123 }"#,
            r#"{ "z" : 1e400, "name" : "s__q" , "y":12345678901234567890123 }"#,
        ),
        (
            r#"{"meta":{"name":"no"},"name":"q","n":[{"name":"no"}]}"#,
            r#"{"meta":{"name":"no"},"name":"s__q","n":[{"name":"no"}]}"#,
        ),
        ("{\n\"name\":\r\n\"q\"}", r#"{ "name":  "s__q"}"#),
        (r#"{"name":"\u0071"}"#, r#"{"name":"s__q"}"#),
    ] {
        let tool = Item::parse(Kind::Tools, text).unwrap();
        assert_eq!(&*tool.name, "q", "{text}");
        let mut out = String::new();
        tool.write_named("s__q", &mut out);
        assert_eq!(out, want, "{text}");
    }
    assert_eq!(Item::parse(Kind::Tools, r#"{"name":"\u0071"}"#).unwrap().name_json(), r#""\u0071""#);
}

#[test]
fn a_page_leaves_out_what_is_no_tool() {
    let page = parse_page(
        Kind::Tools,
        r#"{"tools":[{"name":"a","inputSchema":{"type":"object"}},{"title":"x"},{"name":7},["b",null],"c",{"name":""},{"name":"d","name":"e"},{"name":"\ud800"},{"name":"g"},{"inputSchema" : { "type":"object"},"name":"f"}],"nextCursor":"2","x":1}"#,
    )
    .unwrap();
    assert_eq!(page.items.iter().map(|tool| &*tool.name).collect::<Vec<_>>(), ["a", "f"]);
    assert_eq!(page.items[1].text.as_ref(), r#"{"inputSchema" : { "type":"object"},"name":"f"}"#);
    assert_eq!(page.next_cursor.as_deref(), Some("2"));
    assert_eq!(
        (page.left_out.len(), &*page.left_out[0], &*page.left_out[7]),
        (8, "entry 2: not an object with one `name`", "\"g\": `inputSchema` is missing")
    );
    assert_eq!(parse_page(Kind::Tools, r#"{"tools":[],"nextCursor":null}"#).unwrap().next_cursor, None);
    for bad in
        ["", "null", "{}", r#"{"tools":{}}"#, r#"{"tools":null}"#, r#"{"tools":[],"nextCursor":7}"#, "[1]"]
    {
        let error = parse_page(Kind::Tools, bad).unwrap_err().to_string();
        assert_eq!(error, "the answer to tools/list is not a list", "{bad}");
    }
}

fn entry() -> Entry {
    Entry {
        server: "loki".into(),
        key: 0xfedc_ba98_7654_3210,
        capabilities: r#"{"roots":{}}"#.into(),
        fetched_at: 1_790_000_000,
        greeting: r#"{"serverInfo":{"name":"ünïcode \"q\""}}"#.into(),
        lists: [
            Some(vec![
                item(Kind::Tools, r#"{"name":"a","n":1e400,"inputSchema":{"type":"object"}}"#),
                item(Kind::Tools, r#"{"name":"b","inputSchema":{"type":"object"}}"#),
            ]),
            None,
            Some(vec![item(Kind::Resources, r#"{"uri":"a://b","name":"c"}"#)]),
            Some(vec![]),
        ],
    }
}

fn item(kind: Kind, text: &str) -> Item {
    Item::parse(kind, text).unwrap()
}

#[test]
fn a_kept_entry_comes_back_whole() {
    assert_eq!(Entry::from_json(&entry().to_json()).unwrap(), entry());
    let bare = Entry { greeting: "{}".into(), lists: [const { None }; 4], ..entry() };
    assert_eq!(Entry::from_json(&bare.to_json()).unwrap(), bare);
}

#[test]
fn what_clients_cannot_read_of_an_older_looms_entry_is_left_out() {
    let old = entry().to_json().replace(r#"{"name":"b","inputSchema":{"type":"object"}}"#, r#"{"name":"b"}"#);
    let tools = Entry::from_json(&old).unwrap().lists[0].take().unwrap();
    assert_eq!(tools.iter().map(|tool| &*tool.name).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_foreign_or_cut_entry_is_refused() {
    let good = entry().to_json();
    for (text, want) in [
        (good.replace("\"loom_catalog\":2", "\"loom_catalog\":1"), "a catalog entry of format 1, not 2"),
        ("{\"loom_catalog\":9}".to_owned(), "a catalog entry of format 9, not 2"),
        (
            "{\"loom_catalog\":2}".to_owned(),
            "not a catalog entry: missing field `server` at line 1 column 18",
        ),
        (good.replace("fedcba98", "xedcba98"), "the key is not a hexadecimal number"),
        (
            good.replace(r#"{"name":"b","inputSchema":{"type":"object"}}"#, "7"),
            "a catalog entry with a broken item: not an object with one `name`",
        ),
        (String::new(), "not a catalog entry: EOF while parsing a value at line 1 column 0"),
    ] {
        assert_eq!(Entry::from_json(&text).unwrap_err().to_string(), want);
    }
    for (end, _) in good.char_indices() {
        assert!(Entry::from_json(&good[..end]).is_err(), "{end}");
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(text in "\\PC{0,80}", cut in 0usize..200, byte in 0u8..128) {
        let mut bytes = entry().to_json().into_bytes();
        let at = cut % bytes.len();
        bytes[at] = byte;
        if let Ok(changed) = String::from_utf8(bytes) {
            let _ = Entry::from_json(&changed);
        }
        prop_assert!(Entry::from_json(&text).is_err());
    }
}
