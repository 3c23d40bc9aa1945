mod changes;
mod daily;
mod machine;
mod others;
mod tools;

use argh::ArgsInfo;

use super::*;
use crate::cli::args::Top;
use crate::cli::help_text;

fn shown(path: &str) -> String {
    let path: Vec<String> = path.split_whitespace().map(str::to_owned).collect();
    help_text(&Top::get_args_info(), &path)
}

#[test]
fn every_verb_stands_in_one_group() {
    let top = Top::get_args_info();
    let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, verbs)| verbs.iter().copied()).collect();
    let mut verbs: Vec<&str> = top.commands.iter().map(|sub| sub.name).collect();
    grouped.sort_unstable();
    verbs.sort_unstable();
    assert_eq!(grouped, verbs);
}

#[test]
fn every_page_has_two_examples_and_fits_the_screen() {
    fn walk(node: &CommandInfoWithArgs, path: &str) {
        for sub in &node.commands {
            let path = format!("{path} {}", sub.name);
            assert_eq!(sub.command.examples.len(), 2, "{path}");
            for line in shown(&path).lines() {
                assert!(line.chars().count() <= WIDTH, "{path}: {line}");
            }
            walk(&sub.command, &path);
        }
    }
    walk(&Top::get_args_info(), "");
}

#[test]
fn overview_page() {
    insta::assert_snapshot!(shown(""), @r"
    loom: one door for every MCP server of this machine

    Every day
      start     start the daemon, or hand the running one this shell's environment
      stop      stop the daemon and keep it stopped until `loom start`
      restart   stop the daemon and start it again; clients reconnect by themselves
      status    show the daemon, its servers and the clients connected to it
      reload    read the registry again and restart only what changed

    Tools and servers
      tools     list, find, describe and call the tools of all servers
      servers   show the servers of the registry, or restart one
      calls     show the last calls of all clients, or watch them as they end
      logs      show the log of the daemon or of one server
      health    say in one screen whether the servers work

    Configuration
      add       add a server to the registry
      remove    take a server out of the registry
      enable    use a server again that was disabled
      disable   keep a server in the registry, but never start or list it
      import    take the servers that your clients have over into the registry
      sync      write loom into the configuration files of AI clients
      generate  write what `loom sync` would write for a home without clients
      check     find what is wrong around loom, and the command that mends it
      registry  say which registry is in force, or choose another
      secrets   keep secrets for servers in the keychain or an encrypted file

    This machine
      install    have launchd or systemd start the daemon with your session
      uninstall  stop and remove loom; your registry and secrets stay

    Started by programs
      proxy     what an AI client starts: all tools of this machine over stdio
      exec      become one server of the registry, as a client starts it
      daemon    run the daemon in the foreground
      mcp       run one built-in MCP server over standard input and output

    About
      completions  print what completes `loom` in a shell, or its manual page
      version      print the version, and with --json what this build is made of

    `loom help VERB` tells more, `loom help exit-codes` what the codes mean.
    New here: `loom import` takes over what your clients have, `loom add NAME -- COMMAND` adds a server;
    then `loom start` and `loom status`.
    ");
}

#[test]
fn exit_code_page() {
    insta::assert_snapshot!(exit_codes(), @r"
    Exit codes
      0         done
      1         the check that was asked for found something, or the tool answered with an
                error
      2         the command line is wrong
      3         the daemon does not run
      4         the daemon or a server runs but does not work
      69        something outside loom is not available, a server for instance
      70        a defect of loom
      78        a configuration file is wrong
    ");
}
