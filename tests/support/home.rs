//! A home folder for one loom: nothing of the machine's own loom is seen or touched, and nothing outlives it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::Client;

/// How long one command of loom may take.
const COMMAND_PATIENCE: Duration = Duration::from_secs(60);
/// How long the processes of a home may take to go after `loom stop`.
const END_PATIENCE: Duration = Duration::from_secs(15);
/// With this variable set, the home of a test that fails is kept: its daemon's log may say why.
const KEEP: &str = "TEST_KEEP_HOME";
/// How often a state that gives no event is looked at.
const POLL: Duration = Duration::from_millis(5);

/// A short-named temporary `$HOME`. On drop its daemon is stopped and nothing that runs in it may be left.
pub struct TestHome {
    dir: TempDir,
    env: BTreeMap<String, OsString>,
}

impl Default for TestHome {
    fn default() -> Self {
        Self::new()
    }
}

impl TestHome {
    /// An empty home, with `~/.config/loom` and no registry.
    pub fn new() -> Self {
        // Not below $TMPDIR: a socket path may have some 100 bytes only.
        let dir = tempfile::Builder::new().prefix("lm").tempdir_in("/tmp").expect("/tmp can be written");
        let home = TestHome { env: environment(dir.path()), dir };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(home.config_dir())
            .expect("a fresh home can be written");
        home
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn config_dir(&self) -> PathBuf {
        self.path().join(".config/loom")
    }

    /// One more environment variable for all that is started from here on.
    pub fn set_env(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.insert(name.to_owned(), value.into());
    }

    /// The whole environment of what is started here.
    pub fn env(&self) -> &BTreeMap<String, OsString> {
        &self.env
    }

    /// Writes `~/.config/loom/registry.yaml`.
    pub fn registry(&self, text: &str) -> PathBuf {
        let path = self.config_dir().join("registry.yaml");
        fs::write(&path, text).expect("the home can be written");
        path
    }

    /// Writes a registry of echo servers: the name, the options of `loom mcp echo`, more keys of the entry.
    pub fn echo_registry(&self, servers: &[(&str, &str, &str)]) -> PathBuf {
        let entry = |(name, options, more): &(&str, &str, &str)| {
            let args: Vec<&str> = options.split_whitespace().collect();
            let more = if more.is_empty() { String::new() } else { format!(", {more}") };
            format!("  - name: {name}\n    common: {{ builtin: echo, args: {args:?}{more} }}\n")
        };
        self.registry(&format!("version: 1\nservers:\n{}", servers.iter().map(entry).collect::<String>()))
    }

    /// A registry of servers that `sh` plays: the name, the script, more keys of the entry.
    pub fn script_registry(&self, name: &str, script: &str, more: &str) -> PathBuf {
        let file = self.path().join(format!("{name}.sh"));
        fs::write(&file, script).expect("the home can be written");
        let args = [file];
        let entry = format!("{{ command: sh, args: {args:?}, {more} }}");
        self.registry(&format!("version: 1\nservers:\n  - name: {name}\n    common: {entry}\n"))
    }

    /// The row of `loom status --json` about one server. The exit code may say that something is unwell.
    pub fn server(&self, name: &str) -> Value {
        let status = self.loom_json(&["status", "--json"]);
        let rows = status["servers"].as_array().expect("a daemon runs");
        let row = rows.iter().find(|row| row["name"] == name);
        row.unwrap_or_else(|| panic!("no server {name}: {status}")).clone()
    }

    /// A client that has shaken hands, through a proxy of its own.
    pub fn client(&self) -> Client {
        let mut client = self.proxy(&[]);
        client.initialize();
        client
    }

    /// One that can be asked everything.
    pub fn able_client(&self) -> Client {
        let mut client = self.proxy(&[]);
        let form = json!({"form": {}});
        client.initialize_with(&json!({"sampling": {}, "elicitation": form, "roots": {"listChanged": true}}));
        client
    }

    /// `program` in this home: cleared environment, working directory `$HOME`.
    pub fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command.env_clear().envs(&self.env).current_dir(self.path());
        command
    }

    /// Runs `loom ARGS` to its end with nothing on stdin.
    pub fn loom(&self, args: &[&str]) -> Output {
        self.finish(self.command(loom_binary()).args(args))
    }

    /// The stdout of a `loom ARGS` that must succeed.
    pub fn loom_ok(&self, args: &[&str]) -> String {
        let output = self.loom(args);
        assert!(output.status.success(), "loom {args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("loom prints UTF-8")
    }

    /// What a `loom ARGS` prints that prints JSON, whatever its exit code.
    pub fn loom_json(&self, args: &[&str]) -> Value {
        let output = self.loom(args);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {output:?}"))
    }

    /// `loom status --json`.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.loom_ok(&["status", "--json"])).expect("status --json prints JSON")
    }

