//! Files of `NAME=value` lines, as `loom secrets import` reads them. Pure.

use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::secrets::name::Name;

/// What one line came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    Secret {
        name: Name,
        value: Secret<String>,
    },
    /// Why the line is passed over; never with the value.
    Skipped {
        line: usize,
        why: String,
    },
}

/// Reads all of `text`. Values may stand in quotes and then go over several lines; `export` and comments are known.
pub fn parse(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let (entry, used) = next(rest, line);
        entries.extend(entry);
        line += rest[..used].matches('\n').count();
        rest = &rest[used..];
    }
    entries
}

/// The entry at the beginning of `text`, if there is one, and how many bytes it took.
fn next(text: &str, line: usize) -> (Option<Entry>, usize) {
    let end = text.find('\n').map_or(text.len(), |at| at + 1);
    let whole = text[..end].trim();
    let skipped = |why: String| Some(Entry::Skipped { line, why });
    if whole.is_empty() || whole.starts_with('#') {
        return (None, end);
    }
    let Some(equals) = text[..end].find('=') else {
        return (skipped("there is no `=`".into()), end);
    };
    let name = text[..equals].trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let Ok(name) = Name::parse(name) else { return (skipped("its name cannot be a secret's".into()), end) };
    let after = &text[equals + 1..];
    let blank = after.len() - after.trim_start_matches([' ', '\t']).len();
    let (value, used) = match after[blank..].chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => match quoted(&after[blank + 1..], quote) {
            Some((value, used)) => (value, equals + 1 + blank + 1 + used),
            None => return (skipped(format!("{name}: a quote has no end")), end),
        },
        _ => (Zeroizing::new(bare(&text[equals + 1..end]).to_owned()), end),
    };
    // What follows a quote on its line is a comment.
    let used =
        used + text[used..].find('\n').map_or(text.len() - used, |at| at + 1) * usize::from(used != end);
    let single = after[blank..].starts_with('\'');
    let entry = if value.is_empty() {
        skipped(format!("{name} is empty"))
    } else if value.contains('$') && !single {
        skipped(format!(
            "{name} refers to other variables with `$`; set it by itself, or put it into single quotes"
        ))
    } else {
        Some(Entry::Secret { name, value: Secret::from(value.as_str()) })
    };
    (entry, used)
}

/// A value without quotes: up to a comment or the end of its line.
fn bare(text: &str) -> &str {
    let end = text.find(" #").or_else(|| text.find("\t#")).unwrap_or(text.len());
    text[..end].trim()
}

/// The value that ends with `quote`, and how many bytes it took with it. Between double quotes `\n`, `\r`, `\t`, `\\`,
/// `\$` and `\"` are known.
fn quoted(text: &str, quote: char) -> Option<(Zeroizing<String>, usize)> {
    let mut value = Zeroizing::new(String::with_capacity(text.len()));
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => return Some((value, at + c.len_utf8())),
            '\\' if quote == '"' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                other @ ('\\' | '"' | '$') => value.push(other),
                other => value.extend(['\\', other]),
            },
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let show = |entry| match entry {
            Entry::Secret { name, value } => format!("{name}={}", value.expose()),
            Entry::Skipped { line, why } => format!("{line}: {why}"),
        };
        parse(text).into_iter().map(show).collect()
    }

    #[test]
    fn lines_are_read_as_people_write_them() {
        for (text, want) in [
            ("", vec![]),
            ("# all\n\n  # of it\n", vec![]),
            ("A=1\nB = two words # why\r\nexport C=3", vec!["A=1", "B=two words", "C=3"]),
            ("A=a#b\n", vec!["A=a#b"]),
            ("A='x # $y'  # why\nB=\"q\\\"\\n\\\\\" \nC=z\n", vec!["A=x # $y", "B=q\"\n\\", "C=z"]),
            ("K=\"-----BEGIN\nabc\n-----END\"\nB=1\n", vec!["K=-----BEGIN\nabc\n-----END", "B=1"]),
            ("A=\nB=''\n", vec!["1: A is empty", "2: B is empty"]),
            (
                "A=${B}\nC=\"$D\"\n",
                vec![
                    "1: A refers to other variables with `$`; set it by itself, or put it into single quotes",
                    "2: C refers to other variables with `$`; set it by itself, or put it into single quotes",
                ],
            ),
            ("no value\nA=1\n", vec!["1: there is no `=`", "A=1"]),
            ("a b=1\n", vec!["1: its name cannot be a secret's"]),
            ("A='x\nB=1\n", vec!["1: A: a quote has no end", "B=1"]),
            ("A=ü=ü", vec!["A=ü=ü"]),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
    }
}
