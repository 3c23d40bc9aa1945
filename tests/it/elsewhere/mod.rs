//! Servers over HTTP that do wrong: every call is answered within a bound, by a result or by name; nothing is called
//! twice; the servers beside them notice nothing; and all is well again without a restart.

mod absence;
mod answers;
mod old;
mod room;
mod sessions;
mod streams;
mod tasks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::elsewhere::Elsewhere;
use crate::support::home::{TestHome, wait_until};

const SECOND: Duration = Duration::from_secs(1);
/// No call may take longer, whatever happens to its server, when that is not slow on purpose.
const BOUND: Duration = Duration::from_secs(5);

/// A home with the server `far` at a URL and a server of its own, and a client.
struct Place {
    client: Client,
    calm: Option<Calm>,
    /// After its clients: none may be left when it goes.
    home: TestHome,
}

impl Place {
    fn new(url: &str, more: &str) -> Self {
        Place::with(TestHome::new(), url, more)
    }

    fn with(home: TestHome, url: &str, more: &str) -> Self {
        let far = format!("  - name: far\n    common: {{ url: \"{url}\", {more} }}\n");
        let near = "  - name: near\n    common: { builtin: echo }\n";
        home.registry(&format!("version: 1\nservers:\n{far}{near}"));
        // As a person does: the daemon has this environment.
        home.loom_ok(&["start"]);
        let client = home.client();
        let calm = Some(Calm::begin(&home));
        Place { client, calm, home }
    }

    fn begin(&mut self, text: &str) -> u64 {
        begin(&mut self.client, text)
    }

    /// Calls the server elsewhere: what it answered, or the name of the error and what it says.
    fn call(&mut self, text: &str) -> Result<String, (String, String)> {
        let id = self.begin(text);
        self.outcome(id)
    }

    fn outcome(&mut self, id: u64) -> Result<String, (String, String)> {
        let began = Instant::now();
        let answer = self.client.answer(id);
        assert!(began.elapsed() < BOUND, "{:?}: {answer}", began.elapsed());
        outcome(&answer)
    }

    /// Calls until it goes well, which it must soon. Each call has a text of its own.
    fn call_until_well(&mut self, text: &str) -> String {
        let (mut tried, mut last) = (0, Err((String::new(), String::new())));
        let well = wait_until(BOUND * 4, || {
            tried += 1;
            last = self.call(&format!("{text} {tried}"));
            last.is_ok()
        });
        assert!(well, "{last:?}");
        last.expect("it is well")
    }

    fn row(&self) -> Value {
        self.home.server("far")
    }

    fn state(&self) -> String {
        self.row()["state"].as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(calm) = self.calm.take().filter(|_| !std::thread::panicking()) {
            calm.end();
        }
    }
}

fn begin(client: &mut Client, text: &str) -> u64 {
    client.begin_call("far__note", json!({"text": text}))
}

fn outcome(answer: &Value) -> Result<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("neither: {answer}")).to_owned();
    match answer.get("error") {
        Some(error) => Err((text(&error["data"]["code"]), text(&error["message"]))),
        None => Ok(text(&answer["result"]["content"][0]["text"])),
    }
}

/// The error must have this name and say this.
fn assert_failed(outcome: Result<String, (String, String)>, name: &str, says: &str) {
    let (code, message) = outcome.expect_err("it cannot go well");
    assert!(code == name && message.contains(says), "{code}: {message}");
}

/// A second client, which calls the server beside it all the time.
struct Calm {
    over: Arc<AtomicBool>,
    longest: JoinHandle<Duration>,
}

impl Calm {
    fn begin(home: &TestHome) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (mut client, ends) = (home.client(), over.clone());
        let longest = std::thread::spawn(move || {
            let mut longest = Duration::ZERO;
            loop {
                let began = Instant::now();
                client.call_text("near__sleep", json!({"ms": 20, "message": "calm"}));
                longest = longest.max(began.elapsed());
                if ends.load(Ordering::Relaxed) {
                    return longest;
                }
            }
        });
        Calm { over, longest }
    }

    /// Every one of the calls must have gone well and fast. There is at least one.
    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        let longest = self.longest.join().expect("calls to a server beside all go well");
        assert!(longest < SECOND * 2, "the longest took {longest:?}");
    }
}

/// Waits until the client has been told of a change that brought it this tool.
fn hear_of(client: &mut Client, tool: &str) {
    loop {
        client.recv_where(|message| message["method"] == "notifications/tools/list_changed");
        if client.tools().iter().any(|listed| listed["name"] == tool) {
            return;
        }
    }
}

/// What was done, in any order.
fn done(server: &Elsewhere) -> Vec<String> {
    let mut done = server.known().done.clone();
    done.sort();
    done
}
