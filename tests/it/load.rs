//! Many clients, many servers, four of which misbehave: the others' answers are right, and nothing piles up.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::client::Client;
use crate::support::home::{TestHome, resident_kib, wait_until};

const CLIENTS: usize = 64;
/// Each client sends one call to each server at once, so many times.
const ROUNDS: usize = 10;
const SERVERS: [&str; 10] = ["hang", "die", "garbage", "flood", "a", "b", "c", "d", "e", "f"];
/// The longest that a healthy call may take here: some twenty times what it does on two cores, unoptimised.
const STARVED: Duration = Duration::from_secs(5);
/// What the daemon's memory may grow by under nine more rounds after the first, in KiB.
const GROWTH_KIB: u64 = 4096;

/// What one client saw.
#[derive(Default)]
struct Seen {
    right: usize,
    /// Errors of loom's own, by name.
    timeouts: usize,
    gone: usize,
    unavailable: usize,
    slowest: Duration,
    all: Duration,
}

#[test]
fn sixty_four_clients_and_ten_servers_of_which_four_misbehave() {
    let home = TestHome::new();
    home.echo_registry(&SERVERS.map(|name| match name {
        "hang" => (name, "--hang", "tool_timeout: 500ms"),
        "die" => (name, "--die-on-call 10", ""),
        "garbage" => (name, "--garbage", ""),
        "flood" => (name, "--flood-stderr", ""),
        _ => (name, "", ""),
    }));
    home.loom_ok(&["start"]);
    let mut first = home.client();
    assert_eq!(first.tools().len(), SERVERS.len() * 6);
    assert!(first.close().success());
    let daemon = home.daemon_pid().expect("a daemon runs");
    let descriptors = || fs::read_dir(format!("/proc/{daemon}/fd")).map_or(0, Iterator::count);
    let calm = || home.status()["clients"].as_array().is_some_and(Vec::is_empty);
    assert!(wait_until(STARVED, calm), "{}", home.status());
    let before = descriptors();

    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| home.client()).collect();
    let warm_up = round_trips(&mut clients, 0..1);
    let warm = resident_kib(daemon);
    let seen = round_trips(&mut clients, 1..ROUNDS);
    let after = resident_kib(daemon);
    let row = home.server("die");
    drop(clients);

    let total = |count: fn(&Seen) -> usize| warm_up.iter().chain(&seen).map(count).sum::<usize>();
    let calls = CLIENTS * ROUNDS;
    let (right, timeouts) = (total(|seen| seen.right), total(|seen| seen.timeouts));
    let (gone, unavailable) = (total(|seen| seen.gone), total(|seen| seen.unavailable));
    let slowest = warm_up.iter().chain(&seen).map(|seen| seen.slowest).max().unwrap_or_default();
    let (quick, slow) = (seen.iter().map(|seen| seen.all).min(), seen.iter().map(|seen| seen.all).max());
    println!(
        "right {right}, TIMEOUT {timeouts}, SERVER_GONE {gone}, SERVER_UNAVAILABLE {unavailable}; crashes {}",
        row["restarts"]
    );
    println!("slowest healthy call {slowest:?}; nine rounds took a client {quick:?} to {slow:?}");
    println!("resident {warm} KiB warm, {after} KiB after; descriptors {before} before");
    assert_eq!((timeouts, right + gone + unavailable), (calls, calls * (SERVERS.len() - 1)));
    assert!(right >= calls * (SERVERS.len() - 2), "a healthy server's call failed");
    assert!(row["restarts"].as_u64() > Some(0) && row["state"] != "crash-loop", "{row}");
    assert!(slowest < STARVED, "{slowest:?}");
    // One slow phase of the machine hits all of them alike.
    assert!(slow < quick.map(|quick| quick * 2), "from {quick:?} to {slow:?}");
    assert!(after < warm + GROWTH_KIB, "{warm} KiB grew to {after} KiB");
    // Fewer when the server that crashes is just away.
    let back = wait_until(STARVED, || descriptors() <= before);
    assert!(back, "{before} descriptors before, {} after", descriptors());
}

/// All clients at once, each through its rounds.
fn round_trips(clients: &mut [Client], rounds: std::ops::Range<usize>) -> Vec<Seen> {
    std::thread::scope(|scope| {
        let rounds = &rounds;
        let each = |(n, client): (usize, &mut Client)| {
            let (mut seen, began) = (Seen::default(), Instant::now());
            rounds.clone().for_each(|round| call_all(n, round, client, &mut seen));
            seen.all = began.elapsed();
            seen
        };
        let tasks: Vec<_> =
            clients.iter_mut().enumerate().map(|pair| scope.spawn(move || each(pair))).collect();
        tasks.into_iter().map(|task| task.join().expect("a client's calls went wrong")).collect()
    })
}

/// One call to each server, all in flight together; their answers in the order in which they come.
fn call_all(n: usize, round: usize, client: &mut Client, seen: &mut Seen) {
    let began = Instant::now();
    let open: Vec<(u64, &str, String)> = SERVERS
        .iter()
        .map(|server| {
            let text = format!("{server} {n} {round} {}", "x".repeat(n * 10));
            (client.begin_call(&format!("{server}__echo"), json!({"message": text})), *server, text)
        })
        .collect();
    for _ in &open {
        let answer = client.recv_where(|message| message.get("method").is_none());
        let (_, server, text) = open.iter().find(|(id, ..)| answer["id"] == *id).expect("an id in use");
        match (*server, answer["error"]["data"]["code"].as_str()) {
            ("hang", Some("TIMEOUT")) => seen.timeouts += 1,
            ("die", Some("SERVER_GONE")) => seen.gone += 1,
            ("die", Some("SERVER_UNAVAILABLE")) => seen.unavailable += 1,
            (_, None) => {
                assert_eq!(answer["result"]["content"], json!([{"type": "text", "text": text}]), "{server}");
                seen.right += 1;
                if *server != "die" {
                    seen.slowest = seen.slowest.max(began.elapsed());
                }
            }
            (_, Some(_)) => panic!("{server}: {answer}"),
        }
    }
}
