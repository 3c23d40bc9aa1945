//! Blocks of loom's in a text that is somebody's own, such as CLAUDE.md. Each stands between two lines that name it;
//! a place is its name, its value the text between them. Every other byte stays. Pure.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::sync::place::{Place, Step, Wrong};
use crate::sync::splice::{Splice, apply, line_start, newline, next_line};

const BEGIN: &str = "<!-- loom:begin ";
const END: &str = "<!-- loom:end ";
const CLOSE: &str = " -->";

/// A block and where it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    pub name: String,
    /// From the begin of its first line to behind the line end of its last one.
    whole: Range<usize>,
    /// The lines between.
    inner: Range<usize>,
}

/// All blocks of a text.
pub fn scan(text: &str) -> Result<Vec<Block>, Wrong> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<(String, usize, usize)> = None;
    let mut at = mark_end(text);
    while at < text.len() {
        let next = next_line(text, at);
        let line = text[at..next].trim();
        let name = |begin: &str| line.strip_prefix(begin)?.strip_suffix(CLOSE).map(str::to_owned);
        match (name(BEGIN), name(END), open.take()) {
            (Some(name), _, None) => {
                if blocks.iter().any(|block| block.name == name) {
                    return Err(Wrong::at(
                        text,
                        at,
                        format!("a second block `{name}` of loom's begins here"),
                    ));
                }
                open = Some((name, at, next));
            }
            (None, Some(name), Some((begun, start, inner))) if name == begun => {
                blocks.push(Block { name, whole: start..next, inner: inner..at });
            }
            (Some(_), _, Some((begun, start, _))) | (_, Some(_), Some((begun, start, _))) => {
                return Err(Wrong::at(text, start, no_end(&begun)));
            }
            (None, Some(name), None) => {
                return Err(Wrong::at(
                    text,
                    at,
                    format!("the block `{name}` of loom's ends without a begin"),
                ));
            }
            (None, None, still) => open = still,
        }
        at = next;
    }
    match open {
        Some((name, start, _)) => Err(Wrong::at(text, start, no_end(&name))),
        None => Ok(blocks),
    }
}

/// The text of a block, with `\n` line ends; at the root, all blocks.
pub fn get(text: &str, place: &Place) -> Result<Option<Value>, Wrong> {
    let blocks = scan(text)?;
    let value = |block: &Block| {
        let inner = text[block.inner.clone()].replace("\r\n", "\n");
        Value::String(inner.strip_suffix('\n').unwrap_or(&inner).to_owned())
    };
    match place.0.as_slice() {
        [] => {
            let all: Map<String, Value> =
                blocks.iter().map(|block| (block.name.clone(), value(block))).collect();
            Ok(Some(Value::Object(all)))
        }
        [Step::Key(name)] => Ok(blocks.iter().find(|block| block.name == *name).map(value)),
        _ => Ok(None),
    }
}

/// The text with the block at `place` holding `value`; a new one comes at the end, behind an empty line.
pub fn set(text: &str, place: &Place, value: &Value) -> Result<String, Wrong> {
    let (Some(Step::Key(name)), Some(told)) = (place.0.first(), value.as_str()) else {
        return Err(Wrong::at(text, 0, format!("`{place}` is no block")));
    };
    if let Some(block) = scan(text)?.into_iter().find(|block| block.name == *name) {
        let end = newline(&text[block.whole]);
        let told = told.replace('\n', end);
        return Ok(apply(text, vec![Splice::replace(block.inner, format!("{told}{end}"))]));
    }
    // A line that ends in a return only must not have its return taken for a part of what was added.
    let end = if text.ends_with('\r') { "\r\n" } else { newline(text) };
    let told = told.replace('\n', end);
    let block = format!("{BEGIN}{name}{CLOSE}{end}{told}{end}{END}{name}{CLOSE}");
    let added = match text.trim_start_matches('\u{feff}') {
        "" => format!("{block}{end}"),
        before if before.ends_with('\n') => format!("{end}{block}{end}"),
        _ => format!("{end}{end}{block}"),
    };
    Ok(format!("{text}{added}"))
}

/// The text without the block at `place`, and without what `set` put before it.
pub fn remove(text: &str, place: &Place) -> Result<String, Wrong> {
    let Some(Step::Key(name)) = place.0.first() else { return Ok(text.to_owned()) };
    let Some(block) = scan(text)?.into_iter().find(|block| block.name == *name) else {
        return Ok(text.to_owned());
    };
    let mut start = block.whole.start;
    if let Some(line) = empty_line_before(text, start) {
        start = line;
    }
    // A text without an end to its last line gets none.
    if !text[block.whole.clone()].ends_with('\n') {
        let before = &text[..start];
        start = before.strip_suffix("\r\n").or(before.strip_suffix('\n')).unwrap_or(before).len();
    }
    Ok(apply(text, vec![Splice::remove(start..block.whole.end)]))
}

