//! Help texts: one verb's page, the overview, the table of exit codes. Pure: text out of the description of the verbs.

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};

use crate::fault::Kind;

/// Widest line of a help text, in characters.
const WIDTH: usize = 88;

/// The overview's groups. Every verb stands in exactly one (a test sees to it).
const GROUPS: &[(&str, &[&str])] = &[
    ("Every day", &["start", "stop", "restart", "status", "reload"]),
    ("Tools and servers", &["tools", "servers", "calls", "logs", "health"]),
    (
        "Configuration",
        &["add", "remove", "enable", "disable", "import", "sync", "generate", "check", "registry", "secrets"],
    ),
    ("This machine", &["install", "uninstall"]),
    ("Started by programs", &["proxy", "exec", "daemon", "mcp"]),
    ("About", &["completions", "version"]),
];

/// Every way a command can fail.
pub const KINDS: [Kind; 7] =
    [Kind::Found, Kind::Usage, Kind::NotRunning, Kind::Unhealthy, Kind::Unavailable, Kind::Bug, Kind::Config];

/// What an exit code means, for people.
pub fn meaning(kind: Kind) -> &'static str {
    match kind {
        Kind::Found => "the check that was asked for found something, or the tool answered with an error",
        Kind::Usage => "the command line is wrong",
        Kind::NotRunning => "the daemon does not run",
        Kind::Unhealthy => "the daemon or a server runs but does not work",
        Kind::Unavailable => "something outside loom is not available, a server for instance",
        Kind::Bug => "a defect of loom",
        Kind::Config => "a configuration file is wrong",
    }
}

/// What `loom` alone prints.
pub fn overview(top: &CommandInfoWithArgs) -> String {
    let mut text = format!("loom: {}\n", top.description.trim());
    for (title, verbs) in GROUPS {
        let rows = verbs.iter().filter_map(|verb| top.commands.iter().find(|sub| sub.name == *verb));
        text.push_str(&format!("\n{title}\n"));
        text.push_str(&table(rows.map(|sub| (sub.name.to_owned(), description(&sub.command)))));
    }
    text.push_str(
        "\n`loom help VERB` tells more, `loom help exit-codes` what the codes mean.\n\
         New here: `loom import` takes over what your clients have, `loom add NAME -- COMMAND` adds a server;\n\
         then `loom start` and `loom status`.\n",
    );
    text
}

/// What `loom help exit-codes` prints.
pub fn exit_codes() -> String {
    let rows = KINDS.iter().map(|kind| (kind.exit_code().to_string(), meaning(*kind).to_owned()));
    format!("Exit codes\n{}", table(std::iter::once(("0".to_owned(), "done".to_owned())).chain(rows)))
}

/// The page of the verb `node`; `path` are the words that lead to it, `outer` are the
/// verbs above, whose options it takes too.
pub fn page(node: &CommandInfoWithArgs, path: &[String], outer: &[&CommandInfoWithArgs]) -> String {
    let spelled = format!("loom {}", path.join(" "));
    let mut text = wrap("", &format!("{spelled}: {}", description(node)), 0);
    text.push('\n');
    text.push_str(&format!("\nUsage\n{}\n", wrap("  ", &usage_line(node, &spelled), 6)));
    let positionals =
        node.positionals.iter().map(|one| (one.name.to_owned(), one.description.trim().to_owned()));
    section(&mut text, "Arguments", positionals);
    let commands = node.commands.iter().map(|sub| (sub.name.to_owned(), description(&sub.command)));
    section(&mut text, "Commands", commands);
    let own = listed(node).map(flag_row);
    let help = std::iter::once(("-h, --help".to_owned(), "show this page".to_owned()));
    let outer = outer.iter().flat_map(|node| listed(node)).map(flag_row);
    section(&mut text, "Options", own.chain(outer).chain(help));
    if !node.examples.is_empty() {
        text.push_str("\nExamples\n");
        for example in node.examples {
            text.push_str(&format!("  {}\n", braces(example)));
        }
    }
    let codes = node.error_codes.iter().map(|code| (code.code.to_string(), code.description.to_owned()));
    section(&mut text, "Exit codes", codes);
    for note in node.notes {
        text.push_str(&format!("\n{}\n", wrap("", &whole(&braces(note)), 0)));
    }
    text
}

/// A title and a row for each name, to stand below a page.
pub fn listing<'a>(title: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    section(&mut text, title, rows.map(|(name, about)| (name.to_owned(), about.to_owned())));
    text
}

fn section(text: &mut String, title: &str, rows: impl Iterator<Item = (String, String)>) {
    let body = table(rows);
    if !body.is_empty() {
        text.push_str(&format!("\n{title}\n{body}"));
    }
}

fn usage_line(node: &CommandInfoWithArgs, spelled: &str) -> String {
    let mut words = vec![spelled.to_owned()];
    for one in node.positionals {
        words.push(match one.optionality {
            Optionality::Required => one.name.to_owned(),
            Optionality::Optional => format!("[{}]", one.name),
            Optionality::Repeating => format!("{}…", one.name),
            Optionality::Greedy => format!("[{}…]", one.name),
        });
    }
    if !node.commands.is_empty() {
        let verbs: Vec<&str> = node.commands.iter().map(|sub| sub.name).collect();
        words.push(verbs.join("|"));
    }
    words.extend(listed(node).map(|flag| format!("[{}]", flag_row(flag).0.replace(' ', "\u{a0}"))));
    words.join(" ")
}

/// The options that a person is told of. argh adds a `--help` of its own, which we never let it see.
pub fn listed(node: &CommandInfoWithArgs) -> impl Iterator<Item = &FlagInfo<'static>> {
    node.flags.iter().filter(|flag| !flag.hidden && flag.long != "--help")
}

fn flag_row(flag: &FlagInfo) -> (String, String) {
    let name = match flag.kind {
        FlagInfoKind::Switch => flag.long.to_owned(),
        FlagInfoKind::Option { arg_name } => format!("{} {arg_name}", flag.long),
    };
    (name, braces(flag.description.trim()))
}

fn description(node: &CommandInfoWithArgs) -> String {
    braces(node.description.trim())
}

/// argh's attributes write `{{` for a brace.
fn braces(text: &str) -> String {
    text.replace("{{", "{").replace("}}", "}")
}

/// Keeps what stands between backticks on one line.
fn whole(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(at, part)| if at % 2 == 1 { part.replace(' ', "\u{a0}") } else { part.to_owned() })
        .collect::<Vec<_>>()
        .join("`")
}

/// Two columns, the second wrapped.
fn table(rows: impl Iterator<Item = (String, String)>) -> String {
    let rows: Vec<(String, String)> = rows.collect();
    let first = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(8);
    let mut text = String::new();
    for (name, about) in rows {
        text.push_str(&wrap(&format!("  {name:first$}  "), &whole(&about), first + 4));
        text.push('\n');
    }
    text
}

/// `prefix`, then the words of `text` broken so that no line is wider than `WIDTH`; further lines begin with `indent`
/// spaces. A no-break space stays a space that does not break.
fn wrap(prefix: &str, text: &str, indent: usize) -> String {
    let mut lines = Vec::new();
    let mut line = prefix.to_owned();
    let mut fresh = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !fresh && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    lines.push(line);
    lines.join("\n").replace('\u{a0}', " ")
}

#[cfg(test)]
mod tests;
