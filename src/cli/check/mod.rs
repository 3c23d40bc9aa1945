//! `loom check`: what is in force, why, and everything that is wrong with it. Changes nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::Ending;
use crate::cli::args::CheckArgs;
use crate::cli::context::Context;
use crate::cli::out::{Out, Paint};
use crate::cli::registry::{read, reason, source_word};
use crate::cli::secrets;
use crate::cli::secrets::needs::{Lack, lacks_json, render_lacks};
use crate::cli::server_table::counted;
use crate::fault::{Explain, Fault, Kind, report};
use crate::link::client::Client;
use crate::link::connect::hello;
use crate::paths::{Paths, tilde};
use crate::registry::find::{Found, for_person, for_service, rivals};
use crate::registry::finding::{Finding, Level};
use crate::settings::{Settings, TABLE, process_env};
use crate::wire::hello::Role;

/// How long a daemon may take to say who it is.
const GREETING_WAIT: Duration = Duration::from_secs(2);

/// Everything that was found out.
struct Report {
    registries: Vec<Examined>,
    /// Registries that exist and that nobody reads.
    rivals: Vec<PathBuf>,
    /// Troubles that belong to no registry.
    errors: Vec<String>,
    warnings: Vec<String>,
    daemon: Option<(u32, String)>,
    /// What servers of the daemon's registry lack.
    lacks: Vec<Lack>,
}

/// One registry that somebody reads.
struct Examined {
    found: Found,
    /// Who reads it.
    reader: &'static str,
    servers: u64,
    findings: Vec<Finding>,
}

impl Report {
    fn error_count(&self) -> usize {
        let findings = self.registries.iter().flat_map(|one| &one.findings);
        self.errors.len() + findings.filter(|finding| finding.level == Level::Error).count()
    }
}

pub fn run(args: CheckArgs, socket: Option<&Path>, out: &mut Out) -> Result<Ending, Fault> {
    let env = process_env();
    let paths = Paths::new(env("HOME").map(PathBuf::from))?;
    if args.settings {
        return show_settings(&paths, args.json, out);
    }
    let report = examine(&args, socket, &paths);
    match args.json {
        true => out.json(&to_json(&report)),
        false => render(&report, paths.home(), out),
    }
    Ok(if report.error_count() > 0 { Ending::With(Kind::Found) } else { Ending::Done })
}

fn examine(args: &CheckArgs, socket: Option<&Path>, paths: &Paths) -> Report {
    let mut report = Report {
        registries: vec![],
        rivals: vec![],
        errors: vec![],
        warnings: vec![],
        daemon: None,
        lacks: vec![],
    };
    match Settings::load(paths, &process_env()) {
        Ok((_, warnings)) => report.warnings = warnings,
        Err(error) => report.errors.push(one_text(&error)),
    }
    let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let flag = args.registry.as_ref().map(|path| cwd.join(path));
    look_at_registries(&mut report, flag.as_deref(), &cwd, paths);
    match Context::load(socket) {
        Ok(context) => {
            report.lacks = secrets::lacks(&context);
            let hello = hello(Role::Cli, &context.cwd);
            match Client::connect(&context.socket, &hello, GREETING_WAIT) {
                Ok(client) => {
                    report.daemon = Some((client.greeting().pid, client.greeting().version.clone()))
                }
                Err(error) if error.is_absent() => {}
                Err(error) => report.warnings.push(one_text(&error)),
            }
        }
        // The settings were complained about above; anything else is new.
        Err(fault) => {
            let text = one_text(&*fault);
            if !report.errors.contains(&text) {
                report.errors.push(text);
            }
        }
    }
    report
}

/// The registry in force here, the daemon's where it is another, and those that nobody reads.
fn look_at_registries(report: &mut Report, flag: Option<&Path>, cwd: &Path, paths: &Paths) {
    let (mine, theirs) = match (for_person(flag, cwd, paths), for_service(None, paths)) {
        (Ok(mine), Ok(theirs)) => (mine, theirs),
        (Err(error), _) | (_, Err(error)) => return report.errors.push(one_text(&error)),
    };
    let others = rivals(&mine, cwd, paths).into_iter().map(|found| found.path);
    report.rivals = others.filter(|path| *path != theirs.path).collect();
    let same = theirs.path == mine.path;
    let reader = if same { "commands and the daemon" } else { "commands here" };
    look(report, mine, reader, paths.home());
    if !same {
        look(report, theirs, "the daemon", paths.home());
    }
}

