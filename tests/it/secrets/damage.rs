//! An encrypted file that cannot be opened: every command says why, and the file stays as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::{get, loom_reads, said, set};
use crate::support::home::TestHome;

fn enc(home: &TestHome) -> PathBuf {
    home.config_dir().join("secrets.enc")
}

fn key(home: &TestHome) -> PathBuf {
    home.path().join(".local/share/loom/secrets.key")
}

/// No command reads or changes the file, and each says `want`.
fn refused(home: &TestHome, want: &str, code: i32) {
    let before = fs::read(enc(home)).expect("there is a file");
    let runs = [
        home.loom(&["secrets", "get", "A", "--reveal"]),
        home.loom(&["secrets", "delete", "A"]),
        loom_reads(home, &["secrets", "set", "B", "--from-stdin"], "two"),
        home.loom(&["secrets", "list"]),
        home.loom(&["secrets", "doctor"]),
    ];
    for (at, output) in runs.iter().enumerate() {
        assert!(said(output).contains(want), "{want}, command {at}: {output:?}");
    }
    assert_eq!(runs[1].status.code(), Some(code), "{:?}", runs[1]);
    assert_eq!(runs[2].status.code(), Some(code), "{:?}", runs[2]);
    assert_eq!(runs[3].status.code(), Some(code), "{:?}", runs[3]);
    assert_eq!(runs[4].status.code(), Some(1), "{:?}", runs[4]);
    assert_eq!(fs::read(enc(home)).expect("there is a file"), before, "{want}: it was changed");
}

#[test]
fn a_damaged_file_is_named_and_left_as_it_is() {
    let home = TestHome::new();
    set(&home, "A", "one");
    let whole = fs::read(enc(&home)).expect("there is a file");
    let cut = |len: usize| whole[..len].to_vec();
    let flip = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let newer = String::from_utf8_lossy(&whole[..18]).replace(":1,", ":2,");
    for (bytes, want) in [
        (cut(0), "is not a secrets file of loom"),
        (b"{\"A\": \"one\"}".to_vec(), "is not a secrets file of loom"),
        (cut(40), "is damaged"),
        (cut(whole.len() / 2), "is damaged"),
        (cut(whole.len() - 1), "is damaged"),
        (flip(60), "is damaged"),
        (flip(whole.len() - 40), "is damaged"),
        (flip(whole.len() - 1), "is damaged"),
        ([newer.as_bytes(), &whole[18..]].concat(), "is of version 2; this loom reads up to version 1"),
    ] {
        fs::write(enc(&home), bytes).expect("the home can be written");
        refused(&home, want, 78);
    }
    home.echo_registry(&[("echo", "", "")]);
    fs::write(enc(&home), cut(40)).expect("the home can be written");
    assert!(said(&home.loom(&["check"])).contains("is damaged"), "also where no server uses it");
    fs::write(enc(&home), &whole).expect("the home can be written");
    assert_eq!(get(&home, "A").as_deref(), Some("one"));
}

#[test]
fn a_key_that_is_wrong_gone_or_open_to_others_is_named() {
    let home = TestHome::new();
    set(&home, "A", "one");
    let right = fs::read(key(&home)).expect("there is a key");
    fs::write(key(&home), "ab".repeat(32)).expect("the home can be written");
    refused(&home, "is protected by another key", 78);
    fs::write(key(&home), "not a key").expect("the home can be written");
    refused(&home, "holds no key", 69);
    fs::remove_file(key(&home)).expect("the home can be written");
    refused(&home, "secrets.key is gone", 69);
    fs::write(key(&home), &right).expect("the home can be written");
    fs::set_permissions(key(&home), fs::Permissions::from_mode(0o644)).expect("it is ours");
    refused(&home, "can be used by others than you (mode 0644)", 69);
    fs::set_permissions(key(&home), fs::Permissions::from_mode(0o600)).expect("it is ours");
    assert_eq!(get(&home, "A").as_deref(), Some("one"));
}

#[test]
fn a_passphrase_or_master_key_that_is_wrong_or_absent_is_named() {
    for (variable, missing) in [
        ("LOOM_PASSPHRASE", "it is protected by a passphrase, which is not known here"),
        ("LOOM_MASTER_KEY", "it is protected by LOOM_MASTER_KEY, which is not set here"),
    ] {
        let mut home = TestHome::new();
        home.set_env(variable, "correct horse");
        set(&home, "A", "one");
        assert_eq!(get(&home, "A").as_deref(), Some("one"));
        assert!(!key(&home).exists(), "no key file is needed");
        home.set_env(variable, "another horse");
        refused(&home, "is protected by another key", 78);
        home.set_env(variable, "");
        refused(&home, missing, 69);
    }
}
