//! Which parts of an answer differ from run to run, and what stands in their place when two runs are compared. All work on
//! JSON as text, so that raw bytes and parsed results are treated alike.

/// What is compared of the results of one tool instead of all of it, and why.
struct Shape {
    tool: &'static str,
    mask: fn(&str) -> String,
    _why: &'static str,
}

const SHAPES: [Shape; 6] = [
    Shape { tool: "get-env", mask: mark, _why: "loom gives a server an allow-list of the environment" },
    Shape { tool: "get_file_info", mask: digits, _why: "the times of the file" },
    Shape { tool: "get_current_time", mask: digits, _why: "the time of now" },
    Shape { tool: "convert_time", mask: dates, _why: "the date of today" },
    Shape { tool: "trigger-sampling-request-async", mask: client_tasks, _why: "the id of the client's task" },
    Shape {
        tool: "trigger-elicitation-request-async",
        mask: client_tasks,
        _why: "the id of the client's task",
    },
];

/// The text without what no two runs have in common: `task_ids`, session ids and other UUIDs.
pub fn steady(text: &str, task_ids: &[String]) -> String {
    let text = task_ids.iter().fold(text.to_owned(), |text, id| text.replace(id, "TASK"));
    matching(&text, "########-####-####-####-############", "UUID")
}

/// What is compared of a result of `tool`.
pub fn shaped(text: &str, tool: Option<&str>) -> String {
    match SHAPES.iter().find(|shape| Some(shape.tool) == tool) {
        Some(shape) => (shape.mask)(text),
        None => text.to_owned(),
    }
}

/// Only whether the variable of the registry is there.
fn mark(text: &str) -> String {
    format!("{{\"PEERS_MARK\":{}}}", text.contains("PEERS_MARK"))
}

fn digits(text: &str) -> String {
    text.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect()
}

fn dates(text: &str) -> String {
    matching(text, "####-##-##", "DATE")
}

fn client_tasks(text: &str) -> String {
    let text = after(text, "Task created: ");
    after(&text, r#"\"taskId\": \""#)
}

/// The text with each word after `marker` replaced.
fn after(text: &str, marker: &str) -> String {
    let (mut parts, mut out) = (text.split(marker), String::new());
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let word = |char: char| char.is_ascii_alphanumeric() || "-_.:~".contains(char);
        out.push_str(marker);
        out.push_str("TASK");
        out.push_str(part.trim_start_matches(word));
    }
    out
}

/// The text with each run of hexadecimal digits like `pattern`, where `#` stands for one, replaced.
fn matching(text: &str, pattern: &str, name: &str) -> String {
    let like = |at: &[u8]| {
        let same =
            |(byte, want): (&u8, u8)| if want == b'#' { byte.is_ascii_hexdigit() } else { *byte == want };
        at.len() >= pattern.len() && at.iter().zip(pattern.bytes()).all(same)
    };
    let (mut out, mut rest) = (String::new(), text);
    while let Some(next) = rest.chars().next() {
        if like(rest.as_bytes()) {
            out.push_str(name);
            rest = &rest[pattern.len()..];
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

#[test]
fn what_differs_from_run_to_run_is_masked() {
    let ids = ["f00".to_owned()];
    let session = "in 12345678-9abc-def0-1234-56789abcdef0: f00";
    assert_eq!(steady(session, &ids), "in UUID: TASK");
    assert_eq!(shaped("at 2026-11-25T12:30", Some("convert_time")), "at DATET12:30");
    assert_eq!(shaped("at 12:30", Some("get_current_time")), "at 00:00");
    assert_eq!(shaped("at 12:30", Some("echo")), "at 12:30");
    let text = r#"Task created: ab-1\nPoll \"taskId\": \"ab-1\""#;
    let want = r#"Task created: TASK\nPoll \"taskId\": \"TASK\""#;
    assert_eq!(shaped(text, Some("trigger-sampling-request-async")), want);
}
