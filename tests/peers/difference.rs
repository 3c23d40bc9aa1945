//! Where two JSON values differ, in words.

use serde_json::Value;

/// How many lines one comparison gives at most.
const LINES: usize = 12;
/// How much of a value is shown.
const SHOWN: usize = 300;

/// One line for each place where `loom` is not as `direct`; none when they are equal.
pub fn lines(direct: &Value, loom: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", direct, loom, &mut found);
    let more = found.len().saturating_sub(LINES);
    found.truncate(LINES);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    found
}

/// One line for each member of `direct` that `loom` lacks or has false; `loom` may have more.
pub fn missing(direct: &Value, loom: &Value) -> Vec<String> {
    let mut found = Vec::new();
    lacks("", direct, loom, &mut found);
    found
}

fn compare(path: &str, direct: &Value, loom: &Value, found: &mut Vec<String>) {
    match (direct, loom) {
        (Value::Object(left), Value::Object(right)) if failed(direct) == failed(loom) => {
            for (name, value) in left {
                match right.get(name) {
                    Some(other) => compare(&format!("{path}.{name}"), value, other, found),
                    None => found.push(format!("{path}.{name}: loom has none, direct {}", short(value))),
                }
            }
            for (name, value) in right.iter().filter(|(name, _)| !left.contains_key(*name)) {
                found.push(format!("{path}.{name}: direct has none, loom {}", short(value)));
            }
            if left.len() == right.len() && left == right && !left.keys().eq(right.keys()) {
                found.push(format!("{path}: the members are in another order"));
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                found.push(format!("{path}: direct has {} items, loom {}", left.len(), right.len()));
            }
            for (at, (value, other)) in left.iter().zip(right).enumerate() {
                compare(&format!("{path}[{at}]"), value, other, found);
            }
        }
        _ if direct == loom => {}
        _ => found.push(format!("{path}: direct {}\n      loom {}", short(direct), short(loom))),
    }
}

/// Whether it is what a driver gives for a step that failed.
fn failed(value: &Value) -> bool {
    value.get("error").is_some() || value.get("unheard").is_some()
}

fn lacks(path: &str, direct: &Value, loom: &Value, found: &mut Vec<String>) {
    match direct {
        Value::Object(members) => {
            for (name, value) in members {
                lacks(&format!("{path}.{name}"), value, &loom[name], found);
            }
            if !loom.is_object() {
                found.push(format!("{path}: direct {}, loom {}", short(direct), short(loom)));
            }
        }
        Value::Bool(false) => {}
        _ if direct == loom => {}
        _ => found.push(format!("{path}: direct {}, loom {}", short(direct), short(loom))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
