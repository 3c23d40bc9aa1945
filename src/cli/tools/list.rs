//! `loom tools list`.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Inventory, Tool, inventory};
use crate::cli::Ending;
use crate::cli::args::tools::ToolsListArgs;
use crate::cli::context::Context;
use crate::cli::out::{Out, Paint, first_line};
use crate::cli::server_table::counted;
use crate::fault::{Fault, Kind, Plain};

/// What `--json` prints. The names are those scripts know.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing<'a> {
    server: &'a str,
    page: usize,
    page_size: usize,
    total_tools: usize,
    total_pages: usize,
    tools: Vec<&'a RawValue>,
    cached_at: Option<&'a RawValue>,
    server_count: usize,
}

/// A page of `tools`.
pub struct PageOf<'a> {
    pub tools: &'a [&'a Tool],
    pub page: usize,
    pub size: usize,
    pub pages: usize,
}

pub fn run(args: ToolsListArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let (_, inventory) = inventory(context)?;
    render(&args, &inventory, out)?;
    Ok(Ending::Done)
}

pub fn render(args: &ToolsListArgs, inventory: &Inventory, out: &mut Out) -> Result<(), Plain> {
    let only = args.server.as_deref();
    if let Some(server) = only {
        inventory.check_server(server)?;
    }
    let chosen: Vec<&Tool> =
        inventory.tools.iter().filter(|tool| only.is_none_or(|server| tool.server() == server)).collect();
    let page = page_of(&chosen, args.page.0, args.limit.0)?;
    if args.json {
        out.json(&Listing {
            server: only.unwrap_or("all"),
            page: page.page,
            page_size: page.size,
            total_tools: chosen.len(),
            total_pages: page.pages,
            tools: page.tools.iter().map(|tool| &*tool.raw).collect(),
            cached_at: inventory.cached_at.as_deref(),
            server_count: if only.is_some() { 1 } else { inventory.servers.len() },
        });
        return Ok(());
    }
    let mut server = None;
    for tool in page.tools {
        if server != Some(tool.server()) {
            server = Some(tool.server());
            out.line(out.paint(Paint::Bold, tool.server()));
        }
        row(tool, out);
    }
    if page.pages > 1 {
        out.line(format!(
            "page {} of {}, {} in all",
            page.page,
            page.pages,
            counted(chosen.len() as u64, "tool")
        ));
    }
    if chosen.is_empty() {
        out.line("no tools");
    }
    for complaint in inventory.complaints(only) {
        out.line(out.paint(Paint::Bad, &first_line(&complaint, 200)));
    }
    Ok(())
}

/// One tool on one line.
pub fn row(tool: &Tool, out: &mut Out) {
    let about = first_line(&tool.description, 76);
    let line = format!("  {:32}  {}", first_line(&tool.name, 64), out.paint(Paint::Dim, &about));
    out.line(line.trim_end());
}

/// Page `page` (from 1) of `tools`; `limit` is 0 for all of them on one page, else between 10 and 500.
fn page_of<'a>(tools: &'a [&'a Tool], page: usize, limit: usize) -> Result<PageOf<'a>, Plain> {
    let size = if limit == 0 { tools.len() } else { limit.clamp(10, 500) };
    let pages = if tools.is_empty() { 0 } else { tools.len().div_ceil(size) };
    if page > pages.max(1) {
        let text = format!(
            "no page {page}; there {}",
            if pages <= 1 { "is one".into() } else { format!("are {pages}") }
        );
        return Err(Plain::new(Kind::Usage, text).hint(format!("--page {}", pages.max(1))));
    }
    let start = (page - 1) * size;
    let end = (start + size).min(tools.len());
    Ok(PageOf { tools: &tools[start..end], page, size, pages })
}
