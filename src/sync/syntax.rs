//! References to environment variables as clients write them, from and to the registry's `${env:NAME}`. Pure.

use crate::registry::template::is_variable;

/// How a client refers to a variable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Syntax {
    /// Not at all: every text means itself.
    Literal,
    /// By lists of names, beside the texts, which all mean themselves.
    Names,
    /// `${NAME}`; maybe with a default, `${NAME:-text}`; maybe also `$NAME`.
    Braces { default: bool, bare: bool },
    /// `${env:NAME}`, and other words with `${…}`.
    EnvBraces,
    /// `{env:NAME}`, and `{file:PATH}`.
    Curly,
    /// `${{ secrets.NAME }}`, which is read from the environment, too.
    Secrets,
}

impl Syntax {
    /// The reference to `name`; `None` where the client has none like it.
    pub fn write(self, name: &str, default: Option<&str>) -> Option<String> {
        if let Some(default) = default {
            let can = self.takes_default() && !default.contains(['}', '$']);
            return can.then(|| format!("${{{name}:-{default}}}"));
        }
        match self {
            Syntax::Literal | Syntax::Names => None,
            Syntax::Braces { .. } => Some(format!("${{{name}}}")),
            Syntax::EnvBraces => Some(format!("${{env:{name}}}")),
            Syntax::Curly => Some(format!("{{env:{name}}}")),
            Syntax::Secrets => Some(format!("${{{{ secrets.{name} }}}}")),
        }
    }

    fn takes_default(self) -> bool {
        matches!(self, Syntax::Braces { default: true, .. })
    }

    /// Whether the client takes a text as it stands.
    pub fn is_literal(self, text: &str) -> bool {
        match self {
            Syntax::Literal | Syntax::Names => true,
            Syntax::Braces { bare: true, .. } => !text.contains('$'),
            Syntax::Braces { bare: false, .. } | Syntax::EnvBraces => !text.contains("${"),
            Syntax::Curly => !text.contains("{env:") && !text.contains("{file:"),
            Syntax::Secrets => !text.contains("${{"),
        }
    }

    /// A client's text as the registry has it, or the reference that the registry has no word for; `other` may know one.
    pub fn read(self, text: &str, other: &mut dyn FnMut(&str) -> Option<String>) -> Result<String, String> {
        let mut made = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((at, len, meaning)) = self.next(rest) {
            made.push_str(&escaped(&rest[..at]));
            let reference = &rest[at..at + len];
            match meaning.or_else(|| other(reference)) {
                Some(template) => made.push_str(&template),
                None => return Err(reference.to_owned()),
            }
            rest = &rest[at + len..];
        }
        made.push_str(&escaped(rest));
        Ok(made)
    }

    /// The next reference: where, how long, and what it is in the registry.
    fn next(self, text: &str) -> Option<(usize, usize, Option<String>)> {
        let open = match self {
            Syntax::Literal | Syntax::Names => return None,
            Syntax::Braces { bare: true, .. } => "$",
            Syntax::Braces { bare: false, .. } | Syntax::EnvBraces => "${",
            Syntax::Curly => "{",
            Syntax::Secrets => "${{",
        };
        text.match_indices(open).find_map(|(at, _)| self.at(&text[at..]).map(|(len, what)| (at, len, what)))
    }

    /// The reference that `text` begins with.
    fn at(self, text: &str) -> Option<(usize, Option<String>)> {
        let inside = |open: &str, close: &str| -> Option<(usize, String)> {
            let rest = text.strip_prefix(open)?;
            let end = rest.find(close)?;
            Some((open.len() + end + close.len(), rest[..end].trim().to_owned()))
        };
        let env = |name: &str| is_variable(name).then(|| format!("${{env:{name}}}"));
        match self {
            Syntax::Literal | Syntax::Names => None,
            Syntax::Braces { .. } => match inside("${", "}") {
                Some((len, name)) if is_variable(&name) => Some((len, env(&name))),
                Some((len, inner)) => {
                    let (name, default) = inner.split_once(":-")?;
                    let known = self.takes_default() && is_variable(name);
                    known.then(|| (len, Some(format!("${{env:{name}:-{default}}}"))))
                }
                None => {
                    let name = text.strip_prefix('$')?;
                    let end =
                        name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
                    env(&name[..end]).map(|template| (end + 1, Some(template)))
                }
            },
            Syntax::EnvBraces => {
                let (len, inner) = inside("${", "}")?;
                let template = match inner.as_str() {
                    "workspaceFolder" => Some("${workspace}".to_owned()),
                    "userHome" => Some("${HOME}".to_owned()),
                    "/" | "pathSeparator" => Some("/".to_owned()),
                    other => other.strip_prefix("env:").and_then(env),
                };
                Some((len, template))
            }
            Syntax::Curly => {
                let (len, inner) = inside("{", "}")?;
                let (kind, name) = inner.split_once(':')?;
                matches!(kind, "env" | "file").then(|| (len, env(name).filter(|_| kind == "env")))
            }
            Syntax::Secrets => {
                let (len, inner) = inside("${{", "}}")?;
                Some((len, inner.strip_prefix("secrets.").and_then(env)))
            }
        }
    }
}

