//! The transport against a server that does what each test wants.

mod client;
mod expiry;
mod old;
mod refusals;
mod server;
mod streams;
mod talks;
mod ways;

use std::time::Duration;

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test as the daemon runs: one thread, tasks that stay on it.
fn drive(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let ended = local.block_on(&runtime, async { tokio::time::timeout(3 * PATIENCE, test).await });
    assert!(ended.is_ok(), "the test hangs");
}

fn taken_back(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"reason":"no","requestId":{id}}}}}"#
    )
}

fn call(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"x"}}}}"#)
}

fn result(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"n":{id}}}}}"#)
}
