//! `config.toml` as flat keys, each value with its place. What is no setting is a warning with the nearest key. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::nearest::nearest;
use crate::settings::TABLE;

/// A named subset of all tools: what any of the lists names belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub servers: Vec<String>,
    pub categories: Vec<String>,
    /// Exposed names, `server__tool`.
    pub tools: Vec<String>,
}

/// A value of the file, as text, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub text: String,
    /// `file:line:col`.
    pub at: String,
    /// The same as a byte offset, for sorting.
    pub offset: usize,
}

/// Something wrong in the file or in a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Byte offset in the file; `usize::MAX` for a variable.
    pub offset: usize,
    /// Begins with `file:line:col` or the name of the variable.
    pub text: String,
}

/// What the file says.
#[derive(Debug, Default)]
pub struct Contents {
    /// By the keys of `TABLE`.
    pub values: BTreeMap<String, Written>,
    pub profiles: BTreeMap<String, Profile>,
    /// `[clients]`: where the file of a client is.
    pub clients: BTreeMap<String, String>,
    /// Each begins with `file:line:col`.
    pub warnings: Vec<String>,
    pub mistakes: Vec<Mistake>,
}

/// Reads `text`, the file `name`.
pub fn read(text: &str, name: &str) -> Contents {
    let mut reader = Reader { text, name, contents: Contents::default() };
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        reader.table(table.get_ref(), "");
    }
    for error in errors {
        reader.mistake(&error.span().unwrap_or_default(), error.message().to_owned());
    }
    reader.contents
}

struct Reader<'t> {
    text: &'t str,
    name: &'t str,
    contents: Contents,
}

impl Reader<'_> {
    /// Takes the settings of a table whose keys all begin with `prefix`.
    fn table(&mut self, table: &DeTable<'_>, prefix: &str) {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            match value.get_ref() {
                DeValue::Table(table) if key == "profiles" => self.profiles(table),
                DeValue::Table(table) if key == "clients" => self.clients(table),
                DeValue::Table(table) if is_table(&key) => self.table(table, &format!("{key}.")),
                _ if is_table(&key) => {
                    self.mistake(&value.span(), format!("{key}: must be a table, `[{key}]`"))
                }
                inner if TABLE.iter().any(|setting| setting.key == key) => {
                    self.value(key, inner, &value.span())
                }
                _ => self.unknown(
                    &name.span(),
                    &key,
                    TABLE.iter().map(|row| row.key).chain(["profiles", "clients", "proxy", "secrets"]),
                ),
            }
        }
    }

    fn value(&mut self, key: String, value: &DeValue<'_>, span: &Range<usize>) {
        let text = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            _ => return self.mistake(span, format!("{key}: must be text or a whole number")),
        };
        let at = self.at(span);
        self.contents.values.insert(key, Written { text, at, offset: span.start });
    }

    fn clients(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            match value.get_ref().as_str().filter(|path| path.starts_with("~/") || path.starts_with('/')) {
                Some(path) => {
                    self.contents.clients.insert(name.get_ref().to_string(), path.to_owned());
                }
                None => {
                    let text = format!("clients.{}: must be an absolute path", name.get_ref());
                    self.mistake(&value.span(), text);
                }
            }
        }
    }

    fn profiles(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = format!("profiles.{}", name.get_ref());
            let DeValue::Table(fields) = value.get_ref() else {
                self.mistake(&value.span(), format!("{key}: must be a table, `[{key}]`"));
                continue;
            };
            let mut profile = Profile::default();
            for (field, value) in fields {
                let list = match field.get_ref().as_ref() {
                    "servers" => &mut profile.servers,
                    "categories" => &mut profile.categories,
                    "tools" => &mut profile.tools,
                    other => {
                        let other = format!("{key}.{other}");
                        let known = ["servers", "categories", "tools"].map(|list| format!("{key}.{list}"));
                        self.unknown(&field.span(), &other, known.iter().map(String::as_str));
                        continue;
                    }
                };
                match texts(value.get_ref()) {
                    Some(texts) => *list = texts,
                    None => self.mistake(
                        &value.span(),
                        format!("{key}.{}: must be a list of texts", field.get_ref()),
                    ),
                }
            }
            self.contents.profiles.insert(name.get_ref().to_string(), profile);
        }
    }

    fn unknown<'k>(&mut self, span: &Range<usize>, key: &str, known: impl Iterator<Item = &'k str>) {
        let meant = nearest(key, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let warning = format!("{}: unknown key `{key}`{meant}", self.at(span));
        self.contents.warnings.push(warning);
    }

    fn mistake(&mut self, span: &Range<usize>, text: String) {
        let text = format!("{}: {text}", self.at(span));
        self.contents.mistakes.push(Mistake { offset: span.start, text });
    }

    /// `file:line:col` of a byte range; columns count characters.
    fn at(&self, span: &Range<usize>) -> String {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}:{line}:{column}", self.name)
    }
}

/// Whether `key` is a table that holds settings.
fn is_table(key: &str) -> bool {
    key == "profiles"
        || key == "clients"
        || TABLE.iter().any(|setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

fn texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    let text = |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
    value.as_array()?.iter().map(text).collect()
}
