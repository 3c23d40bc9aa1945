//! Rows about servers, as the daemon tells them, and the table that people read. Pure.

use serde::Deserialize;

use crate::cli::out::{Out, Paint, first_line};

/// What the daemon says about one server.
#[derive(Debug, Deserialize)]
pub struct ServerRow {
    pub name: String,
    pub state: String,
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default)]
    pub hint: Option<String>,
    #[serde(default)]
    pub tools: Option<u64>,
    /// Its tools are those of an earlier run.
    #[serde(default)]
    pub stale: bool,
    #[serde(default)]
    pub restarts: u64,
    #[serde(default)]
    pub calls: u64,
    #[serde(default)]
    pub errors: u64,
    #[serde(default)]
    pub in_flight: u64,
    #[serde(default)]
    pub optional: bool,
}

impl ServerRow {
    pub fn has_failed(&self) -> bool {
        matches!(self.state.as_str(), "failed" | "crash-loop")
    }
}

/// Whether a server has failed that is not optional.
pub fn is_degraded(rows: &[ServerRow]) -> bool {
    rows.iter().any(|row| row.has_failed() && !row.optional)
}

/// `1 tool`, `2 tools`.
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// One line a server, and below it what went wrong and what mends it.
pub fn render(rows: &[ServerRow], out: &mut Out) {
    if rows.is_empty() {
        out.line("  none; add one to the registry, then `loom reload`");
        return;
    }
    let name_width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    for row in rows {
        let paint = match row.state.as_str() {
            "ready" => Paint::Good,
            "failed" | "crash-loop" => Paint::Bad,
            "starting" => Paint::Warn,
            _ => Paint::Dim,
        };
        let state = out.paint(paint, &format!("{:10}", row.state));
        let tools = row.tools.map_or_else(|| "tools unknown".to_owned(), |tools| counted(tools, "tool"));
        let line = format!("  {:name_width$}  {state}  {tools:13}  {}", row.name, marks(row).join(", "));
        out.line(line.trim_end());
        if let Some(error) = &row.error {
            let error = out.paint(Paint::Bad, &first_line(error, 200));
            out.line(format!("  {:name_width$}  {error}", ""));
        }
        if let Some(hint) = &row.hint {
            out.line(format!("  {:name_width$}  hint: {}", "", first_line(hint, 200)));
        }
    }
}

fn marks(row: &ServerRow) -> Vec<String> {
    let mut marks = Vec::new();
    if row.calls > 0 {
        marks.push(counted(row.calls, "call"));
    }
    for (count, noun) in [(row.errors, "error"), (row.restarts, "restart")] {
        if count > 0 {
            marks.push(counted(count, noun));
        }
    }
    if row.in_flight > 0 {
        marks.push(format!("{} open", row.in_flight));
    }
    if row.stale {
        marks.push("list is old".to_owned());
    }
    if row.optional {
        marks.push("optional".to_owned());
    }
    marks
}
