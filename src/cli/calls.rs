//! `loom calls`: the last calls, a summary of all, or each call as it ends.

mod summary;
mod table;

use std::io::{BufRead, BufReader, Cursor, Read};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::Ending;
use crate::cli::args::calls::CallsArgs;
use crate::cli::calls::table::{Row, Widths};
use crate::cli::context::{ANSWER_WAIT, Context};
use crate::cli::out::{Out, Paint};
use crate::cli::server_table::counted;
use crate::fault::{Fault, Kind, Plain};
use crate::link::client::Client;

/// So many past calls are shown to who does not say.
const LAST: usize = 20;

#[derive(Deserialize)]
struct Calls {
    calls: Vec<Value>,
}

/// What the daemon says to who watches.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    method: String,
    #[serde(default)]
    params: Value,
}

pub fn run(args: CallsArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    check(&args)?;
    let mut client = context.connect()?;
    if args.summary {
        let result = client.call("loom/calls/summary", &json!({ "server": args.server }), ANSWER_WAIT)?;
        match args.json {
            true => out.json(&serde_json::from_str::<Value>(result.get()).map_err(odd)?),
            false => summary::render(&serde_json::from_str(result.get()).map_err(odd)?, &asked(&args), out),
        }
        return Ok(Ending::Done);
    }
    let limit = match args.limit {
        Some(limit) if limit.0 == 0 => None,
        Some(limit) => Some(limit.0),
        None if args.follow => Some(0),
        None => Some(LAST),
    };
    let params = json!({
        "limit": limit, "server": args.server, "client": args.client, "follow": args.follow, "args": args.args,
    });
    let result = client.call("loom/calls", &params, ANSWER_WAIT)?;
    let past: Calls = serde_json::from_str(result.get()).map_err(odd)?;
    if args.follow {
        return follow(&past, client, args.json, out);
    }
    match args.json {
        true => out.json(&json!({ "calls": past.calls })),
        false => list(&past.calls, &asked(&args), out)?,
    }
    Ok(Ending::Done)
}

/// Options that say nothing together are a misunderstanding.
fn check(args: &CallsArgs) -> Result<(), Plain> {
    let text = match args {
        CallsArgs { args: true, follow: false, .. } => {
            "--args needs --follow: arguments are not kept, they can only be watched"
        }
        CallsArgs { summary: true, follow: true, .. }
        | CallsArgs { summary: true, client: Some(_), .. }
        | CallsArgs { summary: true, limit: Some(_), .. } => {
            "--summary is about all calls: only --server and --json go with it"
        }
        _ => return Ok(()),
    };
    Err(Plain::new(Kind::Usage, text).hint("loom help calls"))
}

/// The options that leave calls out, as they were typed.
fn asked(args: &CallsArgs) -> String {
    let options = [("--server", &args.server), ("--client", &args.client)];
    let given =
        options.into_iter().filter_map(|(option, value)| Some(format!(" {option} {}", value.as_ref()?)));
    given.collect()
}

/// In place of a table without rows.
fn none(asked: &str) -> String {
    if asked.is_empty() { "no calls yet".to_owned() } else { format!("no calls match{asked}") }
}

fn list(calls: &[Value], asked: &str, out: &mut Out) -> Result<(), Fault> {
    let rows: Vec<Row> = calls.iter().map(read).collect::<Result<_, _>>()?;
    if rows.is_empty() {
        out.line(none(asked));
        return Ok(());
    }
    let widths = Widths::of(&rows);
    out.line(out.paint(Paint::Bold, &table::head(&widths)));
    for row in &rows {
        out.line(table::line(row, &widths, out));
    }
    Ok(())
}

/// Prints what comes until the daemon ends, or nobody reads any more.
fn follow(past: &Calls, client: Client, json: bool, out: &mut Out) -> Result<Ending, Fault> {
    let broken = |error| Plain::new(Kind::Unavailable, format!("cannot talk to loomd: {error}"));
    let widths = Widths::of_any();
    if !json {
        out.line(out.paint(Paint::Bold, &table::head(&widths)));
    }
    for call in &past.calls {
        show(call, json, &widths, out)?;
    }
    let (stream, read) = client.into_parts().map_err(broken)?;
    let mut lines = BufReader::new(Cursor::new(read).chain(stream));
    let mut line = Vec::new();
    while out.flush_open()? {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(broken)? == 0 {
            return Err(Plain::new(Kind::NotRunning, "loomd has ended").hint("loom status").into());
        }
        let message: Message = serde_json::from_slice(&line).map_err(odd)?;
        match message.method.as_str() {
            "loom/call" => show(&message.params, json, &widths, out)?,
            "loom/calls/lost" if json => out.line(message.params.to_string()),
            "loom/calls/lost" => {
                let lost = counted(message.params["lost"].as_u64().unwrap_or_default(), "call");
                out.line(
                    out.paint(
                        Paint::Warn,
                        &format!("{lost} not shown: they came faster than they were read"),
                    ),
                );
            }
            _ => {}
        }
    }
    Ok(Ending::Done)
}

fn show(call: &Value, json: bool, widths: &Widths, out: &mut Out) -> Result<(), Fault> {
    match json {
        true => out.line(call.to_string()),
        false => out.line(table::line(&read(call)?, widths, out)),
    }
    Ok(())
}

fn read(call: &Value) -> Result<Row, Plain> {
    Row::deserialize(call).map_err(odd)
}

fn odd(error: serde_json::Error) -> Plain {
    Plain::new(Kind::Bug, format!("loomd tells of calls oddly: {error}")).hint("loom restart")
}

#[cfg(test)]
mod tests;
