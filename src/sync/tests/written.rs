//! What is written, and where, word for word.

use super::*;

fn written(leave: &Leave) -> Vec<String> {
    let mut texts = Vec::new();
    for target in TARGETS {
        for (job, items) in held(target, Os::Linux, leave.clone()) {
            let planned = plan(job.format, &job.seed, None, &items, Policy::Report).unwrap();
            texts.push(format!("=== {} {}\n{}", target.name, job.path.display(), planned.text));
        }
    }
    texts
}

#[test]
#[expect(clippy::too_many_lines, reason = "a snapshot")]
fn what_an_empty_home_gets() {
    insta::assert_snapshot!(written(&Leave::default()).join("\n"), @r#"
    === codex /home/ann/.codex/config.toml
    [mcp_servers.loom]
    command = "/opt/loom"
    args = ["proxy", "--agent-hint", "codex"]
    startup_timeout_sec = 30
    tool_timeout_sec = 600

    === vscode /home/ann/.config/Code/User/mcp.json
    {
      "servers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "vscode", "--max-tools", "100"],
          "type": "stdio"
        }
      }
    }

    === kilocode /home/ann/.config/kilo/kilo.jsonc
    {
      "mcp": {
        "loom": {
          "type": "local",
          "command": ["/opt/loom", "proxy", "--agent-hint", "kilocode"],
          "enabled": true,
          "timeout": 60000
        }
      }
    }

    === claude /home/ann/.claude.json
    {
      "mcpServers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "claude"],
          "type": "stdio",
          "timeout": 600000
        }
      }
    }

    === claude_desktop /home/ann/.config/Claude/claude_desktop_config.json
    {
      "mcpServers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "claude_desktop"]
        }
      }
    }

    === gemini /home/ann/.gemini/settings.json
    {
      "mcpServers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "gemini"],
          "timeout": 600000
        }
      }
    }

    === antigravity /home/ann/.gemini/config/mcp_config.json
    {
      "mcpServers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "antigravity", "--max-tools", "50"]
        }
      }
    }

    === zed /home/ann/.config/zed/settings.json
    {
      "context_servers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "zed"]
        }
      }
    }

    === cursor /home/ann/.cursor/mcp.json
    {
      "mcpServers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "cursor", "--max-tools", "40"]
        }
      }
    }

    === windsurf /home/ann/.codeium/windsurf/mcp_config.json
    {
      "mcpServers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "windsurf", "--max-tools", "90"]
        }
      }
    }

    === opencode /home/ann/.config/opencode/opencode.json
    {
      "mcp": {
        "loom": {
          "type": "local",
          "command": ["/opt/loom", "proxy", "--agent-hint", "opencode"],
          "enabled": true,
          "timeout": 60000
        }
      }
    }

    === copilot /home/ann/.copilot/mcp-config.json
    {
      "mcpServers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "copilot", "--max-tools", "100"],
          "type": "local",
          "tools": ["*"],
          "timeout": 600000
        }
      }
    }

    === qwen /home/ann/.qwen/settings.json
    {
      "mcpServers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "qwen"],
          "timeout": 600000
        }
      }
    }

    === amp /home/ann/.config/amp/settings.json
    {
      "amp.mcpServers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "amp"]
        }
      }
    }

    === continue /home/ann/.continue/config.yaml
    name: Local Assistant
    version: 1.0.0
    schema: v1
    mcpServers:
      - name: loom
        command: "/opt/loom"
        args: ["proxy", "--agent-hint", "continue"]
        type: stdio
        connectionTimeout: 60000
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a snapshot")]
fn what_may_be_called_without_asking() {
    let leave =
        Leave { all: true, tools: vec!["git__log".into(), "files__*".into()], rules: Rules::default() };
    let plain = written(&Leave::default());
    let differing: Vec<String> = written(&leave).into_iter().filter(|text| !plain.contains(text)).collect();
    insta::assert_snapshot!(differing.join("\n"), @r#"
    === codex /home/ann/.codex/config.toml
    [mcp_servers.loom]
    command = "/opt/loom"
    args = ["proxy", "--agent-hint", "codex"]
    startup_timeout_sec = 30
    tool_timeout_sec = 600
    default_tools_approval_mode = "approve"

    [mcp_servers.loom.tools.git__log]
    approval_mode = "approve"

    === kilocode /home/ann/.config/kilo/kilo.jsonc
    {
      "mcp": {
        "loom": {
          "type": "local",
          "command": ["/opt/loom", "proxy", "--agent-hint", "kilocode"],
          "enabled": true,
          "timeout": 60000
        }
      },
      "permission": {
        "loom_*": "allow",
        "loom_git__log": "allow",
        "loom_files__*": "allow"
      }
    }

    === claude /home/ann/.claude/settings.json
    {
      "permissions": {
        "allow": ["mcp__loom", "mcp__loom__git__log"]
      }
    }

    === gemini /home/ann/.gemini/settings.json
    {
      "mcpServers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "gemini"],
          "timeout": 600000,
          "trust": true
        }
      }
    }

    === zed /home/ann/.config/zed/settings.json
    {
      "context_servers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "zed"]
        }
      },
      "agent": {
        "tool_permissions": {
          "tools": {
            "mcp:loom:git__log": {
              "default": "allow"
            }
          }
        }
      }
    }

    === opencode /home/ann/.config/opencode/opencode.json
    {
      "mcp": {
        "loom": {
          "type": "local",
          "command": ["/opt/loom", "proxy", "--agent-hint", "opencode"],
          "enabled": true,
          "timeout": 60000
        }
      },
      "permission": {
        "loom_*": "allow",
        "loom_git__log": "allow",
        "loom_files__*": "allow"
      }
    }

    === qwen /home/ann/.qwen/settings.json
    {
      "mcpServers": {
        "loom": {
          "command": "/opt/loom",
          "args": ["proxy", "--agent-hint", "qwen"],
          "timeout": 600000,
          "trust": true
        }
      }
    }
    "#);
}

