//! Before and after, byte for byte.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::edit::{get, remove, set};
use crate::sync::place::Place;

fn loom() -> Place {
    Place::keys(&["m", "loom"])
}

#[test]
fn a_new_value_is_written_as_the_file_writes() {
    let entry = json!({"command": "/l", "args": ["a", "b"]});
    for (before, after) in [
        (
            "",
            "{\n  \"m\": {\n    \"loom\": {\n      \"command\": \"/l\",\n      \"args\": [\"a\", \"b\"]\n    }\n  }\n}\n",
        ),
        (
            "{}",
            "{\n  \"m\": {\n    \"loom\": {\n      \"command\": \"/l\",\n      \"args\": [\"a\", \"b\"]\n    }\n  }\n}",
        ),
        (
            "\u{feff}{\r\n\t\"a\": 1\r\n}",
            "\u{feff}{\r\n\t\"a\": 1,\r\n\t\"m\": {\r\n\t\t\"loom\": {\r\n\t\t\t\"command\": \"/l\",\r\n\t\t\t\"args\": [\"a\", \"b\"]\r\n\t\t}\r\n\t}\r\n}",
        ),
        (
            "{\"m\": {\"x\": 1}}",
            "{\"m\": {\"x\": 1, \"loom\": { \"command\": \"/l\", \"args\": [\"a\", \"b\"] }}}",
        ),
        (
            "{\n    // mine\n    \"m\": {\n        \"x\": 1 // one\n        // end\n    },\n}\n",
            "{\n    // mine\n    \"m\": {\n        \"x\": 1, // one\n        // end\n        \"loom\": {\n            \"command\": \"/l\",\n            \"args\": [\"a\", \"b\"]\n        }\n    },\n}\n",
        ),
        (
            "{\n  \"m\": {\n    \"x\": 1, // one\n  },\n}\n",
            "{\n  \"m\": {\n    \"x\": 1, // one\n    \"loom\": {\n      \"command\": \"/l\",\n      \"args\": [\"a\", \"b\"]\n    },\n  },\n}\n",
        ),
        (
            "// only\n",
            "// only\n{\n  \"m\": {\n    \"loom\": {\n      \"command\": \"/l\",\n      \"args\": [\"a\", \"b\"]\n    }\n  }\n}\n",
        ),
    ] {
        assert_eq!(set(before, &loom(), &entry).unwrap(), after, "{before}");
    }
}

#[test]
fn a_changed_value_takes_its_own_bytes_only() {
    let text = "{ \"m\":{\"loom\" : {\n \"a\": 1 , // x\n \"b\":[1,\n2]}}}";
    assert_eq!(set(text, &loom().key("a"), &json!(1)).unwrap(), text);
    assert_eq!(set(text, &loom().key("a"), &json!("q")).unwrap(), text.replace(": 1 ,", ": \"q\" ,"));
    assert_eq!(set(text, &loom().key("b"), &json!([3])).unwrap(), text.replace("[1,\n2]", "[3]"));
}

#[test]
fn list_elements_are_added_and_taken_out() {
    let allow = Place::keys(&["p", "allow"]).text("mcp__loom");
    for (before, after) in [
        ("{\"p\": {\"allow\": [\"x\"]}}", "{\"p\": {\"allow\": [\"x\", \"mcp__loom\"]}}"),
        ("{\"p\": {\"allow\": [\n \"x\"\n]}}", "{\"p\": {\"allow\": [\n \"x\",\n \"mcp__loom\"\n]}}"),
    ] {
        let made = set(before, &allow, &json!("mcp__loom")).unwrap();
        assert_eq!(made, after);
        assert_eq!(remove(&made, &allow).unwrap(), before);
    }
    let named = Place::keys(&["l"]).item("name", "loom");
    let made = set("{\"l\": []}", &named, &json!({"a": 1})).unwrap();
    assert_eq!(get(&made, &named.key("a")).unwrap(), Some(json!(1)), "{made}");
}

#[test]
fn a_removed_value_takes_its_line_and_comma() {
    for (before, after) in [
        ("{\n  \"m\": {\n    \"loom\": 1\n  }\n}", "{\n  \"m\": {}\n}"),
        ("{\n  \"m\": {\n    \"x\": 1,\n    \"loom\": 1\n  }\n}", "{\n  \"m\": {\n    \"x\": 1\n  }\n}"),
        ("{\n  \"m\": {\n    \"loom\": 1,\n    \"x\": 1\n  }\n}", "{\n  \"m\": {\n    \"x\": 1\n  }\n}"),
        ("{\"m\":{\"loom\":1, \"x\":1}}", "{\"m\":{\"x\":1}}"),
        ("{\"m\":{\"x\":1, \"loom\":1}}", "{\"m\":{\"x\":1}}"),
        ("{\"m\":{ // c\n \"loom\":1 }}", "{\"m\":{ // c\n }}"),
        ("{\"m\":{\"x\":1,\n // c\n \"loom\":1, // d\n}}", "{\"m\":{\"x\":1,\n // c\n // d\n}}"),
    ] {
        assert_eq!(remove(before, &loom()).unwrap(), after, "{before}");
        assert_eq!(remove(after, &loom()).unwrap(), after);
    }
}

