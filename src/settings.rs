//! Every setting of the program: its key in `config.toml`, its environment variable, its default. One table.
//!
//! A value comes from the environment, else from the file, else from the table, and takes the same road from text to
//! type in each case. This is the only file that reads the process environment.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fault::{Explain, Kind};
use crate::file as disk;
use crate::log;
use crate::paths::{Paths, tilde};
use crate::settings::file::{Mistake, Profile, Written};

pub mod file;
#[cfg(test)]
mod tests;

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key in `config.toml`; a dot is a table.
    pub key: &'static str,
    pub env: &'static str,
    /// As it would be written in the file; empty is "off".
    pub default: &'static str,
    pub doc: &'static str,
}

/// All settings, in the order of README.
pub const TABLE: &[Setting] = &[
    row("socket", "LOOM_SOCKET", "~/.config/loom/loom.sock", "the daemon's unix socket"),
    row("metrics_addr", "LOOM_METRICS_ADDR", "127.0.0.1:9876", "address of `/health` and `/metrics`"),
    row("tool_timeout", "LOOM_TOOL_TIMEOUT", "600s", "time for one tool call; progress starts it anew"),
    row("startup_timeout", "LOOM_STARTUP_TIMEOUT", "60s", "time for a server to answer `initialize`"),
    row("idle_timeout", "LOOM_IDLE_TIMEOUT", "300s", "idle time after which an unused server is stopped"),
    row("list_wait", "LOOM_LIST_WAIT", "5s", "how long a tool list waits for servers never listed before"),
    row("drain_timeout", "LOOM_DRAIN_TIMEOUT", "5s", "how long a stopping daemon lets calls finish"),
    row("log", "LOOM_LOG", "info", "what is logged: `warn`, `info`, `debug`, or `info,loom::upstream=debug`"),
    row("log_bytes", "LOOM_LOG_BYTES", "5MiB", "size at which a log file is rotated"),
    row(
        "proxy.tool_page_size",
        "LOOM_PROXY_TOOL_PAGE_SIZE",
        "100",
        "tools on a page of `loom://tools/page`, 10 to 500",
    ),
    row(
        "proxy.max_tool_result_bytes",
        "LOOM_PROXY_MAX_TOOL_RESULT_BYTES",
        "",
        "text of a result beyond this is cut, with a note; off by default",
    ),
    row(
        "proxy.tool_timeout",
        "LOOM_PROXY_TOOL_TIMEOUT",
        "60s",
        "how long a call waits in the proxy for a daemon",
    ),
    row(
        "proxy.control_timeout",
        "LOOM_PROXY_CONTROL_TIMEOUT",
        "30s",
        "time for anything that is not a tool call",
    ),
    row(
        "secrets.onepassword",
        "LOOM_SECRETS_ONEPASSWORD",
        "",
        "1Password vault to read secrets from; off by default",
    ),
];

const fn row(key: &'static str, env: &'static str, default: &'static str, doc: &'static str) -> Setting {
    Setting { key, env, default, doc }
}

/// The settings in force. The rows of `TABLE` say what each one means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub socket: PathBuf,
    pub metrics_addr: String,
    pub tool_timeout: Duration,
    pub startup_timeout: Duration,
    pub idle_timeout: Duration,
    pub list_wait: Duration,
    pub drain_timeout: Duration,
    pub log: String,
    pub log_bytes: u64,
    pub proxy: ProxySettings,
    /// The 1Password vault to read secrets from, if any.
    pub onepassword: Option<String>,
    /// `[profiles.NAME]` of the file, for `loom proxy --tool-profile NAME`.
    pub profiles: BTreeMap<String, Profile>,
    /// `[clients]` of the file, for `loom sync`: the file of a client, by the client's name.
    pub clients: BTreeMap<String, PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySettings {
    /// 10..=500; what is outside is brought to the nearer end.
    pub tool_page_size: usize,
    /// `None`: results pass whole.
    pub max_tool_result_bytes: Option<usize>,
    pub tool_timeout: Duration,
    pub control_timeout: Duration,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{path} cannot be read")]
    Read { path: String, source: io::Error },
    /// Every wrong value, each with `file:line:col` or the name of its variable.
    #[error("{}", .0.join("\n       "))]
    Wrong(Vec<String>),
}

impl Explain for SettingsError {
    fn kind(&self) -> Kind {
        Kind::Config
    }

    fn hint(&self) -> Option<String> {
        Some("loom check".into())
    }
}

