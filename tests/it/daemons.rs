//! Daemons that die, drain, stop and start anew, while their clients stay.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::{TestHome, alive, hang_up, kill, terminate, wait_until};

const SECOND: Duration = Duration::from_secs(1);
const PROXIES: usize = 20;
/// Calls of each proxy that may or may not have begun when the daemon is killed.
const BURST: usize = 5;

#[test]
fn a_killed_daemon_costs_only_what_was_under_way() {
    let home = TestHome::new();
    let counted = home.path().join("counted");
    home.echo_registry(&[
        ("echo", &format!("--test-tools --count-file {}", counted.display()), ""),
        ("tough", "--test-tools --stubborn", ""),
    ]);
    let mut clients: Vec<Client> = (0..PROXIES).map(|_| home.client()).collect();
    let mut doomed = Vec::new();
    for tool in ["echo__pid", "echo__grandchild", "tough__pid", "tough__grandchild"] {
        doomed.push(clients[0].call_text(tool, json!({})).parse::<u32>().expect("a pid"));
    }
    let sleeping: Vec<u64> = clients.iter_mut().map(|client| client.begin_sleep("echo", 30_000)).collect();
    // What was sent before this is in: a list_changed from here on is of the next daemon.
    clients.iter_mut().for_each(|client| drop(client.passed_over()));
    let daemon = home.daemon_pid().expect("a daemon runs");
    let mut bursts = BTreeMap::new();
    for (n, client) in clients.iter_mut().enumerate() {
        for at in 0..BURST {
            let key = format!("call-{n}-{at}");
            bursts.insert((n, client.begin_call("echo__count", json!({"key": key}))), key);
        }
    }
    let began = Instant::now();
    assert!(kill(daemon));
    assert!(wait_until(SECOND, || !doomed.iter().any(|pid| alive(*pid))), "alive: {:?}", still(&doomed));
    let buried = began.elapsed();
    let mut back = Duration::ZERO;
    for client in &mut clients {
        client.recv_where(|message| message["method"] == "notifications/tools/list_changed");
        back = back.max(began.elapsed());
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.call_text("echo__echo", json!({"message": n.to_string()})), n.to_string());
    }
    let worked = began.elapsed();
    println!(
        "{PROXIES} proxies: children gone {buried:?}, list_changed {back:?}, a call answered {worked:?}"
    );
    assert!(back < SECOND * 2 && worked < SECOND * 2, "back {back:?}, worked {worked:?}");

    for (client, id) in clients.iter_mut().zip(sleeping) {
        assert_eq!(client.failure_name(id), "DAEMON_GONE");
    }
    let lines = fs::read_to_string(&counted).unwrap_or_default();
    let mut lost = 0;
    for ((n, id), key) in bursts {
        let ran = lines.lines().filter(|line| **line == key).count();
        let answer = clients[n].answer(id);
        if answer.get("result").is_some() {
            assert_eq!((answer["result"]["content"][0]["text"].as_str(), ran), (Some("1"), 1), "{key}");
        } else {
            assert_eq!(answer["error"]["data"]["code"], "DAEMON_GONE", "{key}: {answer}");
            assert!(ran <= 1, "{key} ran {ran} times");
            lost += 1;
        }
    }
    let (sent, ran) = (PROXIES * BURST, lines.lines().count());
    println!("of {sent} calls around the kill {ran} ran, none twice; {lost} were not answered");
    assert_ne!(home.daemon_pid(), Some(daemon));
}

#[test]
fn what_a_dead_daemon_left_behind_does_not_matter() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    home.loom_ok(&["start"]);
    let daemon = home.daemon_pid().expect("a daemon runs");
    assert!(kill(daemon) && wait_until(SECOND, || !alive(daemon)));
    let state = home.config_dir().join("state");
    for stale in ["loom.sock", "loomd.lock"] {
        assert!(home.config_dir().join(stale).exists() || state.join(stale).exists(), "{stale} is not there");
    }
    let half = state.join(".loom-halfed");
    let long_ago = SystemTime::now() - Duration::from_secs(90);
    let made = fs::File::create(&half).and_then(|file| file.set_modified(long_ago));
    made.expect("the home can be written");
    let mut client = home.client();
    assert_eq!(client.call_text("echo__echo", json!({"message": "x"})), "x");
    assert!(!half.exists(), "a temporary file stayed");
    assert_ne!(home.daemon_pid(), Some(daemon));
}

#[test]
fn a_killed_guardian_is_replaced_and_its_successor_does_the_work() {
    let home = TestHome::new();
    home.echo_registry(&[("tough", "--test-tools --stubborn", "")]);
    let mut client = home.client();
    let mut doomed = Vec::new();
    for tool in ["tough__pid", "tough__grandchild"] {
        doomed.push(client.call_text(tool, json!({})).parse::<u32>().expect("a pid"));
    }
    let guardian = || home.status()["guardian_pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    let first = guardian().expect("a guardian runs");
    assert!(kill(first));
    let replaced = || guardian().is_some_and(|pid| pid != first && alive(pid));
    assert!(wait_until(SECOND * 5, replaced), "{}", home.status());
    assert!(doomed.iter().all(|pid| alive(*pid)), "a server died with the guardian");
    assert!(kill(home.daemon_pid().expect("a daemon runs")));
    assert!(wait_until(SECOND, || !doomed.iter().any(|pid| alive(*pid))), "alive: {:?}", still(&doomed));
}

#[test]
fn term_drains_and_new_calls_go_to_the_next_daemon() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let (mut running, mut waiting) = (home.client(), home.client());
    let long = running.begin_sleep("echo", 1_500);
    let daemon = home.daemon_pid().expect("a daemon runs");
    assert!(terminate(daemon));
    // It takes nobody in any more, so it drains.
    assert!(wait_until(SECOND, || home.daemon_pid().is_none()), "it does not drain");
    assert!(alive(daemon));
    let held: Vec<u64> = (0..10)
        .flat_map(|n| {
            let call =
                |client: &mut Client| client.begin_call("echo__echo", json!({"message": n.to_string()}));
            [call(&mut running), call(&mut waiting)]
        })
        .collect();
    assert_eq!(running.text(long), "slept 1500 ms");
    for (n, pair) in held.chunks(2).enumerate() {
        assert_eq!((running.text(pair[0]), waiting.text(pair[1])), (n.to_string(), n.to_string()));
    }
    let next = home.daemon_pid();
    assert!(next.is_some() && next != Some(daemon) && !alive(daemon), "{next:?} after {daemon}");
}

