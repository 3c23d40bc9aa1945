//! What `loom registry` and its verbs accept.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

/// say which registry is in force, or choose another
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "registry")]
#[argh(
    note = "A daemon never reads a registry because of the folder it was started in: it reads the one chosen \
               here, or ~/.config/loom/registry.yaml."
)]
#[argh(example = "loom registry which")]
#[argh(example = "loom registry use ~/work/mcp/context/registry.yaml")]
pub struct RegistryArgs {
    #[argh(subcommand)]
    pub verb: RegistryVerb,
}

#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand)]
pub enum RegistryVerb {
    Which(RegistryWhichArgs),
    Use(RegistryUseArgs),
}

/// print the registry that the daemon reads, and why
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "which")]
#[argh(example = "loom registry which")]
#[argh(example = "loom registry which --json")]
#[argh(error_code(78, "there is no registry"))]
pub struct RegistryWhichArgs {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// make the daemon read another registry from now on
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "use")]
#[argh(example = "loom registry use ~/work/mcp/context/registry.yaml")]
#[argh(example = "loom registry use --home")]
#[argh(error_code(78, "that registry has errors; nothing was changed"))]
pub struct RegistryUseArgs {
    /// registry file
    #[argh(positional, arg_name = "PATH")]
    pub path: Option<PathBuf>,
    /// go back to ~/.config/loom/registry.yaml
    #[argh(switch)]
    pub home: bool,
}
