//! `${…}` in commands, arguments, URLs and environment values: what is allowed, and its expansion. Pure.
//!
//! Expansion is one pass: a value is never read again for templates. What has no value is a named error, never an
//! empty text. `\${` is a literal `${`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::nearest::nearest;
use crate::registry::environ::looks_secret;
use crate::secret::Secret;

/// What templates are expanded with.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// `${env:K}`: the environment that a person's shell had at `loom start`. An empty value counts as none.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// `${secret:K}` and `${keychain:K}`, and variables that look secret and are not in `env`.
    pub secret: &'a dyn Fn(&str) -> Option<Secret<String>>,
    /// Other names to try for a variable, in order.
    pub aliases: &'a BTreeMap<String, Vec<String>>,
    /// `${HOME}`.
    pub home: &'a Path,
    /// `${repo}`: the registry's root.
    pub repo: &'a Path,
    /// `${workspace}`: where the client works, if that is known.
    pub workspace: Option<&'a Path>,
}

/// A value that a template asks for and that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub name: String,
    pub why: Why,
}

/// Why a value is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No environment variable of that name, nor of its aliases.
    NotSet,
    /// `${keychain:…}` or `${secret:…}`, and no source of secrets has it.
    NoSecret,
    /// A secret where other processes could read it.
    Visible,
    /// `${workspace}` where no workspace is known.
    NoWorkspace,
    /// Not a template that loom knows; the name says what is wrong.
    BadTemplate,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.why {
            Why::NotSet => write!(f, "{name} is not set (env)"),
            Why::NoSecret => write!(f, "{name} is not among the secrets"),
            Why::Visible => {
                write!(f, "the secret {name} must not stand in a command line, which every process can read")
            }
            Why::NoWorkspace => write!(f, "{name} is not known here"),
            Why::BadTemplate => f.write_str(name),
        }
    }
}

/// A template that cannot be right, found without any value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Byte offset of its `$` in the text.
    pub offset: usize,
    pub text: String,
    pub hint: Option<String>,
}

/// The mistakes in `text`, in order.
pub fn mistakes(text: &str) -> Vec<Mistake> {
    pieces(text).into_iter().filter_map(Result::err).collect()
}

/// What a text refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference<'t> {
    /// `${env:K}`.
    Env(&'t str),
    /// `${secret:K}` or `${keychain:K}`.
    Secret(&'t str),
}

/// The variables and secrets that `text` refers to.
pub fn references(text: &str) -> Vec<Reference<'_>> {
    let reference = |piece| match piece {
        Ok(Piece::Env { name, .. }) => Some(Reference::Env(name)),
        Ok(Piece::Secret(name)) => Some(Reference::Secret(name)),
        _ => None,
    };
    pieces(text).into_iter().filter_map(reference).collect()
}

/// `text` with every template replaced, or all values that are missing.
pub fn expand(text: &str, scope: &Scope<'_>) -> Result<Secret<String>, Vec<Missing>> {
    let (values, missing): (Vec<_>, Vec<_>) =
        pieces(text).into_iter().map(|piece| value(piece, scope)).partition(Result::is_ok);
    if !missing.is_empty() {
        return Err(missing.into_iter().filter_map(Result::err).collect());
    }
    let values: Vec<Zeroizing<String>> = values.into_iter().flatten().collect();
    // Room for all of it: a text that grows leaves a copy behind.
    let mut expanded = Secret::new(String::with_capacity(values.iter().map(|value| value.len()).sum()));
    values.iter().for_each(|value| expanded.expose_mut().push_str(value));
    Ok(expanded)
}

/// As `expand`, for a text that other processes can read: no secret may be in it.
pub fn expand_visible(text: &str, scope: &Scope<'_>) -> Result<String, Vec<Missing>> {
    let secret = references(text).into_iter().find_map(|reference| match reference {
        Reference::Secret(name) => Some(Missing { name: name.into(), why: Why::Visible }),
        Reference::Env(_) => None,
    });
    match secret {
        Some(missing) => Err(vec![missing]),
        None => expand(text, &Scope { secret: &|_| None, ..*scope }).map(|text| text.expose().clone()),
    }
}

