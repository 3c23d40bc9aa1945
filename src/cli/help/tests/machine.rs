//! The pages of the verbs about this machine: services, logs, completions.

use super::shown;

#[test]
fn install_page() {
    insta::assert_snapshot!(shown("install"), @r"
    loom install: have launchd or systemd start the daemon with your session

    Usage
      loom install

    Options
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom install
      loom install && loom status

    Exit codes
      69        there is no service manager here, or it refused
      78        the registry or config.toml is wrong; nothing was installed

    Writes the unit of launchd (macOS) or of `systemd --user` (Linux) and starts the daemon
    if none runs. From then on `loom start`, a client's proxy and the session all start it
    through the service, which also starts a crashed one again. What `loom stop` stopped
    stays stopped, also over a new login.
    ");
}

#[test]
fn uninstall_page() {
    insta::assert_snapshot!(shown("uninstall"), @r"
    loom uninstall: stop and remove loom; your registry and secrets stay

    Usage
      loom uninstall [--purge] [--keep-clients]

    Options
      --purge         also delete the registry, the settings and every secret that loom
                      keeps
      --keep-clients  leave the files of clients as they are
      --socket PATH   socket of the daemon (default ~/.config/loom/loom.sock, or
                      LOOM_SOCKET)
      -h, --help      show this page

    Examples
      loom uninstall
      loom uninstall --keep-clients

    Exit codes
      4         the daemon did not end in time
      69        something could not be removed; it is named
      78        a client's file could not be read; nothing was removed

    Takes loom's entries out of your clients' files (as `loom sync all --remove`), stops the
    daemon, its servers and the connected `loom proxy` processes, removes the service, the
    programs that `make install-core` put in place, logs and caches. registry.yaml,
    config.toml and secrets are kept.
    ");
}

#[test]
fn logs_page() {
    insta::assert_snapshot!(shown("logs"), @r"
    loom logs: show the log of the daemon or of one server

    Usage
      loom logs [--follow] [--server NAME] [--errors] [--lines N]

    Options
      --follow       go on with what is written from now on, until Ctrl-C
      --server NAME  log of one server instead of the daemon's
      --errors       what the daemon wrote to standard error, such as a panic, instead of
                     its log
      --lines N      lines to begin with (default 50)
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom logs --follow
      loom logs --server files --lines 200

    Exit codes
      2         no such server, or it has never written anything

    A server's log is what it wrote to standard error. The files are in ~/.config/loom/logs.
    ");
}

#[test]
fn completions_page() {
    insta::assert_snapshot!(shown("completions"), @r"
    loom completions: print what completes `loom` in a shell, or its manual page

    Usage
      loom completions SHELL

    Arguments
      SHELL     bash, zsh, fish, or man for the manual page

    Options
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom completions bash > ~/.local/share/bash-completion/completions/loom
      loom completions man > ~/.local/share/man/man1/loom.1

    `make install-core` puts those of all three and the manual page in their places.
    ");
}
