//! `loom check`: what is in force, why, everything that is wrong with it, and what mends each. Writes nothing but with
//! `--fix`.

mod clients;
mod daemon;
mod disk;
mod engines;
mod installed;
mod mend;
mod places;
pub mod servers;
mod settings;
mod trouble;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use self::clients::Note;
use self::trouble::{Severity, Trouble};
use crate::cli::Ending;
use crate::cli::args::CheckArgs;
use crate::cli::context::Context;
use crate::cli::out::{Out, Paint};
use crate::cli::registry::{read, reason, source_word};
use crate::cli::secrets;
use crate::cli::server_table::counted;
use crate::cli::sync::told;
use crate::fault::{Explain, Fault, Kind, report};
use crate::link::client::Client;
use crate::link::connect::hello;
use crate::paths::{Paths, tilde};
use crate::registry::find::{Found, Source, for_home, for_person, for_service, rivals, skills_for};
use crate::registry::finding::{Finding, Level};
use crate::settings::{Settings, process_env};
use crate::wire::hello::Role;

/// How long a daemon may take to say who it is.
const GREETING_WAIT: Duration = Duration::from_secs(2);

/// Everything that was found out.
#[derive(Default)]
struct Report {
    registries: Vec<Examined>,
    /// Registries that exist and that nobody reads.
    rivals: Vec<PathBuf>,
    /// The daemon's process and version.
    daemon: Option<(u32, String)>,
    /// What belongs to no line of a registry.
    troubles: Vec<Trouble>,
    /// What is not wrong, and good to know.
    notes: Vec<Note>,
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
    fn count(&self, severity: Severity) -> u64 {
        let level = if severity == Severity::Error { Level::Error } else { Level::Warning };
        let findings = self.registries.iter().flat_map(|one| &one.findings);
        let findings = findings.filter(|finding| finding.level == level).count();
        (findings + self.troubles.iter().filter(|trouble| trouble.severity == severity).count()) as u64
    }
}

pub fn run(args: CheckArgs, socket: Option<&Path>, out: &mut Out) -> Result<Ending, Fault> {
    let env = process_env();
    let paths = Paths::new(env("HOME").map(PathBuf::from))?;
    if args.settings {
        return settings::show(&paths, args.json, out);
    }
    let mut report = examine(&args, socket, &paths);
    let mended = if args.fix { mend::all(&report.troubles) } else { Vec::new() };
    if !mended.is_empty() {
        report = examine(&args, socket, &paths);
    }
    match args.json {
        true => {
            let mut value = to_json(&report);
            value["fixed"] = mended.iter().map(mend::Mended::to_json).collect();
            out.json(&value);
        }
        false => {
            mended.iter().for_each(|mended| mended.render(out));
            render(&report, paths.home(), out);
        }
    }
    Ok(if report.count(Severity::Error) > 0 { Ending::With(Kind::Found) } else { Ending::Done })
}

fn examine(args: &CheckArgs, socket: Option<&Path>, paths: &Paths) -> Report {
    let mut report = Report::default();
    match Settings::load(paths, &process_env()) {
        Ok((_, warnings)) => {
            let warnings = warnings.into_iter().map(|text| Trouble::warning("settings", "", text));
            report.troubles.extend(warnings);
        }
        Err(error) => {
            let trouble = Trouble::error("settings", "", one_text(&error));
            let file = trouble::word(&paths.config_file());
            let is_in_the_file = !error.to_string().contains("LOOM_");
            report.troubles.push(match is_in_the_file && paths.config_file().exists() {
                true => trouble.command(["mv", &file, &format!("{file}.aside")]),
                false => trouble,
            });
        }
    }
    let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let flag = args.registry.as_ref().map(|path| cwd.join(path));
    look_at_registries(&mut report, flag.as_deref(), &cwd, paths);
    look_at_skills(&mut report, flag.as_deref(), &cwd, paths);
    match Context::load(socket) {
        Ok(context) => look_around(&mut report, flag.as_deref(), &context),
        // The settings were complained about above; anything else is new.
        Err(fault) => {
            let text = one_text(&*fault);
            if !report.troubles.iter().any(|trouble| trouble.text == text) {
                report.troubles.push(Trouble::error("settings", "", text));
            }
        }
    }
    let troubles = std::mem::take(&mut report.troubles).into_iter();
    report.troubles = troubles.map(|trouble| trouble.for_these(socket, flag.as_deref())).collect();
    report
}

