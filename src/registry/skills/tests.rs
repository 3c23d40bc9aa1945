//! Files as people write them, and what each client gets of them.

use std::path::Path;

use super::parse::parse;
use super::*;

const GOOD: &str = r#"
version: 1
updated: 2026-01-01
skills:
  - name: house-rules
    common:
      type: instruction
      instructions: |
        Be brief.
    targets:
      codex: { instructions_append: "Use apply_patch." }
      zed: { enabled: false }
  - name: release
    categories: [Ops]
    priority: 5
    common:
      description: Releases a
        version.
      when_to_use: When asked to.
      instructions: "Run ${SKILL_PATH}/scripts/go.sh"
      scripts:
        - { name: go, path: go.sh, description: does it }
        - scripts/two.sh
      references: [manual.md]
      always_allow: [mcp__loom]
    targets:
      claude: { context: fork, disable_model_invocation: true, output_format: markdown }
      gemini: { type: command }
"#;

fn good() -> Skills {
    let parsed = parse(GOOD.as_bytes(), Path::new("/s.yaml"));
    assert_eq!(parsed.findings, []);
    parsed.skills.unwrap()
}

#[test]
fn each_client_gets_its_part() {
    let skills = good();
    let names: Vec<&str> = skills.skills.iter().map(|skill| skill.name.as_str()).collect();
    assert_eq!(names, ["release", "house-rules"]);
    let rules = &skills.skills[1];
    assert_eq!(rules.wish("zed"), None);
    assert_eq!(rules.wish("codex").unwrap().instructions, "Be brief.\n\nUse apply_patch.");
    assert_eq!(rules.wish("claude").unwrap().kind, Kind::Instruction);
    let release = &skills.skills[0];
    assert_eq!(
        release.wish("claude").unwrap(),
        Wish {
            kind: Kind::Skill,
            description: "Releases a version. When asked to.".into(),
            instructions: "Run ${SKILL_PATH}/scripts/go.sh".into(),
            disable_model_invocation: true,
            context: Some("fork".into()),
            always_allow: vec!["mcp__loom".into()],
        }
    );
    assert_eq!(release.wish("gemini").unwrap().kind, Kind::Command);
    let below: Vec<String> = release.parts.iter().map(Part::below).collect();
    assert_eq!(below, ["scripts/go.sh", "scripts/two.sh", "references/manual.md"]);
}

#[test]
fn all_mistakes_come_at_once_with_their_places() {
    let text = "version: 2\nskils: 1\nskills:\n  - name: My Skill\n  - common: { instructions: a }\n  - name: a\n    \
                common: { description: b, scripts: [../x, /y, 3], instructions: \"<!-- loom:begin a -->\" }\n    \
                targets: { codx: { type: prompt, enabled: yes } }\n  - name: a\n    common: { type: rule }\n  - name: b\n";
    let parsed = parse(text.as_bytes(), Path::new("/s.yaml"));
    assert!(parsed.skills.is_none());
    let found: Vec<String> = parsed.findings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(found.join("\n"), @r"
    /s.yaml:1:10: warning: this loom knows version 1 only
    /s.yaml:2:1: warning: unknown key `skils`; did you mean `skills`?
    /s.yaml:4:11: error: the name `My Skill` is not of small letters and digits with single `-` between, at most 64; write my-skill
    /s.yaml:5:5: error: a skill without `name`
    /s.yaml:6:11: error: a line of `a` begins with `<!-- loom:`, which is how loom marks its own text
    /s.yaml:7:41: error: `../x` is not the path of a file below the skill's folder
    /s.yaml:7:47: error: `/y` is not the path of a file below the skill's folder
    /s.yaml:7:51: error: the path of a file in the skill's folder is wanted here
    /s.yaml:8:16: warning: unknown target `codx`; did you mean `codex`?
    /s.yaml:8:30: error: unknown type `prompt`; known are instruction, skill, rule, command, workflow
    /s.yaml:8:47: error: `enabled` must be true or false, not text; write `true`
    /s.yaml:9:11: error: a skill `a` is in line 6 already
    /s.yaml:11:11: warning: `b` is a skill without `description`: a model has only its first line to go by
    /s.yaml:11:11: error: `b` has no `instructions`
    ");
}

#[test]
fn names_are_those_that_every_client_takes() {
    for good in ["a", "release-2", &"x".repeat(64)] {
        assert_eq!(SkillName::parse(good).unwrap().as_str(), good);
    }
    for (bad, near) in [
        ("", None),
        ("Code Review", Some("code-review")),
        ("a--b", Some("a-b")),
        ("-a", Some("a")),
        ("a_b", Some("a-b")),
        ("ü", None),
        (&*"x".repeat(65), None),
    ] {
        assert_eq!(SkillName::parse(bad), None, "{bad}");
        assert_eq!(SkillName::near(bad).as_deref(), near, "{bad}");
    }
}

#[test]
fn nothing_is_in_order() {
    for text in ["", "# only\n", "skills:\n", "skills: []\n"] {
        assert_eq!(parse(text.as_bytes(), Path::new("/s.yaml")).skills.unwrap().skills, []);
    }
    assert!(parse(b"skills: \xff", Path::new("/s.yaml")).skills.is_none());
}
