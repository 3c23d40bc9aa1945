//! The environment of a child, and what of a person's environment may be written to disk. Pure.

use std::collections::BTreeMap;

use crate::registry::Registry;
use crate::registry::spec::Spec;
use crate::secret::Secret;

/// What every child gets, if it is set.
const ALLOWED: [&str; 12] = [
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PATH",
    "LANG",
    "TZ",
    "TMPDIR",
    "TERM",
    "NODE_EXTRA_CA_CERTS",
    "SSH_AUTH_SOCK",
    "DOCKER_HOST",
];

const ALLOWED_STARTS: [&str; 3] = ["LC_", "SSL_CERT_", "XDG_"];

const ALLOWED_ENDS: [&str; 2] = ["_PROXY", "_proxy"];

/// A part of a name, between `_`, that says that the value is a secret.
const SECRET_PARTS: [&str; 13] = [
    "TOKEN",
    "KEY",
    "APIKEY",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "PAT",
    "CREDENTIAL",
    "CREDENTIALS",
    "COOKIE",
];

/// Names that end so hold the place of a secret and not the secret.
const PLACE_ENDS: [&str; 3] = ["_FILE", "_PATH", "_DIR"];

/// What a child is started with: the allowed names and the spec's `env_pass` out of `env`, then `expanded`, the
/// entry's own `env` after template expansion. Later ones win.
pub fn child_env(
    env: &BTreeMap<String, String>,
    spec: &Spec,
    expanded: BTreeMap<String, Secret<String>>,
) -> BTreeMap<String, Secret<String>> {
    let passed = |name: &String| is_allowed(name) || spec.env_pass.contains(name);
    let mut child: BTreeMap<String, Secret<String>> = env
        .iter()
        .filter(|(name, _)| passed(name))
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    child.extend(expanded);
    child
}

/// The names that every child gets, out of `env`.
pub fn allowed(env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    env.iter()
        .filter(|(name, _)| is_allowed(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What `loom start` may write to disk of a person's environment: the allowed names, and those that the registry
/// refers to. Never what looks like a secret, by name or by value.
pub fn recordable(env: &BTreeMap<String, String>, registry: &Registry) -> BTreeMap<String, String> {
    let wanted = registry.env_names();
    env.iter()
        .filter(|(name, _)| is_allowed(name) || wanted.contains(name.as_str()))
        .filter(|(name, value)| !looks_secret(name) && !has_password(value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether a variable's name says that its value is a secret: `GITHUB_TOKEN`, `AWS_SECRET_ACCESS_KEY`, `PGPASSWORD`.
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    if PLACE_ENDS.iter().any(|end| name.ends_with(end)) {
        return false;
    }
    name.ends_with("PASSWORD") || name.split('_').any(|part| SECRET_PARTS.contains(&part))
}

fn is_allowed(name: &str) -> bool {
    ALLOWED.contains(&name)
        || ALLOWED_STARTS.iter().any(|start| name.starts_with(start))
        || ALLOWED_ENDS.iter().any(|end| name.ends_with(end))
}

/// Whether `value` is a URL with a password in it: `scheme://user:password@host`.
fn has_password(value: &str) -> bool {
    value.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::registry::parse::parse;
    use crate::registry::spec::Start;

    fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_child_gets_the_allowed_names_then_what_it_asked_for() {
        let env = map([
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("https_proxy", "p"),
            ("NO_PROXY", "n"),
            ("SSL_CERT_FILE", "c"),
            ("XDG_CACHE_HOME", "x"),
            ("DOCKER_HOST", "d"),
            ("AWS_PROFILE", "dev"),
            ("GITHUB_TOKEN", "secret"),
            ("RANDOM", "r"),
            ("LD_PRELOAD", "evil"),
        ]);
        let spec = Spec {
            env_pass: vec!["AWS_PROFILE".into(), "UNSET".into()],
            ..Spec::new(Start::Command("x".into()))
        };
        let own = [("PATH", "/own"), ("A", "1")].map(|(name, value)| (name.to_owned(), value.into())).into();
        let child = child_env(&env, &spec, own);
        let want = map([
            ("PATH", "/own"),
            ("LC_ALL", "C"),
            ("https_proxy", "p"),
            ("NO_PROXY", "n"),
            ("SSL_CERT_FILE", "c"),
            ("XDG_CACHE_HOME", "x"),
            ("DOCKER_HOST", "d"),
            ("AWS_PROFILE", "dev"),
            ("A", "1"),
        ]);
        let shown: BTreeMap<String, String> =
            child.into_iter().map(|(name, value)| (name, value.expose().clone())).collect();
        assert_eq!(shown, want);
    }

    #[test]
    fn only_what_is_wanted_and_no_secret_is_written_to_disk() {
        let text = r#"
env_aliases: { PORT: [OLD_PORT] }
servers:
  - name: a
    command: x
    args: ["${env:PORT}", "${env:GITHUB_TOKEN}", "${env:DB_URL}", "${env:PROXIED}"]
    env_pass: [AWS_PROFILE]
    targets: { codex: { env: { A: "${env:ONLY_CODEX}" } } }
"#;
        let registry = parse(text, Path::new("r.yaml"), Path::new("/home/u"), &[]).registry.unwrap();
        let env = map([
            ("PATH", "/bin"),
            ("HOME", "/home/u"),
            ("OLD_PORT", "1"),
            ("AWS_PROFILE", "dev"),
            ("ONLY_CODEX", "c"),
            ("GITHUB_TOKEN", "secret"),
            ("GH_TOKEN", "secret"),
            ("DB_URL", "postgres://me:pw@db/x"),
            ("PROXIED", "http://me@proxy:8080/a:b@c"),
            ("HTTP_PROXY", "http://me:pw@proxy:8080"),
            ("OTHER", "x"),
        ]);
        let want = map([
            ("PATH", "/bin"),
            ("HOME", "/home/u"),
            ("OLD_PORT", "1"),
            ("AWS_PROFILE", "dev"),
            ("ONLY_CODEX", "c"),
            ("PROXIED", "http://me@proxy:8080/a:b@c"),
        ]);
        assert_eq!(recordable(&env, &registry), want);
    }

    #[test]
    fn secrets_are_known_by_name() {
        for name in [
            "GITHUB_TOKEN",
            "X_KEY",
            "A_SECRET",
            "B_PASSWORD",
            "PGPASSWORD",
            "GITLAB_PAT",
            "OPENAI_API_KEY",
            "aws_secret_access_key",
            "TOKEN",
        ] {
            assert!(looks_secret(name), "{name}");
        }
        for name in
            ["PATH", "HOME", "KEYBOARD", "SSH_AUTH_SOCK", "PORT", "TOKEN_FILE", "COMPAT", "XDG_DATA_HOME"]
        {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