/// Where the empty line before byte `start` begins, if there is one.
fn empty_line_before(text: &str, start: usize) -> Option<usize> {
    let mark = mark_end(text);
    if start <= mark {
        return None;
    }
    // The byte before is the end of that line.
    let line = line_start(text, start - 1).max(mark);
    text[line..start].trim().is_empty().then_some(line)
}

/// Behind the byte order mark, where there is one.
fn mark_end(text: &str) -> usize {
    text.len() - text.trim_start_matches('\u{feff}').len()
}

fn no_end(name: &str) -> String {
    format!("the block `{name}` of loom's has no end; its last line must be `{END}{name}{CLOSE}`")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(name: &str) -> Place {
        Place::keys(&[name])
    }

    fn text(text: &str) -> Value {
        Value::String(text.into())
    }

    #[test]
    fn what_stands_around_stays_and_comes_back() {
        for before in [
            "",
            "\u{feff}",
            "a",
            "a\n",
            "\n",
            "\n\n",
            "a\r\n",
            "a\r\nb",
            "\u{feff}a\r\n\r\n",
            "a\n\n\n",
            "  ",
            "# Mine\n\ntext  \n",
            "a\n \n",
        ] {
            let one = set(before, &place("one"), &text("x\ny")).unwrap();
            assert!(one.starts_with(before), "{before:?}: {one:?}");
            let two = set(&one, &place("two"), &text("z")).unwrap();
            assert!(two.starts_with(&one), "{before:?}: {two:?}");
            assert_eq!(get(&two, &place("one")).unwrap(), Some(text("x\ny")), "{two:?}");
            assert_eq!(before.contains("\r\n"), two.contains("\r\n"), "{two:?}");
            assert!(!before.contains("\r\n") || !two.replace("\r\n", "").contains('\n'), "{two:?}");
            let one_again = remove(&two, &place("two")).unwrap();
            assert_eq!(one_again, one, "{before:?}");
            assert_eq!(remove(&one, &place("one")).unwrap(), before);
            let other = remove(&two, &place("one")).unwrap();
            assert_eq!(remove(&other, &place("two")).unwrap(), before, "{two:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn foreign_bytes_never_change(before in "(a|#| |-->|\n|\r\n|\r|\u{feff}){0,12}", told in "(b|\n){0,6}") {
            let told = Value::String(told.trim().to_owned());
            let one = set(&before, &place("one"), &told).unwrap();
            prop_assert!(one.starts_with(&before));
            prop_assert_eq!(get(&one, &place("one")).unwrap(), Some(told.clone()));
            prop_assert_eq!(&set(&one, &place("one"), &told).unwrap(), &one);
            let two = set(&one, &place("two"), &text("x")).unwrap();
            let other = set(&two, &place("one"), &text("longer\ntext")).unwrap();
            let other = remove(&other, &place("one")).unwrap();
            prop_assert_eq!(remove(&other, &place("two")).unwrap(), before.clone());
            prop_assert_eq!(remove(&one, &place("one")).unwrap(), before);
        }
    }

    #[test]
    fn a_block_changes_where_it_is() {
        let mine = "top\r\n  <!-- loom:begin a -->\r\nold\r\n<!-- loom:end a -->\r\nend";
        let made = set(mine, &place("a"), &text("new\n\nlines")).unwrap();
        assert_eq!(made, mine.replace("old", "new\r\n\r\nlines"));
        assert_eq!(get(&made, &place("a")).unwrap(), Some(text("new\n\nlines")));
        assert_eq!(remove(&made, &place("a")).unwrap(), "top\r\nend");
    }

    #[test]
    fn broken_marks_have_a_place() {
        for (broken, line, why) in [
            ("a\n<!-- loom:begin x -->\nb\n", 2, "has no end"),
            ("<!-- loom:end x -->\n", 1, "without a begin"),
            ("<!-- loom:begin x -->\n<!-- loom:begin y -->\n", 1, "has no end"),
            ("<!-- loom:begin x -->\n<!-- loom:end y -->\n", 1, "has no end"),
            (
                "<!-- loom:begin x -->\n<!-- loom:end x -->\n<!-- loom:begin x -->\n<!-- loom:end x -->\n",
                3,
                "second block",
            ),
        ] {
            let wrong = scan(broken).unwrap_err();
            assert_eq!(wrong.line, line, "{broken}");
            assert!(wrong.text.contains(why), "{broken}: {}", wrong.text);
        }
    }
}
