//! Before and after, byte for byte.

use proptest::prelude::*;
use serde_json::json;

use super::edit::{get, remove, set};
use crate::sync::place::Place;

fn loom() -> Place {
    Place::keys(&["m", "loom"])
}

const ENTRY: &str = "[m.loom]\ncommand = \"/l\"\nargs = [\"a\", \"b\"]\n";

#[test]
fn a_new_table_stands_at_the_end() {
    let entry = json!({"command": "/l", "args": ["a", "b"]});
    for (before, after) in [
        ("", ENTRY.to_owned()),
        ("a = 1", format!("a = 1\n\n{ENTRY}")),
        ("a = 1 # c\n", format!("a = 1 # c\n\n{ENTRY}")),
        (
            "\u{feff}[m.x]\r\na = 1\r\n",
            format!("\u{feff}[m.x]\r\na = 1\r\n\r\n{}", ENTRY.replace('\n', "\r\n")),
        ),
        ("[m]\nx.command = \"a\"\n", format!("[m]\nx.command = \"a\"\n\n{ENTRY}")),
        (
            "m = { x = { a = 1 } }\n",
            "m = { x = { a = 1 }, loom = { command = \"/l\", args = [\"a\", \"b\"] } }\n".into(),
        ),
        ("m = {}\n", "m = { loom = { command = \"/l\", args = [\"a\", \"b\"] } }\n".into()),
    ] {
        let made = set(before, &loom(), &entry).unwrap();
        assert_eq!(made, after, "{before}");
        assert_eq!(get(&made, &loom()).unwrap(), Some(entry.clone()));
        assert_eq!(set(&made, &loom(), &entry).unwrap(), made);
    }
}

#[test]
fn keys_are_changed_and_added_where_the_table_is() {
    let text = "[m.loom] # c\ncommand = 'old' # d\n# e\n\n[m.loom.tools.x]\nmode = 'y'\n";
    for (key, value, after) in [
        ("command", json!("/l"), text.replace("'old'", "\"/l\"")),
        ("command", json!("old"), text.to_owned()),
        ("time", json!(5), text.replace("# d\n", "# d\ntime = 5\n")),
    ] {
        assert_eq!(set(text, &loom().key(key), &value).unwrap(), after);
    }
    for (before, after) in [
        ("[m]\nloom.command = 1\n", "[m]\nloom.command = 1\nloom.t = 5\n"),
        ("m.loom.command = 1\nz = 2", "m.loom.command = 1\nm.loom.t = 5\nz = 2"),
        ("[m]\nloom = {a=1}", "[m]\nloom = {a=1, t = 5}"),
        ("[m.loom]", "[m.loom]\nt = 5\n"),
    ] {
        assert_eq!(set(before, &loom().key("t"), &json!(5)).unwrap(), after, "{before}");
    }
}

#[test]
fn root_values_stand_before_the_first_table() {
    assert_eq!(
        set("a = 1\n\n[b]\nc = 1\n", &Place::keys(&["n"]), &json!(2)).unwrap(),
        "a = 1\n\nn = 2\n[b]\nc = 1\n"
    );
}

#[test]
fn a_removed_table_takes_its_tables_and_leaves_comments() {
    for (before, after) in [
        (format!("a = 1\n\n{ENTRY}"), "a = 1\n"),
        (format!("# top\n{ENTRY}\n[m.loom.tools.x]\ny = 1\n\n[z]\nb = 1\n"), "# top\n\n[z]\nb = 1\n"),
        (format!("{ENTRY}# mine\n"), "# mine\n"),
        ("[m]\nloom.command = 1\nloom.args = []\nx = 1\n".into(), "[m]\nx = 1\n"),
        ("m = { loom = { a = 1 }, x = 1 }\n".into(), "m = { x = 1 }\n"),
        ("m = { x = 1, loom = { a = 1 } }\n".into(), "m = { x = 1 }\n"),
        ("m = { loom = { a = 1 } }\n".into(), "m = { }\n"),
    ] {
        assert_eq!(remove(&before, &loom()).unwrap(), after, "{before}");
    }
    assert_eq!(remove("a = 1\n", &loom()).unwrap(), "a = 1\n");
}

#[test]
fn what_is_wrong_has_a_place() {
    for (text, want) in [("a = 1\nb = [1\n", "2:"), ("m = 1\n", "1:5 `m` must be a table")] {
        let wrong = set(text, &loom(), &json!({"a": 1})).unwrap_err();
        let shown = format!("{}:{} {}", wrong.line, wrong.column, wrong.text);
        assert!(shown.starts_with(want), "{shown}");
    }
}

fn line() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "# note [x]",
        "",
        "  # indented",
        "\"quoted key\" = '''a\nb'''",
        "arr = [ 1, # c\n  2,\n]",
        "inl = { a = 1, b.c = [] }",
        "dotted.key = 2024-01-01",
        "big = 12345678901234567890.5",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn foreign_bytes_never_change(
        lines in prop::sample::subsequence(vec![0, 1, 2, 3, 4, 5, 6, 7], 0..8),
        extra in prop::collection::vec(line(), 0..2),
        crlf in any::<bool>(),
        ended in any::<bool>(),
        table in any::<bool>(),
    ) {
        let all = ["# note [x]", "", "  # i", "\"quoted key\" = '''a\nb'''", "arr = [ 1, # c\n  2,\n]",
                   "inl = { a = 1, b.c = [] }", "dotted.key = 2024-01-01", "big = 1234567890.5"];
        let mut text: Vec<String> = lines.iter().map(|at| all[*at].to_owned()).collect();
        if table {
            text.push("[m.mine]\ncommand = 'x' # mine\n\n[m.mine.tools.t]\nmode = 'y'".into());
            text.extend(extra.into_iter().filter(|line| line.trim_start().starts_with('#') || line.is_empty()));
        }
        let mut text = text.join("\n");
        if ended && !text.is_empty() { text.push('\n'); }
        if crlf { text = text.replace('\n', "\r\n"); }
        let entry = json!({"command": "/l", "args": ["a", "ü"], "n": 5});
        let made = set(&text, &loom(), &entry).unwrap();
        prop_assert!(made.starts_with(&text));
        prop_assert_eq!(get(&made, &loom()).unwrap(), Some(entry.clone()));
        prop_assert_eq!(&set(&made, &loom(), &entry).unwrap(), &made);
        let changed = set(&made, &loom().key("n"), &json!(6)).unwrap();
        prop_assert_eq!(&changed, &made.replace("n = 5", "n = 6"));
        let gone = remove(&made, &loom()).unwrap();
        prop_assert_eq!(gone.trim_end(), text.trim_end());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}=.,\"'a1 \n#m]{0,40}") {
        let _ = set(&text, &loom(), &json!({"a": 1}));
        let _ = remove(&text, &loom());
    }
}
