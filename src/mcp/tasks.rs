//! Ids of tasks in messages: a server's own, and as clients know them, `SERVER:ID`. All else stays byte for byte.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::mcp::quote::quote;
use crate::wire::scan::{members, unquote};

/// The `_meta` key of messages that belong to a task.
pub const RELATED: &str = "io.modelcontextprotocol/related-task";

/// What is known of a server's own id, as clients see it.
pub fn exposed(server: &str, own: &str) -> String {
    format!("{server}:{own}")
}

/// The server of a client's id, and the server's own id.
pub fn parse(id: &str) -> Option<(&str, &str)> {
    id.split_once(':').filter(|(server, own)| !server.is_empty() && !own.is_empty())
}

/// The progress token that a server gets with a call that is to become a task, as raw JSON. It holds for as long as the
/// task is worked on, which may be under several daemons: no other call gets the same, of whichever daemon and server.
pub fn token(epoch: u64, instance: u32, call: u64) -> String {
    format!("\"loom-{epoch:x}-{instance}-{call}\"")
}

/// The call of such a token, when it is of this daemon and of this server.
pub fn call_of(token: &str, epoch: u64, instance: u32) -> Option<u64> {
    let call = token.strip_prefix(&format!("\"loom-{epoch:x}-{instance}-"))?;
    call.strip_suffix('"')?.parse().ok()
}

/// A message's params or result with every task id changed; `None` when none is. `change` says which become what.
pub fn rename(text: &str, change: impl Fn(&str) -> Option<String>) -> Option<String> {
    rename_at(text, places(text), change)
}

/// As `rename`, only the id of the task that the message belongs to.
pub fn rename_related(text: &str, change: impl Fn(&str) -> Option<String>) -> Option<String> {
    rename_at(text, related_place(text, 0).into_iter().collect(), change)
}

fn rename_at(
    text: &str,
    places: Vec<Range<usize>>,
    change: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let mut out = String::new();
    let mut done = 0;
    for at in places {
        let Some(new) = unquote(&text[at.clone()]).and_then(|id| change(&id)) else { continue };
        out.push_str(&text[done..at.start]);
        out.push_str(&quote(&new));
        done = at.end;
    }
    (done > 0).then(|| out + &text[done..])
}

/// The id of the task that a message belongs to.
pub fn related(params: &str) -> Option<String> {
    let at = related_place(params, 0)?;
    unquote(&params[at]).map(std::borrow::Cow::into_owned)
}

/// Where the ids are: of a task, of one inside, of a list of tasks, and of the task that the message belongs to.
fn places(text: &str) -> Vec<Range<usize>> {
    let Ok([own, task, tasks, meta]) = members(text.as_bytes(), ["taskId", "task", "tasks", "_meta"]) else {
        return Vec::new();
    };
    let mut found: Vec<Range<usize>> = own.into_iter().collect();
    found.extend(task.and_then(|at| inside(text, &at, "taskId")));
    if let Some(at) = tasks {
        let items: Vec<&RawValue> = serde_json::from_str(&text[at]).unwrap_or_default();
        for item in items {
            let start = item.get().as_ptr() as usize - text.as_ptr() as usize;
            found.extend(inside(text, &(start..start + item.get().len()), "taskId"));
        }
    }
    found.extend(meta.and_then(|at| related_place(&text[at.clone()], at.start)));
    found.sort_unstable_by_key(|at| at.start);
    found
}

/// In `text`, params or a result, or in a `_meta` that begins at `offset` when it is not 0.
fn related_place(text: &str, offset: usize) -> Option<Range<usize>> {
    let meta = match offset {
        0 => inside(text, &(0..text.len()), "_meta")?,
        _ => 0..text.len(),
    };
    let task = inside(text, &meta, RELATED)?;
    let id = inside(text, &task, "taskId")?;
    Some(offset + id.start..offset + id.end)
}

/// Where a member of the object at a place is.
fn inside(text: &str, at: &Range<usize>, key: &str) -> Option<Range<usize>> {
    let [found] = members(&text.as_bytes()[at.clone()], [key]).ok()?;
    found.map(|found| at.start + found.start..at.start + found.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_of_one_call_of_one_server_under_one_daemon() {
        let given = token(0x19a, 3, 41);
        assert_eq!(given, r#""loom-19a-3-41""#);
        assert_eq!(call_of(&given, 0x19a, 3), Some(41));
        for (epoch, instance) in [(0x19b, 3), (0x19a, 4), (0x19, 3)] {
            assert_eq!(call_of(&given, epoch, instance), None, "{epoch:x} {instance}");
        }
        for other in ["41", r#""41""#, r#""loom-19a-3-""#, r#""loom-19a-3-x""#, r#""loom-19a-3-41"#, ""] {
            assert_eq!(call_of(other, 0x19a, 3), None, "{other}");
        }
    }

    #[test]
    fn ids_change_and_nothing_else_does() {
        let there = |id: &str| Some(exposed("s", id));
        let back = |id: &str| parse(id).filter(|(server, _)| *server == "s").map(|(_, own)| own.to_owned());
        for (own, ours) in [
            (
                r#"{"taskId":"a","status":"working","n":1e400}"#,
                r#"{"taskId":"s:a","status":"working","n":1e400}"#,
            ),
            (r#"{ "task" : {"x":1,"taskId":"a"} }"#, r#"{ "task" : {"x":1,"taskId":"s:a"} }"#),
            (
                r#"{"tasks":[{"taskId":"a"},{"taskId":"b"}],"n":2}"#,
                r#"{"tasks":[{"taskId":"s:a"},{"taskId":"s:b"}],"n":2}"#,
            ),
            (
                r#"{"content":[{"taskId":"no"}],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"a"}}}"#,
                r#"{"content":[{"taskId":"no"}],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"s:a"}}}"#,
            ),
        ] {
            assert_eq!(rename(own, there).as_deref(), Some(ours), "{own}");
            assert_eq!(rename(ours, back).as_deref(), Some(own), "{ours}");
        }
        for none in ["{}", "7", r#"{"taskId":7}"#, r#"{"content":[{"taskId":"no"}]}"#, r#"{"tasks":7}"#] {
            assert_eq!(rename(none, there), None, "{none}");
        }
        assert_eq!(
            related(r#"{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"q"}}}"#).as_deref(),
            Some("q")
        );
        assert_eq!(related(r#"{"taskId":"q"}"#), None);
        assert_eq!((parse("s:a:b"), parse("s"), parse(":a")), (Some(("s", "a:b")), None, None));
    }
}
