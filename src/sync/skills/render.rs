//! The texts that clients get. Pure.

use std::fmt::Write;
use std::path::Path;

use serde_json::json;

use crate::registry::skills::Wish;
use crate::sync::skills::Form;
use crate::sync::skills::source::PartFile;

/// What stands for what in a text.
#[derive(Clone, Copy)]
pub struct Names<'n> {
    /// The folder of the skill, where its files are.
    pub skill: &'n Path,
    pub codex_home: &'n Path,
}

/// The text of SKILL.md; `full`: with what only the client for which the names of the keys are has.
pub fn head(name: &str, wish: &Wish, parts: &[PartFile], names: Names<'_>, full: bool) -> String {
    let mut lines = vec![format!("name: {name}"), format!("description: {}", json!(wish.description))];
    if wish.disable_model_invocation {
        lines.push("disable-model-invocation: true".into());
    }
    if let Some(context) = wish.context.as_ref().filter(|_| full) {
        lines.push(format!("context: {context}"));
    }
    if full && !wish.always_allow.is_empty() {
        lines.push(format!("allowed-tools: {}", json!(wish.always_allow.join(", "))));
    }
    let mut text = format!("---\n{}\n---\n\n{}\n", lines.join("\n"), substituted(&wish.instructions, names));
    let described: Vec<&PartFile> = parts.iter().filter(|part| !part.description.is_empty()).collect();
    if !described.is_empty() {
        text.push_str("\n## Files\n\n");
        for part in described {
            writeln!(text, "- `{}`: {}", part.below, part.description).expect("a String takes all");
        }
    }
    text
}

/// What Codex wants beside it where only a person may set it going.
pub const CODEX_POLICY: (&str, &str) =
    ("agents/openai.yaml", "policy:\n  allow_implicit_invocation: false\n");

/// A file of its own for a rule, a command or a workflow.
pub fn file(form: Form, wish: &Wish, names: Names<'_>) -> String {
    let told = substituted(&wish.instructions, names);
    let head = match form {
        Form::Bare => return format!("{told}\n"),
        Form::Toml => {
            let mut table = toml::Table::new();
            if !wish.description.is_empty() {
                table.insert("description".into(), wish.description.clone().into());
            }
            table.insert("prompt".into(), told.replace("$ARGUMENTS", "{{args}}").into());
            return toml::to_string(&table).expect("a table of texts is TOML");
        }
        Form::Headed if wish.description.is_empty() => return format!("{told}\n"),
        Form::Headed => format!("description: {}\n", json!(wish.description)),
        Form::Everywhere if wish.description.is_empty() => "applyTo: \"**\"\n".into(),
        Form::Everywhere => format!("description: {}\napplyTo: \"**\"\n", json!(wish.description)),
    };
    format!("---\n{head}---\n\n{told}\n")
}

/// `${SKILL_PATH}` and `${CODEX_HOME}` by what they stand for; `\${` is `${` and never anything else.
pub fn substituted(text: &str, names: Names<'_>) -> String {
    let known = [("SKILL_PATH}", names.skill), ("CODEX_HOME}", names.codex_home)];
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, behind) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('\\') {
            made.push_str(before);
            made.push_str("${");
            rest = behind;
            continue;
        }
        made.push_str(before);
        match known.iter().find(|(name, _)| behind.starts_with(name)) {
            Some((name, path)) => {
                made.push_str(&path.to_string_lossy());
                rest = &behind[name.len()..];
            }
            None => {
                made.push_str("${");
                rest = behind;
            }
        }
    }
    made + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::skills::Kind;

    fn names() -> Names<'static> {
        Names { skill: Path::new("/s/a"), codex_home: Path::new("/c") }
    }

    fn wish() -> Wish {
        Wish {
            kind: Kind::Skill,
            description: "Says \"hi\": now".into(),
            instructions: "Run ${SKILL_PATH}/x with $ARGUMENTS.".into(),
            disable_model_invocation: true,
            context: Some("fork".into()),
            always_allow: vec!["Bash(ls)".into(), "mcp__loom".into()],
        }
    }

    #[test]
    fn names_stand_for_paths() {
        for (text, want) in [
            ("a ${SKILL_PATH}/b ${CODEX_HOME}", "a /s/a/b /c"),
            (r"\${SKILL_PATH} \\${HOME} ${HOME} $HOME ${", r"${SKILL_PATH} \${HOME} ${HOME} $HOME ${"),
            ("${SKILL_PATH}${SKILL_PATH}", "/s/a/s/a"),
            ("", ""),
        ] {
            assert_eq!(substituted(text, names()), want, "{text}");
        }
    }

    #[test]
    fn a_skill_tells_of_its_files() {
        let part = |below: &str, description: &str| PartFile {
            below: below.into(),
            description: description.into(),
            bytes: Vec::new(),
            mode: 0o644,
        };
        let parts = [part("scripts/x", "does it"), part("assets/y", "")];
        insta::assert_snapshot!(head("a", &wish(), &parts, names(), true), @r#"
        ---
        name: a
        description: "Says \"hi\": now"
        disable-model-invocation: true
        context: fork
        allowed-tools: "Bash(ls), mcp__loom"
        ---

        Run /s/a/x with $ARGUMENTS.

        ## Files

        - `scripts/x`: does it
        "#);
        insta::assert_snapshot!(head("a", &wish(), &[], names(), false), @r#"
        ---
        name: a
        description: "Says \"hi\": now"
        disable-model-invocation: true
        ---

        Run /s/a/x with $ARGUMENTS.
        "#);
    }

    #[test]
    fn a_file_has_the_form_of_its_client() {
        let mut all: Vec<String> = [Form::Bare, Form::Headed, Form::Everywhere, Form::Toml]
            .map(|form| format!("{form:?}:\n{}", file(form, &wish(), names())))
            .into();
        let bare = Wish { description: String::new(), ..wish() };
        all.push(file(Form::Headed, &bare, names()));
        insta::assert_snapshot!(all.join("\n"), @r#"
        Bare:
        Run /s/a/x with $ARGUMENTS.

        Headed:
        ---
        description: "Says \"hi\": now"
        ---

        Run /s/a/x with $ARGUMENTS.

        Everywhere:
        ---
        description: "Says \"hi\": now"
        applyTo: "**"
        ---

        Run /s/a/x with $ARGUMENTS.

        Toml:
        description = 'Says "hi": now'
        prompt = "Run /s/a/x with {{args}}."

        Run /s/a/x with $ARGUMENTS.
        "#);
    }
}
