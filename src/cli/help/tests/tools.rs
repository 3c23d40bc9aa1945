//! The pages of `loom tools`.

use super::shown;

#[test]
fn tools_page() {
    insta::assert_snapshot!(shown("tools"), @r#"
    loom tools: list, find, describe and call the tools of all servers

    Usage
      loom tools list|search|get|call

    Commands
      list      list tools, grouped by server
      search    find tools by words in their names and descriptions, best first
      get       describe one tool: what it does and what arguments it takes
      call      call one tool and print what it answers

    Options
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom tools list
      loom tools call echo__echo '{"message":"hi"}'

    A tool is named SERVER__TOOL. The daemon is started when none runs, but not after
    `loom stop`.
    "#);
}

#[test]
fn tools_list_page() {
    insta::assert_snapshot!(shown("tools list"), @r"
    loom tools list: list tools, grouped by server

    Usage
      loom tools list [--json] [--server NAME] [--page N] [--limit N]

    Options
      --json         print JSON
      --server NAME  only the tools of one server
      --page N       page to show, from 1 (default 1)
      --limit N      tools on a page, 10 to 500; 0 shows all (default 0)
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom tools list --server echo
      loom tools list --json --page 2 --limit 100

    Exit codes
      2         no such server, or no such page
    ");
}

#[test]
fn tools_search_page() {
    insta::assert_snapshot!(shown("tools search"), @r"
    loom tools search: find tools by words in their names and descriptions, best first

    Usage
      loom tools search WORD… [--json] [--server NAME] [--limit N]

    Arguments
      WORD      words that must all occur

    Options
      --json         print JSON
      --server NAME  only the tools of one server
      --limit N      hits to show; 0 shows all (default 20)
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom tools search query range
      loom tools search file --limit 5 --json
    ");
}

#[test]
fn tools_get_page() {
    insta::assert_snapshot!(shown("tools get"), @r"
    loom tools get: describe one tool: what it does and what arguments it takes

    Usage
      loom tools get TOOL [--json]

    Arguments
      TOOL      tool, as `loom tools list` names it

    Options
      --json         print the tool object as the server gave it
      --socket PATH  socket of the daemon (default ~/.config/loom/loom.sock, or LOOM_SOCKET)
      -h, --help     show this page

    Examples
      loom tools get echo__echo
      loom tools get echo__echo --json

    Exit codes
      2         no such tool
    ");
}

#[test]
fn tools_call_page() {
    insta::assert_snapshot!(shown("tools call"), @r#"
    loom tools call: call one tool and print what it answers

    Usage
      loom tools call TOOL [JSON] [--args JSON] [--json] [--timeout TIME]

    Arguments
      TOOL      tool, as `loom tools list` names it
      JSON      arguments: an object, @FILE, or - for standard input (default: none)

    Options
      --args JSON     the same
      --json          print the whole result as JSON
      --timeout TIME  longest wait for the answer: 500ms, 30s, 5m, 2h (default: the
                      tool_timeout setting)
      --socket PATH   socket of the daemon (default ~/.config/loom/loom.sock, or
                      LOOM_SOCKET)
      -h, --help      show this page

    Examples
      loom tools call echo__echo '{"message":"hi"}'
      loom tools call db__query --args @query.json --timeout 2m --json

    Exit codes
      1         the tool answered with an error
      2         no such tool, or the arguments are not a JSON object
      3         the daemon does not run
      69        the server behind the tool is gone, failed or too slow
    "#);
}