fn look(report: &mut Report, found: Found, reader: &'static str, home: &Path) {
    match read(&found.path, home) {
        Ok(parsed) => {
            let servers = parsed.registry.map_or(0, |registry| registry.servers.len() as u64);
            report.registries.push(Examined { found, reader, servers, findings: parsed.findings });
        }
        Err(error) => report.errors.push(one_text(&error)),
    }
}

fn one_text(fault: &dyn Explain) -> String {
    let text = report(fault);
    text.trim_end().trim_start_matches("error: ").to_owned()
}

fn render(report: &Report, home: &Path, out: &mut Out) {
    for one in &report.registries {
        let path = tilde(&one.found.path, home);
        out.line(format!("registry  {path}: {} (read by {})", reason(one.found.source), one.reader));
        for finding in &one.findings {
            let text = finding.to_string();
            let paint = if finding.level == Level::Error { Paint::Bad } else { Paint::Warn };
            out.line(format!("  {}", out.paint(paint, &text)));
        }
        if one.findings.is_empty() {
            out.line(format!(
                "  {}",
                out.paint(Paint::Good, &format!("{}, nothing wrong", counted(one.servers, "server")))
            ));
        }
    }
    for path in &report.rivals {
        out.line(format!("not read  {}", tilde(path, home)));
    }
    for error in &report.errors {
        out.line(format!("{}  {error}", out.paint(Paint::Bad, "error   ")));
    }
    for warning in &report.warnings {
        out.line(format!("{}  {warning}", out.paint(Paint::Warn, "warning ")));
    }
    render_lacks(&report.lacks, out);
    out.line(match &report.daemon {
        Some((pid, version)) => format!("daemon    runs (pid {pid}, version {version})"),
        None => "daemon    does not run".to_owned(),
    });
    let missing = match report.lacks.len() as u64 {
        0 => String::new(),
        count => format!(", {}", counted(count, "missing value")),
    };
    let (paint, errors) = match report.error_count() as u64 {
        0 => (Paint::Good, "no errors".to_owned()),
        count => (Paint::Bad, counted(count, "error")),
    };
    out.line(format!("{}{}", out.paint(paint, &errors), out.paint(Paint::Warn, &missing)));
}

fn to_json(report: &Report) -> Value {
    let registries: Vec<Value> = report
        .registries
        .iter()
        .map(|one| {
            let findings: Vec<Value> = one.findings.iter().map(finding_json).collect();
            json!({
                "path": one.found.path.to_string_lossy(),
                "source": source_word(one.found.source),
                "read_by": one.reader,
                "servers": one.servers,
                "findings": findings,
            })
        })
        .collect();
    let rivals: Vec<_> = report.rivals.iter().map(|path| path.to_string_lossy()).collect();
    json!({
        "ok": report.error_count() == 0,
        "registries": registries,
        "not_read": rivals,
        "errors": report.errors,
        "warnings": report.warnings,
        "missing": lacks_json(&report.lacks),
        "daemon": report.daemon.as_ref().map(|(pid, version)| json!({ "pid": pid, "version": version })),
    })
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "level": if finding.level == Level::Error { "error" } else { "warning" },
        "file": finding.file.to_string_lossy(),
        "line": finding.line,
        "column": finding.column,
        "path": finding.path,
        "text": finding.text,
        "hint": finding.hint,
    })
}

/// `--settings`: the table, with the value in force and where it comes from.
fn show_settings(paths: &Paths, as_json: bool, out: &mut Out) -> Result<Ending, Fault> {
    let env = process_env();
    let file = std::fs::read_to_string(paths.config_file()).unwrap_or_default();
    let file: toml::Table = file.parse().unwrap_or_default();
    let rows: Vec<(usize, String, &str)> = (0..TABLE.len())
        .map(|at| {
            let (value, from) = in_force(TABLE[at].key, TABLE[at].env, TABLE[at].default, &env, &file);
            (at, value, from)
        })
        .collect();
    if as_json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(at, value, from)| {
                let setting = &TABLE[*at];
                json!({ "key": setting.key, "env": setting.env, "default": setting.default, "doc": setting.doc,
                        "value": value, "from": from })
            })
            .collect();
        out.json(&rows);
    } else {
        for (at, value, from) in &rows {
            let setting = &TABLE[*at];
            out.line(format!("{} = {value}  ({from})", out.paint(Paint::Bold, setting.key)));
            out.line(out.paint(Paint::Dim, &format!("    {}; {}", setting.doc, setting.env)));
        }
    }
    // A value that cannot be read is still an error here.
    let (_, warnings) = Settings::load(paths, &env)?;
    if !as_json {
        for warning in warnings {
            out.line(out.paint(Paint::Warn, &warning));
        }
    }
    Ok(Ending::Done)
}

