//! Where each entry goes, for homes with one client and with many.

use std::collections::BTreeMap;
use std::path::Path;

use crate::registry::skills::parse::parse;
use crate::sync::TARGETS;
use crate::sync::machine::{Machine, Os};
use crate::sync::skills::Told;
use crate::sync::skills::layout::{Layout, layout};
use crate::sync::skills::source::Source;
use crate::sync::target::Target;

fn told(text: &str) -> Told {
    let parsed = parse(text.as_bytes(), Path::new("/r/skills-registry.yaml"));
    assert_eq!(parsed.findings, [], "{text}");
    let source = |skill| Source { skill, folder: "/r/skills/x".into(), parts: Vec::new() };
    Told { sources: parsed.skills.unwrap().skills.into_iter().map(source).collect() }
}

fn skill(more: &str) -> Told {
    told(&format!("skills: [{{name: a, common: {{description: d, instructions: i}}, {more}}}]"))
}

fn laid(told: &Told, names: &[&str], home: &Path, taken: &[&str]) -> Layout {
    let is_named = |target: &&Target| names.contains(&target.name) || names == ["all"];
    let present: Vec<&'static Target> = TARGETS.iter().filter(is_named).collect();
    let machine = Machine {
        os: Os::Linux,
        home: home.into(),
        env: BTreeMap::new(),
        overrides: BTreeMap::new(),
        cwd: home.into(),
    };
    layout(told, &present, &machine, &|path| taken.iter().any(|taken| home.join(taken) == path))
}

/// Each path below the home, with its clients.
fn places(laid: &Layout, home: &Path) -> Vec<String> {
    let texts = laid.texts.iter().map(|(path, text)| (path, &text.clients));
    let all = texts.chain(laid.files.iter().map(|(path, file)| (path, &file.clients)));
    all.map(|(path, clients)| format!("{} {}", path.strip_prefix(home).unwrap().display(), clients.join(" ")))
        .collect()
}

const HOME: &str = "/home/ann";

#[test]
fn several_readers_of_one_folder_have_one_copy() {
    for (more, names, want) in [
        ("", &["codex"][..], &[".codex/skills/a/SKILL.md codex"][..]),
        ("", &["gemini"], &[".gemini/skills/a/SKILL.md gemini"]),
        ("", &["codex", "gemini"], &[".agents/skills/a/SKILL.md codex gemini"]),
        ("", &["zed"], &[".agents/skills/a/SKILL.md zed"]),
        ("", &["continue", "claude_desktop"], &[]),
        (
            "",
            &["claude", "amp", "copilot"],
            &[".agents/skills/a/SKILL.md copilot amp", ".claude/skills/a/SKILL.md claude"],
        ),
        // What is not the same for all cannot be in one place that all read.
        (
            "targets: {codex: {instructions_append: b}}",
            &["codex", "gemini", "zed"],
            &[".codex/skills/a/SKILL.md codex", ".gemini/skills/a/SKILL.md gemini"],
        ),
        ("targets: {codex: {enabled: false}}", &["codex", "gemini"], &[".gemini/skills/a/SKILL.md gemini"]),
        (
            "targets: {gemini: {type: command}}",
            &["codex", "gemini"],
            &[".codex/skills/a/SKILL.md codex", ".gemini/commands/a.toml gemini"],
        ),
        (
            "targets: {codex: {disable_model_invocation: true}}",
            &["codex"],
            &[".codex/skills/a/SKILL.md codex", ".codex/skills/a/agents/openai.yaml codex"],
        ),
    ] {
        let mut found = places(&laid(&skill(more), names, Path::new(HOME), &[]), Path::new(HOME));
        found.sort();
        assert_eq!(found, want, "{more} {names:?}");
    }
}

