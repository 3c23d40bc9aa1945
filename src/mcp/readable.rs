//! Whether clients can read an entry of a list. Their SDKs refuse a whole list over one entry of a wrong form, so that
//! one server's mistake would take the entries of all servers away. Forms: the schema of MCP 2025-11-25.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::mcp::catalog::Kind;
use crate::wire::scan;

/// What a value must be.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Number,
    Flag,
    OneOf(&'static [&'static str]),
    Object(&'static [Member]),
    ListOf(&'static Form),
    /// An object with any names, whose values are all of one form.
    MapOf(&'static Form),
}

/// A member of an object: its name, whether it must be there, its form.
type Member = (&'static str, bool, Form);

/// No object has more members that matter.
const MEMBERS_MAX: usize = 9;
/// A name that no member has, in the place of one.
const NOBODYS: &str = "\0";

const ANY_OBJECT: Form = Form::Object(&[]);
const TITLE: Member = ("title", false, Form::Text);
const DESCRIPTION: Member = ("description", false, Form::Text);
const NAME: Member = ("name", true, Form::Text);
const META: Member = ("_meta", false, ANY_OBJECT);
const MIME: Member = ("mimeType", false, Form::Text);
const ICONS: Member = ("icons", false, Form::ListOf(&Form::Object(&[("src", true, Form::Text), MIME])));
const ANNOTATIONS: Member = (
    "annotations",
    false,
    Form::Object(&[
        ("audience", false, Form::ListOf(&Form::OneOf(&["user", "assistant"]))),
        ("priority", false, Form::Number),
        ("lastModified", false, Form::Text),
    ]),
);
const SCHEMA: Form = Form::Object(&[
    ("type", true, Form::OneOf(&["object"])),
    ("properties", false, Form::MapOf(&ANY_OBJECT)),
    ("required", false, Form::ListOf(&Form::Text)),
]);

const TOOL: &[Member] = &[
    NAME,
    TITLE,
    DESCRIPTION,
    ("inputSchema", true, SCHEMA),
    ("outputSchema", false, SCHEMA),
    (
        "annotations",
        false,
        Form::Object(&[
            TITLE,
            ("readOnlyHint", false, Form::Flag),
            ("destructiveHint", false, Form::Flag),
            ("idempotentHint", false, Form::Flag),
            ("openWorldHint", false, Form::Flag),
        ]),
    ),
    (
        "execution",
        false,
        Form::Object(&[("taskSupport", false, Form::OneOf(&["required", "optional", "forbidden"]))]),
    ),
    ICONS,
    META,
];
const PROMPT: &[Member] = &[
    NAME,
    TITLE,
    DESCRIPTION,
    ("arguments", false, Form::ListOf(&Form::Object(&[NAME, DESCRIPTION, ("required", false, Form::Flag)]))),
    ICONS,
    META,
];
const RESOURCE: &[Member] = &[
    ("uri", true, Form::Text),
    NAME,
    TITLE,
    DESCRIPTION,
    MIME,
    ("size", false, Form::Number),
    ANNOTATIONS,
    ICONS,
    META,
];
const TEMPLATE: &[Member] =
    &[("uriTemplate", true, Form::Text), NAME, TITLE, DESCRIPTION, MIME, ANNOTATIONS, ICONS, META];

/// Why clients cannot read an entry, given as JSON: which member it is, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// Checks an entry of a list.
pub fn check(kind: Kind, text: &str) -> Result<(), Unreadable> {
    let members = match kind {
        Kind::Tools => TOOL,
        Kind::Prompts => PROMPT,
        Kind::Resources => RESOURCE,
        Kind::Templates => TEMPLATE,
    };
    Form::Object(members).check(text, "")
}

impl Form {
    /// `at` is the way to the value, as a person would write it.
    fn check(self, text: &str, at: &str) -> Result<(), Unreadable> {
        let fits = match self {
            Form::Text => text.starts_with('"'),
            Form::Number => text.starts_with(|first: char| first == '-' || first.is_ascii_digit()),
            Form::Flag => matches!(text, "true" | "false"),
            Form::OneOf(values) => scan::unquote(text).is_some_and(|value| values.contains(&&*value)),
            Form::Object(_) | Form::MapOf(_) => text.starts_with('{'),
            Form::ListOf(_) => text.starts_with('['),
        };
        if !fits {
            return Err(Unreadable(format!("`{at}` must be {}", self.name())));
        }
        match self {
            // Without members to find nothing in it matters, not even keys that are no text.
            Form::Object([]) => Ok(()),
            Form::Object(members) => check_members(members, text, at),
            Form::ListOf(form) => {
                let values: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
                values.iter().try_for_each(|value| form.check(value.get(), &format!("{at}[]")))
            }
            Form::MapOf(form) => {
                let values: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
                values.iter().try_for_each(|(key, value)| form.check(value.get(), &join(at, key)))
            }
            Form::Text | Form::Number | Form::Flag | Form::OneOf(_) => Ok(()),
        }
    }

    fn name(self) -> String {
        match self {
            Form::Text => "a text".into(),
            Form::Number => "a number".into(),
            Form::Flag => "true or false".into(),
            Form::OneOf(values) => {
                let quoted: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
                quoted.join(" or ")
            }
            Form::Object(_) | Form::MapOf(_) => "an object".into(),
            Form::ListOf(_) => "a list".into(),
        }
    }
}

fn check_members(members: &[Member], text: &str, at: &str) -> Result<(), Unreadable> {
    let mut keys = [NOBODYS; MEMBERS_MAX];
    for (slot, (key, ..)) in keys.iter_mut().zip(members) {
        *slot = key;
    }
    let found = scan::members(text.as_bytes(), keys).map_err(|error| {
        Unreadable(if at.is_empty() { error.to_string() } else { format!("`{at}`: {error}") })
    })?;
    for ((key, needed, form), place) in members.iter().zip(found) {
        match place {
            Some(place) => form.check(&text[place], &join(at, key))?,
            None if *needed => return Err(Unreadable(format!("`{}` is missing", join(at, key)))),
            None => {}
        }
    }
    Ok(())
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.into() } else { format!("{at}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sdks_refuse_is_named_and_the_rest_is_not() {
        let tool = |more: &str| format!(r#"{{"name":"a","inputSchema":{{"type":"object"}}{more}}}"#);
        for (kind, text, want) in [
            (Kind::Tools, tool(""), ""),
            (Kind::Tools, tool(r#","x":1e400,"description":"\ud800","_meta":{"\ud800":null}"#), ""),
            (Kind::Tools, r#"{"name":"a"}"#.into(), "`inputSchema` is missing"),
            (Kind::Tools, r#"{"name":"a","inputSchema":5}"#.into(), "`inputSchema` must be an object"),
            (Kind::Tools, r#"{"name":"a","inputSchema":null}"#.into(), "`inputSchema` must be an object"),
            (Kind::Tools, r#"{"name":"a","inputSchema":[]}"#.into(), "`inputSchema` must be an object"),
            (Kind::Tools, r#"{"name":"a","inputSchema":{}}"#.into(), "`inputSchema.type` is missing"),
            (
                Kind::Tools,
                r#"{"name":"a","inputSchema":{"type":"array"}}"#.into(),
                "`inputSchema.type` must be \"object\"",
            ),
            (
                Kind::Tools,
                r#"{"name":"a","inputSchema":{"type":"object","properties":{"n":7}}}"#.into(),
                "`inputSchema.properties.n` must be an object",
            ),
            (Kind::Tools, tool(r#","description":7"#), "`description` must be a text"),
            (Kind::Tools, tool(r#","outputSchema":3"#), "`outputSchema` must be an object"),
            (Kind::Tools, tool(r#","annotations":"x""#), "`annotations` must be an object"),
            (
                Kind::Tools,
                tool(r#","annotations":{"readOnlyHint":1}"#),
                "`annotations.readOnlyHint` must be true or false",
            ),
            (Kind::Tools, tool(r#","title":"a","title":7"#), "a member twice at byte 56"),
            (Kind::Resources, r#"{"uri":"u://a","name":"n","size":5}"#.into(), ""),
            (Kind::Resources, r#"{"uri":"u://a"}"#.into(), "`name` is missing"),
            (Kind::Resources, r#"{"uri":"u://a","name":5}"#.into(), "`name` must be a text"),
            (
                Kind::Resources,
                r#"{"uri":"u://a","name":"n","mimeType":5}"#.into(),
                "`mimeType` must be a text",
            ),
            (Kind::Templates, r#"{"uriTemplate":"u://{a}","name":"n"}"#.into(), ""),
            (Kind::Templates, r#"{"uriTemplate":"u://{a}"}"#.into(), "`name` is missing"),
            (Kind::Prompts, r#"{"name":"p"}"#.into(), ""),
            (Kind::Prompts, r#"{"name":"p","arguments":"x"}"#.into(), "`arguments` must be a list"),
            (Kind::Prompts, r#"{"name":"p","arguments":[{}]}"#.into(), "`arguments[].name` is missing"),
        ] {
            let got = check(kind, &text).err().map_or_else(String::new, |error| error.to_string());
            assert_eq!(got, want, "{text}");
        }
    }
}
