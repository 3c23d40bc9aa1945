//! The pages of the verbs that change the registry and the files of clients.

use super::shown;

#[test]
fn sync_page() {
    insta::assert_snapshot!(shown("sync"), @r"
    loom sync: write loom into the configuration files of AI clients

    Usage
      loom sync WORD… [--all-targets] [--regen] [--loom-mode] [--no-loom-mode]
          [--skip-skills] [--repo-only] [--dry-run] [--check] [--verify] [--undo]
          [--forget NUMBER] [--accept] [--force] [--remove] [--json] [--registry PATH]

    Arguments
      WORD      clients, `all`, `status` or `history`; `skills` before them: only what
                models are told

    Options
      --all-targets    with `all`: every client that loom knows, here or not
      --regen          also write the files of `loom generate`
      --loom-mode      one entry, `loom proxy`, in every client (default, unless the client
                       is in direct mode)
      --no-loom-mode   direct mode: an entry for every server of the registry, and none for
                       loom
      --skip-skills    leave instructions, skills, rules, commands and workflows as they are
      --repo-only      write only the files of `loom generate`, and none of a client
      --dry-run        show what would change as a diff, and write nothing
      --check          say whether anything would change or was changed, and write nothing
      --verify         then ask every client that is installed whether it can use loom, in
                       its own way
      --undo           take the last run back, or the one given
      --forget NUMBER  with `history`: drop what that run keeps of files, secrets in them
                       too; it cannot be undone any more
      --accept         regard what others changed in loom's keys as right from now on
      --force          write over what others changed in loom's keys, and put back what they
                       took out
      --remove         take out what is loom's
      --json           print JSON
      --registry PATH  registry to read (default: what the daemon reads; for the files of
                       `loom generate` the nearest one of the workspace)
      --socket PATH    socket of the daemon (default ~/.config/loom/loom.sock, or
                       LOOM_SOCKET)
      -h, --help       show this page

    Examples
      loom sync all --regen --loom-mode
      loom sync codex claude --dry-run

    Exit codes
      1         something is not as loom wrote it, or with --check not as it should be
      2         no such client or run
      4         with --verify: a client cannot use loom
      69        a file cannot be written; all others are as they were
      78        a file that loom cannot read was left alone; the others were written

    WORD is a client, several, or `all`: the clients that are on this machine.
    `loom sync status` shows how each stands, `loom sync history` the runs that wrote
    something, and `--undo` takes the last of them back, or the one whose number is given.
    For that loom keeps the bytes of those files, as they were, of the last 30 runs, for
    your user alone. Only loom's own keys are written, every other byte stays; what somebody
    else changed in them is reported and left. What skills-registry.yaml says goes along;
    `loom sync skills WORD` writes that alone. In direct mode a client starts the servers
    itself: through `loom exec` where its file cannot say what they need, so that no secret
    stands in it; the client stays in it until --loom-mode. Clients: codex, vscode,
    kilocode, claude, claude_desktop, gemini, antigravity, zed, cursor, windsurf, opencode,
    copilot, qwen, amp, continue.
    ");
}

#[test]
fn generate_configs_page() {
    insta::assert_snapshot!(shown("generate configs"), @r"
    loom generate configs: write the configuration files of clients into a folder, one
    folder a client

    Usage
      loom generate configs [--target NAMES] [--loom-mode] [--no-loom-mode]
          [--output-dir DIR] [--registry PATH]

    Options
      --target NAMES    clients, with commas between them, or `all` (default all)
      --loom-mode       one entry, `loom proxy`, in every client (default)
      --no-loom-mode    direct mode: an entry for every server of the registry, and none for
                        loom
      --output-dir DIR  folder to write into (default generated/mcp)
      --registry PATH   registry to read (default: the nearest one of the workspace, then
                        what the daemon reads)
      --socket PATH     socket of the daemon (default ~/.config/loom/loom.sock, or
                        LOOM_SOCKET)
      -h, --help        show this page

    Examples
      loom generate configs --target all --loom-mode
      loom generate configs --target codex,claude --output-dir /tmp/mcp

    Exit codes
      2         no such client
    ");
}

#[test]
fn add_page() {
    insta::assert_snapshot!(shown("add"), @r#"
    loom add: add a server to the registry

    Usage
      loom add NAME COMMAND… [--env NAME=VALUE] [--url URL] [--header NAME=VALUE]
          [--registry PATH]

    Arguments
      NAME      name of the server
      COMMAND   program and arguments, behind `--`

    Options
      --env NAME=VALUE     variable of the server, NAME=VALUE; may be given several times
      --url URL            address of a server elsewhere, in place of a command
      --header NAME=VALUE  header for a server elsewhere, NAME=VALUE; may be given several
                           times
      --registry PATH      registry to change (default: the nearest one of the workspace,
                           then what the daemon reads)
      --socket PATH        socket of the daemon (default ~/.config/loom/loom.sock, or
                           LOOM_SOCKET)
      -h, --help           show this page

    Examples
      loom add files -- npx -y @modelcontextprotocol/server-filesystem ~/notes
      loom add forge --url https://forge.example/mcp

    Exit codes
      2         there is such a server already, or nothing says how it is started
      78        the registry is wrong, or would be; nothing was changed

    The entry is added as text: comments and order stay. The file is checked before it is
    written, and a running daemon reads it at once.
    "#);
}

#[test]
fn disable_page() {
    insta::assert_snapshot!(shown("disable"), @r#"
    loom disable: keep a server in the registry, but never start or list it

    Usage
      loom disable NAME [--registry PATH]

    Arguments
      NAME      name of the server

    Options
      --registry PATH  registry to change (default: the nearest one of the workspace, then
                       what the daemon reads)
      --socket PATH    socket of the daemon (default ~/.config/loom/loom.sock, or
                       LOOM_SOCKET)
      -h, --help       show this page

    Examples
      loom disable files
      loom disable files --registry ~/work/registry.yaml

    Exit codes
      2         no such server
      78        the registry is wrong, or would be; nothing was changed
    "#);
}

#[test]
fn import_page() {
    insta::assert_snapshot!(shown("import"), @r"
    loom import: take the servers that your clients have over into the registry

    Usage
      loom import [--from NAMES] [--move] [--dry-run] [--json] [--registry PATH]

    Options
      --from NAMES     clients, with commas between them, or `all`: those on this machine
                       (default all)
      --move           then take these servers out of the clients' files, which reach them
                       through loom (`loom sync`); `loom sync --undo` puts them back,
                       secrets in the clear too, until `loom sync history --forget`
      --dry-run        show what would change as a diff, and write nothing
      --json           print JSON
      --registry PATH  registry to change (default: the one that the daemon reads)
      --socket PATH    socket of the daemon (default ~/.config/loom/loom.sock, or
                       LOOM_SOCKET)
      -h, --help       show this page

    Examples
      loom import --dry-run
      loom import --from codex,claude --move

    Exit codes
      1         a server was left out, or changed and stays; the others were taken over
      2         no such client
      69        secrets cannot be kept, or the registry not written; nothing was changed
      78        a file of a client cannot be read, or the registry is wrong

    Reads what the clients have for your user, and changes their files only with --move.
    Servers that several have become one; different ones of the same name get another name.
    Values that look secret go into the store of secrets (see `loom secrets`), and the
    registry refers to them. What loom has written is passed over. Comments and order of the
    registry stay, and a running daemon reads it at once.
    ");
}
