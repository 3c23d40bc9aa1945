//! Every client: what is written into an empty home, and what becomes of a home full of others' things.

mod direct;
mod written;

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::sync::job::{Job, Task, jobs};
use crate::sync::machine::Os;
use crate::sync::plan::{Policy, plan, plan_removal};
use crate::sync::target::{Door, Item, Leave, Rules};

fn machine(os: Os, home: &Path) -> Machine {
    Machine { os, home: home.into(), env: BTreeMap::new(), overrides: BTreeMap::new(), cwd: home.into() }
}

fn door(leave: Leave) -> Door {
    Door { binary: "/opt/loom".into(), socket: None, leave, direct: None }
}

fn held(target: &'static Target, os: Os, leave: Leave) -> Vec<(Job, Vec<Item>)> {
    let home = Path::new("/home/ann");
    let all = jobs(target, &machine(os, home), &door(leave), &Manifest::default());
    let items = |job: Job| match job.task.clone() {
        Task::Hold { items, .. } if !items.is_empty() => Some((job, items)),
        Task::Hold { .. }
        | Task::Clear
        | Task::TakeOut { .. }
        | Task::Be { .. }
        | Task::Stay
        | Task::Forget
        | Task::Erase { .. } => None,
    };
    all.into_iter().filter_map(items).collect()
}

/// For each format: comments, odd keys, servers and hooks of others.
fn full(job: &Job, items: &[Item]) -> Vec<String> {
    let Item::Entry { place, .. } = &items[0] else {
        return vec!["{\n\t\"permissions\": {\"allow\": [\"Bash(ls)\"]},\n\t\"hooks\": {}\n}".into()];
    };
    let key = match &place.0[0] {
        place::Step::Key(key) => key.clone(),
        place::Step::Item { .. } | place::Step::Text(_) => panic!("a map at the root"),
    };
    let texts = match job.format {
        format::Format::Blocks | format::Format::Whole => panic!("a file of settings"),
        format::Format::Toml => vec![format!(
            "# mine\nmodel = 'x'   # odd\n[{key}.mine]\ncommand = \"a\" # keep\n\n  [{key}.mine.env]\n  A = '1'\n[hooks]\nodd.key = [ 1,\n 2 ]\n# end"
        )],
        format::Format::Yaml => vec![format!(
            "# mine\nname: odd   # name\n{key}:\n  - name: mine # keep\n    command: a\n    args:\n      - '-x'\n# end\nmodels: [ {{a: 1}} ]\n"
        )],
        format::Format::Json => vec![
            format!(
                "{{\n    \"odd\" : [1 ,2],\n    \"{key}\": {{\n        \"mine\": {{ \"command\":\"a\" }}\n    }},\n    \"hooks\": {{}}\n}}"
            ),
            format!("{{\"{key}\":{{\"mine\":{{\"command\":\"a\"}}}},\"z\":1.50}}\n"),
        ],
        format::Format::Jsonc => vec![
            format!(
                "// mine\n{{\n\t\"odd\" : [1 ,2], // odd\n\t\"{key}\": {{\n\t\t// keep\n\t\t\"mine\": {{ \"command\":\"a\" }}, /* c */\n\t}},\n\t\"hooks\": {{}},\n}}"
            ),
            format!("{{\"{key}\":{{\"mine\":{{\"command\":\"a\"}}}},\"z\":1.50}}\n"),
            "{}".into(),
        ],
    };
    let more: Vec<String> = texts
        .iter()
        .flat_map(|text| {
            let crlf = text.replace('\n', "\r\n");
            [crlf.clone(), format!("\u{feff}{crlf}"), format!("\u{feff}{text}")]
        })
        .collect();
    texts.into_iter().chain(more).collect()
}

/// Whether all of `before` stands in `text`, in its order: something was added only.
fn is_within(before: &str, text: &str) -> bool {
    let mut rest = text.chars();
    before.chars().all(|wanted| rest.any(|found| found == wanted))
}

#[test]
fn nothing_of_others_is_lost_and_loom_goes_without_a_trace() {
    for target in TARGETS {
        for (job, items) in held(
            target,
            Os::Linux,
            Leave { all: true, tools: vec!["git__log".into()], rules: Rules::default() },
        ) {
            for before in full(&job, &items) {
                let at = format!("{}: {before}", job.path.display());
                let first = plan(job.format, &before, None, &items, Policy::Report)
                    .unwrap_or_else(|wrong| panic!("{at}: {wrong:?}"));
                assert!(first.drift.is_empty(), "{at}");
                assert!(is_within(&before, &first.text), "{at}: {}", first.text);
                let ends =
                    |text: &str| (text.matches("\r\n").count() > 0, text.replace("\r\n", "").contains('\n'));
                assert!(
                    ends(&before) == ends(&first.text) || !before.contains('\n'),
                    "{at}: mixed line ends in {:?}",
                    first.text
                );
                let second =
                    plan(job.format, &first.text, Some(&first.owned), &items, Policy::Report).unwrap();
                assert_eq!((second.text, second.drift.len()), (first.text.clone(), 0), "{at}");
                let gone = plan_removal(job.format, &first.text, &first.owned).unwrap();
                assert_eq!(gone.text.trim_end(), before.trim_end(), "{at}");
            }
        }
    }
}

#[test]
fn names_are_those_of_the_registry() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let text = format!(
        "version: 1\nservers:\n  - name: a\n    common: {{ builtin: echo }}\n    targets: {{ {} }}\n",
        names.iter().map(|name| format!("{name}: {{}}")).collect::<Vec<_>>().join(", ")
    );
    let parsed = crate::registry::parse::parse(&text, Path::new("/r.yaml"), Path::new("/"), &["echo"]);
    assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
}

#[test]
fn an_entry_at_a_place_of_former_times_goes() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    std::fs::create_dir_all(home.join(".gemini/antigravity")).unwrap();
    let old = home.join(".gemini/antigravity/mcp_config.json");
    std::fs::write(
        &old,
        "{\"mcpServers\": {\"loom\": {\"command\": \"/x/loom\", \"args\": [\"proxy\"]}, \"mine\": {}}}",
    )
    .unwrap();
    let all =
        jobs(&antigravity::TARGET, &machine(Os::Linux, home), &door(Leave::default()), &Manifest::default());
    let job = all.into_iter().find(|job| job.path == old).unwrap();
    let draft = job::draft(job, None, Policy::Report).unwrap().unwrap();
    assert_eq!(draft.after.as_deref(), Some("{\"mcpServers\": {\"mine\": {}}}".as_bytes()));
}
