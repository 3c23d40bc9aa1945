//! From a spec to the exact program, arguments, environment and folder of a child. Just before a spawn, never earlier.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::fault::{Explain, Kind};
use crate::registry::find::{existing, rebase};
use crate::registry::mask::masked_url;
use crate::registry::spec::{Launch, Spec};
use crate::registry::template::{Missing, Scope, expand, expand_visible};
use crate::registry::{Registry, Server};
use crate::secret::Secret;

/// Commands and arguments that begin so are paths below the registry's root.
const RELATIVE: [&str; 3] = ["scripts/", "mcp/", "./"];

/// What an argument also begins with that names an image for a container.
const IMAGE: &str = "mcp/";

/// `text`, which `template` became, as a path below the registry's root, if it begins like one. An argument `mcp/…` is
/// one only where there is such a file.
pub fn below_root(
    template: &str,
    text: &str,
    is_arg: bool,
    root: &Path,
    workspace: Option<&Path>,
) -> Option<PathBuf> {
    if !RELATIVE.iter().any(|start| template.starts_with(start)) {
        return None;
    }
    match is_arg && template.starts_with(IMAGE) {
        true => existing(text, root, workspace),
        false => Some(rebase(text, root, workspace)),
    }
}

/// What is behind a server, with nothing left to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    Process(Ready),
    Elsewhere(Address),
}

/// Where a server elsewhere is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub url: Secret<String>,
    pub headers: Vec<(String, Secret<String>)>,
}

/// What to start, with nothing left to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// A path, or a name to be looked up in the child's `PATH`.
    pub program: String,
    pub args: Vec<String>,
    /// The entry's own `env`; `environ::child_env` puts it over what every child gets.
    pub env: BTreeMap<String, Secret<String>>,
    /// Absolute. `None`: the registry says nothing.
    pub cwd: Option<PathBuf>,
}

/// Why a server cannot be started; says so for this server only.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    #[error("server `{server}`: {}", listed(missing))]
    Missing {
        server: String,
        /// Each name once, at least one.
        missing: Vec<Missing>,
    },
    #[error("server `{server}`: its folder `{cwd}` is not absolute")]
    Folder { server: String, cwd: String },
    #[error("server `{server}`: a value has a NUL or a line end in it")]
    Nul { server: String },
    #[error("server `{server}`: `{url}` is not an http or https URL")]
    Url { server: String, url: String },
}

impl Explain for LaunchError {
    fn kind(&self) -> Kind {
        Kind::Config
    }
}

/// Resolves `spec` of `server`: expands every template once, makes relative paths absolute. `program` of a built-in
/// server is `loom`, the path of this binary. All missing values are named at once.
pub fn resolve(
    server: &Server,
    spec: &Spec,
    registry: &Registry,
    scope: &Scope<'_>,
    loom: &Path,
) -> Result<Resolved, LaunchError> {
    let server = server.name.to_string();
    let mut expander = Expander { scope, root: &registry.root, missing: Vec::new() };
    let (program, args) = match &spec.launch {
        Launch::Command { command, args } => (expander.path(command, false), expander.paths(args)),
        Launch::Builtin { name, args } => {
            let mut all = vec!["mcp".to_owned(), name.clone()];
            all.extend(expander.paths(args));
            (loom.display().to_string(), all)
        }
        Launch::Url { url } => {
            let expanded = expander.text(url);
            let headers = spec.headers.iter().map(|(name, value)| (name.clone(), expander.text(value)));
            let address = Address { url: expanded, headers: headers.collect() };
            return match expander.missing.is_empty() {
                true => elsewhere(address, server, url),
                false => Err(LaunchError::Missing { server, missing: expander.missing }),
            };
        }
    };
    let env = spec.env.iter().map(|(name, value)| (name.clone(), expander.text(value))).collect();
    let cwd = spec.cwd.as_deref().map(|cwd| expander.visible(cwd));
    if !expander.missing.is_empty() {
        return Err(LaunchError::Missing { server, missing: expander.missing });
    }
    let ready = Ready { program, args, env, cwd: cwd.map(PathBuf::from) };
    check(ready, server).map(Resolved::Process)
}

/// `url` as it was written: what it became may be secret.
fn elsewhere(address: Address, server: String, url: &str) -> Result<Resolved, LaunchError> {
    let known = ["http://", "https://"].iter().any(|scheme| address.url.expose().starts_with(scheme));
    if !known {
        return Err(LaunchError::Url { server, url: masked_url(url) });
    }
    let texts = address.headers.iter().map(|(_, value)| value);
    if texts.chain([&address.url]).any(|text| text.expose().contains(['\0', '\r', '\n'])) {
        return Err(LaunchError::Nul { server });
    }
    Ok(Resolved::Elsewhere(address))
}

/// What only the expanded values can show.
fn check(ready: Ready, server: String) -> Result<Ready, LaunchError> {
    if let Some(cwd) = ready.cwd.as_ref().filter(|cwd| !cwd.is_absolute()) {
        return Err(LaunchError::Folder { server, cwd: cwd.display().to_string() });
    }
    let cwd = ready.cwd.iter().filter_map(|cwd| cwd.to_str());
    let env = ready.env.values().map(Secret::expose);
    let texts = ready.args.iter().chain(env).chain([&ready.program]).map(String::as_str);
    if texts.chain(cwd).any(|text| text.contains('\0')) {
        return Err(LaunchError::Nul { server });
    }
    Ok(ready)
}

