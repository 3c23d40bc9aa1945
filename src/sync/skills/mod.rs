//! What models are told: instructions, skills, rules, commands and workflows, each at the place that a client reads for
//! all projects of its user.
//!
//! `source` reads what belongs to the skills, `render` writes their texts, `layout` says which file is where, `jobs`
//! what is to be done with each, `workspace` finds copies of former times.

pub mod jobs;
pub mod layout;
pub mod render;
pub mod source;
mod workspace;

use std::path::PathBuf;

use crate::sync::machine::{Machine, Spot};
use crate::sync::skills::source::Source;

/// The folder of skills that many clients read.
pub const SHARED: Spot = Spot::same("~/.agents/skills");

/// The file of a skill that models read first.
pub const HEAD: &str = "SKILL.md";

/// What is to be told, with all files that belong to it.
#[derive(Debug, Default)]
pub struct Told {
    pub sources: Vec<Source>,
}

/// Where a client reads what its models are told.
pub struct Reads {
    /// The file of instructions, which is the user's own; `None` when there is no such file.
    pub instructions: fn(&Machine) -> Option<PathBuf>,
    /// Its own folder of skills.
    pub skills: Option<Spot>,
    /// Whether it reads the shared folder, too.
    pub shared: bool,
    pub rules: Option<Folder>,
    pub commands: Option<Folder>,
    pub workflows: Option<Folder>,
}

/// A folder with a file for each rule or command.
#[derive(Clone, Copy)]
pub struct Folder {
    pub spot: Spot,
    /// What comes behind the name.
    pub ending: &'static str,
    pub form: Form,
}

/// How such a file is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Nothing but the text.
    Bare,
    /// The description before the text.
    Headed,
    /// The same, and that it is for all files.
    Everywhere,
    /// TOML with `description` and `prompt`.
    Toml,
}

impl Reads {
    /// Of a client that reads nothing.
    pub const NOTHING: Reads = Reads {
        instructions: |_| None,
        skills: None,
        shared: false,
        rules: None,
        commands: None,
        workflows: None,
    };
}

impl Folder {
    pub const fn new(spot: Spot, ending: &'static str, form: Form) -> Option<Self> {
        Some(Folder { spot, ending, form })
    }
}

#[cfg(test)]
mod tests;
