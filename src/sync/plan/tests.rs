//! Three-way comparisons, value by value.

use serde_json::{Value, json};

use super::*;

fn entry(members: Value) -> Vec<Item> {
    let Value::Object(members) = members else { panic!("a map") };
    vec![Item::Entry { place: Place::keys(&["m", "loom"]), members }]
}

fn wanted() -> Vec<Item> {
    entry(json!({"command": "/bin/loom", "args": ["proxy"], "timeout": 5}))
}

fn fresh(text: &str) -> Planned {
    plan(Format::Jsonc, text, None, &wanted(), Policy::Report).unwrap()
}

#[test]
fn a_second_run_changes_nothing() {
    let first = fresh("{\n  // mine\n  \"a\": 1\n}");
    let second = plan(Format::Jsonc, &first.text, Some(&first.owned), &wanted(), Policy::Report).unwrap();
    assert_eq!((second.text, second.changes, second.drift), (first.text, vec![], vec![]));
    assert_eq!(second.owned, first.owned);
}

#[test]
fn what_is_wanted_anew_replaces_what_was_written() {
    let first = fresh("{}");
    let newer = entry(json!({"command": "/new/loom", "args": ["proxy"]}));
    let second = plan(Format::Json, &first.text, Some(&first.owned), &newer, Policy::Report).unwrap();
    let places: Vec<String> = second.changes.iter().map(|change| change.place.to_string()).collect();
    assert_eq!(places, ["m.loom.command", "m.loom.timeout"]);
    assert!(second.drift.is_empty() && !second.text.contains("timeout"));
}

#[test]
fn edits_of_each_value_are_reported_kept_accepted_or_overwritten() {
    let first = fresh("{}");
    for (from, to, place, kind) in [
        ("\"/bin/loom\"", "\"/else\"", "m.loom.command", DriftKind::Edited),
        ("[\"proxy\"]", "[\"proxy\", \"-x\"]", "m.loom.args", DriftKind::Edited),
        ("\"timeout\": 5", "\"timeout\": 9", "m.loom.timeout", DriftKind::Edited),
        (",\n      \"timeout\": 5", "", "m.loom.timeout", DriftKind::Deleted),
    ] {
        let edited = first.text.replacen(from, to, 1);
        assert_ne!(edited, first.text);
        let run = |text: &str, owned: &Owned, policy| {
            plan(Format::Json, text, Some(owned), &wanted(), policy).unwrap()
        };
        let reported = run(&edited, &first.owned, Policy::Report);
        assert_eq!(reported.text, edited);
        let drift: Vec<_> =
            reported.drift.iter().map(|drift| (drift.place.to_string(), drift.kind)).collect();
        assert_eq!(drift, [(place.to_owned(), kind)]);
        let again = run(&edited, &reported.owned, Policy::Report);
        assert_eq!(again.drift.len(), 1, "still reported");
        let accepted = run(&edited, &first.owned, Policy::Accept);
        let after = run(&edited, &accepted.owned, Policy::Report);
        assert_eq!((after.text, after.drift), (edited.clone(), vec![]));
        assert_eq!(after.owned, accepted.owned);
        let forced = run(&edited, &first.owned, Policy::Force);
        let [Item::Entry { members, place }] = &wanted()[..] else { panic!("one entry") };
        let made = Format::Json.get(&forced.text, place).unwrap();
        assert_eq!(made, Some(Value::Object(members.clone())));
    }
}

#[test]
fn a_deleted_entry_is_not_resurrected() {
    let first = fresh("{\"m\": {}}");
    let gone = plan(Format::Json, "{\"m\": {}}", Some(&first.owned), &wanted(), Policy::Report).unwrap();
    assert_eq!(gone.text, "{\"m\": {}}");
    assert_eq!(gone.drift[0].kind, DriftKind::Deleted);
    let accepted = plan(Format::Json, "{\"m\": {}}", Some(&gone.owned), &wanted(), Policy::Accept).unwrap();
    let after = plan(Format::Json, "{\"m\": {}}", Some(&accepted.owned), &wanted(), Policy::Report).unwrap();
    assert_eq!((after.text.as_str(), after.drift), ("{\"m\": {}}", vec![]));
    let told = plan(Format::Json, "{\"m\": {}}", Some(&after.owned), &wanted(), Policy::Force).unwrap();
    assert!(told.text.contains("/bin/loom"));
}

