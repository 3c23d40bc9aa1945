//! Something that is not as it should be, and what mends it.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::out::{Out, Paint};

/// Verbs that take `--registry`.
const WITH_REGISTRY: [&str; 7] = ["start", "restart", "sync", "import", "add", "disable", "enable"];

/// How bad it is: an error keeps something from working, a warning will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// What mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// A command. `safe`: `--fix` may run it, since nothing of a person's is lost by it.
    Command { words: Vec<String>, safe: bool },
    /// Something that only a person can do.
    Advice(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Stable, for scripts: what was looked at.
    pub name: &'static str,
    pub severity: Severity,
    /// A server, a client or a path.
    pub place: String,
    pub text: String,
    pub fix: Option<Fix>,
}

impl Trouble {
    pub fn error(name: &'static str, place: impl Into<String>, text: impl Into<String>) -> Self {
        let severity = Severity::Error;
        Trouble { name, severity, place: place.into(), text: text.into(), fix: None }
    }

    pub fn warning(name: &'static str, place: impl Into<String>, text: impl Into<String>) -> Self {
        Trouble { severity: Severity::Warning, ..Trouble::error(name, place, text) }
    }

    /// A command that mends it, for a person to run.
    pub fn command<'a>(self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.fixed_by(words, false)
    }

    /// One that `--fix` runs.
    pub fn safe_command<'a>(self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.fixed_by(words, true)
    }

    fn fixed_by<'a>(self, words: impl IntoIterator<Item = &'a str>, safe: bool) -> Self {
        let words = words.into_iter().map(str::to_owned).collect();
        Trouble { fix: Some(Fix::Command { words, safe }), ..self }
    }

    pub fn advice(self, text: impl Into<String>) -> Self {
        Trouble { fix: Some(Fix::Advice(text.into())), ..self }
    }

    /// The same for the daemon and the registry that were asked for.
    pub fn for_these(mut self, socket: Option<&Path>, registry: Option<&Path>) -> Self {
        if let Some(Fix::Command { words, .. }) = &mut self.fix
            && let [program, verb, ..] = words.as_slice()
            && program == "loom"
        {
            let takes_registry = WITH_REGISTRY.contains(&verb.as_str());
            let options = [("--socket", socket), ("--registry", registry.filter(|_| takes_registry))];
            for (option, path) in options {
                words.extend(path.into_iter().flat_map(|path| [option.to_owned(), word(path)]));
            }
        }
        self
    }

    pub fn render(&self, out: &mut Out) {
        let (paint, word) = match self.severity {
            Severity::Error => (Paint::Bad, "error   "),
            Severity::Warning => (Paint::Warn, "warning "),
        };
        let place = if self.place.is_empty() { String::new() } else { format!("{}: ", self.place) };
        out.line(format!("{}  {place}{}", out.paint(paint, word), self.text));
        if let Some(fix) = &self.fix {
            out.line(out.paint(Paint::Dim, &format!("{:10}{}", "", fix.text())));
        }
    }

    pub fn to_json(&self) -> Value {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warn",
        };
        let safe = matches!(self.fix, Some(Fix::Command { safe: true, .. }));
        json!({
            "name": self.name,
            "ok": false,
            "severity": severity,
            "where": self.place,
            "message": self.text,
            "fix": self.fix.as_ref().map(Fix::text),
            "safe": safe,
        })
    }
}

impl Fix {
    /// As a person would type it, or an advice.
    pub fn text(&self) -> String {
        match self {
            Fix::Command { words, .. } => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
            Fix::Advice(text) => text.clone(),
        }
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,=@%~".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A path for a command.
pub fn word(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_written_for_a_shell() {
        let trouble = Trouble::warning("x", "", "y").command(["chmod", "600", "/a b/it's", ""]);
        assert_eq!(trouble.fix.unwrap().text(), r"chmod 600 '/a b/it'\''s' ''");
        let these = (Some(Path::new("/s")), Some(Path::new("/r")));
        for (words, want) in [
            (["loom", "start"], "loom start --socket /s --registry /r"),
            (["loom", "install"], "loom install --socket /s"),
            (["rm", "x"], "rm x"),
        ] {
            let trouble = Trouble::warning("x", "", "y").command(words).for_these(these.0, these.1);
            assert_eq!(trouble.fix.unwrap().text(), want);
        }
    }
}
