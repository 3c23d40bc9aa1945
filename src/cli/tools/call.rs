//! `loom tools call`.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::Ending;
use crate::cli::args::tools::ToolsCallArgs;
use crate::cli::context::Context;
use crate::cli::out::Out;
use crate::fault::{Explain, Fault, Kind, Plain};
use crate::link::client::CallError;

/// What we wait beyond the daemon's own limit, so that its better message arrives.
const GRACE: Duration = Duration::from_secs(5);

pub fn run(args: ToolsCallArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let given = match (&args.arguments, &args.args) {
        (Some(_), Some(_)) => {
            let text = "the arguments are given twice, as a word and as --args";
            return Err(Plain::new(Kind::Usage, text).into());
        }
        (one, other) => one.as_deref().or(other.as_deref()).unwrap_or("{}"),
    };
    let (text, place) = arguments_text(given, context)?;
    let arguments = one_line_object(&text, &place)?;
    let wait = args.timeout.map_or(context.settings.tool_timeout + GRACE, |wait| wait.0);
    let params = format!("{{\"name\":{},\"arguments\":{arguments}}}", json!(args.name));
    let mut client = context.connect_or_start("tools")?;
    let result = match client.call_raw("tools/call", &params, wait) {
        Err(error) if args.json => {
            let (code, data) = match &error {
                CallError::Refused(refusal) => (refusal.code, refusal.data.clone()),
                _ => (-32603, Value::Null),
            };
            out.json(&json!({ "error": { "code": code, "message": error.to_string(), "data": data } }));
            return Ok(Ending::With(error.kind()));
        }
        result => result?,
    };
    let shown: Value = serde_json::from_str(result.get()).map_err(|error| {
        Plain::new(Kind::Unavailable, format!("the result is not JSON that can be read: {error}"))
    })?;
    match args.json {
        true => out.line(result.get()),
        false => render(&shown, out),
    }
    Ok(if shown["isError"] == true { Ending::With(Kind::Found) } else { Ending::Done })
}

/// The text of the arguments, and where it stands, for messages.
fn arguments_text(arg: &str, context: &Context) -> Result<(String, String), Plain> {
    let unreadable = |place: &str, error| Plain::new(Kind::Usage, format!("cannot read {place}: {error}"));
    if arg == "-" {
        let mut text = String::new();
        let place = "standard input".to_owned();
        std::io::stdin().lock().read_to_string(&mut text).map_err(|error| unreadable(&place, error))?;
        return Ok((text, place));
    }
    match arg.strip_prefix('@') {
        Some(file) => {
            let path = context.absolute(Path::new(file));
            let place = context.show(&path);
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&place, error))?;
            Ok((text, place))
        }
        None => Ok((arg.to_owned(), "arguments".to_owned())),
    }
}

/// `text` as one line, when it is a JSON object. Numbers and the order of keys stay as they are: between tokens a line
/// end is a space, and within a string JSON has none.
pub fn one_line_object(text: &str, place: &str) -> Result<String, Plain> {
    let wrong = |line, column, what: &str| {
        let text = format!("{place}:{line}:{column}: {what}");
        Plain::new(Kind::Usage, text).hint("loom tools call TOOL '{\"key\":\"value\"}'")
    };
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Err(error) => {
            let what = error.to_string();
            let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
            Err(wrong(error.line(), error.column(), what))
        }
        Ok(_) if !text.trim_start().starts_with('{') => Err(wrong(1, 1, "a JSON object is wanted")),
        Ok(_) => Ok(text.trim().replace(['\n', '\r'], " ")),
    }
}

/// Text as it is; of other content a line that says what it is.
pub fn render(result: &Value, out: &mut Out) {
    let content = result["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    for part in content {
        let field = |name: &str| part[name].as_str().unwrap_or_default();
        let text = match field("type") {
            "text" => field("text").to_owned(),
            "image" | "audio" => {
                format!("[{} {}, {} bytes of base64]", field("type"), field("mimeType"), field("data").len())
            }
            "resource_link" => format!("[resource {}]", field("uri")),
            "resource" => match part["resource"]["text"].as_str() {
                Some(text) => text.to_owned(),
                None => format!("[resource {}]", part["resource"]["uri"].as_str().unwrap_or_default()),
            },
            _ => part.to_string(),
        };
        let shown = out.foreign(&text);
        out.raw(&shown);
        if !text.ends_with('\n') {
            out.raw("\n");
        }
    }
    if content.is_empty() && !result["structuredContent"].is_null() {
        out.json(&result["structuredContent"]);
    }
}
