//! Before and after, byte for byte.

use proptest::prelude::*;
use serde_json::json;

use super::edit::{get, remove, set};
use crate::sync::place::Place;

fn servers() -> Place {
    Place::keys(&["servers"])
}

fn loom() -> Place {
    servers().item("name", "loom")
}

const ENTRY: &str = "  - name: loom\n    command: \"/l\"\n    args: [\"a\"]\n";

#[test]
fn an_item_is_added_as_the_file_indents() {
    let entry = json!({"command": "/l", "args": ["a"]});
    for (before, after) in [
        ("", format!("servers:\n{ENTRY}")),
        ("# c\nname: x", format!("# c\nname: x\nservers:\n{ENTRY}")),
        ("servers: # mine\n", format!("servers: # mine\n{ENTRY}")),
        ("servers: []\nz: 1\n", format!("servers:\n{ENTRY}z: 1\n")),
        (
            "servers:\n- name: a\n  x: 1 # c\n\nz: 1\n",
            format!(
                "servers:\n- name: a\n  x: 1 # c\n{}\nz: 1\n",
                ENTRY.replace("\n  ", "\n").replacen("  ", "", 1)
            ),
        ),
        (
            "servers:\r\n  - name: a\r\n",
            format!("servers:\r\n  - name: a\r\n{}", ENTRY.replace('\n', "\r\n")),
        ),
    ] {
        let made = set(before, &loom(), &entry).unwrap();
        assert_eq!(made, after, "{before}");
        assert_eq!(get(&made, &loom().key("command")).unwrap(), Some(json!("/l")));
    }
}

#[test]
fn values_are_changed_and_added_in_an_item() {
    let text = "servers:\n  - name: loom # c\n    command: 'old' # d\n    args:\n      - a\n      - b\n  - name: z\n";
    for (key, value, after) in [
        ("command", json!("/l"), text.replace("'old'", "\"/l\"")),
        ("args", json!(["q"]), text.replace("\n      - a\n      - b", " [\"q\"]")),
        ("t", json!(5), text.replace("- b\n", "- b\n    t: 5\n")),
    ] {
        assert_eq!(set(text, &loom().key(key), &value).unwrap(), after);
    }
}

#[test]
fn a_removed_item_takes_its_lines() {
    for (before, after) in [
        (format!("a: 1\nservers:\n  - name: z\n{ENTRY}"), "a: 1\nservers:\n  - name: z\n"),
        (format!("servers:\n{ENTRY}  # mine\n  - name: z\n"), "servers:\n  # mine\n  - name: z\n"),
        (format!("servers:\n{ENTRY}z: 1\n"), "servers: []\nz: 1\n"),
        ("servers:\n- {name: z}\n- name: loom\n  x: 1\n".into(), "servers:\n- {name: z}\n"),
        ("servers:\n  - {name: z}\n  - {name: loom}\n".into(), "servers:\n  - {name: z}\n"),
    ] {
        assert_eq!(remove(&before, &loom()).unwrap(), after, "{before}");
    }
    assert_eq!(remove("a: 1\nservers: []\n", &servers()).unwrap(), "a: 1\n");
}

#[test]
fn what_is_wrong_has_a_place() {
    for (text, want) in [
        ("a: [\n", "1:4 not YAML"),
        ("? a\n: 1\n", "1:3 a key that begins"),
        ("servers: [{name: x}]\n", "1:10 this stands on one line"),
        ("a: &x 1\n", "1:"),
        ("servers: 1\n", "1:10 a list is wanted"),
        ("a: 1\na: 2\n", "2:1 `a` stands here a second time"),
    ] {
        let wrong = set(text, &loom(), &json!({"a": 1})).unwrap_err();
        let shown = format!("{}:{} {}", wrong.line, wrong.column, wrong.text);
        assert!(shown.starts_with(want), "{text}: {shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn foreign_bytes_never_change(
        head in prop::sample::subsequence((0..8_usize).collect::<Vec<_>>(), 0..8),
        items in 0..4_usize,
        tail in any::<bool>(),
        crlf in any::<bool>(),
    ) {
        let all = ["# note: x", "", "name: \"x # no\"", "multi: |\n  a: b\n  - c", "flow: {a: [1, 'q']}",
                   "list:\n- a\n-   b: 1", "odd:   spaced   # c", "\"quoted key\": 1"];
        let mut text: Vec<String> = head.iter().map(|at| all[*at].to_owned()).collect();
        if items > 0 {
            text.push("servers: # here".into());
            for at in 0..items {
                text.push(format!("  - name: s{at} # c{at}\n    env:\n      A: '1'\n    # end"));
            }
        }
        if tail { text.push("z: >\n  folded\n  text".into()); }
        let mut text = text.join("\n") + "\n";
        if crlf { text = text.replace('\n', "\r\n"); }
        let entry = json!({"command": "/l", "args": ["a", "ü"], "n": 5});
        let made = set(&text, &loom(), &entry).unwrap();
        prop_assert_eq!(get(&made, &loom().key("n")).unwrap(), Some(json!(5)));
        prop_assert_eq!(&set(&made, &loom().key("n"), &json!(5)).unwrap(), &made);
        let gone = remove(&made, &loom()).unwrap();
        if items > 0 {
            prop_assert_eq!(gone, text);
        } else {
            let left = remove(&gone, &servers()).unwrap();
            prop_assert_eq!(left.trim_end(), text.trim_end());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}:,\"'a1 \n#-]{0,40}") {
        let _ = set(&text, &loom(), &json!({"a": 1}));
        let _ = remove(&text, &loom());
    }
}
