//! From the text of `skills-registry.yaml` to the model, or to the list of everything that is wrong with it. Pure.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path};

use crate::registry::finding::{Finding, Place, Report, clip};
use crate::registry::parse::field::{Reader, under};
use crate::registry::parse::server::TARGETS;
use crate::registry::parse::text_of;
use crate::registry::skills::{
    Given, Group, Kind, LONGEST_DESCRIPTION, MARKER, Part, Skill, SkillName, Skills,
};
use crate::registry::tree::{self, Document, Key, Node, Value};

const TOP_KEYS: [&str; 4] = ["version", "updated", "notes", "skills"];
const SKILL_KEYS: [&str; 5] = ["name", "categories", "priority", "common", "targets"];
const COMMON_KEYS: [&str; 12] = [
    "enabled",
    "type",
    "description",
    "instructions",
    "instructions_append",
    "when_to_use",
    "disable_model_invocation",
    "context",
    "always_allow",
    "scripts",
    "references",
    "assets",
];
const TARGET_KEYS: [&str; 10] = [
    "enabled",
    "type",
    "output_format",
    "description",
    "instructions",
    "instructions_append",
    "when_to_use",
    "disable_model_invocation",
    "context",
    "always_allow",
];
const PART_KEYS: [&str; 3] = ["name", "path", "description"];

/// Accepted everywhere: each client reads one format of each kind, and gets that.
const FORMATS: [&str; 6] = ["markdown", "md", "mdc", "toml", "yaml", "skill"];

const CONTEXTS: [&str; 2] = ["fork", "inline"];

/// What became of a file.
#[derive(Debug)]
pub struct Parsed {
    /// `None` when there is any error among the findings.
    pub skills: Option<Skills>,
    pub findings: Vec<Finding>,
    /// It does not even say that there are no skills: blank, only comments, or without `skills`.
    pub says_nothing: bool,
}

/// Reads the bytes of a file; `file` names it in findings.
pub fn parse(bytes: &[u8], file: &Path) -> Parsed {
    let mut report = Report::new(file);
    let mut skills = Skills { skills: Vec::new(), file: file.into() };
    let mut says_nothing = false;
    if let Some(text) = text_of(bytes, &mut report) {
        match tree::read(text, &mut report) {
            Document::Broken => {}
            Document::Empty => {
                says_nothing = true;
                report.warning(Place { line: 1, column: 1 }, "", "the file is empty: no skills");
            }
            Document::Root(node) => {
                says_nothing = !has_skills(&node);
                skills.skills = top(&node, &mut Reader { report: &mut report, builtins: &[] });
            }
        }
    }
    skills.skills.sort_by_key(|skill| std::cmp::Reverse(skill.priority));
    let skills = (!report.has_errors()).then_some(skills);
    Parsed { skills, findings: report.into_findings(), says_nothing }
}

fn has_skills(node: &Node) -> bool {
    matches!(&node.value, Value::Map(entries) if entries.iter().any(|(key, _)| key.text == "skills"))
}

fn top(node: &Node, reader: &mut Reader<'_, '_>) -> Vec<Skill> {
    let Value::Map(entries) = &node.value else {
        let text = format!("a registry of skills is a map with `skills`, not {}", node.what());
        reader.report.error(node.place, "", text);
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, node) in entries {
        match key.text.as_str() {
            "skills" if matches!(node.value, Value::Null) => {}
            "skills" => {
                let mut names: HashMap<String, usize> = HashMap::new();
                for (index, item) in reader.list(key, node, "skills").unwrap_or_default().iter().enumerate() {
                    found.extend(skill(item, &format!("skills[{index}]"), &mut names, reader));
                }
            }
            "version" if node.scalar() != Some("1") => {
                reader.report.warning(node.place, "version", "this loom knows version 1 only");
            }
            _ => reader.known_key(key, "", "key", &TOP_KEYS),
        }
    }
    if !has_skills(node) {
        reader.report.warning(node.place, "", "there is no `skills` list: no skills");
    }
    found
}

