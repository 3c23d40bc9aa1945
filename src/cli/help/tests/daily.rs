//! The pages of the verbs about the daemon and its servers.

use super::shown;

#[test]
fn start_page() {
    insta::assert_snapshot!(shown("start"), @r"
    loom start: start the daemon, or hand the running one this shell's environment

    Usage
      loom start [--registry PATH]

    Options
      --registry PATH  registry to read (default: the chosen one, then
                       ~/.config/loom/registry.yaml)
      --socket PATH    socket of the daemon (default ~/.config/loom/loom.sock, or
                       LOOM_SOCKET)
      -h, --help       show this page

    Examples
      loom start
      loom start --registry ~/work/registry.yaml

    Exit codes
      78        the registry or config.toml is wrong; the places are named

    PATH and the variables that the registry names as ${env:NAME} are recorded, so that
    servers see them whoever starts the daemon later. Names that look secret are never
    written to disk.
    ");
}

#[test]
fn stop_page() {
    insta::assert_snapshot!(shown("stop"), @r"
    loom stop: stop the daemon and keep it stopped until `loom start`

    Usage
      loom stop

    Options
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom stop
      loom stop --socket /tmp/other.sock

    Exit codes
      4         the daemon did not end in time

    Calls under way get time to finish. AI clients that ask meanwhile are told that a person
    stopped loom.
    ");
}

#[test]
fn restart_page() {
    insta::assert_snapshot!(shown("restart"), @r"
    loom restart: stop the daemon and start it again; clients reconnect by themselves

    Usage
      loom restart [--registry PATH] [--when-idle TIME]

    Options
      --registry PATH   registry to read (default: the chosen one, then
                        ~/.config/loom/registry.yaml)
      --when-idle TIME  wait at most so long for a moment without an open call
      --socket PATH     socket of the daemon (default ~/.config/loom/loom.sock, or
                        LOOM_SOCKET)
      -h, --help        show this page

    Examples
      loom restart
      loom restart --when-idle 5m

    Exit codes
      4         the old daemon did not end, or what serves now is another build
      69        with --when-idle: calls were open all the time; nothing was stopped
      78        the registry or config.toml is wrong; nothing was stopped

    The registry is checked first: with errors in it the old daemon keeps running.
    ");
}

#[test]
fn status_page() {
    insta::assert_snapshot!(shown("status"), @r"
    loom status: show the daemon, its servers and the clients connected to it

    Usage
      loom status [--json]

    Options
      --json         print JSON
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom status
      loom status --json

    Exit codes
      3         the daemon does not run
      4         a server that is not optional has failed

    A service is shown where one is installed, see `loom help install`.
    ");
}

#[test]
fn reload_page() {
    insta::assert_snapshot!(shown("reload"), @r"
    loom reload: read the registry again and restart only what changed

    Usage
      loom reload [--json]

    Options
      --json         print JSON
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom reload
      loom reload --json

    Exit codes
      3         the daemon does not run
      78        the registry has errors; the daemon keeps the one it has

    The daemon also does this by itself when the file changes.
    ");
}

#[test]
fn servers_page() {
    insta::assert_snapshot!(shown("servers"), @r"
    loom servers: show the servers of the registry, or restart one

    Usage
      loom servers list|restart [--json]

    Commands
      list      list the servers with their state
      restart   restart one server; also ends a crash-loop

    Options
      --json         print JSON
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom servers
      loom servers restart echo

    Exit codes
      3         the daemon does not run
      4         a server that is not optional has failed

    Without a further word the servers are listed.
    ");
}

#[test]
fn calls_page() {
    insta::assert_snapshot!(shown("calls"), @r"
    loom calls: show the last calls of all clients, or watch them as they end

    Usage
      loom calls [--follow] [--summary] [--args] [--server NAME] [--client NAME] [--limit N]
          [--json]

    Options
      --follow       print each call as it ends, until Ctrl-C
      --summary      calls, errors and the times of most calls (p50, p95, p99) for each tool
      --args         with --follow: the arguments too
      --server NAME  only the calls to one server
      --client NAME  only the calls of one client: its name or its number, as `loom status`
                     shows them
      --limit N      past calls to show; 0 shows all (default 20, with --follow none)
      --json         print JSON; with --follow one object a line
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom calls --follow --server echo --args
      loom calls --summary

    Exit codes
      2         no such server, or options that do not go together
      3         the daemon does not run, or ended while it was watched

    The daemon remembers the last 1000 calls, without arguments and results. Arguments are
    told only while somebody watches with --args, shortened, and with `***` for what looks
    secret. Times are UTC.
    ");
}

#[test]
fn servers_list_page() {
    insta::assert_snapshot!(shown("servers list"), @r"
    loom servers list: list the servers with their state

    Usage
      loom servers list

    Options
      --json         print JSON
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom servers list
      loom servers list --json

    Exit codes
      3         the daemon does not run
      4         a server that is not optional has failed
    ");
}

#[test]
fn servers_restart_page() {
    insta::assert_snapshot!(shown("servers restart"), @r"
    loom servers restart: restart one server; also ends a crash-loop

    Usage
      loom servers restart NAME

    Arguments
      NAME      server, as the registry names it

    Options
      --json         print JSON
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom servers restart echo
      loom servers restart echo --json

    Exit codes
      2         no such server
      3         the daemon does not run
    ");
}

#[test]
fn health_page() {
    insta::assert_snapshot!(shown("health"), @r"
    loom health: say in one screen whether the servers work

    Usage
      loom health [--json]

    Options
      --json         print JSON, the same object as /health
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom health
      loom health --json

    Exit codes
      3         the daemon does not run
      4         degraded or unhealthy
    ");
}
