//! Cuts the text of a `tools/call` result that is too large for its client. Touches text items of `content` only:
//! structured content, images, resources and `_meta` pass whole, whatever their size.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::mcp::quote::quote;

/// Room kept for the note that says what was cut.
const NOTE_BYTES: usize = 200;

#[derive(Deserialize)]
struct CallResult<'a> {
    #[serde(borrow)]
    content: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: &'a RawValue,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

/// The result with its text cut on a character boundary so that all of it is at most about `cap_bytes`, and a note
/// as last item. `None`: it is within the cap, or has no text whose cutting would make it smaller.
///
/// A text item that would be left empty goes, since model APIs refuse empty ones.
pub fn clip(result: &str, cap_bytes: usize) -> Option<String> {
    if result.len() <= cap_bytes {
        return None;
    }
    let parsed: CallResult = serde_json::from_str(result).ok()?;
    let items: Vec<(&str, Option<Range<usize>>)> =
        parsed.content.iter().map(|raw| (raw.get(), text_value(raw.get()))).collect();
    let (first, last) = (items.first()?.0, items.last()?.0);
    let texts: usize = items.iter().filter_map(|(_, text)| text.as_ref().map(ExactSizeIterator::len)).sum();
    let mut left = cap_bytes.saturating_sub(result.len() - texts + NOTE_BYTES);
    let (mut shown, mut total) = (0, 0);
    let mut kept: Vec<String> = Vec::new();
    for (item, text) in &items {
        let Some(text) = text else {
            kept.push((*item).to_owned());
            continue;
        };
        let inner = &item[text.start + 1..text.end - 1];
        let (end, bytes) = fit(inner, left.saturating_sub(2));
        left = if end == inner.len() { left - (end + 2).min(left) } else { 0 };
        shown += bytes;
        total += fit(inner, usize::MAX).1;
        if end > 0 {
            kept.push(format!("{}{}{}", &item[..=text.start], &inner[..end], &item[text.end - 1..]));
        }
    }
    kept.push(note(shown, total));
    let start = offset(result, first);
    let end = offset(result, last) + last.len();
    let clipped = format!("{}{}{}", &result[..start], kept.join(","), &result[end..]);
    (clipped.len() < result.len()).then_some(clipped)
}

/// Where the JSON string of a text item's `text` is; `None` for any other item.
fn text_value(item: &str) -> Option<Range<usize>> {
    let parsed: Item = serde_json::from_str(item).ok().filter(|_| item.starts_with('{'))?;
    let text = parsed.text.filter(|raw| parsed.kind.get() == "\"text\"" && raw.get().starts_with('"'))?;
    let start = offset(item, text.get());
    Some(start..start + text.get().len())
}

/// The visible last item.
fn note(shown: usize, total: usize) -> String {
    let text = format!(
        "[loom] output truncated: {shown} of {total} bytes shown; ask for less, or raise LOOM_PROXY_MAX_TOOL_RESULT_BYTES"
    );
    format!("{{\"type\":\"text\",\"text\":{}}}", quote(&text))
}

/// How much of the inside of a JSON string fits into `limit` bytes without splitting a character or an escape:
/// the end, and how many bytes of text that is when unescaped.
fn fit(inner: &str, limit: usize) -> (usize, usize) {
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        let end = inner.floor_char_boundary(limit);
        return (end, end);
    }
    let (mut end, mut bytes) = (0, 0);
    while end < inner.len() {
        let (raw, text) = unit(&inner[end..]);
        if end + raw > limit {
            break;
        }
        end += raw;
        bytes += text;
    }
    (end, bytes)
}