/// A part of a text.
pub enum Piece<'t> {
    /// Letters that mean themselves.
    Text(&'t str),
    Env {
        name: &'t str,
        default: Option<&'t str>,
    },
    Secret(&'t str),
    Home,
    Repo,
    Workspace,
}

/// The forms, as they are shown in a hint.
const FORMS: [&str; 6] =
    ["${HOME}", "${repo}", "${workspace}", "${env:NAME}", "${keychain:NAME}", "${secret:NAME}"];

fn value(piece: Result<Piece<'_>, Mistake>, scope: &Scope<'_>) -> Result<Zeroizing<String>, Missing> {
    let plain = |text: String| Ok(Zeroizing::new(text));
    match piece {
        Ok(Piece::Text(text)) => plain(text.into()),
        Ok(Piece::Home) => plain(scope.home.display().to_string()),
        Ok(Piece::Repo) => plain(scope.repo.display().to_string()),
        Ok(Piece::Workspace) => match scope.workspace {
            Some(workspace) => plain(workspace.display().to_string()),
            None => Err(Missing { name: "${workspace}".into(), why: Why::NoWorkspace }),
        },
        Ok(Piece::Env { name, default }) => variable(name, scope)
            .or_else(|| default.map(|default| Zeroizing::new(default.to_owned())))
            .ok_or_else(|| Missing { name: name.into(), why: Why::NotSet }),
        Ok(Piece::Secret(name)) => match (scope.secret)(name) {
            Some(value) => plain(value.expose().clone()),
            None => Err(Missing { name: name.into(), why: Why::NoSecret }),
        },
        Err(mistake) => Err(Missing { name: mistake.text, why: Why::BadTemplate }),
    }
}

/// The value of a variable or of the first of its aliases that has one: in the environment, else among the secrets.
fn variable(name: &str, scope: &Scope<'_>) -> Option<Zeroizing<String>> {
    let aliases = scope.aliases.get(name).into_iter().flatten().map(String::as_str);
    let names = || std::iter::once(name).chain(aliases.clone());
    let in_env = |name| (scope.env)(name).filter(|value| !value.is_empty());
    let secret = |name: &str| (scope.secret)(name).map(|value| Zeroizing::new(value.expose().clone()));
    let stored = || names().filter(|name| looks_secret(name)).find_map(secret);
    names().find_map(in_env).map(Zeroizing::new).or_else(stored)
}

/// The parts of `text`, in order.
pub fn pieces(text: &str) -> Vec<Result<Piece<'_>, Mistake>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("${").map(|found| from + found) {
        if text[from..at].ends_with('\\') {
            pieces.push(Ok(Piece::Text(&text[from..at - 1])));
            pieces.push(Ok(Piece::Text("${")));
            from = at + 2;
            continue;
        }
        pieces.push(Ok(Piece::Text(&text[from..at])));
        let Some(end) = text[at..].find('}').map(|found| at + found) else {
            let hint = Some("write `\\${` for a literal `${`".to_owned());
            pieces.push(Err(Mistake { offset: at, text: "`${` without its `}`".into(), hint }));
            return pieces;
        };
        pieces.push(piece(&text[at + 2..end], at));
        from = end + 1;
    }
    pieces.push(Ok(Piece::Text(&text[from..])));
    pieces
}

/// The template with `inside` between its braces, whose `$` is at `offset`.
fn piece(inside: &str, offset: usize) -> Result<Piece<'_>, Mistake> {
    let wrong = |text: String, hint: Option<String>| Err(Mistake { offset, text, hint });
    let Some((kind, rest)) = inside.split_once(':') else {
        return match inside {
            "HOME" => Ok(Piece::Home),
            "repo" => Ok(Piece::Repo),
            "workspace" => Ok(Piece::Workspace),
            _ => wrong(format!("unknown template `${{{inside}}}`"), bare_hint(inside)),
        };
    };
    match kind {
        "env" => {
            let (name, default) = match rest.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (rest, None),
            };
            if is_variable(name) {
                Ok(Piece::Env { name, default })
            } else {
                wrong(format!("`{name}` in `${{{inside}}}` is not a variable name"), None)
            }
        }
        "keychain" | "secret" if !rest.is_empty() => Ok(Piece::Secret(rest)),
        "keychain" | "secret" => wrong(format!("`${{{inside}}}` names nothing"), None),
        _ => {
            let meant = nearest(kind, ["env", "keychain", "secret"]);
            let hint = meant.map(|kind| format!("did you mean `${{{kind}:{rest}}}`?"));
            wrong(format!("unknown template `${{{inside}}}`"), hint)
        }
    }
}

fn bare_hint(inside: &str) -> Option<String> {
    if let Some(near) = nearest(inside, ["HOME", "repo", "workspace"]) {
        return Some(format!("did you mean `${{{near}}}`?"));
    }
    if is_variable(inside) {
        return Some(format!("write `${{env:{inside}}}`, or `\\${{{inside}}}` for the letters themselves"));
    }
    Some(format!("known are {}", FORMS.join(" ")))
}

