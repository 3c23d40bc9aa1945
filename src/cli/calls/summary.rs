//! The table of `loom calls --summary`. Pure.

use serde::Deserialize;

use crate::cli::calls::table::time;
use crate::cli::out::{Out, Paint, first_line};

#[derive(Deserialize)]
pub struct Summary {
    tools: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    server: String,
    method: String,
    tool: Option<String>,
    calls: u64,
    errors: u64,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// The widest that a name is shown.
const NAME_MAX: usize = 40;

pub fn render(summary: &Summary, asked: &str, out: &mut Out) {
    if summary.tools.is_empty() {
        out.line(super::none(asked));
        return;
    }
    let server = |row: &Row| first_line(&row.server, NAME_MAX);
    let tool = |row: &Row| first_line(row.tool.as_deref().unwrap_or(&row.method), NAME_MAX);
    let widest =
        |name: &dyn Fn(&Row) -> String| summary.tools.iter().map(|row| name(row).chars().count()).max();
    let (first, second) = (widest(&server).unwrap_or(0).max(6), widest(&tool).unwrap_or(0).max(4));
    let head = format!(
        "{:first$}  {:second$}  {:>8}  {:>7}  {:>8}  {:>8}  {:>8}",
        "SERVER", "TOOL", "CALLS", "ERRORS", "P50", "P95", "P99"
    );
    out.line(out.paint(Paint::Bold, &head));
    let shown = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), time);
    for row in &summary.tools {
        let errors = format!("{:>7}", row.errors);
        let errors = if row.errors > 0 { out.paint(Paint::Bad, &errors) } else { errors };
        out.line(format!(
            "{:first$}  {:second$}  {:>8}  {errors}  {:>8}  {:>8}  {:>8}",
            server(row),
            tool(row),
            row.calls,
            shown(row.p50_ms),
            shown(row.p95_ms),
            shown(row.p99_ms),
        ));
    }
}