    /// The pid of the running daemon, if one runs.
    pub fn daemon_pid(&self) -> Option<u32> {
        let output = self.loom(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        status["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
    }

    /// `loom proxy ARGS` as a client starts it.
    pub fn proxy(&self, args: &[&str]) -> Client {
        Client::spawn(self.command(loom_binary()).arg("proxy").args(args))
    }

    /// Runs a command to its end; stdout and stderr go through files, so that a child that keeps them cannot hold us up.
    pub fn finish(&self, command: &mut Command) -> Output {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let (stdout, stderr) = (dir.path().join("stdout"), dir.path().join("stderr"));
        let file = |path: &Path| File::create(path).expect("a temporary folder can be written");
        command.stdin(Stdio::null()).stdout(file(&stdout)).stderr(file(&stderr));
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let read = |path: &Path| fs::read(path).expect("the file was just made");
        let mut status = None;
        let ended = wait_until(COMMAND_PATIENCE, || {
            status = child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        if !ended {
            child.kill().and_then(|()| child.wait()).expect("a child of ours can be killed");
            panic!(
                "{command:?} still runs after {COMMAND_PATIENCE:?}: {}",
                String::from_utf8_lossy(&read(&stderr))
            );
        }
        Output { status: status.expect("it has ended"), stdout: read(&stdout), stderr: read(&stderr) }
    }

    /// Processes whose environment names this home: daemon, guardian, proxies, servers and theirs. Linux only.
    pub fn processes(&self) -> Vec<u32> {
        let wanted = format!("HOME={}", self.path().display());
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        // A zombie shows no environment and so is no process here, which is right: it does nothing.
        let in_home = |pid: &u32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
        };
        pids.filter(in_home).collect()
    }
}

impl Drop for TestHome {
    fn drop(&mut self) {
        if thread::panicking() {
            // What is being started while the others are killed is not in the first list.
            wait_until(END_PATIENCE, || {
                let left = self.processes();
                kill_all(&left);
                left.is_empty()
            });
            if std::env::var_os(KEEP).is_some() {
                self.dir.disable_cleanup(true);
            }
            return;
        }
        let pid = self.daemon_pid();
        // 3 says that no daemon runs: most tests of a killed or never started one.
        let stop = self.loom(&["stop"]);
        let stopped = matches!(stop.status.code(), Some(0 | 3));
        let gone =
            wait_until(END_PATIENCE, || self.processes().is_empty() && pid.is_none_or(|pid| !alive(pid)));
        let left = describe(&self.processes());
        kill_all(&self.processes());
        assert!(stopped, "loom stop: {stop:?}");
        assert!(gone, "left running after `loom stop` (daemon {pid:?}): {left:?}");
    }
}

/// True as soon as `reached` is, false when it is not within `patience`.
pub fn wait_until(patience: Duration, mut reached: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if reached() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(POLL);
    }
}

/// Whether a process runs; a zombie does not.
pub fn alive(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z')),
        Err(_) => cfg!(not(target_os = "linux")) && signal(pid, None),
    }
}

/// The memory of a process that is in use, in KiB. Linux only.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// `kill -9`.
pub fn kill(pid: u32) -> bool {
    signal(pid, Some(Signal::KILL))
}

/// `kill -TERM`.
pub fn terminate(pid: u32) -> bool {
    signal(pid, Some(Signal::TERM))
}

/// `kill -HUP`.
pub fn hang_up(pid: u32) -> bool {
    signal(pid, Some(Signal::HUP))
}

/// `kill -STOP`: it does nothing until it may proceed.
pub fn halt(pid: u32) -> bool {
    signal(pid, Some(Signal::STOP))
}

/// `kill -CONT`.
pub fn proceed(pid: u32) -> bool {
    signal(pid, Some(Signal::CONT))
}

/// The loom under test.
pub fn loom_binary() -> &'static str {
    env!("CARGO_BIN_EXE_loom")
}

fn environment(home: &Path) -> BTreeMap<String, OsString> {
    // What a person's shell has and loom does not decide about. LLVM_PROFILE_FILE lets coverage tools work.
    let kept = ["PATH", "LLVM_PROFILE_FILE"];
    let kept = kept.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?)));
    let own = [
        ("HOME", home.as_os_str().to_owned()),
        ("LANG", "C.UTF-8".into()),
        // Any free port: homes of parallel tests do not meet.
        ("LOOM_METRICS_ADDR", "127.0.0.1:0".into()),
        // No session bus, and so not this person's keychain.
        ("XDG_RUNTIME_DIR", home.join("runtime").into()),
    ];
    kept.chain(own.map(|(name, value)| (name.to_owned(), value))).collect()
}

fn signal(pid: u32, signal: Option<Signal>) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    match signal {
        Some(signal) => kill_process(pid, signal).is_ok(),
        None => rustix::process::test_kill_process(pid).is_ok(),
    }
}

fn kill_all(pids: &[u32]) {
    for pid in pids {
        kill(*pid);
    }
}

fn describe(pids: &[u32]) -> Vec<String> {
    let words =
        |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ");
    pids.iter().map(|pid| format!("{pid} {}", words(pid))).collect()
}
