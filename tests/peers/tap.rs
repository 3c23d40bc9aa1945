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

    /// The raw payloads of all answers, in their order, each with the method and params that it answers.
    fn answers(&self, mut each: impl FnMut(String, Value, Result<&str, &str>)) {
        let (requests, answers) = (read(&self.requests), read(&self.answers));
        let mut asked = BTreeMap::new();
        for line in requests.lines().map(parse) {
            if let (Some(id), Some(method)) = (line.id, line.method) {
                asked.insert(id.to_string(), (method, line.params.unwrap_or_default()));
            }
        }
        for line in answers.lines().map(parse).filter(|line| line.method.is_none()) {
            let request = line.id.and_then(|id| asked.remove(&id.to_string()));
            let payload = match (line.result, line.error) {
                (Some(result), _) => Ok(result.get()),
                (None, error) => Err(error.map_or("", RawValue::get)),
            };
            if let Some((method, params)) = request {
                each(method, params, payload);
            }
        }
    }

    /// Settled as [`crate::document::Document::settle`] does it. Lists are put together of their pages.
    fn payloads(&self, prefix: &str, task_ids: &[String]) -> Payloads {
        let (mut payloads, mut open) = (Payloads::new(), BTreeMap::<String, Vec<String>>::new());
        self.answers(|method, mut params, payload| {
            let tool = strip(&mut params, prefix);
            let settled = |text: &str| shaped(&steady(text, task_ids), tool.as_deref());
            if UNCOMPARED.contains(&method.as_str()) {
                return;
            }
            let (Some(what), Ok(page)) = (method.strip_suffix("/list"), payload) else {
                let key = steady(&format!("{method} {params}"), task_ids);
                let text = payload.unwrap_or_else(|error| error);
                return payloads.entry(key).or_default().push(settled(text));
            };
            let page = Page::parse(what, page, prefix);
            let list = open.entry(method.clone()).or_default();
            list.extend(page.items.iter().map(|item| settled(item)));
            if page.goes_on {
                return;
            }
            if what == "tasks" {
                // Tasks that begin at the same time are in any order.
                list.sort();
            }
            let whole = std::mem::take(list).join("\n");
            let lists = payloads.entry(method).or_default();
            // A client may have to look again until a list has changed.
            if lists.last() != Some(&whole) {
                lists.push(whole);
            }
        });
        if let Some(results) = payloads.get_mut("tasks/result {\"taskId\":\"TASK\"}") {
            // Tasks that run at the same time end in any order.
            results.sort();
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

/// One page of a list.
struct Page {
    /// As they came, but for the names.
    items: Vec<String>,
    goes_on: bool,
}

impl Page {
    fn parse(what: &str, page: &str, prefix: &str) -> Self {
        let member = if what == "resources/templates" { "resourceTemplates" } else { what };
        let page: BTreeMap<String, &RawValue> = serde_json::from_str(page).expect("a page is an object");
        let items = page.get(member).map_or("[]", |items| items.get());
        let items: Vec<&RawValue> = serde_json::from_str(items).expect("items are an array");
        let own = |item: &&&RawValue| !item.get().contains(r#""loom://"#);
        let named = |item: &&RawValue| item.get().replacen(&format!(r#""name":"{prefix}"#), r#""name":""#, 1);
        let items = items.iter().filter(own).map(named).collect();
        Page { items, goes_on: page.contains_key("nextCursor") }
    }
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
