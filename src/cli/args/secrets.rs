//! What `loom secrets` accepts, and the source of its help pages.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use crate::cli::values::Backend;

/// keep secrets for servers in the keychain or an encrypted file
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "secrets")]
#[argh(
    note = "The registry refers to one as `${{secret:NAME}}` in `env` and `headers`. Sources are asked in this order: \
               environment, keychain, 1Password when it is configured, encrypted file."
)]
#[argh(example = "loom secrets set FORGE_TOKEN")]
#[argh(example = "loom secrets doctor")]
pub struct SecretsArgs {
    #[argh(subcommand)]
    pub verb: SecretsVerb,
}

#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand)]
pub enum SecretsVerb {
    Set(SetArgs),
    Get(GetArgs),
    List(ListArgs),
    Delete(DeleteArgs),
    Import(ImportArgs),
    Unlock(UnlockArgs),
    Doctor(DoctorArgs),
}

/// keep a secret; its value is asked for and not shown
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "set")]
#[argh(
    note = "A value on the command line is refused: every process of this machine could read it, and your shell would \
               keep it in its history. A running daemon restarts the servers that use the secret."
)]
#[argh(example = "loom secrets set FORGE_TOKEN")]
#[argh(example = "pass show forge | loom secrets set FORGE_TOKEN --from-stdin")]
#[argh(error_code(2, "no such name, or there is no terminal to ask"))]
#[argh(error_code(69, "nothing could be written"))]
#[argh(error_code(78, "the encrypted file is damaged; it was left as it is"))]
pub struct SetArgs {
    /// name, as the registry refers to it
    #[argh(positional, arg_name = "NAME")]
    pub name: String,
    /// read the value from standard input; one line end at its end is dropped
    #[argh(switch)]
    pub from_stdin: bool,
    /// where to write: keychain or file (default: the first that can be written)
    #[argh(option, arg_name = "SOURCE")]
    pub backend: Option<Backend>,
}

/// print a secret
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "get")]
#[argh(
    note = "Without a terminal it needs --reveal, so that no script or AI agent reads a secret by accident."
)]
#[argh(example = "loom secrets get FORGE_TOKEN")]
#[argh(example = "loom secrets get FORGE_TOKEN --reveal | wc -c")]
#[argh(error_code(1, "no source has it"))]
#[argh(error_code(2, "this is no terminal, and --reveal is not there"))]
#[argh(error_code(69, "a source that may have it cannot be asked"))]
pub struct GetArgs {
    /// name of the secret
    #[argh(positional, arg_name = "NAME")]
    pub name: String,
    /// print it whoever may be reading
    #[argh(switch)]
    pub reveal: bool,
}

/// list the names of secrets, where each is, and which servers use it
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "list")]
#[argh(example = "loom secrets list")]
#[argh(example = "loom secrets list --backends")]
pub struct ListArgs {
    /// list the sources instead, and whether they can be used
    #[argh(switch)]
    pub backends: bool,
    /// print JSON; it never has a value in it
    #[argh(switch)]
    pub json: bool,
}

/// delete a secret from the keychain and the encrypted file
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "delete")]
#[argh(example = "loom secrets delete FORGE_TOKEN")]
#[argh(example = "loom secrets delete OLD_TOKEN")]
#[argh(error_code(1, "neither has it"))]
#[argh(error_code(78, "the encrypted file is damaged; it was left as it is"))]
pub struct DeleteArgs {
    /// name of the secret
    #[argh(positional, arg_name = "NAME")]
    pub name: String,
}

/// keep all secrets of a file of NAME=value lines (dotenv)
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "import")]
#[argh(note = "The file is not changed: delete it afterwards, it holds the values in plain text.")]
#[argh(example = "loom secrets import .env --dry-run")]
#[argh(example = "loom secrets import .env")]
#[argh(error_code(1, "some lines were passed over; they are named"))]
#[argh(error_code(2, "the file cannot be read"))]
pub struct ImportArgs {
    /// the file
    #[argh(positional, arg_name = "FILE")]
    pub file: PathBuf,
    /// name what would be kept, and keep nothing
    #[argh(switch)]
    pub dry_run: bool,
    /// where to write: keychain or file (default: the first that can be written)
    #[argh(option, arg_name = "SOURCE")]
    pub backend: Option<Backend>,
}

/// give the running daemon the passphrase of the encrypted file
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "unlock")]
#[argh(note = "The daemon keeps it in memory only: after a restart of the daemon it is needed again.")]
#[argh(example = "loom secrets unlock")]
#[argh(example = "pass show loom | loom secrets unlock --from-stdin")]
#[argh(error_code(3, "the daemon does not run"))]
#[argh(error_code(78, "the passphrase is not the right one"))]
pub struct UnlockArgs {
    /// read the passphrase from standard input
    #[argh(switch)]
    pub from_stdin: bool,
}

/// say which sources work, what protects the file, and which secrets are missing
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "doctor")]
#[argh(example = "loom secrets doctor")]
#[argh(example = "loom secrets doctor --json")]
#[argh(error_code(1, "a source is broken, or a server lacks a secret"))]
pub struct DoctorArgs {
    /// print JSON; it never has a value in it
    #[argh(switch)]
    pub json: bool,
}
