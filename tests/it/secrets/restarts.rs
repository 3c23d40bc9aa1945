//! A changed secret restarts the servers that use it, and no others.

use serde_json::{Value, json};

use super::{fresh_value, loom_reads, said, set};
use crate::support::client::Client;
use crate::support::home::TestHome;

fn environ(client: &mut Client, server: &str) -> Value {
    serde_json::from_str(&client.call_text(&format!("{server}__environ"), json!({}))).expect("an object")
}

fn pids(home: &TestHome, servers: &[&str]) -> Vec<Option<u64>> {
    servers.iter().map(|name| home.server(name)["pid"].as_u64()).collect()
}

#[test]
fn exactly_the_servers_that_use_it_get_the_new_value() {
    let home = TestHome::new();
    home.echo_registry(&[
        ("first", "--test-tools", "env: { V: \"${secret:K}\" }"),
        ("second", "--test-tools", "env: { V: \"${keychain:K}\" }"),
        ("third", "--test-tools", "env: { V: \"${env:FORGE_TOKEN}\" }"),
        ("fourth", "--test-tools", "env: { V: \"${secret:OTHER}\" }"),
        ("fifth", "--test-tools", ""),
    ]);
    for name in ["K", "FORGE_TOKEN", "OTHER"] {
        set(&home, name, "the old value");
    }
    home.loom_ok(&["start"]);
    let mut client = home.client();
    let all = ["first", "second", "third", "fourth", "fifth"];
    for server in all {
        let seen = environ(&mut client, server);
        assert_eq!(seen["V"].as_str(), (server != "fifth").then_some("the old value"), "{server}");
    }
    let before = pids(&home, &all);
    let told = loom_reads(&home, &["secrets", "set", "K", "--from-stdin"], "the new value");
    assert!(said(&told).contains("first, second\n"), "{told:?}");
    assert_eq!(environ(&mut client, "first")["V"], "the new value");
    assert_eq!(environ(&mut client, "second")["V"], "the new value");
    for server in &all[2..] {
        environ(&mut client, server);
    }
    let after = pids(&home, &all);
    assert!(before[0] != after[0] && before[1] != after[1], "{before:?} {after:?}");
    assert_eq!(before[2..], after[2..]);
    // What a shell had is not needed once it is kept here.
    set(&home, "FORGE_TOKEN", "the new value");
    assert_eq!(environ(&mut client, "third")["V"], "the new value");
}

#[test]
fn a_call_under_way_ends_on_the_process_that_has_the_old_value() {
    let home = TestHome::new();
    home.echo_registry(&[("slow", "--test-tools", "env: { V: \"${secret:K}\" }")]);
    set(&home, "K", "the old value");
    home.loom_ok(&["start"]);
    let (mut one, mut two) = (home.client(), home.client());
    assert_eq!(environ(&mut one, "slow")["V"], "the old value");
    let id = one.begin_sleep("slow", 2000);
    let busy = || home.server("slow")["in_flight"] == 1;
    assert!(crate::support::home::wait_until(std::time::Duration::from_secs(5), busy));
    set(&home, "K", "the new value");
    assert_eq!(environ(&mut two, "slow")["V"], "the new value");
    assert!(!one.text(id).is_empty());
    assert_eq!(environ(&mut one, "slow")["V"], "the new value");
}

#[test]
fn a_server_that_lacked_it_starts_once_it_is_there() {
    let home = TestHome::new();
    home.echo_registry(&[
        ("forge", "--test-tools", "env: { V: \"${secret:A}${secret:B}\" }"),
        ("echo", "", ""),
    ]);
    home.loom_ok(&["start"]);
    let mut client = home.client();
    let id = client.begin_call("forge__environ", json!({}));
    let error = client.failure(id);
    assert_eq!(error["data"]["hint"], "loom secrets set A && loom secrets set B", "{error}");
    assert_eq!(client.call_text("echo__echo", json!({"message": "x"})), "x", "that server only");
    set(&home, "A", &fresh_value());
    set(&home, "B", "-the end");
    let seen = environ(&mut client, "forge");
    assert!(seen["V"].as_str().is_some_and(|value| value.ends_with("hunter2-the end")), "{seen}");
}
