//! The pages of all other verbs.

use super::shown;

#[test]
fn check_page() {
    insta::assert_snapshot!(shown("check"), @r"
    loom check: find what is wrong around loom, and the command that mends it

    Usage
      loom check [--json] [--fix] [--settings] [--registry PATH]

    Options
      --json           print JSON
      --fix            run the proposed commands that lose nothing of yours, and look again
      --settings       show every setting, its value and where the value comes from
      --registry PATH  registry to examine (default: the nearest one of the workspace, then
                       what the daemon reads)
      --socket PATH    socket of the daemon (default ~/.config/loom/loom.sock, or
                       LOOM_SOCKET)
      -h, --help       show this page

    Examples
      loom check
      loom check --fix

    Exit codes
      1         there are errors; warnings alone are 0
    ");
}

#[test]
fn registry_page() {
    insta::assert_snapshot!(shown("registry"), @r"
    loom registry: say which registry is in force, or choose another

    Usage
      loom registry which|use

    Commands
      which     print the registry that the daemon reads, and why
      use       make the daemon read another registry from now on

    Options
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom registry which
      loom registry use ~/work/mcp/context/registry.yaml

    A daemon never reads a registry because of the folder it was started in: it reads the
    one chosen here, or ~/.config/loom/registry.yaml.
    ");
}

#[test]
fn registry_which_page() {
    insta::assert_snapshot!(shown("registry which"), @r"
    loom registry which: print the registry that the daemon reads, and why

    Usage
      loom registry which [--json]

    Options
      --json         print JSON
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom registry which
      loom registry which --json

    Exit codes
      78        there is no registry
    ");
}

#[test]
fn registry_use_page() {
    insta::assert_snapshot!(shown("registry use"), @r"
    loom registry use: make the daemon read another registry from now on

    Usage
      loom registry use [PATH] [--home]

    Arguments
      PATH      registry file

    Options
      --home         go back to ~/.config/loom/registry.yaml
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom registry use ~/work/mcp/context/registry.yaml
      loom registry use --home

    Exit codes
      78        that registry has errors; nothing was changed
    ");
}

#[test]
fn proxy_page() {
    insta::assert_snapshot!(shown("proxy"), @r"
    loom proxy: what an AI client starts: all tools of this machine over stdio

    Usage
      loom proxy [--agent-hint NAME] [--tool-profile NAME] [--max-tools N]

    Options
      --agent-hint NAME    name of the client, for `loom status`
      --tool-profile NAME  offer only the tools of [profiles.NAME] in config.toml
      --max-tools N        list at most so many tools; the others stay callable (default: no
                           limit)
      --socket PATH        socket of the daemon (default ~/.config/loom/loom.sock, or
                           LOOM_SOCKET)
      -h, --help           show this page

    Examples
      loom proxy --agent-hint claude
      loom proxy --tool-profile research --max-tools 40

    Standard output carries the protocol and nothing else. The daemon is started when none
    runs, but not after `loom stop`. It ends when its standard input does.
    ");
}

#[test]
fn daemon_page() {
    insta::assert_snapshot!(shown("daemon"), @r"
    loom daemon: run the daemon in the foreground

    Usage
      loom daemon [--registry PATH] [--detach]

    Options
      --registry PATH  registry to read (default: the chosen one, then
                       ~/.config/loom/registry.yaml)
      --detach         leave the terminal once ready
      --socket PATH    socket of the daemon (default ~/.config/loom/loom.sock, or
                       LOOM_SOCKET)
      -h, --help       show this page

    Examples
      loom daemon
      loom daemon --registry ./registry.yaml --socket /tmp/loom.sock

    Exit codes
      69        the socket cannot be had, or another daemon runs
      78        the registry or config.toml is wrong

    `loomd` is the same. People mostly want `loom start`. One daemon runs at a time; TERM
    drains, a second TERM ends at once, HUP reads the registry again.
    ");
}

#[test]
fn mcp_page() {
    insta::assert_snapshot!(shown("mcp"), @r"
    loom mcp: run one built-in MCP server over standard input and output

    Usage
      loom mcp NAME [ARG…]

    Arguments
      NAME      built-in server
      ARG       the server's own arguments

    Options
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom mcp echo
      loom mcp echo --delay-ms 200

    The registry starts one with `builtin: NAME`. What follows the name is the server's own.

    Built-in servers
      echo      a small demo and test server: echo, sleep, size, fail
    ");
}

#[test]
fn version_page() {
    insta::assert_snapshot!(shown("version"), @r"
    loom version: print the version, and with --json what this build is made of

    Usage
      loom version [--json]

    Options
      --json         print JSON
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom version
      loom version --json
    ");
}

#[test]
fn exec_page() {
    insta::assert_snapshot!(shown("exec"), @r"
    loom exec: become one server of the registry, as a client starts it

    Usage
      loom exec NAME [--agent-hint NAME] [--registry PATH]

    Arguments
      NAME      name of the server

    Options
      --agent-hint NAME  name of the client, for what `targets` of the registry say of it
      --registry PATH    registry to read (default: the chosen one, then
                         ~/.config/loom/registry.yaml)
      --socket PATH      socket of the daemon (default ~/.config/loom/loom.sock, or
                         LOOM_SOCKET)
      -h, --help         show this page

    Examples
      loom exec files
      loom exec forge --agent-hint codex --registry ~/work/registry.yaml

    Exit codes
      2         no such server, or it is no program
      69        its program cannot be started
      78        the registry is wrong, the server is disabled, or a value that it needs is
                missing

    What `loom sync --no-loom-mode` writes where a client cannot say it itself: templates
    and secrets are resolved, then this process becomes the server, with its folder and
    environment. Nothing is printed on standard output. The registry is the daemon's, never
    one of the working directory.
    ");
}
