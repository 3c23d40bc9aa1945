//! What looks secret in a text, by its name or its form, hidden. Pure. A safety net and no promise.

use std::ops::Range;

use crate::registry::environ::looks_secret;
use crate::registry::template::{Piece, pieces};
use crate::secret::mask::HIDDEN;

/// Parts of a name, beside those of environment variables, that say that the value is a secret.
const SECRET_PARTS: [&str; 6] = ["AUTHORIZATION", "AUTH", "BEARER", "JWT", "OTP", "PWD"];
const SECRET_ENDS: [&str; 4] = ["TOKEN", "SECRET", "APIKEY", "PRIVATEKEY"];

/// What may stand before the secret of an `Authorization`.
const SCHEMES: [&str; 4] = ["bearer ", "basic ", "token ", "digest "];

/// How well-known secrets begin.
const SECRET_STARTS: [&str; 10] =
    ["ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "sk-", "xoxb-", "xoxp-", "AKIA", "eyJ"];
/// A shorter word is none of those.
const SECRET_LEAST: usize = 16;

/// Whether a name says that its value is a secret, however it is spelled: `apiKey`, `X-Api-Key`, `--password`.
pub fn is_secret(name: &str) -> bool {
    let mut spelled = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    for char in name.chars().take(100) {
        if char.is_ascii_alphanumeric() {
            if char.is_ascii_uppercase() && before.is_ascii_lowercase() {
                spelled.push('_');
            }
            spelled.push(char.to_ascii_uppercase());
        } else {
            spelled.push('_');
        }
        before = char;
    }
    looks_secret(&spelled)
        || spelled.split('_').any(|part| SECRET_PARTS.contains(&part))
        || SECRET_ENDS.iter().any(|end| spelled.ends_with(end))
}

/// A text with what looks secret in it hidden: `token=…`, `Authorization: Bearer …`, `--password …`,
/// `scheme://user:…@host`, `ghp_…`.
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(hidden) = next_secret(text, at) {
        shown.push_str(&text[at..hidden.start]);
        shown.push_str(HIDDEN);
        at = hidden.end;
    }
    shown.push_str(&text[at..]);
    shown
}

/// A URL with whoever it names as the user, all of its query, and what else looks secret hidden.
pub fn masked_url(url: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, ""), |(address, _)| (address, "?"));
    let hidden = if query.is_empty() { "" } else { HIDDEN };
    match user_info(address) {
        Some(user) => {
            let (before, after) = (&address[..user.start], &address[user.end..]);
            format!("{before}{HIDDEN}{}{query}{hidden}", masked(after))
        }
        None => format!("{}{query}{hidden}", masked(address)),
    }
}

/// Where a URL names a user, with a password or without one.
pub fn user_info(url: &str) -> Option<Range<usize>> {
    let start = url.find("://")? + 3;
    let authority = url[start..].split(['/', '?', '#', '\\']).next()?;
    authority.rfind('@').map(|end| start..start + end)
}

/// Whether a template, as the value of `name`, has a secret in it that is more than a reference to one.
pub fn has_secret(name: &str, template: &str) -> bool {
    let is_literal = pieces(template).iter().all(|piece| matches!(piece, Ok(Piece::Text(_))));
    let bare = bare(template);
    !template.is_empty() && is_literal && is_secret(name) || masked(&bare) != bare
}

/// Whether a secret stands among arguments as it is: behind a flag, in a URL, or by its form.
pub fn args_have_secret(args: &[String]) -> bool {
    let line = args.iter().map(|arg| bare(arg)).collect::<Vec<_>>().join(" ");
    masked(&line) != line
}

/// The name of a scheme before a secret, with its blank: `Bearer ` of `Bearer abc`.
pub fn scheme(text: &str) -> &str {
    let is_it =
        |scheme: &&&str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    &text[..SCHEMES.iter().find(is_it).map_or(0, |scheme| scheme.len())]
}

/// A template with every reference hidden already, so that masking it hides what else is secret.
pub fn bare(template: &str) -> String {
    pieces(template)
        .into_iter()
        .map(|piece| match piece {
            Ok(Piece::Text(text)) => text,
            _ => HIDDEN,
        })
        .collect()
}

/// Where the first secret from `from` on is. Never empty.
fn next_secret(text: &str, from: usize) -> Option<Range<usize>> {
    text[from..].char_indices().find_map(|(at, char)| {
        let at = from + at;
        let hidden = match char {
            ':' if text[at..].starts_with("://") => password_of(text, at + 3),
            ':' if text[..at].ends_with("${secret") => None,
            ':' | '=' if is_secret(name_before(text[..at].trim_end_matches(' '))) => value_at(text, at + 1),
            ' ' if name_before(&text[..at]).starts_with('-') && is_secret(name_before(&text[..at])) => {
                value_at(text, at + 1)
            }
            // Behind its option in a list.
            ',' if text[..at].ends_with(['"', '\'']) && name_before(&text[..at]).starts_with('-') => {
                is_secret(name_before(&text[..at])).then(|| value_at(text, at + 1)).flatten()
            }
            ' ' if name_before(&text[..at]).eq_ignore_ascii_case("bearer") => value_at(text, at + 1),
            _ if at == 0 || !is_of_word(text[..at].chars().next_back()?) => known_secret(text, at),
            _ => None,
        };
        hidden.filter(|hidden| !hidden.is_empty() && !is_reference(&text[hidden.clone()]))
    })
}

