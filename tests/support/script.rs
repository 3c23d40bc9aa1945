//! An MCP server in a few lines of `sh`, for what the echo server cannot be: any tool names, any result.

/// The script. `tools` are the JSON objects of its list; `result` is that of every call, where `$name` stands for the
/// tool that was called. Neither may hold a single quote. While `~/broken` exists it does not start.
pub fn server(tools: &str, result: &str) -> String {
    let result = result.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        r#"if [ -e "$HOME/broken" ]; then echo "it is broken" >&2; exit 1; fi
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  name=$(printf '%s' "$line" | sed -n 's/.*"name":"\([^"]*\)".*/\1/p')
  case $line in
    *'"initialize"'*) result='{{"protocolVersion":"2025-11-25","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"sh","version":"1"}}}}' ;;
    *'"tools/list"'*) result='{{"tools":[{tools}]}}' ;;
    *'"tools/call"'*) result="{result}" ;;
    *) continue ;;
  esac
  printf '{{"jsonrpc":"2.0","id":%s,"result":%s}}\n' "$id" "$result"
done
"#
    )
}

/// A tool without arguments.
pub fn tool(name: &str) -> String {
    format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#)
}
