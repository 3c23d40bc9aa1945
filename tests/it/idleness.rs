//! Servers that nobody needs are stopped; those that a connected client has used are not, unless they ask for it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, alive, wait_until};

const PATIENCE: Duration = Duration::from_secs(15);

fn pid(client: &mut Client, server: &str) -> u32 {
    client.call_text(&format!("{server}__pid"), json!({})).parse().expect("a pid")
}

fn state(home: &TestHome, server: &str) -> Value {
    home.server(server)["state"].take()
}

#[test]
fn a_server_in_use_stays_and_one_with_a_time_of_its_own_goes() {
    let mut home = TestHome::new();
    home.set_env("LOOM_IDLE_TIMEOUT", "400ms");
    home.echo_registry(&[("used", "", ""), ("own", "", "idle_timeout: 300ms"), ("listed", "", "")]);
    let mut client = home.client();
    assert_eq!(client.tools().len(), 18);
    let (used, own) = (pid(&mut client, "used"), pid(&mut client, "own"));
    assert!(wait_until(PATIENCE, || state(&home, "listed") == "idle"), "nobody ever called it");
    assert!(wait_until(PATIENCE, || state(&home, "own") == "idle"), "its own time is over");
    assert!(!alive(own));
    assert!(alive(used) && state(&home, "used") == "ready", "its client is still here");
    assert_ne!(pid(&mut client, "own"), own, "the next call starts it anew");
    assert_eq!(pid(&mut client, "used"), used);
    assert_eq!(home.server("own")["restarts"], 0, "to be stopped is no crash");
    assert_eq!(client.tools().len(), 18, "an idle server keeps its tools");

    assert!(client.close().success());
    assert!(wait_until(PATIENCE, || state(&home, "used") == "idle"), "its last client has left");
    assert!(!alive(used));
}

#[test]
fn a_call_under_way_is_work() {
    let home = TestHome::new();
    home.echo_registry(&[("own", "", "idle_timeout: 100ms")]);
    let mut client = home.client();
    let id = client.begin_sleep("own", 800);
    assert_eq!(client.text(id), "slept 800 ms");
    assert!(wait_until(PATIENCE, || state(&home, "own") == "idle"));
}