#[test]
fn a_skill_of_the_users_keeps_its_name_to_itself() {
    let taken = [".codex/skills/a/SKILL.md"];
    let found = places(&laid(&skill(""), &["codex", "gemini"], Path::new(HOME), &taken), Path::new(HOME));
    // The first is reported and stays; the other client has the skill all the same.
    assert_eq!(found, [".agents/skills/a/SKILL.md gemini", ".codex/skills/a/SKILL.md codex"]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a snapshot")]
fn every_kind_has_its_place_with_every_client() {
    let text = |kind: &str| {
        format!(
            "  - name: a-{kind}\n    common: {{ type: {kind}, description: d, instructions: do {kind} }}\n"
        )
    };
    let all: String = ["instruction", "skill", "rule", "command", "workflow"].map(text).concat();
    let told = told(&format!("skills:\n{all}"));
    let mut lines = Vec::new();
    for target in TARGETS {
        lines.push(format!("{}:", target.name));
        let laid = laid(&told, &[target.name], Path::new(HOME), &[]);
        for (path, text) in &laid.texts {
            let blocks: Vec<&str> = text.blocks.iter().map(|(name, _)| name.as_str()).collect();
            lines.push(format!("  {} [{}]", path.strip_prefix(HOME).unwrap().display(), blocks.join(" ")));
        }
        lines.extend(
            laid.files.keys().map(|path| format!("  {}", path.strip_prefix(HOME).unwrap().display())),
        );
    }
    insta::assert_snapshot!(lines.join("\n"), @r"
    codex:
      .codex/AGENTS.md [a-instruction a-rule]
      .codex/skills/a-command/SKILL.md
      .codex/skills/a-command/agents/openai.yaml
      .codex/skills/a-skill/SKILL.md
      .codex/skills/a-workflow/SKILL.md
      .codex/skills/a-workflow/agents/openai.yaml
    vscode:
      .config/Code/User/prompts/a-command.prompt.md
      .config/Code/User/prompts/a-instruction.instructions.md
      .config/Code/User/prompts/a-rule.instructions.md
      .config/Code/User/prompts/a-workflow.prompt.md
      .copilot/skills/a-skill/SKILL.md
    kilocode:
      .config/kilo/AGENTS.md [a-instruction a-rule]
      .config/kilo/command/a-command.md
      .config/kilo/command/a-workflow.md
      .config/kilo/skills/a-skill/SKILL.md
    claude:
      .claude/CLAUDE.md [a-instruction]
      .claude/commands/a-command.md
      .claude/commands/a-workflow.md
      .claude/rules/a-rule.md
      .claude/skills/a-skill/SKILL.md
    claude_desktop:
    gemini:
      .gemini/GEMINI.md [a-instruction a-rule]
      .gemini/commands/a-command.toml
      .gemini/commands/a-workflow.toml
      .gemini/skills/a-skill/SKILL.md
    antigravity:
      .gemini/GEMINI.md [a-instruction a-rule]
      .gemini/config/global_workflows/a-command.md
      .gemini/config/global_workflows/a-workflow.md
      .gemini/config/skills/a-skill/SKILL.md
    zed:
      .agents/skills/a-command/SKILL.md
      .agents/skills/a-skill/SKILL.md
      .agents/skills/a-workflow/SKILL.md
    cursor:
      .cursor/commands/a-command.md
      .cursor/commands/a-workflow.md
      .cursor/skills/a-skill/SKILL.md
    windsurf:
      .codeium/windsurf/memories/global_rules.md [a-instruction a-rule]
      .codeium/windsurf/global_workflows/a-command.md
      .codeium/windsurf/global_workflows/a-workflow.md
      .codeium/windsurf/skills/a-skill/SKILL.md
    opencode:
      .config/opencode/AGENTS.md [a-instruction a-rule]
      .config/opencode/command/a-command.md
      .config/opencode/command/a-workflow.md
      .config/opencode/skills/a-skill/SKILL.md
    copilot:
      .copilot/copilot-instructions.md [a-instruction a-rule]
      .copilot/skills/a-command/SKILL.md
      .copilot/skills/a-skill/SKILL.md
      .copilot/skills/a-workflow/SKILL.md
    qwen:
      .qwen/QWEN.md [a-instruction a-rule]
      .qwen/commands/a-command.md
      .qwen/commands/a-workflow.md
      .qwen/skills/a-skill/SKILL.md
    amp:
      .config/amp/AGENTS.md [a-instruction a-rule]
      .config/agents/skills/a-command/SKILL.md
      .config/agents/skills/a-skill/SKILL.md
      .config/agents/skills/a-workflow/SKILL.md
    continue:
      .continue/rules/a-instruction.md
      .continue/rules/a-rule.md
    ");
}

#[test]
fn clients_that_read_one_file_see_each_paragraph_once() {
    let told = told(
        "skills: [{name: a, common: {type: instruction, instructions: \"one\\n\\ntwo\"}, \
         targets: {antigravity: {instructions_append: three}, zed: {enabled: false}}}]",
    );
    let laid = laid(&told, &["gemini", "antigravity", "zed"], Path::new(HOME), &[]);
    assert_eq!(places(&laid, Path::new(HOME)), [".gemini/GEMINI.md gemini antigravity"]);
    let text = laid.texts.values().next().unwrap();
    assert_eq!(text.blocks, [("a".to_owned(), "one\n\ntwo\n\nthree".to_owned())]);
}

#[test]
fn links_that_lead_to_one_place_are_one_place() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    for folder in [".claude", ".agents/skills", ".codex"] {
        std::fs::create_dir_all(home.join(folder)).unwrap();
    }
    std::os::unix::fs::symlink("../.agents/skills", home.join(".claude/skills")).unwrap();
    std::fs::write(home.join(".claude/CLAUDE.md"), "mine\n").unwrap();
    std::os::unix::fs::symlink("../.claude/CLAUDE.md", home.join(".codex/AGENTS.md")).unwrap();
    let told = told(
        "skills: [{name: a, common: {description: d, instructions: i}}, \
         {name: b, common: {type: instruction, instructions: i}}]",
    );
    let found = places(&laid(&told, &["codex", "claude", "gemini"], home, &[]), home);
    assert_eq!(
        found,
        [
            ".codex/AGENTS.md codex claude",
            ".gemini/GEMINI.md gemini",
            ".agents/skills/a/SKILL.md codex claude gemini"
        ]
    );
}