/// A setting's value as it was written, and who wrote it.
fn in_force<'a>(
    key: &str,
    variable: &'a str,
    default: &str,
    env: &dyn Fn(&str) -> Option<String>,
    file: &toml::Table,
) -> (String, &'a str) {
    if let Some(value) = env(variable).filter(|value| !value.is_empty()) {
        return (value, variable);
    }
    let mut parts = key.split('.');
    let first = parts.next().and_then(|part| file.get(part));
    match parts.fold(first, |value, part| value.and_then(|value| value.get(part))) {
        Some(toml::Value::String(text)) => (text.clone(), "config.toml"),
        Some(value) => (value.to_string(), "config.toml"),
        None => (default.to_owned(), "default"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::find::Source;

    #[test]
    fn the_variable_wins_over_the_file_and_the_file_over_the_default() {
        let file: toml::Table = "a = 3\n[proxy]\nb = \"5s\"\n".parse().unwrap();
        let none = |_: &str| None;
        let set = |name: &str| (name == "LOOM_A").then(|| "9".to_owned());
        assert_eq!(in_force("a", "LOOM_A", "1", &set, &file), ("9".into(), "LOOM_A"));
        assert_eq!(in_force("a", "LOOM_A", "1", &none, &file), ("3".into(), "config.toml"));
        assert_eq!(in_force("proxy.b", "LOOM_B", "1", &none, &file), ("5s".into(), "config.toml"));
        assert_eq!(in_force("proxy.c", "LOOM_C", "1", &none, &file), ("1".into(), "default"));
    }

    #[test]
    fn a_report_names_places_and_readers() {
        let path = PathBuf::from("/home/ann/src/mcp/context/registry.yaml");
        let finding = Finding {
            level: Level::Error,
            file: "registry.yaml".into(),
            line: 12,
            column: 5,
            path: "servers[2].common.args".into(),
            text: "a list is wanted".into(),
            hint: Some("did you mean `[x]`?".into()),
        };
        let report = Report {
            registries: vec![
                Examined {
                    found: Found { path, source: Source::Workspace },
                    reader: "commands here",
                    servers: 0,
                    findings: vec![finding],
                },
                Examined {
                    found: Found {
                        path: "/home/ann/.config/loom/registry.yaml".into(),
                        source: Source::Home,
                    },
                    reader: "the daemon",
                    servers: 3,
                    findings: vec![],
                },
            ],
            rivals: vec!["/home/ann/platform/gitops/mcp/context/registry.yaml".into()],
            errors: vec!["config.toml:1:1: what".into()],
            warnings: vec!["config.toml:2:1: unknown key".into()],
            daemon: Some((7, "0.1.0".into())),
            lacks: vec![Lack {
                server: "forge".into(),
                optional: false,
                text: "FORGE_TOKEN is not among the secrets".into(),
                hint: Some("loom secrets set FORGE_TOKEN".into()),
            }],
        };
        let mut out = Out::new(false, false);
        render(&report, Path::new("/home/ann"), &mut out);
        insta::assert_snapshot!(out.text(), @r"
        registry  ~/src/mcp/context/registry.yaml: the nearest one of this workspace (read by commands here)
          registry.yaml:12:5: error: a list is wanted; did you mean `[x]`?
        registry  ~/.config/loom/registry.yaml: the home registry (read by the daemon)
          3 servers, nothing wrong
        not read  ~/platform/gitops/mcp/context/registry.yaml
        error     config.toml:1:1: what
        warning   config.toml:2:1: unknown key
        forge     FORGE_TOKEN is not among the secrets
                  loom secrets set FORGE_TOKEN
        daemon    runs (pid 7, version 0.1.0)
        2 errors, 1 missing value
        ");
        assert_eq!(to_json(&report)["ok"], false);
    }
}