fn skill(
    node: &Node,
    path: &str,
    names: &mut HashMap<String, usize>,
    reader: &mut Reader<'_, '_>,
) -> Option<Skill> {
    let Value::Map(entries) = &node.value else {
        let text = format!("a skill must be a map with `name`, not {}", node.what());
        reader.report.error(node.place, path, text);
        return None;
    };
    let (mut name, mut place) = (None, node.place);
    let (mut categories, mut priority) = (Vec::new(), 0);
    let (mut common, mut parts, mut targets) = (Given::default(), Vec::new(), BTreeMap::new());
    for (key, node) in entries {
        match key.text.as_str() {
            "name" => {
                (name, place) = (skill_name(key, node, path, names, reader), node.place);
            }
            "categories" => {
                let given = reader.texts(key, node, path).unwrap_or_default();
                categories = given.iter().map(|category| category.to_lowercase()).collect();
            }
            "priority" => priority = reader.integer(key, node, path).unwrap_or_default(),
            "common" => {
                let path = under(path, "common");
                for (key, node) in reader.map(key, node, &path) {
                    match group(&key.text) {
                        Some(group) => parts.extend(self::parts(group, key, node, &path, reader)),
                        None => given(&mut common, key, node, &path, &COMMON_KEYS, reader),
                    }
                }
            }
            "targets" => targets = self::targets(key, node, path, reader),
            _ => reader.known_key(key, path, "key", &SKILL_KEYS),
        }
    }
    if entries.iter().all(|(key, _)| key.text != "name") {
        reader.report.error(node.place, path, "a skill without `name`");
    }
    let skill = Skill { name: name?, categories, priority, place, parts, common, targets };
    complete(&skill, path, reader);
    Some(skill)
}

/// What every client that gets the entry must be told.
fn complete(skill: &Skill, path: &str, reader: &mut Reader<'_, '_>) {
    let name = skill.name.as_str();
    let wishes: Vec<_> = TARGETS.iter().filter_map(|target| skill.wish(target)).collect();
    let is_bare = |target: &&str| {
        let own = skill.targets.get(*target).and_then(|own| own.description.as_ref());
        let is_skill = skill.wish(target).is_some_and(|wish| wish.kind == Kind::Skill);
        is_skill && own.or(skill.common.description.as_ref()).is_none()
    };
    if TARGETS.iter().any(is_bare) {
        let text =
            format!("`{name}` is a skill without `description`: a model has only its first line to go by");
        reader.report.warning(skill.place, path, text);
    }
    let mut wrong = |text: String| reader.report.error(skill.place, path, text);
    if wishes.iter().any(|wish| wish.instructions.is_empty()) {
        wrong(format!("`{name}` has no `instructions`"));
    }
    let longest = wishes.iter().map(|wish| wish.description.chars().count()).max().unwrap_or(0);
    if longest > LONGEST_DESCRIPTION {
        wrong(format!(
            "the description of `{name}` with `when_to_use` has {longest} characters; clients take {LONGEST_DESCRIPTION}"
        ));
    }
    let marked =
        |wish: &super::Wish| wish.instructions.lines().any(|line| line.trim_start().starts_with(MARKER));
    if wishes.iter().any(marked) {
        wrong(format!("a line of `{name}` begins with `{MARKER}`, which is how loom marks its own text"));
    }
}

fn skill_name(
    key: &Key,
    node: &Node,
    path: &str,
    names: &mut HashMap<String, usize>,
    reader: &mut Reader<'_, '_>,
) -> Option<SkillName> {
    let text = reader.filled(key, node, path)?;
    let path = under(path, "name");
    let Some(name) = SkillName::parse(&text) else {
        let hint = SkillName::near(&text).map(|near| format!("write {near}"));
        let why = format!(
            "the name `{}` is not of small letters and digits with single `-` between, at most {}",
            clip(&text),
            SkillName::LONGEST
        );
        reader.report.error_hint(node.place, &path, why, hint);
        return None;
    };
    if let Some(line) = names.get(&text) {
        reader.report.error(node.place, &path, format!("a skill `{text}` is in line {line} already"));
        return None;
    }
    names.insert(text, node.place.line);
    Some(name)
}

