//! Where a value stands in a structured file, independent of the file's format. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One step downward from a value to a part of it.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The member of a map.
    Key(String),
    /// The map in a list whose member `key` is `name`.
    Item { key: String, name: String },
    /// The text in a list that is exactly this.
    Text(String),
}

/// The steps from the root of a file to a value.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Place(pub Vec<Step>);

impl Place {
    /// A place below maps only.
    pub fn keys(keys: &[&str]) -> Self {
        Place(keys.iter().map(|key| Step::Key((*key).to_owned())).collect())
    }

    /// The member `key` of the map at this place.
    pub fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    /// The map named `name` in the list at this place.
    pub fn item(&self, key: &str, name: &str) -> Self {
        self.with(Step::Item { key: key.to_owned(), name: name.to_owned() })
    }

    /// The text `text` in the list at this place.
    pub fn text(&self, text: &str) -> Self {
        self.with(Step::Text(text.to_owned()))
    }

    fn with(&self, step: Step) -> Self {
        Place(self.0.iter().cloned().chain([step]).collect())
    }

    /// Whether this is `outer` or stands inside it.
    pub fn is_in(&self, outer: &Place) -> bool {
        self.0.starts_with(&outer.0)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => write!(to, "{key}")?,
                Step::Key(key) => write!(to, ".{key}")?,
                Step::Item { name, .. } => write!(to, "[{name}]")?,
                Step::Text(text) => write!(to, "[{text}]")?,
            }
        }
        Ok(())
    }
}

/// Why a text cannot be read or edited, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wrong {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub text: String,
}

impl Wrong {
    /// At the byte `offset` of `text`.
    pub fn at(text: &str, offset: usize, why: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        let column = line.trim_start_matches('\u{feff}').chars().count() + 1;
        Wrong { line: before.matches('\n').count() + 1, column, text: why.into() }
    }
}

/// Lays `value` around with maps and lists, so that it stands at `steps`.
pub fn wrapped(steps: &[Step], value: Value) -> Value {
    steps.iter().rev().fold(value, |inner, step| match step {
        Step::Key(key) => Value::Object([(key.clone(), inner)].into_iter().collect()),
        Step::Item { .. } | Step::Text(_) => Value::Array(vec![element(step, inner)]),
    })
}

/// The list element that `step` names and that holds `value`.
pub fn element(step: &Step, value: Value) -> Value {
    match (step, value) {
        (Step::Item { key, name }, Value::Object(map)) => {
            let named = std::iter::once((key.clone(), Value::String(name.clone())));
            Value::Object(named.chain(map.into_iter().filter(|(other, _)| other != key)).collect())
        }
        (_, value) => value,
    }
}