#[test]
fn what_is_wrong_has_a_place() {
    for (text, want) in [
        ("{\n \"a\" 1}", "2:6 a colon is wanted here"),
        ("{\"a\": 1 \"b\": 2}", "1:9 a comma or `}` is wanted here"),
        ("{\"a\": tru}", "1:7 this is no JSON value"),
        ("\u{feff}{\"a\": }", "1:7 this is no JSON value"),
        ("{\"a\": 1", "1:8 a comma or `}` is wanted here"),
        ("{} x", "1:4 the end of the file is wanted here"),
        ("/* x", "1:1 this comment has no end"),
        ("{\"m\": []}", "1:7 a map is wanted here"),
        ("{\"m\": 1,\n \"m\": 2}", "2:2 `m` stands here a second time"),
        ("{a: 1}", "1:2 a key in double quotes is wanted here"),
    ] {
        let wrong = set(text, &loom(), &json!(1)).unwrap_err();
        assert_eq!(format!("{}:{} {}", wrong.line, wrong.column, wrong.text), want, "{text}");
    }
}

/// Blanks and comments as people put them between tokens.
fn gap() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", " ", "\n", "\r\n  ", "\t", " // note, with { and \"\n", "/* b */ "])
        .prop_map(str::to_owned)
}

fn document(depth: u32) -> BoxedStrategy<String> {
    let scalar = prop::sample::select(vec!["1", "true", "null", "\"a \\\" }\"", "-1.50e3", "\"ü\""]);
    let scalar = scalar.prop_map(str::to_owned).boxed();
    if depth == 0 {
        return scalar;
    }
    let member = (gap(), 0..30_usize, gap(), document(depth - 1), gap());
    let map =
        (prop::collection::vec(member, 0..4), any::<bool>(), gap()).prop_map(|(members, trailing, end)| {
            let mut text = String::from("{");
            let count = members.len();
            for (at, (before, key, middle, value, behind)) in members.into_iter().enumerate() {
                text.push_str(&format!("{before}\"k{at}_{key}\"{middle}:{value}{behind}"));
                if at + 1 < count || trailing {
                    text.push(',');
                }
            }
            text + &end + "}"
        });
    prop_oneof![1 => scalar, 3 => map].boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What was there before stands there afterwards, in order and byte for byte, but for commas and blanks that
    /// an edit has to move.
    #[test]
    fn foreign_bytes_never_change(inner in document(3), before in gap(), behind in gap()) {
        let text = format!("{before}{{\"first\": {inner}, \"m\": {{}}{behind}}}\n");
        let entry = json!({"command": "/l", "args": ["a"]});
        let made = set(&text, &loom(), &entry).unwrap();
        prop_assert_eq!(get(&made, &loom()).unwrap(), Some(entry.clone()));
        let start = format!("{before}{{\"first\": {inner}, \"m\": {{");
        prop_assert!(made.starts_with(&start));
        let end = format!("}}{behind}}}\n");
        prop_assert!(made.ends_with(&end));
        prop_assert_eq!(&set(&made, &loom(), &entry).unwrap(), &made);
        prop_assert_eq!(remove(&made, &loom()).unwrap(), text);
    }

    #[test]
    fn other_members_survive_in_any_map(inner in document(2), behind in gap()) {
        let text = format!("{{\"m\": {{\"mine\": {inner}{behind}}}}}");
        let made = set(&text, &loom(), &json!("x")).unwrap();
        prop_assert_eq!(get(&made, &loom()).unwrap(), Some(json!("x")));
        let mine = Place::keys(&["m", "mine"]);
        prop_assert_eq!(get(&made, &mine).unwrap(), get(&text, &mine).unwrap());
        let inner = format!("\"mine\": {inner}");
        prop_assert!(made.contains(&inner));
        let gone = remove(&made, &loom()).unwrap();
        prop_assert_eq!(get(&gone, &loom()).unwrap(), None::<Value>);
        prop_assert!(gone.contains(&inner));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}:,\"\\\\a1 \n/*]{0,40}") {
        let _ = set(&text, &loom(), &json!(1));
        let _ = remove(&text, &loom());
    }
}