#[test]
fn an_entry_of_somebody_elses_is_left_and_an_older_one_of_loom_is_taken_over() {
    let foreign = "{\"m\": {\"loom\": {\"command\": \"weave\"}}}";
    let planned = fresh(foreign);
    assert_eq!((planned.text.as_str(), planned.drift[0].kind), (foreign, DriftKind::Foreign));
    let told = plan(Format::Json, foreign, None, &wanted(), Policy::Force).unwrap();
    assert!(told.text.contains("/bin/loom") && !told.text.contains("weave"), "{}", told.text);
    let old = "{\"m\": {\"loom\": {\"command\": \"/old/loom\", \"args\": [\"proxy\"], \"mine\": 1}}}";
    let planned = fresh(old);
    assert!(planned.drift.is_empty());
    assert!(planned.text.contains("/bin/loom") && planned.text.contains("\"mine\": 1"), "{}", planned.text);
}

#[test]
fn removal_takes_the_entry_whatever_was_edited_and_nothing_else() {
    for before in ["{\n  // mine\n  \"a\": 1\n}\n", "{\n  \"m\": {\n    \"x\": 1\n  }\n}\n", "{\"m\": {}}"] {
        let first = fresh(before);
        let edited = first.text.replace("\"timeout\"", "\"client\": true, \"timeout\"");
        let removed = plan_removal(Format::Jsonc, &edited, &first.owned).unwrap();
        assert_eq!(removed.text, before);
    }
}

#[test]
fn what_a_client_adds_to_the_entry_stays() {
    let items = vec![Item::Entry {
        place: Place::keys(&["mcp_servers", "loom"]),
        members: json!({"command": "/bin/loom", "args": ["proxy"]}).as_object().cloned().unwrap(),
    }];
    let first = plan(Format::Toml, "", None, &items, Policy::Report).unwrap();
    let with_tools = format!("{}\n[mcp_servers.loom.tools.x]\napproval_mode = \"approve\"\n", first.text);
    let second = plan(Format::Toml, &with_tools, Some(&first.owned), &items, Policy::Report).unwrap();
    assert_eq!((second.text, second.drift), (with_tools.clone(), vec![]));
    assert_eq!(plan_removal(Format::Toml, &with_tools, &first.owned).unwrap().text, "");
}

#[test]
fn changes_are_taken_back_from_a_file_that_changed_since() {
    let first = fresh("{\"a\": 1}");
    let newer = first.text.replace("\"a\": 1", "\"a\": 2, \"b\": 3");
    let (back, left) = take_back(Format::Json, &newer, &first.changes).unwrap();
    assert_eq!((back.as_str(), left), ("{\"a\": 2, \"b\": 3, \"m\": {}}", vec![]));
}

#[test]
fn a_file_of_nothing_is_known() {
    for (format, text, want) in [
        (Format::Json, "{}\n", true),
        (Format::Json, "", true),
        (Format::Jsonc, "// x\n{}", false),
        (Format::Json, "{\"a\": {}}", false),
        (Format::Toml, "\n", true),
        (Format::Toml, "# c", false),
        (Format::Yaml, "name: x\n", true),
    ] {
        assert_eq!(says_nothing(format, text, "name: x\n"), want, "{text}");
    }
}

#[test]
fn a_part_of_an_entry_is_never_written_without_the_entry() {
    let part = Item::Value { place: Place::keys(&["m", "loom", "trust"]), value: json!(true) };
    let items: Vec<Item> = wanted().into_iter().chain([part]).collect();
    let first = fresh("{}");
    for text in ["{}", "{\"m\": {\"loom\": {\"url\": \"x\"}}}"] {
        let owned = (text == "{}").then_some(&first.owned);
        let planned = plan(Format::Json, text, owned, &items, Policy::Report).unwrap();
        assert_eq!((planned.text.as_str(), planned.drift.len()), (text, 1));
    }
}
