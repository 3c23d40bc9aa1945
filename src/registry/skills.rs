//! `skills-registry.yaml`: instructions, skills, rules, commands and workflows that clients get for their models. From
//! text to a validated model, and what each client gets of it. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::registry::finding::Place;

pub mod parse;

/// The longest description that every client takes, in characters; with `when_to_use`.
pub const LONGEST_DESCRIPTION: usize = 1024;

/// The line that a block of loom's begins with in somebody's file; no text of ours may hold it.
pub const MARKER: &str = "<!-- loom:";

/// A file without mistakes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skills {
    /// The higher `priority` first, then in the order of the file.
    pub skills: Vec<Skill>,
    pub file: PathBuf,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill {
    pub name: SkillName,
    /// In lower case.
    pub categories: Vec<String>,
    pub priority: i64,
    /// Where the name stands in the file.
    pub place: Place,
    pub parts: Vec<Part>,
    pub(crate) common: Given,
    pub(crate) targets: BTreeMap<String, Given>,
}

/// A file that belongs to a skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub group: Group,
    /// Below the skill's folder, as the registry names it.
    pub path: String,
    pub description: String,
    /// Where it stands in the file.
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Scripts,
    References,
    Assets,
}

/// What an entry is to a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Always in the model's mind.
    Instruction,
    /// Looked up when it is needed.
    #[default]
    Skill,
    /// Always in mind, in a file of its own where a client has such files.
    Rule,
    /// Typed by a person.
    Command,
    /// Steps that a person sets going.
    Workflow,
}

/// The fields of `common` and of a target; what is absent stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    pub enabled: Option<bool>,
    pub kind: Option<Kind>,
    pub description: Option<String>,
    pub instructions: Option<String>,
    pub instructions_append: Option<String>,
    pub when_to_use: Option<String>,
    pub disable_model_invocation: Option<bool>,
    pub context: Option<String>,
    pub always_allow: Option<Vec<String>>,
}

/// What one client gets of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub kind: Kind,
    /// With `when_to_use`, on one line; the first line of the instructions where there is none.
    pub description: String,
    /// With `instructions_append`; `${SKILL_PATH}` and `${CODEX_HOME}` still stand in it.
    pub instructions: String,
    /// Only a person may set it going.
    pub disable_model_invocation: bool,
    /// `fork`: in a model's mind of its own, where a client can.
    pub context: Option<String>,
    /// Tools that need not be asked for meanwhile.
    pub always_allow: Vec<String>,
}

/// 1..=64 of `[a-z0-9]`, with single `-` between: what every client takes as a folder's and a skill's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SkillName(Box<str>);

impl SkillName {
    /// The longest name, in characters.
    pub const LONGEST: usize = 64;

    pub fn parse(text: &str) -> Option<Self> {
        let good = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        (text.len() <= Self::LONGEST && text.split('-').all(good)).then(|| SkillName(text.into()))
    }

    /// The nearest name that would be one.
    pub fn near(text: &str) -> Option<String> {
        let spaced: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
        let near = spaced.to_lowercase().split_whitespace().collect::<Vec<_>>().join("-");
        SkillName::parse(&near).map(|name| name.0.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Kind {
    pub const WORDS: [&'static str; 5] = ["instruction", "skill", "rule", "command", "workflow"];

    pub fn parse(word: &str) -> Option<Self> {
        let all = [Kind::Instruction, Kind::Skill, Kind::Rule, Kind::Command, Kind::Workflow];
        Self::WORDS.iter().position(|known| *known == word).map(|at| all[at])
    }
}

impl Group {
    /// The key in the registry, and the folder in a skill.
    pub fn as_str(self) -> &'static str {
        match self {
            Group::Scripts => "scripts",
            Group::References => "references",
            Group::Assets => "assets",
        }
    }
}

impl Part {
    /// Where it is in the skill that a client gets.
    pub fn below(&self) -> String {
        let folder = self.group.as_str();
        match self.path.split_once('/') {
            Some((first, _)) if first == folder => self.path.clone(),
            _ => format!("{folder}/{}", self.path),
        }
    }
}

impl Skill {
    /// What `target` gets; `None` where it is switched off.
    pub fn wish(&self, target: &str) -> Option<Wish> {
        let none = Given::default();
        let (common, own) = (&self.common, self.targets.get(target).unwrap_or(&none));
        if !own.enabled.or(common.enabled).unwrap_or(true) {
            return None;
        }
        let text = |field: fn(&Given) -> &Option<String>| {
            field(own).clone().or_else(|| field(common).clone()).unwrap_or_default()
        };
        let appended = [&common.instructions_append, &own.instructions_append];
        let told: Vec<String> = std::iter::once(text(|given| &given.instructions))
            .chain(appended.into_iter().flatten().cloned())
            .map(|text| text.trim().replace("\r\n", "\n"))
            .filter(|text| !text.is_empty())
            .collect();
        let described = Some(text(|given| &given.description)).filter(|text| !text.is_empty());
        let described = described.unwrap_or_else(|| first_line(told.first()));
        let described = format!("{described} {}", text(|given| &given.when_to_use));
        Some(Wish {
            kind: own.kind.or(common.kind).unwrap_or_default(),
            description: described.split_whitespace().collect::<Vec<_>>().join(" "),
            instructions: told.join("\n\n"),
            disable_model_invocation: own
                .disable_model_invocation
                .or(common.disable_model_invocation)
                .unwrap_or_default(),
            context: own.context.clone().or_else(|| common.context.clone()),
            always_allow: own
                .always_allow
                .clone()
                .or_else(|| common.always_allow.clone())
                .unwrap_or_default(),
        })
    }
}

/// What stands for a description that nobody wrote.
fn first_line(text: Option<&String>) -> String {
    const LONGEST: usize = 200;
    let mut lines =
        text.into_iter().flat_map(|text| text.lines()).map(|line| line.trim_start_matches('#').trim());
    lines.find(|line| !line.is_empty()).unwrap_or_default().chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests;