#[test]
fn where_the_files_are() {
    let mut text = String::new();
    for os in [Os::Linux, Os::Macos, Os::Windows] {
        for target in TARGETS {
            let paths: Vec<String> = held(target, os, Leave { all: true, ..Leave::default() })
                .into_iter()
                .map(|(job, _)| job.path.display().to_string())
                .collect();
            text.push_str(&format!("{os:?} {}: {}\n", target.name, paths.join(" ")));
        }
    }
    insta::assert_snapshot!(text, @r#"
    Linux codex: /home/ann/.codex/config.toml
    Linux vscode: /home/ann/.config/Code/User/mcp.json
    Linux kilocode: /home/ann/.config/kilo/kilo.jsonc
    Linux claude: /home/ann/.claude.json /home/ann/.claude/settings.json
    Linux claude_desktop: /home/ann/.config/Claude/claude_desktop_config.json
    Linux gemini: /home/ann/.gemini/settings.json
    Linux antigravity: /home/ann/.gemini/config/mcp_config.json
    Linux zed: /home/ann/.config/zed/settings.json
    Linux cursor: /home/ann/.cursor/mcp.json
    Linux windsurf: /home/ann/.codeium/windsurf/mcp_config.json
    Linux opencode: /home/ann/.config/opencode/opencode.json
    Linux copilot: /home/ann/.copilot/mcp-config.json
    Linux qwen: /home/ann/.qwen/settings.json
    Linux amp: /home/ann/.config/amp/settings.json
    Linux continue: /home/ann/.continue/config.yaml
    Macos codex: /home/ann/.codex/config.toml
    Macos vscode: /home/ann/Library/Application Support/Code/User/mcp.json
    Macos kilocode: /home/ann/.config/kilo/kilo.jsonc
    Macos claude: /home/ann/.claude.json /home/ann/.claude/settings.json
    Macos claude_desktop: /home/ann/Library/Application Support/Claude/claude_desktop_config.json
    Macos gemini: /home/ann/.gemini/settings.json
    Macos antigravity: /home/ann/.gemini/config/mcp_config.json
    Macos zed: /home/ann/.config/zed/settings.json
    Macos cursor: /home/ann/.cursor/mcp.json
    Macos windsurf: /home/ann/.codeium/windsurf/mcp_config.json
    Macos opencode: /home/ann/.config/opencode/opencode.json
    Macos copilot: /home/ann/.copilot/mcp-config.json
    Macos qwen: /home/ann/.qwen/settings.json
    Macos amp: /home/ann/.config/amp/settings.json
    Macos continue: /home/ann/.continue/config.yaml
    Windows codex: /home/ann/.codex/config.toml
    Windows vscode: /home/ann/AppData/Roaming/Code/User/mcp.json
    Windows kilocode: /home/ann/.config/kilo/kilo.jsonc
    Windows claude: /home/ann/.claude.json /home/ann/.claude/settings.json
    Windows claude_desktop: /home/ann/AppData/Roaming/Claude/claude_desktop_config.json
    Windows gemini: /home/ann/.gemini/settings.json
    Windows antigravity: /home/ann/.gemini/config/mcp_config.json
    Windows zed: /home/ann/AppData/Roaming/Zed/settings.json
    Windows cursor: /home/ann/.cursor/mcp.json
    Windows windsurf: /home/ann/.codeium/windsurf/mcp_config.json
    Windows opencode: /home/ann/.config/opencode/opencode.json
    Windows copilot: /home/ann/.copilot/mcp-config.json
    Windows qwen: /home/ann/.qwen/settings.json
    Windows amp: /home/ann/.config/amp/settings.json
    Windows continue: /home/ann/.continue/config.yaml
    "#);
}
