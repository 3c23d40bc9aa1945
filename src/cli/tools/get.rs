//! `loom tools get`.

use serde_json::Value;

use super::{Inventory, Tool, inventory};
use crate::cli::Ending;
use crate::cli::args::tools::ToolsGetArgs;
use crate::cli::context::Context;
use crate::cli::out::{Out, Paint};
use crate::fault::{Fault, Kind, Plain};
use crate::nearest::nearest;

pub fn run(args: ToolsGetArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let (_, inventory) = inventory(context)?;
    let tool = find(&inventory, &args.name)?;
    match args.json {
        true => out.line(tool.raw.get()),
        false => render(tool, out),
    }
    Ok(Ending::Done)
}

/// The tool of that name; else the nearest one is named.
pub fn find<'a>(inventory: &'a Inventory, name: &str) -> Result<&'a Tool, Plain> {
    if let Some(tool) = inventory.tools.iter().find(|tool| tool.name == name) {
        return Ok(tool);
    }
    let names = || inventory.tools.iter().map(|tool| tool.name.as_str());
    let short = names().find(|full| full.split_once("__").is_some_and(|(_, short)| short == name));
    let plain = Plain::new(Kind::Usage, format!("no tool `{name}`"));
    Err(match short.or_else(|| nearest(name, names())) {
        Some(near) => plain.hint(format!("loom tools get {near}")),
        None => plain.hint("loom tools list"),
    })
}

pub fn render(tool: &Tool, out: &mut Out) {
    let object: Value = serde_json::from_str(tool.raw.get()).expect("the tool was read once already");
    out.line(out.paint(Paint::Bold, &out.foreign(&tool.name)));
    if !tool.description.trim().is_empty() {
        out.line(out.foreign(tool.description.trim()));
    }
    for (key, title) in
        [("inputSchema", "Arguments"), ("outputSchema", "Result"), ("annotations", "Annotations")]
    {
        if let Some(part) = object.get(key) {
            out.line(format!("\n{}", out.paint(Paint::Bold, title)));
            // JSON text has no control characters but line ends.
            out.json(part);
        }
    }
}
