//! Typed reading of single fields: a node of the tree becomes a value, or a finding says why it cannot.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::duration;
use crate::registry::finding::{Place, Report, clip, did_you_mean};
use crate::registry::mask::has_secret;
use crate::registry::template;
use crate::registry::tree::{Key, Node, Value};

/// What every reading function needs.
pub struct Reader<'r, 'b> {
    pub report: &'r mut Report,
    /// The names that `builtin:` may have.
    pub builtins: &'b [&'b str],
}

/// A text with more wrong templates than this is wrong as a whole.
const MOST_TEMPLATES: usize = 20;

/// Path of `key` inside `path`.
pub fn under(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl Reader<'_, '_> {
    /// Warns of a key that is not one of `known`; keys that begin with `x-` are anybody's own.
    pub fn known_key(&mut self, key: &Key, path: &str, what: &str, known: &[&str]) {
        let text = key.text.as_str();
        if !known.contains(&text) && !text.starts_with("x-") {
            self.report.unknown(key.place, &under(path, text), what, text, known);
        }
    }

    /// Warns of a key that has a meaning in another place.
    pub fn elsewhere(&mut self, key: &Key, path: &str, what: &str, hint: &str) {
        let text = format!("unknown {what} `{}`", clip(&key.text));
        self.report.warning_hint(key.place, &under(path, &key.text), text, hint);
    }

    /// The entries of a map; none, with a finding, if it is something else.
    pub fn map<'n>(&mut self, key: &Key, node: &'n Node, path: &str) -> &'n [(Key, Node)] {
        match &node.value {
            Value::Map(entries) => entries,
            _ => {
                self.wrong(key, node, path, "a map");
                &[]
            }
        }
    }

    pub fn text(&mut self, key: &Key, node: &Node, path: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number(text) | Value::Bool(text) => {
                let hint = Some(format!("write \"{}\"", clip(text)));
                self.wrong_hint(key, node, path, "text", hint);
                None
            }
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.wrong(key, node, path, "text");
                None
            }
        }
    }

    /// Text that is not empty.
    pub fn filled(&mut self, key: &Key, node: &Node, path: &str) -> Option<String> {
        let text = self.text(key, node, path)?;
        if text.trim().is_empty() {
            self.report.error(node.place, &under(path, &key.text), format!("`{}` is empty", key.text));
            return None;
        }
        Some(text)
    }

    /// Text that is not empty and whose templates are in order.
    pub fn template(&mut self, key: &Key, node: &Node, path: &str) -> Option<String> {
        let text = self.filled(key, node, path)?;
        self.templates(node, &under(path, &key.text));
        Some(text)
    }

    /// Checks the templates in a scalar.
    pub fn templates(&mut self, node: &Node, path: &str) {
        for mistake in template::mistakes(node.scalar().unwrap_or_default()).into_iter().take(MOST_TEMPLATES)
        {
            self.report.error_hint(node.place_at(mistake.offset), path, mistake.text, mistake.hint);
        }
    }

    pub fn flag(&mut self, key: &Key, node: &Node, path: &str) -> Option<bool> {
        match &node.value {
            Value::Bool(text) => Some(text.eq_ignore_ascii_case("true")),
            Value::Text(text) => {
                let meant = match text.to_lowercase().as_str() {
                    "yes" | "y" | "on" | "true" => Some("write `true`".to_owned()),
                    "no" | "n" | "off" | "false" => Some("write `false`".to_owned()),
                    _ => None,
                };
                self.wrong_hint(key, node, path, "true or false", meant);
                None
            }
            Value::Null | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                self.wrong(key, node, path, "true or false");
                None
            }
        }
    }

    pub fn integer(&mut self, key: &Key, node: &Node, path: &str) -> Option<i64> {
        let Value::Number(text) = &node.value else {
            self.wrong(key, node, path, "a whole number");
            return None;
        };
        let number = text.parse().ok();
        if number.is_none() {
            let text = format!("`{}` must be a whole number that fits 64 bits, not {}", key.text, clip(text));
            self.report.error(node.place, &under(path, &key.text), text);
        }
        number
    }

    /// A whole number from 1 to `most`.
    pub fn count(&mut self, key: &Key, node: &Node, path: &str, most: i64) -> Option<usize> {
        let number = self.integer(key, node, path)?;
        if !(1..=most).contains(&number) {
            let text = format!("`{}` must be from 1 to {most}, not {number}", key.text);
            self.report.error(node.place, &under(path, &key.text), text);
            return None;
        }
        usize::try_from(number).ok()
    }

    /// Seconds, or text with a unit.
    pub fn duration(&mut self, key: &Key, node: &Node, path: &str) -> Option<Duration> {
        let (Value::Number(text) | Value::Text(text)) = &node.value else {
            self.wrong(key, node, path, "a time");
            return None;
        };
        match duration::parse(text) {
            Ok(time) => Some(time),
            Err(error) => {
                self.report.error(node.place, &under(path, &key.text), format!("`{}`: {error}", key.text));
                None
            }
        }
    }

    /// A list of texts, none of them empty.
    pub fn texts(&mut self, key: &Key, node: &Node, path: &str) -> Option<Vec<String>> {
        let path = under(path, &key.text);
        let mut texts = Vec::new();
        for (index, item) in self.list(key, node, &path)?.iter().enumerate() {
            match &item.value {
                Value::Text(text) if !text.trim().is_empty() => texts.push(text.clone()),
                Value::Text(_) => self.report.error(item.place, &at(&path, index), "an empty entry"),
                _ => {
                    let text = format!("an entry of `{}` must be text, not {}", key.text, item.what());
                    self.report.error(item.place, &at(&path, index), text);
                }
            }
        }
        Some(texts)
    }

    /// A list of texts, numbers and booleans, all taken as they are written; templates are checked.
    pub fn scalars(&mut self, key: &Key, node: &Node, path: &str) -> Option<Vec<String>> {
        let path = under(path, &key.text);
        let mut texts = Vec::new();
        for (index, item) in self.list(key, node, &path)?.iter().enumerate() {
            match item.scalar() {
                Some(text) => texts.push(text.to_owned()),
                None => {
                    let hint =
                        matches!(item.value, Value::Null).then(|| "write \"\" for an empty one".to_owned());
                    let text = format!("an entry of `{}` must be text, not {}", key.text, item.what());
                    self.report.error_hint(item.place, &at(&path, index), text, hint);
                }
            }
            self.templates(item, &at(&path, index));
        }
        Some(texts)
    }

    /// A map of environment variables; templates are checked.
    pub fn variables(&mut self, key: &Key, node: &Node, path: &str) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        for (name, value) in self.map(key, node, path) {
            let path = under(&under(path, &key.text), &name.text);
            self.variable(&name.text, name.place, &path);
            match value.scalar() {
                Some(text) => {
                    self.templates(value, &path);
                    self.literal_secret(&name.text, text, value, &path);
                    variables.insert(name.text.clone(), text.to_owned());
                }
                None => {
                    let hint =
                        matches!(value.value, Value::Null).then(|| "write \"\" for an empty one".to_owned());
                    let text =
                        format!("the variable `{}` must be text, not {}", clip(&name.text), value.what());
                    self.report.error_hint(value.place, &path, text, hint);
                }
            }
        }
        variables
    }

    /// A map of HTTP headers; templates are checked.
    pub fn headers(&mut self, key: &Key, node: &Node, path: &str) -> BTreeMap<String, String> {
        let mut headers = BTreeMap::new();
        for (name, value) in self.map(key, node, path) {
            let path = under(&under(path, &key.text), &name.text);
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.text.is_empty() || !name.text.bytes().all(fits) {
                let text = format!("`{}` cannot be the name of an HTTP header", clip(&name.text));
                self.report.error(name.place, &path, text);
            }
            match value.scalar() {
                Some(text) => {
                    self.templates(value, &path);
                    self.literal_secret(&name.text, text, value, &path);
                    headers.insert(name.text.clone(), text.to_owned());
                }
                None => {
                    let text =
                        format!("the header `{}` must be text, not {}", clip(&name.text), value.what());
                    self.report.error(value.place, &path, text);
                }
            }
        }
        headers
    }

    /// Warns of a secret that stands in the file as it is; `name` is that of its variable or header.
    pub fn literal_secret(&mut self, name: &str, text: &str, node: &Node, path: &str) {
        if has_secret(name, text) {
            let hint = "`loom secrets set NAME`, and write `${secret:NAME}` in its place";
            self.report.warning_hint(node.place, path, "a secret seems to stand here as it is", hint);
        }
    }

    /// Refuses what cannot be the name of an environment variable.
    pub fn variable(&mut self, name: &str, place: Place, path: &str) {
        if !template::is_variable(name) {
            let text = format!("`{}` cannot be the name of an environment variable", clip(name));
            self.report.error(place, path, text);
        }
    }

    /// Refuses a `word` that is not one of `known`.
    pub fn one_of(&mut self, place: Place, path: &str, what: &str, word: &str, known: &[&str]) {
        if !known.contains(&word) {
            let hint = did_you_mean(word, known).unwrap_or_else(|| format!("known are {}", known.join(", ")));
            self.report.error_hint(place, path, format!("unknown {what} `{}`", clip(word)), Some(hint));
        }
    }

    /// The items of a list.
    pub fn list<'n>(&mut self, key: &Key, node: &'n Node, path: &str) -> Option<&'n [Node]> {
        let Value::List(items) = &node.value else {
            let hint = node.scalar().map(|text| format!("write [{}]", clip(text)));
            let text = format!("`{}` must be a list, not {}", key.text, node.what());
            self.report.error_hint(node.place, path, text, hint);
            return None;
        };
        Some(items)
    }

    fn wrong(&mut self, key: &Key, node: &Node, path: &str, want: &str) {
        self.wrong_hint(key, node, path, want, None);
    }

    fn wrong_hint(&mut self, key: &Key, node: &Node, path: &str, want: &str, hint: Option<String>) {
        let text = format!("`{}` must be {want}, not {}", key.text, node.what());
        self.report.error_hint(node.place, &under(path, &key.text), text, hint);
    }
}

fn at(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
