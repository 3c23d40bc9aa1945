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
        let tool = Tool::parse(text).unwrap();
        assert_eq!(&*tool.name, "q", "{text}");
        let mut out = String::new();
        tool.write_named("s__q", &mut out);
        assert_eq!(out, want, "{text}");
    }
    assert_eq!(Tool::parse(r#"{"name":"\u0071"}"#).unwrap().name_json(), r#""\u0071""#);
}

#[test]
fn hints_are_read_only_where_they_are_true() {
    for (annotations, want) in [
        ("{}", (false, false)),
        ("null", (false, false)),
        ("7", (false, false)),
        (r#"[true,true]"#, (false, false)),
        (r#"{"readOnlyHint":true}"#, (true, false)),
        (r#"{"readOnlyHint":false,"idempotentHint":true,"x":1}"#, (false, true)),
        (r#"{"readOnlyHint":"true"}"#, (false, false)),
    ] {
        let tool = Tool::parse(&format!(r#"{{"name":"q","annotations":{annotations}}}"#)).unwrap();
        assert_eq!((tool.read_only, tool.idempotent), want, "{annotations}");
    }
}

#[test]
fn a_page_leaves_out_what_is_no_tool() {
    let page = parse_page(
        r#"{"tools":[{"name":"a"},{"title":"x"},{"name":7},["b",null],"c",{"name":""},{"name":"d","name":"e"},{"name":"\ud800"},{"name":"f"}],"nextCursor":"2","x":1}"#,
    )
    .unwrap();
    assert_eq!(page.tools.iter().map(|tool| &*tool.name).collect::<Vec<_>>(), ["a", "f"]);
    assert_eq!((page.skipped, page.next_cursor.as_deref()), (7, Some("2")));
    assert_eq!(parse_page(r#"{"tools":[],"nextCursor":null}"#).unwrap().next_cursor, None);
    for bad in
        ["", "null", "{}", r#"{"tools":{}}"#, r#"{"tools":null}"#, r#"{"tools":[],"nextCursor":7}"#, "[1]"]
    {
        let error = parse_page(bad).unwrap_err().to_string();
        assert!(error.starts_with("the answer to tools/list is not a list of tools: "), "{bad}: {error}");
    }
}

fn entry() -> Entry {
    Entry {
        server: "loki".into(),
        key: 0xfedc_ba98_7654_3210,
        capabilities: r#"{"roots":{}}"#.into(),
        fetched_at: 1_790_000_000,
        server_info: Some(r#"{"name":"ünïcode \"q\""}"#.into()),
        tools: vec![
            Tool::parse(r#"{"name":"a","n":1e400}"#).unwrap(),
            Tool::parse(r#"{"name":"b"}"#).unwrap(),
        ],
    }
}

#[test]
fn a_kept_entry_comes_back_whole() {
    assert_eq!(Entry::from_json(&entry().to_json()).unwrap(), entry());
    let bare = Entry { server_info: None, tools: Vec::new(), ..entry() };
    assert_eq!(Entry::from_json(&bare.to_json()).unwrap(), bare);
}

#[test]
fn a_foreign_or_cut_entry_is_refused() {
    let good = entry().to_json();
    for (text, want) in [
        (good.replace("\"loom_catalog\":1", "\"loom_catalog\":2"), "a catalog entry of format 2, not 1"),
        ("{\"loom_catalog\":9}".to_owned(), "a catalog entry of format 9, not 1"),
        (
            "{\"loom_catalog\":1}".to_owned(),
            "not a catalog entry: missing field `server` at line 1 column 18",
        ),
        (good.replace("fedcba98", "xedcba98"), "the key is not a hexadecimal number"),
        (
            good.replace(r#"{"name":"b"}"#, "7"),
            "a catalog entry with a broken tool: a tool definition is not an object",
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
