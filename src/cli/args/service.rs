//! What `loom install`, `uninstall`, `logs` and `completions` accept.

use argh::{ArgsInfo, FromArgs};

use crate::cli::values::{Limit, Paper};

/// have launchd or systemd start the daemon with your session
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "install")]
#[argh(
    note = "Writes the unit of launchd (macOS) or of `systemd --user` (Linux) and starts the daemon if none runs. \
               From then on `loom start`, a client's proxy and the session all start it through the service, which \
               also starts a crashed one again. What `loom stop` stopped stays stopped, also over a new login."
)]
#[argh(example = "loom install")]
#[argh(example = "loom install && loom status")]
#[argh(error_code(69, "there is no service manager here, or it refused"))]
#[argh(error_code(78, "the registry or config.toml is wrong; nothing was installed"))]
pub struct InstallArgs {}

/// stop and remove loom; your registry and secrets stay
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "uninstall")]
#[argh(
    note = "Takes loom's entries out of your clients' files (as `loom sync all --remove`), stops the daemon, its \
               servers and the connected `loom proxy` processes, removes the service, the programs that \
               `make install-core` put in place, logs and caches. registry.yaml, config.toml and secrets are kept."
)]
#[argh(example = "loom uninstall")]
#[argh(example = "loom uninstall --keep-clients")]
#[argh(error_code(4, "the daemon did not end in time"))]
#[argh(error_code(69, "something could not be removed; it is named"))]
#[argh(error_code(78, "a client's file could not be read; nothing was removed"))]
pub struct UninstallArgs {
    /// also delete the registry, the settings and every secret that loom keeps
    #[argh(switch)]
    pub purge: bool,
    /// leave the files of clients as they are
    #[argh(switch)]
    pub keep_clients: bool,
}

/// show the log of the daemon or of one server
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "logs")]
#[argh(note = "A server's log is what it wrote to standard error. The files are in ~/.config/loom/logs.")]
#[argh(example = "loom logs --follow")]
#[argh(example = "loom logs --server files --lines 200")]
#[argh(error_code(2, "no such server, or it has never written anything"))]
pub struct LogsArgs {
    /// go on with what is written from now on, until Ctrl-C
    #[argh(switch)]
    pub follow: bool,
    /// log of one server instead of the daemon's
    #[argh(option, arg_name = "NAME")]
    pub server: Option<String>,
    /// what the daemon wrote to standard error, such as a panic, instead of its log
    #[argh(switch)]
    pub errors: bool,
    /// lines to begin with (default 50)
    #[argh(option, arg_name = "N")]
    pub lines: Option<Limit>,
}

/// print what completes `loom` in a shell, or its manual page
#[derive(ArgsInfo, Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "completions")]
#[argh(note = "`make install-core` puts those of all three and the manual page in their places.")]
#[argh(example = "loom completions bash > ~/.local/share/bash-completion/completions/loom")]
#[argh(example = "loom completions man > ~/.local/share/man/man1/loom.1")]
pub struct CompletionsArgs {
    /// bash, zsh, fish, or man for the manual page
    #[argh(positional, arg_name = "SHELL")]
    pub shell: Paper,
}
