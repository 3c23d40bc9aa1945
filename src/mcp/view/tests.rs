//! Tables for lists, budgets, filters and routes.

use super::*;
use crate::mcp::catalog::Kind;

fn tools(texts: &[&str]) -> Vec<Item> {
    texts.iter().map(|text| Item::parse(Kind::Tools, text).unwrap()).collect()
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

fn source<'a>(server: &'a str, tools: Option<&'a [Item]>) -> Source<'a> {
    Source {
        server,
        tools,
        static_tools: &[],
        hints: &[],
        enabled: None,
        disabled: &[],
        priority: 0,
        categories: &[],
    }
}

#[test]
fn the_list_is_byte_equal_but_for_names() {
    let one = tools(&[r#"{"z":1e400,"name":"q","a":{"name":"x"}}"#, r#"{"name":"dot.ted"}"#]);
    let two = tools(&[r#"{ "name" : "q" }"#]);
    let view = View::build(&[source("a", Some(&one)), source("b", Some(&two))], &Filter::default());
    assert_eq!(
        &*view.list,
        r#"{"tools":[{"z":1e400,"name":"a__q","a":{"name":"x"}},{"name":"a__dot_ted_HASH"},{ "name" : "b__q" }]}"#
            .replace("a__dot_ted_HASH", &expose("a", "dot.ted"))
    );
    assert_eq!(&*View::build(&[], &Filter::default()).list, r#"{"tools":[]}"#);
}

#[test]
fn over_the_budget_is_hidden_in_a_stable_order_and_callable() {
    let one = tools(&[r#"{"name":"a"}"#, r#"{"name":"b"}"#]);
    let two = tools(&[r#"{"name":"c"}"#, r#"{"name":"d"}"#]);
    let first = Source { priority: 5, ..source("two", Some(&two)) };
    let sources = [source("one", Some(&one)), first, source("three", Some(&one))];
    for (most, listed, hidden) in [
        (None, 6, &[][..]),
        (Some(9), 6, &[]),
        (Some(3), 3, &["one__b", "three__a", "three__b"]),
        (Some(0), 0, &["two__c", "two__d", "one__a", "one__b", "three__a", "three__b"]),
    ] {
        let view = View::build(&sources, &Filter { max_tools: most, profile: None });
        assert_eq!(view.hidden, hidden, "{most:?}");
        assert_eq!(view.list.matches("name").count(), listed, "{most:?}");
        let all: Vec<&str> = view.tools_of(None).collect();
        assert_eq!(all.len(), 6, "{most:?}");
        assert_eq!(all[0], r#"{"name":"two__c"}"#, "{most:?}");
        assert_eq!(
            view.tools_of(Some("one")).collect::<Vec<_>>(),
            [r#"{"name":"one__a"}"#, r#"{"name":"one__b"}"#]
        );
        assert_eq!(view.stretches(), [("two", 2, 0), ("one", 2, 2), ("three", 2, 4)]);
        for name in &view.hidden {
            assert!(matches!(view.route(name), Route::Tool { .. }), "{name}");
        }
    }
}

#[test]
fn names_lead_to_their_server() {
    let one = tools(&[
        r#"{"name":"get_all","annotations":{"readOnlyHint":true}}"#,
        r#"{"name":"se\u0063ret"}"#,
        r#"{"name":"drop"}"#,
        r#"{"name":"get_all","title":"a second one"}"#,
    ]);
    let fixed = tools(&[r#"{"name":"search"}"#]);
    let disabled = words(&["drop"]);
    let db = Source { disabled: &disabled, ..source("my_db", Some(&one)) };
    let notes = Source { static_tools: &fixed, disabled: &disabled, ..source("notes", None) };
    let view = View::build(&[db, notes], &Filter::default());
    assert_eq!(view.server_names().collect::<Vec<_>>(), ["my_db", "notes"]);
    assert_eq!(
        (view.count_of("my_db"), view.count_of("notes"), view.count_of("x")),
        (Some(2), Some(1), None)
    );
    let owns: [Rc<str>; 3] = ["get_all".into(), "secret".into(), "search".into()];
    let tool = |server, own: usize, own_json| Route::Tool { server, own: &owns[own], own_json };
    let unknown = |names: &[&str]| Route::Unknown { nearest: words(names) };
    for (name, want) in [
        ("my_db__get_all", tool(0, 0, "\"get_all\"")),
        ("my_db__secret", tool(0, 1, "\"se\\u0063ret\"")),
        ("my_db__drop", Route::Refused { server: 0, reason: Refusal::Disabled }),
        ("notes__search", tool(1, 2, "\"search\"")),
        ("notes__other", Route::Unlisted { server: 1, own: "other" }),
        ("notes___x__y", Route::Unlisted { server: 1, own: "_x__y" }),
        ("notes__drop", Route::Refused { server: 1, reason: Refusal::Disabled }),
        ("notes__", unknown(&[])),
        ("my_db__get_al", unknown(&["my_db__get_all"])),
        ("get_all", unknown(&["my_db__get_all"])),
        ("other__search", unknown(&["notes__search"])),
        ("", unknown(&[])),
    ] {
        assert_eq!(view.route(name), want, "{name}");
    }
}

#[test]
fn a_profile_and_an_allow_list_narrow_the_view() {
    let one = tools(&[r#"{"name":"a"}"#, r#"{"name":"b"}"#]);
    let (cloud, enabled) = (words(&["cloud"]), words(&["b*"]));
    let sources = [
        source("x", Some(&one)),
        Source { categories: &cloud, ..source("y", Some(&one)) },
        Source { enabled: Some(&enabled), ..source("z", Some(&one)) },
        source("later", None),
        Source { categories: &cloud, ..source("soon", None) },
    ];
    let profile = Profile { servers: words(&["z"]), categories: words(&["Cloud"]), tools: words(&["x__a"]) };
    let view = View::build(&sources, &Filter { profile: Some(("ops", &profile)), max_tools: None });
    assert_eq!(view.profile.as_deref(), Some("ops"));
    assert_eq!(&*view.list, r#"{"tools":[{"name":"x__a"},{"name":"y__a"},{"name":"y__b"},{"name":"z__b"}]}"#);
    for (name, want) in [
        ("x__b", Route::Refused { server: 0, reason: Refusal::NotInProfile }),
        ("z__a", Route::Refused { server: 2, reason: Refusal::Disabled }),
        ("later__a", Route::Refused { server: 3, reason: Refusal::NotInProfile }),
        ("soon__a", Route::Unlisted { server: 4, own: "a" }),
    ] {
        assert_eq!(view.route(name), want, "{name}");
    }
}
