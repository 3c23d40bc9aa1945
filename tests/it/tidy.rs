//! Rules of the source that no compiler knows: who may use whom, and where a thing may stand.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Top modules from the highest layer to the lowest; `use` goes downward only.
const LAYERS: [&[&str]; 6] = [
    &["main", "cli"],
    &["daemon", "proxy"],
    &["upstream", "servers", "sync", "secrets", "service", "link"],
    &["registry", "mcp"],
    &["wire"],
    &["fault", "settings", "paths", "log", "secret", "file", "nearest", "duration", "program"],
];
/// Layers whose modules may use each other: the entry and the base. The others are ignorant of each other.
const OPEN_LAYERS: [usize; 2] = [0, 5];
const MAX_LINES: usize = 400;
const PLACES: [&str; 6] = ["utils", "helpers", "common", "misc", "types", "manager"];
const SOURCES: [&str; 4] = ["rs", "py", "sh", "mjs"];

#[test]
fn modules_use_only_what_is_below_them() {
    let mut faults = Vec::new();
    for file in rust_files("src") {
        let from = top_module(&file);
        let Some(layer) = layer_of(&from) else {
            faults.push(format!("{}: module `{from}` is in no layer of this test", file.display()));
            continue;
        };
        for used in used_modules(&read(&file)) {
            let allowed = match layer_of(&used) {
                Some(below) if below > layer => true,
                Some(same) => used == from || (same == layer && OPEN_LAYERS.contains(&layer)),
                None => false,
            };
            if !allowed {
                faults.push(format!("{}: `{from}` must not use `{used}`", file.display()));
            }
        }
    }
    assert_eq!(faults, [""; 0]);
}

#[test]
fn files_are_short() {
    let long = |file: &PathBuf| read(file).lines().count() > MAX_LINES;
    let found: Vec<_> = all_sources().into_iter().filter(long).collect();
    assert_eq!(found, [""; 0].map(PathBuf::from), "more than {MAX_LINES} lines");
}

#[test]
fn files_are_named_by_a_noun() {
    let vague = |file: &PathBuf| {
        let parts = file.with_extension("");
        parts.components().any(|part| PLACES.iter().any(|place| part.as_os_str() == *place))
    };
    let found: Vec<_> = all_sources().into_iter().filter(vague).collect();
    assert_eq!(found, [""; 0].map(PathBuf::from));
}

#[test]
fn the_environment_is_read_in_settings_only() {
    let found = files_with("src", &["env::var", "env::vars"], "src/settings.rs");
    assert_eq!(others(found), [""; 0]);
}

#[test]
fn the_process_ends_in_main_only() {
    assert_eq!(others(files_with("src", &["process::exit"], "src/main.rs")), [""; 0]);
}

/// Without the test server: to show its environment, and to die when told to, is what it is for.
fn others(mut files: Vec<String>) -> Vec<String> {
    files.retain(|file| !file.ends_with("src/servers/echo.rs"));
    files
}

#[test]
fn nothing_is_left_for_later() {
    // Put together, so that this file is not found.
    let notes =
        [["FIX", "ME"], ["TO", "DO"], ["todo", "!("], ["unimplemented", "!("]].map(|parts| parts.concat());
    let has_note = |file: &PathBuf| notes.iter().any(|note| read(file).contains(note.as_str()));
    let found: Vec<_> = all_sources().into_iter().filter(has_note).collect();
    assert_eq!(found, [""; 0].map(PathBuf::from));
}

#[test]
fn used_modules_are_found_in_every_spelling() {
    let text =
        "use crate::wire::Id;\nuse crate::{fault, mcp::{view, route}};\nlet x = crate::paths::tilde(a, b);\n";
    let used: Vec<_> = used_modules(text).into_iter().collect();
    assert_eq!(used, ["fault", "mcp", "paths", "wire"]);
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// `src/daemon/session.rs` and `src/daemon.rs` are both of `daemon`.
fn top_module(file: &Path) -> String {
    let top = file.strip_prefix(root().join("src")).ok().and_then(|path| path.components().next());
    let top = top.map(|part| PathBuf::from(part.as_os_str()).with_extension(""));
    top.map(|top| top.display().to_string()).unwrap_or_default()
}

/// The first names after `crate::`, groups included.
fn used_modules(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code(text).split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.extend(name_at(rest)),
        }
    }
    found
}

/// The text without comment lines.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// First names of `a::b, c::{d, e}, f}…` up to the bracket that closes the group.
fn group_heads(group: &str) -> Vec<String> {
    let (mut heads, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                heads.extend(name_at(group[start..at].trim_start()));
                start = at + 1;
                if char == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    heads
}

/// The module name that a path begins with; none for a macro or type of the crate root.
fn name_at(text: &str) -> Option<String> {
    let end = text.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(text.len());
    let name = &text[..end];
    (!name.is_empty() && name.chars().all(|char| char.is_lowercase() || char == '_')).then(|| name.to_owned())
}

fn files_with(folder: &str, needles: &[&str], home: &str) -> Vec<String> {
    let home = root().join(home);
    let has = |file: &PathBuf| needles.iter().any(|needle| code(&read(file)).contains(needle));
    let found = rust_files(folder).into_iter().filter(|file| *file != home).filter(has);
    found.map(|file| file.display().to_string()).collect()
}

fn all_sources() -> Vec<PathBuf> {
    let folders = ["src", "tests", "benches", "scripts"];
    folders.iter().flat_map(|folder| files(&root().join(folder), &SOURCES)).collect()
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    files(&root().join(folder), &["rs"])
}

fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be read").path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden && !path.ends_with("target") {
            found.extend(files(&path, endings));
        } else if path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