/// Everything but the registries and the settings.
fn look_around(report: &mut Report, registry: Option<&Path>, context: &Context) {
    let troubles = &mut report.troubles;
    secrets::with_needs(context, |needs, lacks| {
        troubles.extend(lacks.iter().map(servers::lacking));
        needs.look(troubles);
    });
    // A registry that cannot be read was complained about above.
    if !report.registries.iter().any(|one| one.findings.iter().any(|one| one.level == Level::Error)) {
        match clients::look(context, registry, troubles) {
            Ok(notes) => report.notes = notes,
            Err(fault) => troubles.push(Trouble::error("clients", "", one_text(&*fault))),
        }
    }
    installed::look(context, troubles);
    let hello = hello(Role::Cli, &context.cwd);
    let mut serves = true;
    match Client::connect(&context.socket, &hello, GREETING_WAIT) {
        Ok(mut client) => {
            report.daemon = Some((client.greeting().pid, client.greeting().version.clone()));
            daemon::look(&mut client, context, troubles);
        }
        Err(error) if error.is_absent() => {
            serves = false;
            daemon::absent(context, troubles);
            daemon::service(context, None, troubles);
        }
        Err(error) => daemon::mute(&error, troubles),
    }
    places::look(&context.paths, &context.socket, troubles);
    disk::look(&context.paths, &context.socket, serves, troubles);
}

/// The registry in force here, the daemon's where it is another, and those that nobody reads.
fn look_at_registries(report: &mut Report, flag: Option<&Path>, cwd: &Path, paths: &Paths) {
    let (mine, theirs) = match (for_person(flag, cwd, paths), for_service(None, paths)) {
        (Ok(mine), Ok(theirs)) => (mine, theirs),
        (Err(error), _) | (_, Err(error)) => {
            return report.troubles.push(Trouble::error("registry_source", "", one_text(&error)));
        }
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
    match read(&found, home) {
        Ok(parsed) => {
            let servers = parsed.registry.map_or(0, |registry| registry.servers.len() as u64);
            report.registries.push(Examined { found, reader, servers, findings: parsed.findings });
        }
        Err(error) => {
            let text = error.to_string();
            report.troubles.push(match found.path.exists() {
                true => Trouble::error("registry", "", text),
                false if found.source == Source::Chosen => {
                    Trouble::error("registry", "", text).command(["loom", "registry", "use", "--home"])
                }
                false => Trouble::error(clients::NO_REGISTRY, "", text)
                    .advice("loom add NAME -- COMMAND ARGS… makes it"),
            });
        }
    }
}

/// What models are told, here and by the home folder's files, if there are such files.
fn look_at_skills(report: &mut Report, flag: Option<&Path>, cwd: &Path, paths: &Paths) {
    let found = [for_person(flag, cwd, paths), for_home(flag, cwd, paths)].into_iter().flatten();
    let files: BTreeSet<PathBuf> = found.filter_map(|found| skills_for(&found, paths)).collect();
    for path in files {
        match told::examine(&path) {
            Ok(told::Read { findings, .. }) => {
                let trouble = |finding: &Finding| Trouble::warning("skills", "", finding.to_string());
                report.troubles.extend(findings.iter().map(trouble));
            }
            Err(wrong) => {
                let trouble = |error| Trouble::error("skills", "", error);
                report.troubles.extend(wrong.errors().into_iter().map(trouble));
            }
        }
    }
}

fn one_text(fault: &dyn Explain) -> String {
    let text = report(fault);
    // This is what it leads to.
    let text = text.trim_end().trim_end_matches("\nhint:  loom check");
    text.trim_start_matches("error: ").to_owned()
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
    report.troubles.iter().for_each(|trouble| trouble.render(out));
    for note in &report.notes {
        out.line(out.paint(Paint::Dim, &format!("note      {}: {}", note.client, note.text)));
    }
    out.line(match &report.daemon {
        Some((pid, version)) => format!("daemon    runs (pid {pid}, version {version})"),
        None => "daemon    does not run".to_owned(),
    });
    let warnings = match report.count(Severity::Warning) {
        0 => String::new(),
        count => format!(", {}", counted(count, "warning")),
    };
    let (paint, errors) = match report.count(Severity::Error) {
        0 => (Paint::Good, "no errors".to_owned()),
        count => (Paint::Bad, counted(count, "error")),
    };
    out.line(format!("{}{}", out.paint(paint, &errors), out.paint(Paint::Warn, &warnings)));
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
    let checks: Vec<Value> = report.troubles.iter().map(Trouble::to_json).collect();
    let notes: Vec<Value> =
        report.notes.iter().map(|note| json!({ "client": note.client, "text": note.text })).collect();
    let rivals: Vec<_> = report.rivals.iter().map(|path| path.to_string_lossy()).collect();
    json!({
        "ok": report.count(Severity::Error) == 0,
        "checks": checks,
        "notes": notes,
        "registries": registries,
        "not_read": rivals,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::find::Source;

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
            daemon: Some((7, "0.1.0".into())),
            troubles: vec![
                Trouble::error("settings", "", "config.toml:1:1: what"),
                Trouble::warning("secrets", "forge", "FORGE_TOKEN is not among the secrets").command([
                    "loom",
                    "secrets",
                    "set",
                    "FORGE_TOKEN",
                ]),
            ],
            notes: vec![Note { client: "gemini", text: "type `/permissions`".into() }],
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
        warning   forge: FORGE_TOKEN is not among the secrets
                  loom secrets set FORGE_TOKEN
        note      gemini: type `/permissions`
        daemon    runs (pid 7, version 0.1.0)
        2 errors, 1 warning
        ");
        assert_eq!(to_json(&report)["ok"], false);
    }
}
