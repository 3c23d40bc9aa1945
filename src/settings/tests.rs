//! Tests of settings: defaults, order of sources, and the messages for what is wrong.

use std::fs;

use super::*;

const NONE: &dyn Fn(&str) -> Option<String> = &|_| None;

fn load(text: &str, env: &[(&str, &str)]) -> Result<(Settings, Vec<String>), String> {
    let get = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    match Settings::from_text(text, "config.toml", Path::new("/home/u"), &get) {
        (settings, warnings, None) => Ok((settings, warnings)),
        (_, _, Some(wrong)) => Err(wrong.to_string()),
    }
}

fn defaults() -> Settings {
    let seconds = Duration::from_secs;
    Settings {
        socket: "/home/u/.config/loom/loom.sock".into(),
        metrics_addr: "127.0.0.1:9876".into(),
        tool_timeout: seconds(600),
        startup_timeout: seconds(60),
        idle_timeout: seconds(300),
        list_wait: seconds(5),
        drain_timeout: seconds(5),
        log: "info".into(),
        log_bytes: 5 << 20,
        proxy: ProxySettings {
            tool_page_size: 100,
            max_tool_result_bytes: None,
            tool_timeout: seconds(60),
            control_timeout: seconds(30),
        },
        onepassword: None,
        profiles: BTreeMap::new(),
        clients: BTreeMap::new(),
    }
}

