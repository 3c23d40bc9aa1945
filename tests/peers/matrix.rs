//! Every SDK with every server, directly and through loom: the same lists, results, events and bytes, once what loom
//! documents to change is undone. One test a cell: `cargo test --test peers matrix::typescript::git`.
//!
//! With `PEERS_DIRECT_TWICE=1` the second run is a direct one as well, to see that the servers themselves give the same
//! twice.

use serde_json::{Value, json};

use crate::document::Document;
use crate::installed::Installed;
use crate::remote::{Remote, Transport};
use crate::sdks::{Feature, Sdk, rmcp_program, start};
use crate::servers::{self, Server, Start};
use crate::site::Site;
use crate::steps::{exposed, list};
use crate::support::home::{TestHome, loom_binary};
use crate::tap::{self, Tap};

/// The cells of one SDK.
macro_rules! cells {
    ($name:ident, $sdk:expr, [$($server:ident),*]) => {
        mod $name {
            $(
                #[test]
                fn $server() {
                    super::Cell::new($sdk, stringify!($server)).run();
                }
            )*
        }
    };
    ($($name:ident: $sdk:expr),*) => {
        $(cells!($name, $sdk, [
            everything, filesystem, memory, git, time, fetch, own, everything_over_http, everything_over_sse
        ]);)*
    };
}

cells!(typescript: crate::sdks::Sdk::TypeScript, python: crate::sdks::Sdk::Python, rmcp: crate::sdks::Sdk::Rmcp);

/// One SDK and one server. The home comes last, as its end shows that nothing was left running.
struct Cell {
    sdk: Sdk,
    server: Server,
    site: Site,
    home: TestHome,
}

impl Cell {
    fn new(sdk: Sdk, server: &str) -> Self {
        let (installed, site, tasks) = (Installed::find(), Site::new(), sdk.has(Feature::Tasks));
        let server = match server {
            "everything" => servers::everything(&installed, tasks),
            "filesystem" => servers::filesystem(&installed, &site),
            "memory" => servers::memory(&installed, &site),
            "git" => servers::git(&installed, &site),
            "time" => servers::time(&installed),
            "fetch" => servers::fetch(&installed, &site),
            "own" => servers::own(&rmcp_program("rmcp-server")),
            "everything_over_http" => servers::remote_everything(&installed, tasks, Transport::Streamable),
            "everything_over_sse" => servers::remote_everything(&installed, tasks, Transport::Sse),
            other => unreachable!("no server {other}"),
        };
        let mut home = TestHome::new();
        // Interpreters of several cells start at once; the lists are to have everything.
        home.set_env("LOOM_LIST_WAIT", "60s");
        Cell { sdk, server, site, home }
    }

    fn run(self) {
        let steps = &self.server.steps;
        let (direct, direct_tap) = self.directly("direct");
        direct.check(steps);
        self.site.reset();
        let twice = std::env::var_os("PEERS_DIRECT_TWICE").is_some();
        let (second, tap, prefix) = if twice {
            let (document, tap) = self.directly("again");
            (document, tap, String::new())
        } else {
            let (document, tap) = self.through_loom();
            (document, Some(tap), self.prefix())
        };
        let mut found = direct.differences(&second, steps);
        for (what, items) in self.server.absent.iter().zip(second.results.iter().skip(steps.len())) {
            if *items != json!([]) {
                found.push(format!("the server has no {what}, loom {items}"));
            }
        }
        if let (Some(direct_tap), Some(tap)) = (direct_tap, tap) {
            found.extend(tap::differences(
                (&direct_tap, &direct.task_ids),
                (&tap, &second.task_ids),
                &prefix,
            ));
        }
        assert!(found.is_empty(), "{} differences\n{}", found.len(), found.join("\n"));
    }

    /// What the SDK sees of the server itself. There is no tap on HTTP.
    fn directly(&self, name: &str) -> (Document, Option<Tap>) {
        let steps = &self.server.steps;
        let (mut document, tap) = match &self.server.start {
            Start::Process { command, args, env } => {
                let tap = Tap::new(self.home.path(), name);
                let env: Vec<_> = env.iter().collect();
                let start = start(&self.home, "python3", &tap.args(command, args), &env);
                (self.sdk.run(&self.home, &self.site, &start, steps), Some(tap))
            }
            Start::Remote { args, transport } => {
                let transport = self.sdk.direct(*transport);
                let args = [&args[..args.len() - 1], &[transport.argument().to_owned()]].concat();
                let remote = Remote::start(&self.home, &args, transport);
                let start = json!({"url": remote.url, "sse": transport == Transport::Sse});
                (self.sdk.run(&self.home, &self.site, &start, steps), None)
            }
        };
        self.settle(&mut document, steps, "");
        (document, tap)
    }

    /// What the SDK sees through loom: the same steps, and the lists that the server itself does not have.
    fn through_loom(&self) -> (Document, Tap) {
        let remote = match &self.server.start {
            Start::Process { .. } => None,
            Start::Remote { args, transport } => Some(Remote::start(&self.home, args, *transport)),
        };
        let entry = self.server.entry(remote.as_ref().map(|remote| remote.url.as_str()));
        // JSON is YAML too.
        self.home.registry(&json!({"version": 1, "servers": [entry]}).to_string());
        let tap = Tap::new(self.home.path(), "loom");
        let start = start(&self.home, "python3", &tap.args(loom_binary(), &["proxy".into()]), &[]);
        let mut steps = self.server.steps.clone();
        steps.extend(self.server.absent.iter().map(|what| list(what)));
        let prefix = self.prefix();
        let by_loom: Vec<_> = steps.iter().map(|step| exposed(step, &prefix)).collect();
        let mut document = self.sdk.run(&self.home, &self.site, &start, &by_loom);
        self.settle(&mut document, &steps, &prefix);
        (document, tap)
    }

    fn settle(&self, document: &mut Document, steps: &[Value], prefix: &str) {
        document.settle(steps, prefix);
        if matches!(self.server.start, Start::Remote { .. }) {
            document.drop_repeats();
        }
    }

    /// What loom puts before the names of the server.
    fn prefix(&self) -> String {
        format!("{}__", self.server.name)
    }
}
