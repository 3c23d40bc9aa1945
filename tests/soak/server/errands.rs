//! Requests of loom's own, which have no script: the handshake, lists, levels.

use std::io;

use super::super::lists::{self, Kind};
use super::super::play::LEVELS;
use super::super::texts;
use super::stage::Stage;

/// Rows of a list that go into one page.
const PAGE: usize = 3;
/// What is said of a task that is not there.
const NO_TASK: &str = r#"{"code":-32602,"message":"no such task"}"#;

impl Stage {
    /// A request of loom's own.
    pub fn errand(&mut self, id: &str, method: &str, params: &str) -> io::Result<()> {
        let value: serde_json::Value = serde_json::from_str(params).unwrap_or_default();
        let kind = Kind::ALL.into_iter().find(|kind| kind.method() == method);
        let again = method == "initialize" && std::mem::replace(&mut self.greeted, true);
        let result = match (method, kind) {
            ("initialize", _) => self.greeting(),
            ("tasks/get", _) => match self.task_row(value["taskId"].as_str().unwrap_or_default()) {
                Some(row) => row,
                None => return self.write_errand(id, method, "error", NO_TASK),
            },
            (_, Some(kind)) => self.page(kind, value["cursor"].as_str()),
            ("logging/setLevel", _) => {
                self.level = LEVELS.iter().position(|level| value["level"] == *level).unwrap_or_default();
                "{}".into()
            }
            ("tasks/list", _) => self.task_page(value["cursor"].as_str().unwrap_or_default()),
            ("resources/subscribe", _) => {
                self.subscribed.extend(value["uri"].as_str().map(str::to_owned));
                "{}".into()
            }
            ("resources/unsubscribe", _) => {
                self.subscribed.remove(value["uri"].as_str().unwrap_or_default());
                "{}".into()
            }
            _ => "{}".into(),
        };
        self.write_errand(id, method, "result", &result)?;
        if again { self.begin_anew() } else { Ok(()) }
    }

    fn write_errand(&mut self, id: &str, method: &str, member: &str, text: &str) -> io::Result<()> {
        let style = format!("{}{method}{id}", self.name);
        self.over.insert(id.to_owned());
        self.write(&texts::answer(id, member, text, &style))
    }

    fn greeting(&self) -> String {
        let odd = texts::odd(&self.name);
        let capabilities = r#"{"completions":{},"logging":{},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}},"tools":{"listChanged":true}}"#;
        format!(
            r#"{{"protocolVersion":"2025-11-25",{odd},"capabilities":{capabilities},"serverInfo":{{"name":"{}","version":"1"}}}}"#,
            self.name
        )
    }

    fn page(&self, kind: Kind, cursor: Option<&str>) -> String {
        let from = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or_default();
        let rows = lists::rows(&self.name, kind, self.books.versions[kind as usize]);
        let page: Vec<String> = rows.iter().skip(from).take(PAGE).map(lists::Row::own).collect();
        let next = if from + PAGE < rows.len() {
            format!(",\"nextCursor\":\"{}\"", from + PAGE)
        } else {
            String::new()
        };
        format!(r#"{{"{}":[{}]{next}}}"#, kind.member(), page.join(" ,\r"))
    }
}