struct Expander<'a> {
    scope: &'a Scope<'a>,
    root: &'a Path,
    missing: Vec<Missing>,
}

impl Expander<'_> {
    /// `template` expanded; what is missing is kept for the error.
    fn text(&mut self, template: &str) -> Secret<String> {
        expand(template, self.scope).unwrap_or_else(|missing| {
            self.note(missing);
            Secret::default()
        })
    }

    /// As `text`, where no secret may be.
    fn visible(&mut self, template: &str) -> String {
        expand_visible(template, self.scope).unwrap_or_else(|missing| {
            self.note(missing);
            String::new()
        })
    }

    fn note(&mut self, missing: Vec<Missing>) {
        for gap in missing {
            if !self.missing.contains(&gap) {
                self.missing.push(gap);
            }
        }
    }

    fn path(&mut self, template: &str, is_arg: bool) -> String {
        let text = self.visible(template);
        let path = below_root(template, &text, is_arg, self.root, self.scope.workspace);
        path.map_or(text, |path| path.display().to_string())
    }

    fn paths(&mut self, templates: &[String]) -> Vec<String> {
        templates.iter().map(|template| self.path(template, true)).collect()
    }
}

fn listed(missing: &[Missing]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::parse::parse;

    /// Resolves the one server of `fields` for `codex`, with `SET=value` and `NUL=a\0b`.
    fn ready(fields: &str) -> Result<Ready, String> {
        let text = format!("servers:\n  - name: s\n    {}\n", fields.replace('\n', "\n    "));
        let parsed =
            parse(&text, Path::new("/repo/mcp/context/registry.yaml"), Path::new("/home/u"), &["echo"]);
        assert_eq!(parsed.findings, []);
        let registry = parsed.registry.unwrap();
        let env = |name: &str| match name {
            "SET" => Some("value".to_owned()),
            "NUL" => Some("a\0b".to_owned()),
            _ => None,
        };
        let scope = Scope {
            env: &env,
            secret: &|_| None,
            aliases: &registry.aliases,
            home: Path::new("/home/u"),
            repo: &registry.root,
            workspace: None,
        };
        let server = &registry.servers[0];
        resolve(server, &server.spec_for(Some("codex")), &registry, &scope, Path::new("/bin/loom"))
            .map_err(|error| error.to_string())
            .and_then(|resolved| match resolved {
                Resolved::Process(ready) => Ok(ready),
                Resolved::Elsewhere(address) => {
                    let headers: Vec<_> =
                        address.headers.iter().map(|(name, value)| (name, value.expose())).collect();
                    Err(format!("{} {headers:?}", address.url.expose()))
                }
            })
    }

    fn text(items: &[&str]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_command_gets_its_values_and_absolute_paths() {
        let ready = ready(
            "command: ./bin/tool\nargs: [scripts/x.js, mcp/y, \"${HOME}/z\", \"${env:SET}\", 5, true, ../up, .]\n\
             env: { A: \"${repo}\", B: 7 }\ncwd: ${repo}/work",
        );
        let want = Ready {
            program: "/repo/bin/tool".into(),
            args: text(&["/repo/scripts/x.js", "mcp/y", "/home/u/z", "value", "5", "true", "../up", "."]),
            env: [("A", "/repo"), ("B", "7")].map(|(name, value)| (name.into(), value.into())).into(),
            cwd: Some("/repo/work".into()),
        };
        assert_eq!(ready, Ok(want));
    }

    #[test]
    fn a_builtin_is_this_binary() {
        let want = Ready {
            program: "/bin/loom".into(),
            args: text(&["mcp", "echo", "--delay-ms", "5"]),
            env: BTreeMap::new(),
            cwd: None,
        };
        assert_eq!(ready("builtin: echo\nargs: [--delay-ms, 5]"), Ok(want));
    }

    #[test]
    fn everything_missing_is_named_at_once() {
        for (fields, want) in [
            (
                "command: \"${env:A}\"\nargs: [\"${env:B} ${env:A}\"]\nenv: { X: \"${secret:S}\" }\ncwd: ${workspace}",
                "server `s`: A is not set (env), B is not set (env), \
                 S is not among the secrets, ${workspace} is not known here",
            ),
            ("command: x\ncwd: ${env:SET}", "server `s`: its folder `value` is not absolute"),
            ("command: x\nargs: [\"${env:NUL}\"]", "server `s`: a value has a NUL or a line end in it"),
            ("url: https://x.example/mcp", "https://x.example/mcp []"),
            (
                "url: \"https://x.example/${env:SET}\"\nheaders: { Authorization: \"Bearer ${env:SET}\" }",
                r#"https://x.example/value [("Authorization", "Bearer value")]"#,
            ),
            ("url: https://x.example\nheaders: { X: \"${env:GONE}\" }", "server `s`: GONE is not set (env)"),
            ("url: \"${env:SET}\"", "server `s`: `${env:SET}` is not an http or https URL"),
            (
                "url: https://x.example\nheaders: { X: \"${env:NUL}\" }",
                "server `s`: a value has a NUL or a line end in it",
            ),
        ] {
            assert_eq!(ready(fields), Err(want.to_owned()), "{fields}");
        }
    }
}