#[test]
fn a_second_term_ends_at_once() {
    let home = TestHome::new();
    home.echo_registry(&[("tough", "--stubborn", "")]);
    let mut client = home.client();
    let server: u32 = client.call_text("tough__pid", json!({})).parse().expect("a pid");
    let long = client.begin_sleep("tough", 30_000);
    let daemon = home.daemon_pid().expect("a daemon runs");
    assert!(terminate(daemon));
    assert!(wait_until(SECOND, || home.daemon_pid().is_none()), "it does not drain");
    assert!(terminate(daemon));
    assert!(wait_until(SECOND, || !alive(daemon) && !alive(server)), "{:?}", still(&[daemon, server]));
    assert_eq!(client.failure_name(long), "DAEMON_GONE");
}

#[test]
fn a_stop_lasts_until_a_start_and_clients_live_through_both() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut old = home.client();
    assert_eq!(old.call_text("echo__echo", json!({"message": "before"})), "before");
    home.loom_ok(&["stop"]);
    let mut new = home.client();
    for client in [&mut old, &mut new] {
        // While the proxy finds out, a call may wait; it is answered all the same.
        for _ in 0..3 {
            let id = client.begin_call("echo__echo", json!({"message": "stopped"}));
            let error = client.failure(id);
            assert_eq!(
                (&error["data"]["code"], &error["data"]["hint"]),
                (&json!("STOPPED"), &json!("loom start"))
            );
        }
        client.passed_over();
    }
    assert_eq!(home.daemon_pid(), None);
    home.loom_ok(&["start"]);
    for client in [&mut old, &mut new] {
        client.recv_where(|message| message["method"] == "notifications/tools/list_changed");
        assert!(client.tools().iter().any(|tool| tool["name"] == "echo__echo"));
        assert_eq!(client.call_text("echo__echo", json!({"message": "after"})), "after");
    }
}

#[test]
fn a_restart_under_flowing_calls_loses_none() {
    const CLIENTS: usize = 5;
    let mut home = TestHome::new();
    home.set_env("LOOM_DRAIN_TIMEOUT", "1s");
    let counted = home.path().join("counted");
    home.echo_registry(&[("echo", &format!("--test-tools --count-file {}", counted.display()), "")]);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| home.client()).collect();
    let cut_off = clients[0].begin_sleep("echo", 30_000);
    let before = home.daemon_pid();
    let done = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::SeqCst;
    let calls: usize = std::thread::scope(|scope| {
        let flow = |(n, client): (usize, &mut Client)| {
            let mut calls = 0;
            while !done.load(order) {
                let key = format!("{n}-{calls}");
                assert_eq!(client.call_text("echo__count", json!({"key": key})), "1", "{key}");
                calls += 1;
            }
            calls
        };
        let flows: Vec<_> =
            clients.iter_mut().enumerate().map(|pair| scope.spawn(move || flow(pair))).collect();
        let finished = home.loom(&["restart"]);
        let first = fs::read_to_string(&counted).unwrap_or_default().lines().count();
        let more = || fs::read_to_string(&counted).unwrap_or_default().lines().count() > first + CLIENTS * 3;
        let flowing = wait_until(SECOND * 10, more);
        done.store(true, order);
        assert!(finished.status.success() && flowing, "{finished:?}");
        flows.into_iter().map(|flow| flow.join().expect("a flow of calls broke")).sum()
    });
    assert!(home.daemon_pid() != before, "it was not restarted");
    let error: Value = clients[0].failure(cut_off);
    assert_eq!(error["data"]["code"], "SERVER_GONE", "{error}");
    let lines = fs::read_to_string(&counted).expect("calls were counted");
    assert_eq!(lines.lines().count(), calls, "a call ran twice, or was lost");
    println!("{calls} calls flowed through the restart");
}

/// A client that ends everything below its entry may do so at once.
#[test]
#[cfg(target_os = "linux")]
fn a_started_daemon_is_nobodys_child() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut client = home.client();
    client.call("echo__echo", json!({"text": "x"}));
    let daemon = home.daemon_pid().expect("a daemon runs");
    let mut above = daemon;
    while above > 1 {
        let status =
            fs::read_to_string(format!("/proc/{above}/status")).expect("a process above has a status");
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        assert!(above == daemon || field("Name:") != Some("loom"), "{status}");
        above = field("PPid:").and_then(|pid| pid.parse().ok()).expect("a process above has a parent");
    }
}

#[test]
fn a_hangup_is_no_end() {
    let home = TestHome::new();
    home.echo_registry(&[("echo", "", "")]);
    let mut client = home.client();
    let long = client.begin_sleep("echo", 300);
    let daemon = home.daemon_pid().expect("a daemon runs");
    assert!(hang_up(daemon));
    assert_eq!(client.text(long), "slept 300 ms");
    assert_eq!(home.daemon_pid(), Some(daemon));
}

fn still(pids: &[u32]) -> Vec<u32> {
    pids.iter().copied().filter(|pid| alive(*pid)).collect()
}
