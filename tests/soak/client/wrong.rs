//! What no client should send, and what nobody acts on.

use super::Actor;
use super::pending::Want;

impl Actor {
    pub fn ask_wrongly(&mut self) {
        const UNKNOWN: Want = Want::Refusal(&["TOOL_NOT_FOUND"]);
        const PARAMS: Want = Want::Refusal(&["INVALID_PARAMS"]);
        match self.chance.below(14) {
            0 => drop(self.ask_loom(
                "tools/call",
                r#"{"name":"s00__nothing","arguments":{"n":1e400}}"#,
                UNKNOWN,
            )),
            1 => drop(self.ask_loom("tools/call", r#"{"name":7}"#, PARAMS)),
            2 => drop(self.ask_loom("prompts/get", r#"{"name":"nobody__p"}"#, PARAMS)),
            3 => drop(self.ask_loom("resources/read", r#"{"uri":["x"]}"#, PARAMS)),
            4 => drop(self.ask_loom("logging/setLevel", r#"{"level":"loud"}"#, PARAMS)),
            5 => drop(self.ask_loom("tasks/get", r#"{"taskId":"nobody:1"}"#, PARAMS)),
            6 => drop(self.ask_loom("soak/unknown", "{}", Want::Refusal(&["METHOD_NOT_FOUND"]))),
            8 => self.send_broken("no JSON at all \u{fc}", "PARSE_ERROR"),
            9 => self.send_broken(r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{}"#, "PARSE_ERROR"),
            10 => self.send_broken(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, "INVALID_REQUEST"),
            7 => {
                drop(self.ask_loom("resources/unsubscribe", r#"{"uri":"soak://never"}"#, Want::Exactly("{}")))
            }
            11 | 12 => self.ask_about_anothers_task(),
            _ => self.ask_twice(),
        }
    }

    /// A task is its own client's only: for all others it is not there, under whatever daemon.
    fn ask_about_anothers_task(&mut self) {
        let others = self.world.tasks_of_others(&self.tag());
        if others.is_empty() {
            return;
        }
        let method = *self.chance.pick(&["tasks/get", "tasks/result", "tasks/cancel"]);
        let params = format!(r#"{{"taskId":"{}"}}"#, self.chance.pick(&others));
        self.ask_loom(method, &params, Want::Refusal(&["INVALID_PARAMS"]));
    }

    /// A line whose answer cannot name it.
    fn send_broken(&mut self, line: &str, error: &'static str) {
        self.nameless.push_back(error);
        self.send(line);
    }

    /// An error without an id.
    pub fn nameless_error(&mut self, error: &str) {
        let name = super::answers::name_of(error).map(|(name, _)| name);
        match self.nameless.pop_front() {
            Some(want) if name.as_deref() == Some(want) => {}
            want => self.differ(&format!("an error without an id, instead of {want:?}")),
        }
    }

    /// A second request with the id of one that is open.
    fn ask_twice(&mut self) {
        let open =
            self.open.iter().filter(|(_, one)| one.cancelled.is_none() && !one.twin && one.server.is_some());
        let ids: Vec<String> = open.map(|(id, _)| id.clone()).collect();
        if ids.is_empty() {
            return;
        }
        let id = self.chance.pick(&ids).clone();
        if let Some(pending) = self.open.get_mut(&id) {
            pending.twin = true;
        }
        self.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#));
    }

    /// A notification that nobody acts on.
    pub fn notify(&mut self) {
        let line = *self.chance.pick(&[
            r#"{"jsonrpc":"2.0","method":"notifications/soak","params":{"n":1e400}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"never"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":123456789,"progress":1}}"#,
            r#"{"jsonrpc":"2.0","id":"never","result":{"n":1e400}}"#,
            r#"{"jsonrpc":"2.0","id":123456789,"error":{"code":1,"message":"x"}}"#,
        ]);
        self.send(line);
    }
}
