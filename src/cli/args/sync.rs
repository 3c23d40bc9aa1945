//! What `loom sync` and `loom generate` accept.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

/// write loom into the configuration files of AI clients
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "sync")]
#[argh(
    note = "WORD is a client, several, or `all`: the clients that are on this machine. `loom sync status` shows how \
               each stands, `loom sync history` the runs that wrote something, and `--undo` takes the last of them \
               back, or the one whose number is given. For that loom keeps the bytes of those files, as they were, of the \
               last 30 runs, for your user alone. Only loom's own keys are written, every other byte stays; \
               what somebody else changed in them is reported and left. What skills-registry.yaml says goes along; \
               `loom sync skills WORD` writes that alone. In direct mode a client starts the servers \
               itself: through `loom exec` where its file cannot say what they need, so that no secret stands in it; \
               the client stays in it until --loom-mode. Clients: codex, vscode, kilocode, claude, \
               claude_desktop, gemini, antigravity, zed, cursor, windsurf, opencode, copilot, qwen, amp, continue."
)]
#[argh(example = "loom sync all --regen --loom-mode")]
#[argh(example = "loom sync codex claude --dry-run")]
#[argh(error_code(1, "something is not as loom wrote it, or with --check not as it should be"))]
#[argh(error_code(2, "no such client or run"))]
#[argh(error_code(4, "with --verify: a client cannot use loom"))]
#[argh(error_code(69, "a file cannot be written; all others are as they were"))]
#[argh(error_code(78, "a file that loom cannot read was left alone; the others were written"))]
pub struct SyncArgs {
    /// clients, `all`, `status` or `history`; `skills` before them: only what models are told
    #[argh(positional, arg_name = "WORD")]
    pub words: Vec<String>,
    /// with `all`: every client that loom knows, here or not
    #[argh(switch)]
    pub all_targets: bool,
    /// also write the files of `loom generate`
    #[argh(switch)]
    pub regen: bool,
    /// one entry, `loom proxy`, in every client (default, unless the client is in direct mode)
    #[argh(switch)]
    pub loom_mode: bool,
    /// direct mode: an entry for every server of the registry, and none for loom
    #[argh(switch)]
    pub no_loom_mode: bool,
    /// leave instructions, skills, rules, commands and workflows as they are
    #[argh(switch)]
    pub skip_skills: bool,
    /// write only the files of `loom generate`, and none of a client
    #[argh(switch)]
    pub repo_only: bool,
    /// show what would change as a diff, and write nothing
    #[argh(switch)]
    pub dry_run: bool,
    /// say whether anything would change or was changed, and write nothing
    #[argh(switch)]
    pub check: bool,
    /// then ask every client that is installed whether it can use loom, in its own way
    #[argh(switch)]
    pub verify: bool,
    /// take the last run back, or the one given
    #[argh(switch)]
    pub undo: bool,
    /// with `history`: drop what that run keeps of files, secrets in them too; it cannot be undone any more
    #[argh(option, arg_name = "NUMBER")]
    pub forget: Option<String>,
    /// regard what others changed in loom's keys as right from now on
    #[argh(switch)]
    pub accept: bool,
    /// write over what others changed in loom's keys, and put back what they took out
    #[argh(switch)]
    pub force: bool,
    /// take out what is loom's
    #[argh(switch)]
    pub remove: bool,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
    /// registry to read (default: what the daemon reads; for the files of `loom generate` the nearest one of the
    /// workspace)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
}

/// write what `loom sync` would write for a home without clients
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "generate")]
#[argh(example = "loom generate configs --target all --loom-mode")]
#[argh(example = "loom generate skills --target codex,claude --output-dir /tmp/skills")]
pub struct GenerateArgs {
    #[argh(subcommand)]
    pub verb: GenerateVerb,
}

#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand)]
pub enum GenerateVerb {
    Configs(GenerateConfigsArgs),
    Skills(GenerateSkillsArgs),
}

/// write the configuration files of clients into a folder, one folder a client
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "configs")]
#[argh(example = "loom generate configs --target all --loom-mode")]
#[argh(example = "loom generate configs --target codex,claude --output-dir /tmp/mcp")]
#[argh(error_code(2, "no such client"))]
pub struct GenerateConfigsArgs {
    /// clients, with commas between them, or `all` (default all)
    #[argh(option, arg_name = "NAMES", default = "String::from(\"all\")")]
    pub target: String,
    /// one entry, `loom proxy`, in every client (default)
    #[argh(switch)]
    pub loom_mode: bool,
    /// direct mode: an entry for every server of the registry, and none for loom
    #[argh(switch)]
    pub no_loom_mode: bool,
    /// folder to write into (default generated/mcp)
    #[argh(option, arg_name = "DIR", default = "PathBuf::from(\"generated/mcp\")")]
    pub output_dir: PathBuf,
    /// registry to read (default: the nearest one of the workspace, then what the daemon reads)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
}

/// write instructions, skills, rules, commands and workflows into a folder, one folder a client
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "skills")]
#[argh(example = "loom generate skills --target all")]
#[argh(example = "loom generate skills --validate")]
#[argh(error_code(2, "no such client"))]
#[argh(error_code(78, "skills-registry.yaml or a file that it names is wrong; the places are named"))]
pub struct GenerateSkillsArgs {
    /// clients, with commas between them, or `all` (default all)
    #[argh(option, arg_name = "NAMES", default = "String::from(\"all\")")]
    pub target: String,
    /// folder to write into (default generated/skills)
    #[argh(option, arg_name = "DIR", default = "PathBuf::from(\"generated/skills\")")]
    pub output_dir: PathBuf,
    /// say what would be written, and write nothing
    #[argh(switch)]
    pub dry_run: bool,
    /// say what is wrong with skills-registry.yaml, and write nothing
    #[argh(switch)]
    pub validate: bool,
    /// skills-registry.yaml to read (default: the one beside the registry in force, then ~/.config/loom/skills-registry.yaml)
    #[argh(option, arg_name = "PATH")]
    pub registry: Option<PathBuf>,
}
