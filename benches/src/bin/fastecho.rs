//! An MCP server over stdio that costs almost nothing, so that what is measured is what stands before it.
//!
//! `fastecho [--tools N] [--name NAME]`: the tool `echo {message}` copies the JSON string of its argument into its
//! answer as it stands; the other N - 1 tools are only listed, with schemas of the size that real servers have.

use std::io::{self, BufRead, BufReader, Write};

use serde::Deserialize;
use serde_json::value::RawValue;

const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
const NO_METHOD: &[u8] = br#""error":{"code":-32601,"message":"Method not found"}}"#;
const BAD_PARAMS: &[u8] = br#""error":{"code":-32602,"message":"echo needs a message"}}"#;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a str>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    name: &'a str,
    #[serde(borrow)]
    arguments: Arguments<'a>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    message: &'a RawValue,
}

#[derive(Deserialize)]
struct Initialize<'a> {
    #[serde(borrow, rename = "protocolVersion")]
    version: &'a str,
}

struct Server {
    name: String,
    list: String,
}

fn main() -> io::Result<()> {
    let server = Server::from_args(std::env::args().skip(1))?;
    let mut input = BufReader::with_capacity(1 << 18, io::stdin().lock());
    // Line buffering is no loss: one answer is one line, written at once.
    let mut output = io::stdout().lock();
    let (mut line, mut answer) = (Vec::with_capacity(1 << 16), Vec::with_capacity(1 << 16));
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        answer.clear();
        if server.answer(&line, &mut answer)? {
            output.write_all(&answer)?;
            output.flush()?;
        }
    }
}

impl Server {
    fn from_args(mut args: impl Iterator<Item = String>) -> io::Result<Self> {
        let (mut name, mut tools) = (String::from("fastecho"), 1);
        let usage =
            || io::Error::new(io::ErrorKind::InvalidInput, "usage: fastecho [--tools N] [--name NAME]");
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(usage)?;
            match flag.as_str() {
                "--tools" => tools = value.parse().map_err(|_| usage())?,
                "--name" => name = value,
                _ => return Err(usage()),
            }
        }
        Ok(Server { name, list: list_result(tools) })
    }

    /// Writes the answer line of one request; false for what gets no answer.
    fn answer(&self, line: &[u8], out: &mut Vec<u8>) -> io::Result<bool> {
        let Ok(request) = serde_json::from_slice::<Request>(line) else { return Ok(false) };
        let (Some(id), Some(method)) = (request.id, request.method) else { return Ok(false) };
        let params = request.params.map_or("{}", RawValue::get);
        write!(out, r#"{{"jsonrpc":"2.0","id":{},"#, id.get())?;
        match method {
            "tools/call" => call(params, out),
            "tools/list" => write!(out, r#""result":{}}}"#, self.list)?,
            "initialize" => self.initialize(params, out)?,
            "ping" => out.extend_from_slice(br#""result":{}}"#),
            _ => out.extend_from_slice(NO_METHOD),
        }
        out.push(b'\n');
        Ok(true)
    }

    fn initialize(&self, params: &str, out: &mut Vec<u8>) -> io::Result<()> {
        let asked = serde_json::from_str::<Initialize>(params).map_or("", |params| params.version);
        let version = VERSIONS.into_iter().find(|known| *known == asked).unwrap_or(VERSIONS[0]);
        write!(
            out,
            r#""result":{{"protocolVersion":"{version}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"{}","version":"0.1.0"}}}}}}"#,
            self.name
        )
    }
}

fn call(params: &str, out: &mut Vec<u8>) {
    match serde_json::from_str::<Call>(params) {
        Ok(Call { name: "echo", arguments }) => {
            out.extend_from_slice(br#""result":{"content":[{"type":"text","text":"#);
            out.extend_from_slice(arguments.message.get().as_bytes());
            out.extend_from_slice(b"}]}}");
        }
        _ => out.extend_from_slice(BAD_PARAMS),
    }
}

/// The `tools/list` result with `echo` and `tools - 1` idle tools.
fn list_result(tools: usize) -> String {
    let mut list = String::from(
        r#"{"tools":[{"name":"echo","description":"Echoes back the message","inputSchema":{"type":"object","properties":{"message":{"type":"string","description":"Message to echo"}},"required":["message"]}}"#,
    );
    for i in 1..tools {
        list.push_str(&format!(
            r#",{{"name":"tool_{i:04}","title":"Tool {i}","description":"Inert tool number {i}. It stands in for a real tool whose description explains in a couple of sentences what it does, when to call it and what it returns, as most published servers do.","inputSchema":{{"type":"object","properties":{{"path":{{"type":"string","description":"Absolute path of the file to work on"}},"limit":{{"type":"integer","minimum":1,"maximum":1000,"default":50,"description":"Maximum number of rows to return"}},"mode":{{"type":"string","enum":["read","write","append"],"description":"Access mode"}}}},"required":["path"]}},"annotations":{{"readOnlyHint":true,"openWorldHint":false}}}}"#
        ));
    }
    list.push_str("]}");
    list
}
