//! Calls as lines for people. Pure.

use serde::Deserialize;

use crate::cli::out::{Out, Paint, first_line};

/// One call, as the daemon tells of it.
#[derive(Deserialize)]
pub struct Row {
    /// When it ended, in ms since 1970.
    at: u64,
    client: String,
    server: String,
    method: String,
    tool: Option<String>,
    queue_ms: f64,
    server_ms: f64,
    total_ms: f64,
    bytes_in: u64,
    bytes_out: u64,
    outcome: String,
    code: Option<i64>,
    error: Option<String>,
    #[serde(default)]
    args: Option<String>,
}

/// How wide the columns of names are, in characters.
pub struct Widths {
    client: usize,
    server: usize,
    tool: usize,
}

/// The widest that a name is shown.
const NAME_MAX: usize = 40;

impl Widths {
    /// For these rows.
    pub fn of(rows: &[Row]) -> Self {
        let widest = |name: fn(&Row) -> String, least: usize| {
            rows.iter().map(|row| name(row).chars().count()).max().unwrap_or(0).max(least)
        };
        Widths { client: widest(Row::client, 6), server: widest(Row::server, 6), tool: widest(Row::tool, 4) }
    }

    /// For rows that are not known yet.
    pub fn of_any() -> Self {
        Widths { client: 12, server: 12, tool: 24 }
    }
}

impl Row {
    fn client(&self) -> String {
        first_line(&self.client, NAME_MAX)
    }

    fn server(&self) -> String {
        first_line(if self.server.is_empty() { "-" } else { &self.server }, NAME_MAX)
    }

    fn tool(&self) -> String {
        first_line(self.tool.as_deref().unwrap_or(&self.method), NAME_MAX)
    }

    fn result(&self) -> String {
        let code = self.code.map(|code| format!(" {code}")).unwrap_or_default();
        let error = self.error.as_ref().map(|error| format!(" {error}")).unwrap_or_default();
        match self.outcome.as_str() {
            "tool_error" => "tool error".to_owned(),
            "client_gone" => "client gone".to_owned(),
            "server_gone" => "server gone".to_owned(),
            "timeout" => "timed out".to_owned(),
            "error" => format!("error{code}{error}"),
            "failed" | "refused" => format!("{}{error}", self.outcome),
            other => first_line(other, NAME_MAX),
        }
    }
}

pub fn head(widths: &Widths) -> String {
    let Widths { client, server, tool } = widths;
    format!(
        "{:13}  {:client$}  {:server$}  {:tool$}  {:>8}  {:>8}  {:>8}  {:>9}  {:>9}  RESULT",
        "TIME", "CLIENT", "SERVER", "TOOL", "WAITED", "SERVED", "TOTAL", "IN", "OUT"
    )
}

pub fn line(row: &Row, widths: &Widths, out: &Out) -> String {
    let Widths { client, server, tool } = widths;
    let result = row.result();
    let paint = match row.outcome.as_str() {
        "ok" => Paint::Good,
        "cancelled" | "client_gone" => Paint::Dim,
        "tool_error" => Paint::Warn,
        _ => Paint::Bad,
    };
    // A newline is written as `\n` in JSON, so it is one line.
    let args =
        row.args.as_ref().map(|args| format!("  {}", first_line(args, usize::MAX))).unwrap_or_default();
    format!(
        "{}  {:client$}  {:server$}  {:tool$}  {:>8}  {:>8}  {:>8}  {:>9}  {:>9}  {}{args}",
        time_of_day(row.at),
        row.client(),
        row.server(),
        row.tool(),
        time(row.queue_ms),
        time(row.server_ms),
        time(row.total_ms),
        bytes(row.bytes_in),
        bytes(row.bytes_out),
        out.paint(paint, &result),
    )
}

/// Hours, minutes, seconds and milliseconds of a day, in UTC as in the logs.
fn time_of_day(at_ms: u64) -> String {
    let (ms, s) = (at_ms % 1000, at_ms / 1000 % 86_400);
    format!("{:02}:{:02}:{:02}.{ms:03}Z", s / 3600, s / 60 % 60, s % 60)
}

/// A span of time in three digits or so.
pub fn time(ms: f64) -> String {
    match ms {
        ms if ms < 9.995 => format!("{ms:.2} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms if ms < 99_950.0 => format!("{:.1} s", ms / 1e3),
        ms => format!("{:.0} s", ms / 1e3),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{:.1} KiB", count as f64 / 1024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}
