//! `loom check --settings`: every setting, its value in force, and who says so.

use serde_json::{Value, json};

use crate::cli::Ending;
use crate::cli::out::{Out, Paint};
use crate::fault::Fault;
use crate::file;
use crate::paths::Paths;
use crate::settings::{Settings, TABLE, process_env, unreadable_variables};

/// The table, with the value in force and where it comes from.
pub fn show(paths: &Paths, as_json: bool, out: &mut Out) -> Result<Ending, Fault> {
    let env = process_env();
    let file = file::read_text(&paths.config_file(), file::OWN_MAX).unwrap_or_default();
    let file: toml::Table = file.parse().unwrap_or_default();
    let (settings, warnings, wrong) = Settings::lenient(paths, &env);
    let rows: Vec<(usize, String, &str)> = (0..TABLE.len())
        .map(|at| {
            let (value, from) = in_force(TABLE[at].key, TABLE[at].env, TABLE[at].default, &env, &file);
            // Brought within its bounds.
            let value = match TABLE[at].key {
                "proxy.tool_page_size" => settings.proxy.tool_page_size.to_string(),
                _ => value,
            };
            (at, value, from)
        })
        .collect();
    if as_json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(at, value, from)| {
                let setting = &TABLE[*at];
                json!({ "key": setting.key, "env": setting.env, "default": setting.default, "doc": setting.doc,
                        "value": value, "from": from })
            })
            .collect();
        out.json(&rows);
    } else {
        for (at, value, from) in &rows {
            let setting = &TABLE[*at];
            out.line(format!("{} = {value}  ({from})", out.paint(Paint::Bold, setting.key)));
            out.line(out.paint(Paint::Dim, &format!("    {}; {}", setting.doc, setting.env)));
        }
    }
    // A value that cannot be read is still an error here.
    if let Some(wrong) = wrong.or_else(unreadable_variables) {
        return Err(wrong.into());
    }
    if !as_json {
        for warning in warnings {
            out.line(out.paint(Paint::Warn, &warning));
        }
    }
    Ok(Ending::Done)
}

/// A setting's value as it was written, and who wrote it.
fn in_force<'a>(
    key: &str,
    variable: &'a str,
    default: &str,
    env: &dyn Fn(&str) -> Option<String>,
    file: &toml::Table,
) -> (String, &'a str) {
    if let Some(value) = env(variable).filter(|value| !value.is_empty()) {
        return (value, variable);
    }
    let mut parts = key.split('.');
    let first = parts.next().and_then(|part| file.get(part));
    match parts.fold(first, |value, part| value.and_then(|value| value.get(part))) {
        Some(toml::Value::String(text)) => (text.clone(), "config.toml"),
        Some(value) => (value.to_string(), "config.toml"),
        None => (default.to_owned(), "default"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_wins_over_the_file_and_the_file_over_the_default() {
        let file: toml::Table = "a = 3\n[proxy]\nb = \"5s\"\n".parse().unwrap();
        let none = |_: &str| None;
        let set = |name: &str| (name == "LOOM_A").then(|| "9".to_owned());
        assert_eq!(in_force("a", "LOOM_A", "1", &set, &file), ("9".into(), "LOOM_A"));
        assert_eq!(in_force("a", "LOOM_A", "1", &none, &file), ("3".into(), "config.toml"));
        assert_eq!(in_force("proxy.b", "LOOM_B", "1", &none, &file), ("5s".into(), "config.toml"));
        assert_eq!(in_force("proxy.c", "LOOM_C", "1", &none, &file), ("1".into(), "default"));
    }
}