fn targets(key: &Key, node: &Node, path: &str, reader: &mut Reader<'_, '_>) -> BTreeMap<String, Given> {
    let path = under(path, "targets");
    let mut all = BTreeMap::new();
    for (name, node) in reader.map(key, node, &path) {
        reader.known_key(name, &path, "target", &TARGETS);
        let path = under(&path, &name.text);
        let mut own = Given::default();
        for (key, node) in reader.map(name, node, &path) {
            given(&mut own, key, node, &path, &TARGET_KEYS, reader);
        }
        all.insert(name.text.clone(), own);
    }
    all
}

/// One field of `common` or of a target.
fn given(into: &mut Given, key: &Key, node: &Node, path: &str, known: &[&str], reader: &mut Reader<'_, '_>) {
    match key.text.as_str() {
        "enabled" => into.enabled = reader.flag(key, node, path),
        "type" => {
            if let Some(word) = reader.filled(key, node, path) {
                reader.one_of(node.place, &under(path, "type"), "type", &word, &Kind::WORDS);
                into.kind = Kind::parse(&word);
            }
        }
        "output_format" if known.contains(&"output_format") => {
            let given = reader.filled(key, node, path);
            if let Some(word) = given.filter(|word| !FORMATS.contains(&word.as_str())) {
                let path = under(path, "output_format");
                reader.report.unknown(node.place, &path, "format", &word, &FORMATS);
            }
        }
        "description" => into.description = reader.filled(key, node, path),
        "instructions" => into.instructions = reader.filled(key, node, path),
        "instructions_append" => into.instructions_append = reader.filled(key, node, path),
        "when_to_use" => into.when_to_use = reader.filled(key, node, path),
        "disable_model_invocation" => into.disable_model_invocation = reader.flag(key, node, path),
        "context" => {
            if let Some(word) = reader.filled(key, node, path) {
                if !CONTEXTS.contains(&word.as_str()) {
                    reader.report.unknown(node.place, &under(path, "context"), "context", &word, &CONTEXTS);
                }
                into.context = Some(word).filter(|word| word == "fork");
            }
        }
        "always_allow" => into.always_allow = reader.texts(key, node, path),
        _ => reader.known_key(key, path, "key", known),
    }
}

fn group(key: &str) -> Option<Group> {
    [Group::Scripts, Group::References, Group::Assets].into_iter().find(|group| group.as_str() == key)
}

/// A list of paths, each by itself or in a map with its description.
fn parts(group: Group, key: &Key, node: &Node, path: &str, reader: &mut Reader<'_, '_>) -> Vec<Part> {
    let path = under(path, &key.text);
    let mut parts = Vec::new();
    for (index, item) in reader.list(key, node, &path).unwrap_or_default().iter().enumerate() {
        let path = format!("{path}[{index}]");
        let (mut file, mut name, mut description) = (None, None, String::new());
        match &item.value {
            Value::Text(text) => file = Some((text.clone(), item.place)),
            Value::Map(entries) => {
                for (key, node) in entries {
                    match key.text.as_str() {
                        "path" => {
                            file = reader.filled(key, node, &path).map(|text| (text, node.place));
                        }
                        "name" => name = reader.filled(key, node, &path).map(|text| (text, node.place)),
                        "description" => description = reader.text(key, node, &path).unwrap_or_default(),
                        _ => reader.known_key(key, &path, "key", &PART_KEYS),
                    }
                }
            }
            _ => {}
        }
        let Some((file, place)) = file.or(name) else {
            reader.report.error(item.place, &path, "the path of a file in the skill's folder is wanted here");
            continue;
        };
        let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
        if file.is_empty() || file.ends_with('/') || !Path::new(&file).components().all(inside) {
            let text = format!("`{}` is not the path of a file below the skill's folder", clip(&file));
            reader.report.error(place, &path, text);
            continue;
        }
        let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
        parts.push(Part { group, path: file, description, place });
    }
    parts
}
