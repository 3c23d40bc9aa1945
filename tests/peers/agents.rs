//! What each real client needs before `loom sync` has put loom into its configuration: its program and the way to the
//! model that the test plays.

use serde_json::json;

/// A model name that all of them take.
const MODEL: &str = "mock";
const PROMPT: &str = "Call the tool.";

/// One client, ready to be started.
pub struct Agent {
    /// Below `node_modules`.
    pub program: &'static str,
    /// What `loom sync` calls it, and `--agent-hint` says.
    pub hint: &'static str,
    /// What it puts before the names of loom's tools when it offers them to the model.
    pub prefix: &'static str,
    /// What it puts after the text of a result when it hands that to the model. Some put words before it too.
    pub closing: &'static str,
    /// A file below the home, and its content.
    pub file: (&'static str, String),
    /// Lists its MCP servers.
    pub list: Vec<String>,
    /// What that says of loom when all is well.
    pub listed: &'static str,
    /// Starts a session that ends by itself.
    pub run: Vec<String>,
    pub env: Vec<(&'static str, String)>,
}

/// Needs a provider of its own. Its wrapper is a program for Node. Its list starts no server.
pub fn codex(model: &str) -> Agent {
    let config = format!(
        r#"model = "{MODEL}"
model_provider = "stub"

[model_providers.stub]
name = "stub"
base_url = "{model}/v1"
wire_api = "responses"
env_key = "STUB_KEY"
"#
    );
    Agent {
        program: ".bin/codex",
        hint: "codex",
        prefix: "mcp__loom__",
        closing: "",
        file: (".codex/config.toml", config),
        list: words(&["mcp", "list"]),
        listed: "enabled",
        run: words(&["exec", "--strict-config", "--skip-git-repo-check", PROMPT]),
        env: vec![("STUB_KEY", "none".into())],
    }
}

/// Would offer the tools of a server only through a search of its own, and asks its makers many things at the start.
pub fn claude(model: &str) -> Agent {
    Agent {
        program: ".bin/claude",
        hint: "claude",
        prefix: "mcp__loom__",
        closing: "",
        file: (".claude/settings.json", json!({"cleanupPeriodDays": 20}).to_string()),
        list: words(&["mcp", "list"]),
        listed: "Connected",
        run: words(&["--print", PROMPT]),
        env: vec![
            ("ANTHROPIC_BASE_URL", model.into()),
            ("ANTHROPIC_API_KEY", "none".into()),
            ("ENABLE_TOOL_SEARCH", "false".into()),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".into()),
        ],
    }
}

/// Needs a trusted folder, and a model name that it knows: it would ask a model which one to take.
pub fn gemini(model: &str) -> Agent {
    let settings = json!({
        "security": {"auth": {"selectedType": "gemini-api-key"}},
    });
    Agent {
        program: ".bin/gemini",
        hint: "gemini",
        prefix: "mcp_loom_",
        closing: "\n</untrusted_context>",
        file: (".gemini/settings.json", settings.to_string()),
        list: words(&["mcp", "list"]),
        listed: "Connected",
        run: words(&["--prompt", PROMPT, "--model", "gemini-2.5-flash"]),
        env: vec![
            ("GEMINI_API_KEY", "none".into()),
            ("GOOGLE_GEMINI_BASE_URL", model.into()),
            ("GEMINI_CLI_TRUST_WORKSPACE", "true".into()),
        ],
    }
}

/// Takes any provider that speaks like OpenAI. There are packages for Linux on x64 only that every such machine can run.
pub fn opencode(model: &str) -> Agent {
    let provider = json!({
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": format!("{model}/v1"), "apiKey": "none"},
        "models": {MODEL: {"name": MODEL}},
    });
    let config = json!({
        "model": format!("stub/{MODEL}"),
        "provider": {"stub": provider},
    });
    Agent {
        program: "opencode-linux-x64-baseline/bin/opencode",
        hint: "opencode",
        prefix: "loom_",
        closing: "",
        file: (".config/opencode/opencode.json", config.to_string()),
        list: words(&["mcp", "list"]),
        listed: "connected",
        run: words(&["run", PROMPT]),
        env: vec![("OPENCODE_DISABLE_AUTOUPDATE", "1".into()), ("OPENCODE_DISABLE_MODELS_FETCH", "1".into())],
    }
}

/// Speaks like OpenAI to any address that it is given. Its list starts no server.
pub fn copilot(model: &str) -> Agent {
    Agent {
        program: ".bin/copilot",
        hint: "copilot",
        prefix: "loom-",
        closing: "",
        file: (".copilot/settings.json", json!({"banner": "never"}).to_string()),
        list: words(&["mcp", "list"]),
        listed: "local",
        run: words(&["--prompt", PROMPT, "--allow-all-tools"]),
        env: vec![
            ("COPILOT_OFFLINE", "true".into()),
            ("COPILOT_PROVIDER_BASE_URL", format!("{model}/v1")),
            ("COPILOT_MODEL", MODEL.into()),
        ],
    }
}

/// A relative of OpenCode, with files of its own. Its packages for other machines are not all there.
pub fn kilocode(_: &str) -> Agent {
    Agent {
        program: "@kilocode/cli-linux-x64/bin/kilo",
        hint: "kilocode",
        prefix: "loom_",
        closing: "",
        file: (".config/kilo/kilo.jsonc", "{\n  // mine\n  \"snapshot\": false,\n}\n".into()),
        list: words(&["mcp", "list"]),
        listed: "connected",
        run: Vec::new(),
        env: Vec::new(),
    }
}

/// Of a home that sync keeps, like Gemini CLI. Hides tools behind a search of its own until its model asks for them.
pub fn qwen(model: &str) -> Agent {
    Agent {
        program: ".bin/qwen",
        hint: "qwen",
        prefix: "mcp__loom__",
        closing: "",
        file: (
            ".qwen/settings.json",
            "{\n  // mine\n  \"privacy\": {\"usageStatisticsEnabled\": false}\n}\n".into(),
        ),
        list: words(&["mcp", "list"]),
        listed: "Connected",
        run: Vec::new(),
        env: vec![("OPENAI_API_KEY", "none".into()), ("OPENAI_BASE_URL", format!("{model}/v1"))],
    }
}

/// Its models are its makers' only. Its health command wants a key, which it shows to nobody but the address given.
pub fn amp(model: &str) -> Agent {
    Agent {
        program: "@ampcode/cli-linux-x64/amp",
        hint: "amp",
        prefix: "loom__",
        closing: "",
        file: (
            ".config/amp/settings.json",
            "{\n  // mine\n  \"amp.notifications.enabled\": false,\n}\n".into(),
        ),
        list: words(&["mcp", "doctor"]),
        listed: "connected",
        run: Vec::new(),
        env: vec![("AMP_API_KEY", "none".into()), ("AMP_URL", model.into())],
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
