//! Not only equal but the same bytes: the payload of every answer, through loom and without it.

use serde_json::json;

use crate::installed::Installed;
use crate::servers::{self, Call, Server};
use crate::site::Site;
use crate::support::client::Client;
use crate::support::home::TestHome;

#[test]
fn answers_are_the_same_bytes_through_loom() {
    let site = Site::new();
    let servers = servers::all(&Installed::find(), &site);
    let mut home = TestHome::new();
    home.set_env("LOOM_LIST_WAIT", "60s");
    home.registry(&servers::registry(&servers));

    let direct: Vec<_> = servers.iter().map(|server| answers_of(&home, server)).collect();
    site.reset();
    let mut proxy = home.proxy(&[]);
    proxy.initialize();
    let listed = proxy.tools();
    for (server, direct) in servers.iter().zip(&direct) {
        let through = answers(&mut proxy, server, |tool| format!("{}__{tool}", server.name));
        for ((call, want), got) in server.calls.iter().zip(direct).zip(through) {
            assert_eq!(&got, want, "{}: {call:?}", server.name);
        }
    }
    assert!(!listed.is_empty());
    assert!(proxy.close().success());
}

/// Every payload of `server` itself; the error payload where it refuses.
fn answers_of(home: &TestHome, server: &Server) -> Vec<Result<String, String>> {
    let mut client = Client::spawn(home.command(&server.command).args(&server.args).envs(&server.env));
    client.initialize();
    answers(&mut client, server, str::to_owned)
}

fn answers(
    client: &mut Client,
    server: &Server,
    exposed: impl Fn(&str) -> String,
) -> Vec<Result<String, String>> {
    let ask = |call: &Call| {
        let id = client.begin("tools/call", json!({"name": exposed(call.tool), "arguments": call.arguments}));
        client.answer_payload(id)
    };
    server.calls.iter().map(ask).collect()
}