#[test]
fn without_file_and_environment_the_table_is_in_force() {
    assert_eq!(load("", &[]), Ok((defaults(), vec![])));
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::new(Some(home.path().into())).unwrap();
    let (settings, warnings) = Settings::load(&paths, NONE).unwrap();
    assert_eq!(settings, Settings { socket: paths.config_dir().join("loom.sock"), ..defaults() });
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn every_row_reaches_its_setting_from_file_and_environment() {
    for row in TABLE {
        let sample = match row.key {
            "socket" => "/run/x.sock",
            "metrics_addr" => "localhost:1",
            "log" => "debug",
            "log_bytes" | "proxy.max_tool_result_bytes" => "77KiB",
            "proxy.tool_page_size" => "77",
            _ => "77s",
        };
        let from_file = load(&format!("{} = \"{sample}\"", row.key), &[]).unwrap();
        let from_env = load("", &[(row.env, sample)]).unwrap();
        assert_eq!(from_file, from_env, "{}", row.key);
        assert_ne!(from_file.0, defaults(), "{}", row.key);
    }
}

#[test]
fn the_environment_wins_and_empty_is_absent() {
    let file = "tool_timeout = \"5m\"\n[proxy]\ntool_page_size = 20\nmax_tool_result_bytes = 0\n";
    let want = |tool_timeout, tool_page_size| Settings {
        tool_timeout,
        proxy: ProxySettings { tool_page_size, ..defaults().proxy },
        ..defaults()
    };
    let minutes = |n: u64| Duration::from_secs(n * 60);
    for (env, settings) in [
        (vec![], want(minutes(5), 20)),
        (vec![("LOOM_TOOL_TIMEOUT", "2h")], want(minutes(120), 20)),
        (vec![("LOOM_TOOL_TIMEOUT", "")], want(minutes(5), 20)),
        (vec![("LOOM_PROXY_TOOL_PAGE_SIZE", "9999")], want(minutes(5), 500)),
        (vec![("LOOM_PROXY_TOOL_PAGE_SIZE", "1")], want(minutes(5), 10)),
        (vec![("LOOM_PROXY_MAX_TOOL_RESULT_BYTES", "0")], want(minutes(5), 20)),
    ] {
        assert_eq!(load(file, &env), Ok((settings, vec![])), "{env:?}");
    }
}

#[test]
fn a_wrong_variable_is_named_even_where_the_file_is_right() {
    let error = load("list_wait = 3\n", &[("LOOM_LIST_WAIT", "soon")]).unwrap_err();
    assert_eq!(
        error,
        "LOOM_LIST_WAIT: list_wait: `soon` is not a time; write seconds, or `500ms`, `10s`, `5m`, `2h`"
    );
}

#[test]
fn every_mistake_of_the_file_comes_with_its_place() {
    let text = "tool_timeout = 0
 log_bytes = \"5 apples\"
metrics_addr = \"9876\"
socket = \"loom.sock\"
idle_timeout = true
log = 0x10
[proxy]
tool_page_size = \"many\"
control_timeout = \"-5s\"
[profiles]
small = 5
[profiles.big]
servers = [\"a\", 5]
";
    insta::assert_snapshot!(load(text, &[("LOOM_LIST_WAIT", "0")]).unwrap_err(), @r"
    config.toml:1:16: tool_timeout: `0` is not a positive time
           config.toml:2:14: log_bytes: `5 apples` is not a size; write bytes, or `64KiB`, `5MiB`, `1GiB`
           config.toml:3:16: metrics_addr: `9876` is not `host:port`
           config.toml:4:10: socket: `loom.sock` is not an absolute path
           config.toml:5:16: idle_timeout: must be text or a whole number
           config.toml:6:7: log: must be text or a whole number
           config.toml:8:18: proxy.tool_page_size: `many` is not a whole number
           config.toml:9:19: proxy.control_timeout: `-5s` is not a positive time
           config.toml:11:9: profiles.small: must be a table, `[profiles.small]`
           config.toml:13:11: profiles.big.servers: must be a list of texts
           LOOM_LIST_WAIT: list_wait: `0` is not a positive time
    ");
}

#[test]
fn what_is_not_toml_is_named_with_its_place() {
    insta::assert_snapshot!(load("log = \n[proxy\nc = 1\n", &[]).unwrap_err(), @r"
    config.toml:1:7: string values must be quoted, expected literal string
           config.toml:2:7: unclosed table, expected `]`
    ");
    insta::assert_snapshot!(load("proxy = 5\n", &[]).unwrap_err(), @"config.toml:1:9: proxy: must be a table, `[proxy]`");
}

#[test]
fn an_unknown_key_is_a_warning_with_the_nearest() {
    let text = "tool_timout = 5
elephant = 1
[proxy]
page_size = 3
[profile.x]
servers = []
[profiles.small]
server = [\"a\"]
servers = [\"b\"]
categories = [\"dev\"]
tools = [\"b__x\"]
";
    let (settings, warnings) = load(text, &[]).unwrap();
    insta::assert_snapshot!(warnings.join("\n"), @r"
    config.toml:1:1: unknown key `tool_timout`; did you mean `tool_timeout`?
    config.toml:2:1: unknown key `elephant`
    config.toml:4:1: unknown key `proxy.page_size`; did you mean `proxy.tool_page_size`?
    config.toml:5:2: unknown key `profile`; did you mean `profiles`?
    config.toml:8:1: unknown key `profiles.small.server`; did you mean `profiles.small.servers`?
    ");
    let small =
        Profile { servers: vec!["b".into()], categories: vec!["dev".into()], tools: vec!["b__x".into()] };
    assert_eq!(settings, Settings { profiles: [("small".to_owned(), small)].into(), ..defaults() });
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::new(Some(home.path().into())).unwrap();
    fs::create_dir_all(paths.config_file()).unwrap();
    let error = Settings::load(&paths, NONE).unwrap_err();
    assert_eq!(error.to_string(), "~/.config/loom/config.toml cannot be read");
    assert_eq!(error.kind(), Kind::Config);
}

#[test]
fn what_is_right_counts_beside_what_is_wrong() {
    let text = "socket = \"/s\"\nlist_wait = \"soon\"\n";
    let (settings, _, wrong) = Settings::from_text(text, "c", Path::new("/home/u"), NONE);
    assert_eq!((settings.socket.as_path(), settings.list_wait), (Path::new("/s"), defaults().list_wait));
    let wrong = wrong.unwrap();
    assert!(wrong.to_string().starts_with("c:2:13: list_wait: "), "{wrong}");
    assert_eq!(wrong.hint().as_deref(), Some("loom check"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*", value in "\\PC*") {
        let env = |_: &str| Some(value.clone());
        let _ = Settings::from_text(&text, "c", Path::new("/h"), &env);
    }
}