/// Whether `name` can be an environment variable: `[A-Za-z_][A-Za-z0-9_]*`.
pub fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_expand(text: &str) -> Result<String, Vec<String>> {
        let env = |name: &str| match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${env:SET} ${env:NESTED}".to_owned()),
            "OLD_NAME" => Some("aliased".to_owned()),
            _ => None,
        };
        let aliases =
            BTreeMap::from([("NEW_NAME".to_owned(), vec!["EMPTY".to_owned(), "OLD_NAME".to_owned()])]);
        let secret =
            |name: &str| ["K", "MY_TOKEN", "PLAIN"].contains(&name).then(|| "kept ${env:SET}".into());
        let scope = Scope {
            env: &env,
            secret: &secret,
            aliases: &aliases,
            home: Path::new("/home/u"),
            repo: Path::new("/repo"),
            workspace: None,
        };
        match text.strip_prefix("visible ") {
            Some(text) => expand_visible(text, &scope),
            None => expand(text, &scope).map(|text| text.expose().clone()),
        }
        .map_err(|missing| missing.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn templates_are_expanded_once() {
        for (text, want) in [
            ("", ""),
            ("plain $HOME $ { } $$", "plain $HOME $ { } $$"),
            ("${HOME}/x ${repo}", "/home/u/x /repo"),
            ("a${env:SET}b${env:SET}", "avaluebvalue"),
            ("${env:UNSET:-other}", "other"),
            ("${env:UNSET:-}", ""),
            ("${env:UNSET:-a:-b}", "a:-b"),
            ("${env:EMPTY:-other}", "other"),
            ("${env:NESTED}", "${env:SET} ${env:NESTED}"),
            ("${env:NEW_NAME}", "aliased"),
            (r"\${env:SET} ${env:SET}", "${env:SET} value"),
            (r"\${", "${"),
            ("ü${env:SET}ü", "üvalueü"),
            ("Bearer ${secret:K}", "Bearer kept ${env:SET}"),
            ("${keychain:K}", "kept ${env:SET}"),
            ("${env:MY_TOKEN}", "kept ${env:SET}"),
            ("${env:MY_TOKEN:-other}", "kept ${env:SET}"),
            ("visible ${env:SET}", "value"),
            ("visible ${env:MY_TOKEN:-other}", "other"),
        ] {
            assert_eq!(try_expand(text), Ok(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_has_no_value_is_named_and_all_of_it() {
        for (text, want) in [
            ("${env:UNSET} ${env:EMPTY}", vec!["UNSET is not set (env)", "EMPTY is not set (env)"]),
            ("${secret:GONE} ${env:PLAIN}", vec!["GONE is not among the secrets", "PLAIN is not set (env)"]),
            ("${keychain:a.b}", vec!["a.b is not among the secrets"]),
            ("visible ${env:MY_TOKEN}", vec!["MY_TOKEN is not set (env)"]),
            (
                "visible --token=${secret:K}",
                vec!["the secret K must not stand in a command line, which every process can read"],
            ),
            ("${workspace}", vec!["${workspace} is not known here"]),
            ("${nope:x}", vec!["unknown template `${nope:x}`"]),
        ] {
            assert_eq!(try_expand(text), Err(want.iter().map(ToString::to_string).collect()), "{text}");
        }
    }

    #[test]
    fn mistakes_are_found_without_values() {
        let shown = |text: &str| {
            mistakes(text)
                .into_iter()
                .map(|m| format!("{} {}; {}", m.offset, m.text, m.hint.unwrap_or_default()))
                .collect::<Vec<_>>()
        };
        for (text, want) in [
            ("${env:A}", vec![]),
            ("ab${env:A", vec!["2 `${` without its `}`; write `\\${` for a literal `${`"]),
            ("${home}", vec!["0 unknown template `${home}`; did you mean `${HOME}`?"]),
            (
                "${PORT}",
                vec![
                    "0 unknown template `${PORT}`; write `${env:PORT}`, or `\\${PORT}` for the letters themselves",
                ],
            ),
            ("${evn:A}", vec!["0 unknown template `${evn:A}`; did you mean `${env:A}`?"]),
            ("${env:A-B}", vec!["0 `A-B` in `${env:A-B}` is not a variable name; "]),
            ("${env:}", vec!["0 `` in `${env:}` is not a variable name; "]),
            ("${secret:}", vec!["0 `${secret:}` names nothing; "]),
            (
                "${a b} ${HOME} ${}",
                vec![
                    "0 unknown template `${a b}`; known are ${HOME} ${repo} ${workspace} ${env:NAME} ${keychain:NAME} ${secret:NAME}",
                    "15 unknown template `${}`; known are ${HOME} ${repo} ${workspace} ${env:NAME} ${keychain:NAME} ${secret:NAME}",
                ],
            ),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
    }

    #[test]
    fn references_are_variables_and_secrets() {
        use Reference::{Env, Secret};
        let found = references("${env:A} ${env:B:-x} ${secret:C} ${keychain:D} ${HOME}");
        assert_eq!(found, [Env("A"), Env("B"), Secret("C"), Secret("D")]);
    }
}