impl Settings {
    /// Reads `config.toml` (it need not exist) and `env`, which wins; an empty variable counts as absent.
    /// Also returns warnings, each with `file:line:col`.
    pub fn load(
        paths: &Paths,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(Settings, Vec<String>), SettingsError> {
        match Self::lenient(paths, env) {
            (settings, warnings, None) => Ok((settings, warnings)),
            (_, _, Some(error)) => Err(error),
        }
    }

    /// As `load`; for what is wrong its default stands in.
    pub fn lenient(
        paths: &Paths,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> (Settings, Vec<String>, Option<SettingsError>) {
        let path = paths.config_file();
        let name = tilde(&path, paths.home());
        let text = match disk::read(&path, disk::OWN_MAX) {
            Ok(bytes) => String::from_utf8(bytes)
                .map_err(|_| SettingsError::Wrong(vec![format!("{name}: not UTF-8 text")])),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(SettingsError::Read { path: name.clone(), source }),
        };
        let (text, unread) = match text {
            Ok(text) => (text, None),
            Err(error) => (String::new(), Some(error)),
        };
        let (settings, warnings, wrong) = Self::from_text(&text, &name, paths.home(), env);
        (settings, warnings, unread.or(wrong))
    }

    /// As `lenient`, from the text of a file called `name`.
    pub fn from_text(
        text: &str,
        name: &str,
        home: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> (Settings, Vec<String>, Option<SettingsError>) {
        let written = file::read(text, name);
        let mut values = Values { env, values: written.values, mistakes: written.mistakes };
        let settings = Settings {
            socket: values.get("socket", |text| socket(text, home)),
            metrics_addr: values.get("metrics_addr", address),
            tool_timeout: values.get("tool_timeout", time),
            startup_timeout: values.get("startup_timeout", time),
            idle_timeout: values.get("idle_timeout", time),
            list_wait: values.get("list_wait", time),
            drain_timeout: values.get("drain_timeout", time),
            log: values.get("log", |text| log::filter(text).map(|_| text.to_owned())),
            log_bytes: values.get("log_bytes", log_bytes),
            proxy: ProxySettings {
                tool_page_size: values.get("proxy.tool_page_size", page_size),
                max_tool_result_bytes: values.get("proxy.max_tool_result_bytes", limit),
                tool_timeout: values.get("proxy.tool_timeout", time),
                control_timeout: values.get("proxy.control_timeout", time),
            },
            onepassword: values
                .get("secrets.onepassword", |text| Ok((!text.is_empty()).then(|| text.to_owned()))),
            profiles: written.profiles,
            clients: written.clients.into_iter().map(|(name, path)| (name, below(&path, home))).collect(),
        };
        values.mistakes.sort_by_key(|mistake| mistake.offset);
        let mistakes: Vec<String> = values.mistakes.into_iter().map(|mistake| mistake.text).collect();
        let wrong = (!mistakes.is_empty()).then_some(SettingsError::Wrong(mistakes));
        (settings, written.warnings, wrong)
    }
}

/// A variable of this process; absent, empty and not UTF-8 are the same.
pub fn process_env() -> impl Fn(&str) -> Option<String> {
    |name| std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Variables of ours that are not UTF-8: they would count as absent without a word.
pub fn unreadable_variables() -> Option<SettingsError> {
    let ours = std::env::vars_os().filter(|(_, value)| value.to_str().is_none());
    let ours = ours.filter_map(|(name, _)| name.into_string().ok()).filter(|name| name.starts_with("LOOM_"));
    let wrong: Vec<String> = ours.map(|name| format!("{name}: not UTF-8 text")).collect();
    (!wrong.is_empty()).then_some(SettingsError::Wrong(wrong))
}

/// All variables of this process, but those that are not UTF-8.
pub fn process_environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

struct Values<'e> {
    env: &'e dyn Fn(&str) -> Option<String>,
    values: BTreeMap<String, Written>,
    mistakes: Vec<Mistake>,
}

impl Values<'_> {
    /// The value of `key`, which is in the table. A wrong one is noted, and the default stands in for it.
    fn get<T>(&mut self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> T {
        let setting =
            TABLE.iter().find(|setting| setting.key == key).expect("every key asked for is in the table");
        let given = match (self.env)(setting.env).filter(|value| !value.is_empty()) {
            Some(text) => Some(Written { text, at: setting.env.into(), offset: usize::MAX }),
            None => self.values.get(key).cloned(),
        };
        if let Some(Written { text, at, offset }) = given {
            match read(&text) {
                Ok(value) => return value,
                Err(why) => self.mistakes.push(Mistake { offset, text: format!("{at}: {key}: {why}") }),
            }
        }
        read(setting.default).expect("a default of the table is right")
    }
}

fn time(text: &str) -> Result<Duration, String> {
    crate::duration::parse(text).map_err(|error| error.to_string())
}

fn socket(text: &str, home: &Path) -> Result<PathBuf, String> {
    let path = below(text, home);
    if path.is_absolute() { Ok(path) } else { Err(format!("`{text}` is not an absolute path")) }
}

/// A path; a leading `~/` is the home folder.
fn below(text: &str, home: &Path) -> PathBuf {
    text.strip_prefix("~/").map_or_else(|| PathBuf::from(text), |rest| home.join(rest))
}

fn address(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if port.is_some() { Ok(text.into()) } else { Err(format!("`{text}` is not `host:port`")) }
}

/// A size in bytes: `4096`, `64KiB`, `5MiB`, `1GiB`.
fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size; write bytes, or `64KiB`, `5MiB`, `1GiB`");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let each: u64 = match unit.trim() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(each)).ok_or_else(wrong)
}

fn log_bytes(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0 => Err("a log file needs more than 0 bytes".into()),
        size => Ok(size),
    }
}

/// 0 and nothing at all are "no limit".
fn limit(text: &str) -> Result<Option<usize>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let size =
        usize::try_from(bytes(text)?).map_err(|_| format!("`{text}` is more than this machine can hold"))?;
    Ok((size > 0).then_some(size))
}

fn page_size(text: &str) -> Result<usize, String> {
    let size: usize = text.parse().map_err(|_| format!("`{text}` is not a whole number"))?;
    Ok(size.clamp(10, 500))
}
