//! The formats of configuration files behind one door: reading, checking, setting, removing. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sync::blocks;
use crate::sync::json;
use crate::sync::place::{Place, Wrong};
use crate::sync::toml;
use crate::sync::whole;
use crate::sync::yaml;

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Without comments and trailing commas: with them the client drops the file.
    Json,
    /// JSON with comments and trailing commas.
    Jsonc,
    Toml,
    Yaml,
    /// Any text, with marked blocks of loom's in it.
    Blocks,
    /// A file that is loom's as a whole, of any bytes.
    Whole,
}

impl Format {
    /// The text of a file's bytes.
    pub fn text(bytes: &[u8]) -> Result<&str, Wrong> {
        std::str::from_utf8(bytes).map_err(|error| {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            Wrong::at(&good, good.len(), "not UTF-8 text")
        })
    }

    /// Whether the client can read the text.
    pub fn check(self, text: &str) -> Result<(), Wrong> {
        match self {
            Format::Json => {
                let (_, extras) = json::scan::scan(text)?;
                match (extras.comment, extras.trailing) {
                    (Some(at), _) => Err(Wrong::at(text, at, "this client takes no comments in this file")),
                    (None, Some(at)) => {
                        Err(Wrong::at(text, at, "this client takes no comma before a bracket"))
                    }
                    (None, None) => Ok(()),
                }
            }
            Format::Jsonc => json::scan::scan(text).map(|_| ()),
            Format::Toml => toml::edit::get(text, &Place::default()).map(|_| ()),
            Format::Yaml => yaml::edit::get(text, &Place::default()).map(|_| ()),
            Format::Blocks => blocks::scan(text).map(|_| ()),
            Format::Whole => Ok(()),
        }
    }

    /// The value at `place`.
    pub fn get(self, text: &str, place: &Place) -> Result<Option<Value>, Wrong> {
        match self {
            Format::Json | Format::Jsonc => json::edit::get(text, place),
            Format::Toml => toml::edit::get(text, place),
            Format::Yaml => yaml::edit::get(text, place),
            Format::Blocks => blocks::get(text, place),
            Format::Whole => Ok(Some(whole::print(text.as_bytes()))),
        }
    }

    /// The text with `value` at `place`.
    pub fn set(self, text: &str, place: &Place, value: &Value) -> Result<String, Wrong> {
        match self {
            Format::Json | Format::Jsonc => json::edit::set(text, place, value),
            Format::Toml => toml::edit::set(text, place, value),
            Format::Yaml => yaml::edit::set(text, place, value),
            Format::Blocks => blocks::set(text, place, value),
            Format::Whole => Err(whole::no_part()),
        }
    }

    /// The text without the value at `place`.
    pub fn remove(self, text: &str, place: &Place) -> Result<String, Wrong> {
        match self {
            Format::Json | Format::Jsonc => json::edit::remove(text, place),
            Format::Toml => toml::edit::remove(text, place),
            Format::Yaml => yaml::edit::remove(text, place),
            Format::Blocks => blocks::remove(text, place),
            Format::Whole => Err(whole::no_part()),
        }
    }
}
