//! The configuration files of AI clients: loom's entry in each, and not one other byte.
//!
//! `target` says what a client wants where, one file a client; `dialect` and `syntax` how it writes servers of its own,
//! `direct` writes them and `theirs` reads them, which `gather` makes servers of the registry; `plan` compares what was
//! written, what stands there and what is wanted; `json`, `toml`, `yaml` and `blocks` put values into texts, `whole` is for
//! files that are loom's as a whole; `skills` says what models are told, and where; `job` reads files, `apply` writes them,
//! all or none; `history` takes them back. Only `verify` ever starts a client, and only when a person wants it.

mod amp;
mod antigravity;
pub mod apply;
mod blocks;
mod claude;
mod claude_desktop;
mod codex;
mod continue_dev;
mod copilot;
mod cursor;
pub mod dialect;
pub mod diff;
pub mod direct;
pub mod disk;
pub mod format;
pub mod gather;
mod gemini;
pub mod history;
pub mod job;
mod json;
mod kilocode;
pub mod machine;
mod opencode;
pub mod place;
pub mod plan;
mod qwen;
pub mod skills;
mod splice;
pub mod state;
pub mod survey;
pub mod syntax;
pub mod target;
pub mod theirs;
mod toml;
pub mod verify;
mod vscode;
pub mod whole;
mod windsurf;
mod yaml;
mod zed;

use crate::sync::machine::Machine;
use crate::sync::state::Manifest;
use crate::sync::target::Target;

/// Every client that can be configured.
pub const TARGETS: &[Target] = &[
    codex::TARGET,
    vscode::TARGET,
    kilocode::TARGET,
    claude::TARGET,
    claude_desktop::TARGET,
    gemini::TARGET,
    antigravity::TARGET,
    zed::TARGET,
    cursor::TARGET,
    windsurf::TARGET,
    opencode::TARGET,
    copilot::TARGET,
    qwen::TARGET,
    amp::TARGET,
    continue_dev::TARGET,
];

/// Whether a client is on this machine, or has been configured before.
pub fn is_here(target: &Target, machine: &Machine, manifest: &Manifest) -> bool {
    manifest.knows(target.name)
        || machine.overrides.contains_key(target.name)
        || target.signs.iter().any(|sign| machine.path(sign).exists())
        || target.programs.iter().any(|program| machine.has_program(program))
}

#[cfg(test)]
mod tests;
