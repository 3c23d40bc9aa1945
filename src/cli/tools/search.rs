//! `loom tools search`.

use serde_json::json;

use super::list::row;
use super::{Tool, inventory};
use crate::cli::Ending;
use crate::cli::args::tools::ToolsSearchArgs;
use crate::cli::context::Context;
use crate::cli::out::Out;
use crate::fault::{Fault, Kind, Plain};

pub fn run(args: ToolsSearchArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    if args.words.is_empty() {
        let text = "`loom tools search` needs WORD";
        return Err(Plain::new(Kind::Usage, text).hint("loom tools search --help").into());
    }
    let (_, inventory) = inventory(context)?;
    if let Some(server) = &args.server {
        inventory.check_server(server)?;
    }
    let here =
        inventory.tools.iter().filter(|tool| args.server.as_deref().is_none_or(|only| tool.server() == only));
    let mut hits = rank(here, &args.words);
    let found = hits.len();
    if args.limit.0 > 0 {
        hits.truncate(args.limit.0);
    }
    if args.json {
        let tools: Vec<_> = hits.iter().map(|tool| &tool.raw).collect();
        out.json(&json!({ "found": found, "tools": tools }));
        return Ok(Ending::Done);
    }
    for tool in &hits {
        row(tool, out);
    }
    match found - hits.len() {
        _ if found == 0 => out.line(format!("nothing among {} tools", inventory.tools.len())),
        0 => {}
        more => out.line(format!("{more} more; --limit 0 shows all")),
    }
    Ok(Ending::Done)
}

/// The tools in which every word occurs, best first; equals stay in listing order.
pub fn rank<'a>(tools: impl Iterator<Item = &'a Tool>, words: &[String]) -> Vec<&'a Tool> {
    let words: Vec<String> =
        words.iter().flat_map(|word| word.split_whitespace()).map(str::to_lowercase).collect();
    let mut hits: Vec<(u32, &Tool)> = tools
        .filter_map(|tool| {
            let (name, about) = (tool.name.to_lowercase(), tool.description.to_lowercase());
            let scores = words.iter().map(|word| score(&name, &about, word));
            Some((scores.sum::<Option<u32>>()?, tool))
        })
        .collect();
    hits.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    hits.into_iter().map(|(_, tool)| tool).collect()
}

/// How well one word fits: a name hit outweighs any hit in a description.
fn score(name: &str, about: &str, word: &str) -> Option<u32> {
    let short = name.split_once("__").map_or(name, |(_, short)| short);
    let parts = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|part| part == word);
    if name == word || short == word {
        Some(1000)
    } else if parts(name) {
        Some(400)
    } else if short.starts_with(word) {
        Some(300)
    } else if name.contains(word) {
        Some(200)
    } else if parts(about) {
        Some(20)
    } else {
        about.contains(word).then_some(10)
    }
}
