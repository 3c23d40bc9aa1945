//! README's tables say what the program does.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::process::Command;

const README: &str = include_str!("../../README.md");

/// What `loom` prints, with an empty home and none of our environment.
fn loom(args: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_loom"))
        .args(args)
        .env_clear()
        .env("HOME", home.path())
        .current_dir(home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The cells of every row of the table below `heading`, without backticks.
fn table(heading: &str) -> Vec<Vec<String>> {
    let below = README.split_once(&format!("\n{heading}\n")).expect("the heading is there").1;
    below
        .lines()
        .skip_while(|line| !line.starts_with("|--"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect())
        .collect()
}

#[test]
fn every_setting_is_in_the_table_with_its_default() {
    let rows: serde_json::Value = serde_json::from_str(&loom(&["check", "--settings", "--json"])).unwrap();
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
    let default = |row: &serde_json::Value| match text(row, "default") {
        none if none.is_empty() => "off".to_owned(),
        default => default,
    };
    let want: Vec<Vec<String>> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| vec![text(row, "key"), text(row, "env"), default(row)])
        .collect();
    assert!(!want.is_empty());
    let shown: Vec<Vec<String>> = table("## Settings").iter().map(|row| row[..3].to_vec()).collect();
    assert_eq!(shown, want);
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let said = loom(&["help", "exit-codes"]);
    let joined = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let want: String = table("## Exit codes").iter().map(|row| format!(" {} {}", row[0], row[1])).collect();
    assert_eq!(joined, format!("Exit codes{want}"));
}

#[test]
fn every_verb_is_named() {
    for line in loom(&[]).lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let verb = line.split_whitespace().next().unwrap();
        assert!(README.contains(&format!("loom {verb}")), "README does not mention `loom {verb}`");
    }
}