/// Whether a value is one of the registry's references, which says where a secret is and not what it is.
fn is_reference(value: &str) -> bool {
    let inside = value.strip_prefix("${").map(|rest| rest.strip_suffix('}').unwrap_or(rest));
    inside.is_some_and(|inside| {
        ["env:", "secret:", "keychain:"].iter().any(|kind| inside.starts_with(kind))
            && !inside.contains(['}', '-'])
    })
}

fn is_of_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.')
}

/// The name that a text ends with, a closing quote not counted.
fn name_before(text: &str) -> &str {
    let text = text.trim_end_matches(['"', '\'', '\\']);
    let start = text.rfind(|char| !is_of_word(char)).map_or(0, |at| at + 1);
    // A character that is not ASCII may be longer than one byte.
    text.get(start..).unwrap_or_default()
}

/// The value that begins at a place, without spaces, quotes and the name of a scheme before it.
fn value_at(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text[at..].trim_start_matches([' ', '"', '\'', '\\']);
    let before = &text[at..text.len() - rest.len()];
    let scheme = SCHEMES
        .iter()
        .find(|scheme| rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let start = text.len() - rest.len() + scheme.map_or(0, |scheme| scheme.len());
    let end = match before.chars().next_back().filter(|last| matches!(last, '"' | '\'')) {
        Some(quote) => text[start..].find(quote).map(|end| start + end),
        None => None,
    };
    Some(start..end.unwrap_or_else(|| word_end(text, start)))
}

fn word_end(text: &str, start: usize) -> usize {
    let ends =
        |char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '\\' | ',' | '&' | ';' | '}' | ')');
    text[start..].find(ends).map_or(text.len(), |end| start + end)
}

/// The password in a URL whose authority begins at a place; on the web a user alone is one, too.
fn password_of(text: &str, at: usize) -> Option<Range<usize>> {
    let authority = text[at..]
        .split(|char: char| matches!(char, '/' | '?' | '#' | '"') || char.is_whitespace())
        .next()?;
    let (user, _) = authority.rsplit_once('@')?;
    match user.split_once(':') {
        Some((name, password)) => {
            let start = at + name.len() + 1;
            Some(start..start + password.len())
        }
        None => {
            let web = ["http://", "https://", "ws://", "wss://"];
            web.iter().any(|scheme| text[..at].ends_with(scheme)).then_some(at..at + user.len())
        }
    }
}

fn known_secret(text: &str, at: usize) -> Option<Range<usize>> {
    let known = SECRET_STARTS.iter().any(|start| text[at..].starts_with(start));
    let word = at..word_end(text, at);
    (known && word.len() >= SECRET_LEAST).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_hidden_within_texts() {
        for (given, want) in [
            ("curl -H 'Authorization: Bearer abc.def' x", "curl -H 'Authorization: Bearer ***' x"),
            ("https://h/?a=1&access_token=abc&b=2", "https://h/?a=1&access_token=***&b=2"),
            ("postgres://me:pw@db/x and http://h:80/a@b", "postgres://me:***@db/x and http://h:80/a@b"),
            ("https://abc@h/ and ssh://git@h/", "https://***@h/ and ssh://git@h/"),
            ("GITHUB_TOKEN=abc make", "GITHUB_TOKEN=*** make"),
            ("TOKEN = \"a b\"", "TOKEN = \"***\""),
            (r#"{"password": "a b", "x": "y"}"#, r#"{"password": "***", "x": "y"}"#),
            (r#"say "token='a b' c" and 'd'"#, r#"say "token='***' c" and 'd'"#),
            ("run --password abc --size 3", "run --password *** --size 3"),
            (r#"["--token","abc", "--size", "3"]"#, r#"["--token","***", "--size", "3"]"#),
            ("args = ['--api-key', 'a b']", "args = ['--api-key', '***']"),
            ("see ghp_0123456789abcdef01 there", "see *** there"),
            ("bearer abc", "bearer ***"),
            ("ünïcode=1 key: ü", "ünïcode=1 key: ***"),
            ("a: b = c", "a: b = c"),
            ("token=", "token="),
            (r#"TOKEN: "${secret:T}", KEY=${env:K} x"#, r#"TOKEN: "${secret:T}", KEY=${env:K} x"#),
            ("Authorization: Bearer ${secret:T}", "Authorization: Bearer ${secret:T}"),
            (r#"TOKEN: "${env:K:-abc}""#, r#"TOKEN: "***""#),
            (r#"TOKEN: "${secret:T}abc""#, r#"TOKEN: "***""#),
        ] {
            assert_eq!(masked(given), want);
        }
    }

    #[test]
    fn a_url_shows_where_it_leads_only() {
        for (given, want) in [
            ("htp://u:pw@h/p?token=abc&x=y", "htp://***@h/p?***"),
            ("https://abc@h", "https://***@h"),
            ("https://h/ghp_0123456789abcdef01#x", "https://h/***"),
            ("https://h:8/a@b", "https://h:8/a@b"),
            ("h?x", "h?***"),
        ] {
            assert_eq!(masked_url(given), want);
        }
    }

    #[test]
    fn a_reference_is_no_secret() {
        for (name, template, want) in [
            ("TOKEN", "abc", true),
            ("TOKEN", "", false),
            ("TOKEN", "${env:A}", false),
            ("Authorization", "Bearer ${secret:A}", false),
            ("Authorization", "Bearer abc", true),
            ("X", "https://me:${secret:A}@h/?token=${env:B}", false),
            ("X", "https://me:pw@${env:HOST}/", true),
            ("X", "ghp_0123456789abcdef01", true),
            ("X", "plain", false),
        ] {
            assert_eq!(has_secret(name, template), want, "{name} {template}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,80}") {
            masked(&text);
            masked_url(&text);
        }
    }
}
