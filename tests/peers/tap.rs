//! The lines between a client and what it started, kept as they went by, and the raw payloads compared byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::installed::source;
use crate::shapes::{shaped, steady};

/// Loom introduces itself; how often a task is looked at is a matter of time.
const UNCOMPARED: [&str; 2] = ["initialize", "tasks/get"];

/// Where one run is kept.
pub struct Tap {
    requests: PathBuf,
    answers: PathBuf,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Option<Value>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// The payloads of all answers by the request that they belong to; equal requests in the order of their answers.
type Payloads = BTreeMap<String, Vec<String>>;

impl Tap {
    pub fn new(folder: &Path, name: &str) -> Self {
        let file = |what: &str| folder.join(format!("{name}.{what}"));
        Tap { requests: file("requests"), answers: file("answers") }
    }

    /// The arguments of Python that run `command` with the tap on it.
    pub fn args(&self, command: &str, args: &[String]) -> Vec<String> {
        let script = source("tests/peers/drivers/tap.py");
        let own = [&script, &self.requests, &self.answers].map(|path| path.display().to_string());
        [&own, &[command.to_owned()][..], args].concat()
    }

    /// Settled as [`crate::document::Document::settle`] does it. Lists are put together of their pages.
    fn payloads(&self, prefix: &str, task_ids: &[String]) -> Payloads {
        let (requests, answers) = (read(&self.requests), read(&self.answers));
        let mut asked = BTreeMap::new();
        for line in requests.lines().map(parse) {
            if let (Some(id), Some(method)) = (line.id, line.method) {
                asked.insert(id.to_string(), (method, line.params.unwrap_or_default()));
            }
        }
        let mut payloads = Payloads::new();
        for line in answers.lines().map(parse).filter(|line| line.method.is_none()) {
            let request = line.id.and_then(|id| asked.remove(&id.to_string()));
            let Some((method, mut params)) =
                request.filter(|(method, _)| !UNCOMPARED.contains(&method.as_str()))
            else {
                continue;
            };
            let payload = line.result.or(line.error).map_or("", RawValue::get);
            let tool = strip(&mut params, prefix);
            let (key, texts) = match method.strip_suffix("/list") {
                Some(what) if line.error.is_none() => (method.clone(), items(what, payload, prefix)),
                _ => (format!("{method} {params}"), vec![payload.to_owned()]),
            };
            let settled = texts.iter().map(|text| shaped(&steady(text, task_ids), tool.as_deref()));
            payloads.entry(steady(&key, task_ids)).or_default().extend(settled);
        }
        for (_, payloads) in payloads.iter_mut().filter(|(request, _)| request.starts_with("tasks/")) {
            // Tasks that run at the same time end in any order.
            payloads.sort();
        }
        payloads
    }
}

/// How the bytes of the answers through loom, whose names have `prefix`, differ from the direct ones. Each side comes
/// with the ids of its tasks.
pub fn differences(direct: (&Tap, &[String]), loom: (&Tap, &[String]), prefix: &str) -> Vec<String> {
    let (direct, loom) = (direct.0.payloads("", direct.1), loom.0.payloads(prefix, loom.1));
    let mut found = Vec::new();
    for (request, want) in &direct {
        let got = loom.get(request).cloned().unwrap_or_default();
        let unequal = want.iter().zip(&got).find(|(want, got)| want != got);
        if let Some((want, got)) = unequal {
            found.push(format!("bytes of {request}\n    {}", apart(want, got)));
        } else if want.len() != got.len() {
            found.push(format!(
                "bytes of {request}\n    direct has {} of them, loom {}",
                want.len(),
                got.len()
            ));
        }
    }
    found
}

/// Takes the prefix from a name and the progress token away; the name of the tool, if it is a call of one.
fn strip(params: &mut Value, prefix: &str) -> Option<String> {
    for name in ["/name", "/ref/name"] {
        if let Some(name) = params.pointer_mut(name) {
            let own = name.as_str().and_then(|name| name.strip_prefix(prefix)).unwrap_or("not by its name");
            *name = json!(own);
        }
    }
    if let Some(params) = params.as_object_mut() {
        params.remove("_meta");
    }
    params["name"].as_str().map(str::to_owned)
}

/// The items of a page as they came, but for the names.
fn items(what: &str, page: &str, prefix: &str) -> Vec<String> {
    let member = if what == "resources/templates" { "resourceTemplates" } else { what };
    let page: BTreeMap<String, &RawValue> = serde_json::from_str(page).expect("a page is an object");
    let items: Vec<&RawValue> = page
        .get(member)
        .map(|items| serde_json::from_str(items.get()).expect("items are an array"))
        .unwrap_or_default();
    let own = |item: &&&RawValue| !item.get().contains(r#""loom://"#);
    let named = |item: &&RawValue| item.get().replacen(&format!(r#""name":"{prefix}"#), r#""name":""#, 1);
    items.iter().filter(own).map(named).collect()
}

/// Both texts from a little before the place where they part.
fn apart(direct: &str, loom: &str) -> String {
    let at =
        direct.bytes().zip(loom.bytes()).position(|(a, b)| a != b).unwrap_or(direct.len().min(loom.len()));
    let part = |text: &str| {
        let bytes = &text.as_bytes()[at.saturating_sub(40)..text.len().min(at + 160)];
        String::from_utf8_lossy(bytes).into_owned()
    };
    format!(
        "at byte {at}: direct …{}…\n    {:>width$}loom   …{}…",
        part(direct),
        "",
        part(loom),
        width = 10 + at.to_string().len()
    )
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn parse(line: &str) -> Line<'_> {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}