/// The first character of the inside of a JSON string: its length there, and when unescaped.
fn unit(rest: &str) -> (usize, usize) {
    let Some(escape) = rest.strip_prefix('\\') else {
        let length = rest.chars().next().map_or(1, char::len_utf8);
        return (length, length);
    };
    if !escape.starts_with('u') {
        return (2, 1);
    }
    let code = |at: usize| rest.get(at..at + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    match code(2) {
        Some(0xd800..=0xdbff) if rest.get(6..8) == Some("\\u") => (12, 4),
        Some(code) => (6, char::from_u32(code).map_or(3, char::len_utf8)),
        None => (6, 1),
    }
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn clipped(result: &str, cap: usize) -> Value {
        serde_json::from_str(&clip(result, cap).unwrap()).unwrap()
    }

    #[test]
    fn what_is_left_alone() {
        let long = "x".repeat(1000);
        for (result, cap) in [
            (json!({"content":[{"type":"text","text":"short"}]}).to_string(), 1000),
            (json!({"content":[{"type":"text","text":"short"}]}).to_string(), 5),
            (json!({"content":[]}).to_string(), 1),
            (json!({"content":[{"type":"image","data":long}]}).to_string(), 10),
            (json!({"content":[{"type":"resource","resource":{"text":long}}]}).to_string(), 10),
            (json!({"structuredContent":{"text":long}}).to_string(), 10),
            (json!({"content":long}).to_string(), 10),
            (json!([long]).to_string(), 10),
            (format!("{{\"content\":[\"{long}\""), 10),
        ] {
            assert_eq!(clip(&result, cap), None, "{result}");
        }
    }

    #[test]
    fn text_is_cut_and_said_so() {
        let result = json!({
            "content":[
                {"type":"text","text":"a".repeat(100),"_meta":{"k":1}},
                {"type":"image","data":"b".repeat(50)},
                {"type":"text","text":"c".repeat(900)},
                {"type":"text","text":"d".repeat(900)},
            ],
            "structuredContent":{"n":[1,2]},"_meta":{"x":null},"isError":false
        })
        .to_string();
        let got = clipped(&result, 800);
        let shown = got["content"][2]["text"].as_str().unwrap().len();
        assert!((1..400).contains(&shown), "{shown}");
        let note = format!("[loom] output truncated: {} of 1900 bytes shown", 100 + shown);
        let last = got["content"][3]["text"].as_str().unwrap();
        assert!(last.starts_with(&note), "{last}");
        assert_eq!(got["content"].as_array().unwrap().len(), 4);
        assert_eq!(got["content"][0]["_meta"], json!({"k":1}));
        assert_eq!(got["content"][1]["data"], "b".repeat(50));
        assert_eq!((&got["structuredContent"], &got["_meta"]), (&json!({"n":[1,2]}), &json!({"x":null})));
        assert!(clip(&result, 800).unwrap().len() <= 800);
    }

    #[test]
    fn characters_and_escapes_stay_whole() {
        for (text, bytes) in
            [("ü", 2), ("😀", 4), ("\\ud83d\\ude00", 4), ("\\u00fc", 2), ("\\n", 1), ("\\\\", 1), ("\\\"", 1)]
        {
            let long = text.repeat(300);
            let result = format!("{{\"content\":[{{\"type\":\"text\",\"text\":\"{long}\"}}]}}");
            for cap in 230..260 {
                let got = clipped(&result, cap);
                let content = got["content"].as_array().unwrap();
                let shown = if content.len() == 1 { 0 } else { content[0]["text"].as_str().unwrap().len() };
                assert_eq!(shown % bytes, 0, "{text} {cap}");
                let note = content[content.len() - 1]["text"].as_str().unwrap();
                assert!(note.contains(&format!(" {shown} of {} bytes", bytes * 300)), "{text} {cap}: {note}");
            }
        }
    }

    proptest! {
        #[test]
        fn always_valid_and_near_the_cap(texts in prop::collection::vec("\\PC{0,300}|[\"\\\\\n\u{1}]{0,90}", 1..5), cap in 0usize..900) {
            let items: Vec<Value> = texts.iter().map(|text| json!({"type":"text","text":text})).collect();
            let result = json!({"content":items,"n":1}).to_string();
            if let Some(cut) = clip(&result, cap) {
                let got: Value = serde_json::from_str(&cut).unwrap();
                prop_assert!(cut.len() < result.len());
                prop_assert!(cut.len() <= cap.max(40 * texts.len() + NOTE_BYTES), "{} {cap}", cut.len());
                let content = got["content"].as_array().unwrap();
                for (item, text) in content[..content.len() - 1].iter().zip(texts.iter().filter(|text| !text.is_empty())) {
                    prop_assert!(text.starts_with(item["text"].as_str().unwrap()));
                }
            }
        }
    }
}
