//! The measurements. Each returns a JSON object with times in µs or ms, as the name of the member says.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Fallible;
use crate::client::{Client, request};
use crate::options::Options;
use crate::stats::{micros, summary};
use crate::{processes, stats};

const BIG_WARMUP: usize = 3;

/// The listed tool that is `echo`, or a gateway's name for it.
pub fn echo_tool(names: &[String]) -> Fallible<String> {
    let found = names
        .iter()
        .find(|name| *name == "echo")
        .or_else(|| names.iter().find(|name| name.ends_with("__echo")));
    Ok(found.ok_or("no echo tool is listed")?.clone())
}

/// Runs one suite and adds the CPU time that a call cost between client and server.
pub fn with_cpu(client: &mut Client, suite: &str, tool: &str) -> Fallible<Value> {
    let server = client.options.server.clone();
    let mut roots = client.options.pids.clone();
    roots.push(client.pid());
    let before = processes::cpu_time(&roots, &server);
    let (mut report, calls) = match suite {
        "seq" => (seq(client, tool)?, client.options.seq + client.options.warmup),
        "conc" => (conc(client, tool)?, client.options.conc),
        "big" => (big(client, tool)?, client.options.big + BIG_WARMUP),
        "list" => (list(client)?, client.options.list),
        _ => return Err(format!("there is no suite `{suite}`").into()),
    };
    let used = processes::cpu_time(&roots, &server).saturating_sub(before);
    report["cpu_us_per_call"] = json!(micros(used) / calls.max(1) as f64);
    Ok(report)
}

fn call(id: u64, tool: &str, message: &str) -> String {
    request(id, "tools/call", &format!(r#"{{"name":"{tool}","arguments":{{"message":"{message}"}}}}"#))
}

fn seq(client: &mut Client, tool: &str) -> Fallible<Value> {
    let (warmup, measured) = (client.options.warmup, client.options.seq);
    let first = client.reserve_ids(warmup + measured);
    let mut times = Vec::with_capacity(measured);
    for i in 0..warmup + measured {
        let id = first + i as u64;
        let took = client.exchange(id, &call(id, tool, "hello, world"))?;
        if i >= warmup {
            times.push(took);
        }
    }
    Ok(summary(&mut times))
}

fn conc(client: &mut Client, tool: &str) -> Fallible<Value> {
    let (total, inflight) = (client.options.conc, client.options.inflight);
    let first = client.reserve_ids(total);
    let mut sent_at = Vec::with_capacity(total);
    let mut times = Vec::with_capacity(total);
    let began = Instant::now();
    while times.len() < total {
        while sent_at.len() < total && sent_at.len() - times.len() < inflight {
            let message = call(first + sent_at.len() as u64, tool, "hello, world");
            sent_at.push(Instant::now());
            client.send(&message)?;
        }
        let (id, complete) = client.next_answer()?;
        let sent: &Instant =
            id.checked_sub(first).and_then(|i| sent_at.get(i as usize)).ok_or("an id nobody sent")?;
        times.push(complete - *sent);
    }
    let wall = began.elapsed();
    let mut report = summary(&mut times);
    report["calls_per_s"] = json!((total as f64 / wall.as_secs_f64()).round());
    Ok(report)
}

fn big(client: &mut Client, tool: &str) -> Fallible<Value> {
    let (bytes, measured) = (client.options.big_bytes, client.options.big);
    let text: String = "The quick brown fox jumps over the lazy dog. ".chars().cycle().take(bytes).collect();
    let mut times = Vec::new();
    for i in 0..measured + BIG_WARMUP {
        let id = client.reserve_ids(1);
        let took = client.exchange(id, &call(id, tool, &text))?;
        if client.body().len() < bytes {
            return Err(format!("the answer has only {} bytes", client.body().len()).into());
        }
        if i >= BIG_WARMUP {
            times.push(took);
        }
    }
    Ok(in_ms(&mut times))
}

fn list(client: &mut Client) -> Fallible<Value> {
    let (mut times, mut last) = (Vec::new(), (0, 0));
    for _ in 0..client.options.list {
        let list = client.tools()?;
        last = (list.names.len(), list.bytes);
        times.push(list.took);
    }
    let mut report = in_ms(&mut times);
    report["tools"] = json!(last.0);
    report["bytes"] = json!(last.1);
    Ok(report)
}

/// Fresh starts, each ended before the next begins.
pub fn cold(options: &Options) -> Fallible<Value> {
    let (mut initialize, mut first, mut full) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.cold {
        let mut client = Client::start(options)?;
        client.initialize()?;
        initialize.push(client.started.elapsed());
        let names = client.tools()?.names;
        first.push(client.started.elapsed());
        if names.len() < options.expect_tools {
            client.wait_for_tools()?;
        }
        full.push(client.started.elapsed());
        client.stop()?;
        // The processes that have just ended are still being buried; the next start should not pay for it.
        thread::sleep(Duration::from_millis(100));
    }
    Ok(json!({
        "initialize": in_ms(&mut initialize),
        "first_list": in_ms(&mut first),
        "full_list": in_ms(&mut full),
    }))
}

fn in_ms(times: &mut [Duration]) -> Value {
    let report = stats::summary(times);
    let ms = |key: &str| report[key].as_f64().map(|us| us / 1000.0);
    json!({"n": report["n"], "p50_ms": ms("p50_us"), "min_ms": ms("min_us"), "max_ms": ms("max_us")})
}