/// A text that means itself, as the registry has it.
pub fn escaped(text: &str) -> String {
    text.replace("${", "\\${")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLAUDE: Syntax = Syntax::Braces { default: true, bare: false };
    const GEMINI: Syntax = Syntax::Braces { default: true, bare: true };
    const AMP: Syntax = Syntax::Braces { default: false, bare: true };

    #[test]
    fn references_are_written_in_each_clients_words() {
        for (syntax, plain, with_default) in [
            (Syntax::Literal, None, None),
            (Syntax::Names, None, None),
            (CLAUDE, Some("${X}"), Some("${X:-d}")),
            (AMP, Some("${X}"), None),
            (Syntax::EnvBraces, Some("${env:X}"), None),
            (Syntax::Curly, Some("{env:X}"), None),
            (Syntax::Secrets, Some("${{ secrets.X }}"), None),
        ] {
            assert_eq!(syntax.write("X", None).as_deref(), plain, "{syntax:?}");
            assert_eq!(syntax.write("X", Some("d")).as_deref(), with_default, "{syntax:?}");
        }
        assert_eq!(CLAUDE.write("X", Some("a}b")), None);
    }

    #[test]
    fn what_would_be_a_reference_is_not_literal() {
        for (syntax, text, want) in [
            (Syntax::Literal, "${X} {env:X}", true),
            (CLAUDE, "$X", true),
            (CLAUDE, "a${X", false),
            (GEMINI, "$X", false),
            (Syntax::EnvBraces, "${x}", false),
            (Syntax::Curly, "{file:x}", false),
            (Syntax::Curly, "{\"env\": 1} ${X}", true),
            (Syntax::Secrets, "${X}", true),
        ] {
            assert_eq!(syntax.is_literal(text), want, "{syntax:?} {text}");
        }
    }

    #[test]
    fn references_are_read_back() {
        for (syntax, text, want) in [
            (Syntax::Literal, "${X} $X", Ok("\\${X} $X")),
            (Syntax::Names, "${X}", Ok("\\${X}")),
            (CLAUDE, "a${X}b${Y:-d}$Z", Ok("a${env:X}b${env:Y:-d}$Z")),
            (CLAUDE, "${a b} ${env:X}", Ok("\\${a b} \\${env:X}")),
            (GEMINI, "$X/${Y} $ $1 cost$", Ok("${env:X}/${env:Y} $ $1 cost$")),
            (AMP, "${X:-d}", Ok("\\${X:-d}")),
            (
                Syntax::EnvBraces,
                "${env:X} ${workspaceFolder}/a ${userHome}",
                Ok("${env:X} ${workspace}/a ${HOME}"),
            ),
            (Syntax::EnvBraces, "x ${input:token}", Err("${input:token}")),
            (Syntax::Curly, "{env:X} ${Y} {\"a\":1}", Ok("${env:X} \\${Y} {\"a\":1}")),
            (Syntax::Curly, "{file:~/.token}", Err("{file:~/.token}")),
            (Syntax::Secrets, "${{ secrets.X }} ${Y}", Ok("${env:X} \\${Y}")),
            (Syntax::Secrets, "${{ inputs.X }}", Err("${{ inputs.X }}")),
        ] {
            let got = syntax.read(text, &mut |_| None);
            assert_eq!(got.as_deref().map_err(String::as_str), want, "{syntax:?} {text}");
        }
    }

    const ALL: [Syntax; 8] = [
        Syntax::Literal,
        Syntax::Names,
        CLAUDE,
        GEMINI,
        AMP,
        Syntax::EnvBraces,
        Syntax::Curly,
        Syntax::Secrets,
    ];

    proptest! {
        /// What a client takes as it stands is read as it stands, and what is written as a reference is read as it.
        #[test]
        fn any_text_means_the_same_in_both_directions(text in "[$a{}:Xenv. secrt\\\\ü-]{0,24}") {
            for syntax in ALL {
                let read = syntax.read(&text, &mut |_| None);
                if syntax.is_literal(&text) {
                    prop_assert_eq!(read, Ok(escaped(&text)), "{:?}", syntax);
                }
                if let Some(reference) = syntax.write("X", None) {
                    prop_assert_eq!(syntax.read(&reference, &mut |_| None), Ok("${env:X}".to_owned()));
                }
            }
        }
    }
}
