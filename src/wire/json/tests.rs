use super::*;
use proptest::prelude::*;

fn valid(text: &[u8]) -> Result<(), ScanError> {
    let mut scanner = Scanner::new(text);
    scanner.space();
    scanner.value()?;
    scanner.end()
}

#[test]
fn special_characters_are_found_wherever_they_stand() {
    for len in 0..200 {
        for special in [b'"', b'\\', 0x1f, 0] {
            let mut text = vec![b'x'; 200];
            text[len] = special;
            assert_eq!(plain_prefix(&text), len);
        }
        assert_eq!(plain_prefix(&"é".repeat(100).as_bytes()[..len & !1]), len & !1);
    }
}

#[test]
fn nesting_is_bounded_not_recursive() {
    let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
    assert!(valid(deep(DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(valid(deep(DEPTH_MAX + 1).as_bytes()).unwrap_err().what, "nested too deep");
    assert!(valid(deep(1_000_000).as_bytes()).is_err());
}

/// Texts near JSON: valid ones, and valid ones with one byte changed.
fn near_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_string()),
        Just("-0.5e+3".to_string()),
        "-?(0|[1-9][0-9]{0,2})(\\.[0-9]{1,2})?([eE][-+]?[0-9]{1,2})?",
        "\"([a-z ü]|\\\\n|\\\\u00e9|\\\\\"){0,40}\"",
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(" , "))),
            prop::collection::vec(("[a-d]", inner), 0..4).prop_map(|v| {
                let body: Vec<_> = v.iter().map(|(k, v)| format!("\"{k}\": {v}")).collect();
                format!("{{{}}}", body.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_serde_json(text in near_json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        prop_assert!(valid(text.as_bytes()).is_ok());
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
            prop_assert_eq!(valid(&bytes).is_ok(), theirs, "{}", text);
        }
    }
}
