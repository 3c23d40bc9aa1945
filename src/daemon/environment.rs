//! The environment that servers get and `${env:…}` sees: a person's shell, not whichever client came first.

use std::collections::BTreeMap;

use crate::file;
use crate::paths::Paths;
use crate::registry::environ;

/// Where PATH and the like came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A person started this daemon, or handed it their shell's environment since.
    Person,
    /// A client or a service started it; this is what the last `loom start` recorded.
    Recorded,
    /// A client or a service started it, and nothing was ever recorded.
    Inherited,
}

#[derive(Clone, Debug)]
pub struct Environment {
    pub values: BTreeMap<String, String>,
    pub origin: Origin,
}

/// Folders that a login shell usually has on PATH, for when nobody has told us the real one.
const USUAL_PATH: &[&str] =
    &["/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Names that belong to the login session, whoever recorded what and when.
const SESSION: &[&str] =
    &["HOME", "USER", "LOGNAME", "TMPDIR", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS"];

impl Environment {
    /// `own` is this process's environment; `by_person` says whether a person's shell gave it.
    pub fn new(own: BTreeMap<String, String>, by_person: bool, paths: &Paths) -> Self {
        if by_person {
            return Environment { values: own, origin: Origin::Person };
        }
        match recorded(paths) {
            Some(mut values) => {
                for name in SESSION {
                    if let Some(value) = own.get(*name) {
                        values.insert((*name).into(), value.clone());
                    }
                }
                Environment { values, origin: Origin::Recorded }
            }
            None => Environment {
                values: with_usual_path(environ::allowed(&own), paths),
                origin: Origin::Inherited,
            },
        }
    }

    /// A person's shell handed over its environment.
    pub fn adopt(&mut self, values: BTreeMap<String, String>) {
        self.values.extend(values);
        self.origin = Origin::Person;
    }

    /// What to do about a variable that is not there.
    ///
    /// With `secret`, its name says that it is one: those are never recorded on disk.
    pub fn hint(&self, started_by: &str, secret: bool) -> String {
        match (&self.origin, secret) {
            (Origin::Person, _) => "set it in your shell, then `loom start`".into(),
            (Origin::Recorded | Origin::Inherited, true) => format!(
                "the daemon was started by {started_by}, and loom keeps no secrets of your shell on disk; \
                 run `loom start` in a shell that has it"
            ),
            (Origin::Recorded | Origin::Inherited, false) => {
                format!("the daemon was started by {started_by}; run `loom start` in a shell that has it")
            }
        }
    }
}

fn recorded(paths: &Paths) -> Option<BTreeMap<String, String>> {
    #[derive(serde::Deserialize)]
    struct Record {
        env: BTreeMap<String, String>,
    }
    let text = file::read_text(&paths.environment_file(), file::OWN_MAX).ok()?;
    match serde_json::from_str::<Record>(&text) {
        Ok(record) => Some(record.env),
        Err(error) => {
            tracing::warn!(%error, "the recorded environment cannot be read");
            None
        }
    }
}

/// PATH as most shells have it, in place of the client's.
fn with_usual_path(mut allowed: BTreeMap<String, String>, paths: &Paths) -> BTreeMap<String, String> {
    let local = paths.home().join(".local/bin").display().to_string();
    let dirs: Vec<&str> = std::iter::once(local.as_str()).chain(USUAL_PATH.iter().copied()).collect();
    allowed.insert("PATH".into(), dirs.join(":"));
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect()
    }

    #[test]
    fn a_client_does_not_decide_the_path() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(home.path().into())).unwrap();
        std::fs::create_dir_all(paths.state_dir()).unwrap();
        std::fs::write(paths.environment_file(), r#"{"recorded_by":"x","at":1,"env":{"PATH":"/mine"}}"#)
            .unwrap();
        let own = map(&[("PATH", "/client"), ("HOME", "/home"), ("SECRET", "x")]);
        let found = Environment::new(own.clone(), false, &paths);
        assert_eq!(
            (found.values, found.origin),
            (map(&[("HOME", "/home"), ("PATH", "/mine")]), Origin::Recorded)
        );
        assert_eq!(Environment::new(own.clone(), true, &paths).values, own);
    }

    #[test]
    fn without_a_record_the_client_decides_nothing() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(home.path().into())).unwrap();
        let own = map(&[("PATH", "/client"), ("LANG", "C"), ("MY_VALUE", "x")]);
        let found = Environment::new(own, false, &paths);
        let path = &found.values["PATH"];
        assert!(path.ends_with("/sbin") && !path.contains("/client"), "{path}");
        assert_eq!(found.values.keys().collect::<Vec<_>>(), ["LANG", "PATH"]);
        assert_eq!(found.origin, Origin::Inherited);
    }
}
