//! The command line as people type it → the form that argh reads. It splits `--flag=value`, lets every option of an
//! outer verb stand anywhere after it, knows long aliases, and names the nearest word when one is unknown. Pure:
//! it walks the same description of the verbs that `--help` is printed from.

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};

use crate::fault::{Kind, Plain};
use crate::nearest::nearest;

/// Verbs that may be called otherwise.
const VERB_ALIASES: &[(&str, &str)] = &[("tool", "tools"), ("server", "servers"), ("ls", "list")];

/// Options that may be called otherwise.
const OPTION_ALIASES: &[(&str, &str)] =
    &[("--arguments", "--args"), ("--per-page", "--limit"), ("--page-size", "--limit")];

/// Why `loom secrets set` takes no value. It is not repeated: it may be secret.
pub const VALUE_IN_ARGV: &str = "a value on the command line can be read by every process of this machine, and stays in \
                                 your shell's history: loom asks for it, or reads it with --from-stdin";

/// Answers that end a walk early.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// No word at all.
    Overview,
    /// `--help`, `-h` or `help …`, for the verb at this path.
    Help(Vec<String>),
    /// `--version` or `-V`.
    Version,
    /// Words for argh.
    Run(Vec<String>),
}

/// Sorts `words` (without the program's name) by the verbs of `top`.
pub fn normalise(words: &[String], top: &CommandInfoWithArgs) -> Result<Request, Plain> {
    if words.first().is_some_and(|word| word == "help") {
        return help_path(&words[1..], top).map(Request::Help);
    }
    let mut walk = Walk { levels: vec![Level::new("loom", top)] };
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        if walk.takes_all() {
            walk.here().positionals.push(word.to_owned());
            continue;
        }
        match word {
            "--" => rest.by_ref().try_for_each(|word| walk.positional(word))?,
            "-h" | "--help" => return Ok(Request::Help(walk.path())),
            "-V" | "--version" if walk.levels.len() == 1 => return Ok(Request::Version),
            "-" => walk.word(word)?,
            _ if word.starts_with('-') => walk.option(word, &mut rest)?,
            _ => walk.word(word)?,
        }
    }
    if walk.levels.len() == 1 && walk.levels[0].options.is_empty() {
        return Ok(Request::Overview);
    }
    walk.finish().map(Request::Run)
}

/// The verb at `path`, which `normalise` returned.
pub fn find<'a>(top: &'a CommandInfoWithArgs, path: &[String]) -> Option<&'a CommandInfoWithArgs> {
    path.iter()
        .try_fold(top, |node, word| node.commands.iter().find(|sub| sub.name == word).map(|sub| &sub.command))
}

fn help_path(words: &[String], top: &CommandInfoWithArgs) -> Result<Vec<String>, Plain> {
    let mut walk = Walk { levels: vec![Level::new("loom", top)] };
    for word in words.iter().filter(|word| !word.starts_with('-')) {
        if walk.levels.last().is_some_and(|level| level.node.commands.is_empty()) {
            break;
        }
        walk.word(word)?;
    }
    Ok(walk.path())
}

/// One verb on the way down, with what was said to it.
struct Level<'a> {
    name: &'a str,
    node: &'a CommandInfoWithArgs,
    options: Vec<String>,
    positionals: Vec<String>,
}

impl<'a> Level<'a> {
    fn new(name: &'a str, node: &'a CommandInfoWithArgs) -> Self {
        Level { name, node, options: Vec::new(), positionals: Vec::new() }
    }

    fn flag(&self, name: &str) -> Option<&'a FlagInfo<'static>> {
        self.node.flags.iter().find(|flag| flag.long == name)
    }

    fn is_repeating(&self) -> bool {
        self.node
            .positionals
            .last()
            .is_some_and(|last| matches!(last.optionality, Optionality::Repeating | Optionality::Greedy))
    }
}

/// The verbs from `loom` down to where the walk stands.
struct Walk<'a> {
    levels: Vec<Level<'a>>,
}

impl<'a> Walk<'a> {
    fn here(&mut self) -> &mut Level<'a> {
        self.levels.last_mut().expect("a walk begins with one level")
    }

    fn path(&self) -> Vec<String> {
        self.levels.iter().skip(1).map(|level| level.name.to_owned()).collect()
    }

    /// `loom tools list`: how a person would type where the walk stands.
    fn spelled(&self) -> String {
        self.levels.iter().map(|level| level.name).collect::<Vec<_>>().join(" ")
    }

    /// Whether every further word belongs to somebody else, as after `loom mcp NAME`.
    fn takes_all(&self) -> bool {
        self.levels.last().is_some_and(|level| {
            let wanted = level.node.positionals;
            wanted.last().is_some_and(|last| matches!(last.optionality, Optionality::Greedy))
                && level.positionals.len() + 1 >= wanted.len()
        })
    }

    /// A word that is not an option: a further verb, or an argument of this one.
    fn word(&mut self, word: &str) -> Result<(), Plain> {
        let spelled = self.spelled();
        let node = self.here().node;
        if node.commands.is_empty() {
            return self.positional(word);
        }
        let meant = VERB_ALIASES.iter().find(|(alias, _)| *alias == word).map_or(word, |(_, verb)| verb);
        let verbs = || node.commands.iter().map(|sub| sub.name);
        match node.commands.iter().find(|sub| sub.name == meant) {
            Some(sub) => self.levels.push(Level::new(sub.name, &sub.command)),
            None => {
                let hint = match meant_word(word, verbs()) {
                    Some(verb) => format!("{spelled} {verb}"),
                    None => format!("{spelled} --help"),
                };
                let text = match spelled.strip_prefix("loom ") {
                    Some(verb) => format!("unknown command `{word}` after `{verb}`"),
                    None => format!("unknown command `{word}`"),
                };
                return Err(usage(text).hint(hint));
            }
        }
        Ok(())
    }

    /// An argument of the innermost verb, if it takes one more.
    fn positional(&mut self, word: &str) -> Result<(), Plain> {
        let spelled = self.spelled();
        let level = self.here();
        if level.positionals.len() >= level.node.positionals.len() && !level.is_repeating() {
            if spelled == "loom secrets set" {
                return Err(usage(VALUE_IN_ARGV.to_owned()).hint(format!("{spelled} NAME")));
            }
            let text = format!("`{spelled}` does not know what to do with `{word}`");
            return Err(usage(text).hint(format!("{spelled} --help")));
        }
        level.positionals.push(word.to_owned());
        Ok(())
    }

    /// `--name`, `--name=value` or `--name value`, at the innermost verb that knows it.
    fn option(&mut self, word: &str, rest: &mut dyn Iterator<Item = &'a str>) -> Result<(), Plain> {
        let (typed, joined) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let name = OPTION_ALIASES.iter().find(|(alias, _)| *alias == typed).map_or(typed, |(_, name)| name);
        let level = self.levels.iter().rposition(|level| level.flag(name).is_some());
        let Some(level) = level.map(|at| &mut self.levels[at]) else {
            return Err(self.unknown_option(typed));
        };
        let flag = level.flag(name).expect("the level was chosen for this flag");
        let again = level.options.iter().any(|option| option == flag.long);
        if again && !matches!(flag.optionality, Optionality::Repeating) {
            return Err(usage(format!("`{name}` is there twice")));
        }
        match (&flag.kind, joined) {
            (FlagInfoKind::Switch, None | Some("true")) => level.options.push(flag.long.to_owned()),
            (FlagInfoKind::Switch, Some("false")) => {}
            (FlagInfoKind::Switch, Some(value)) => {
                return Err(usage(format!("`{name}` is a switch, it takes no value `{value}`")));
            }
            (FlagInfoKind::Option { arg_name }, joined) => {
                let Some(value) = joined.or_else(|| rest.next()) else {
                    let text = format!("`{name}` needs a value");
                    return Err(usage(text).hint(format!("{name} {arg_name}")));
                };
                level.options.extend([flag.long.to_owned(), value.to_owned()]);
            }
        }
        Ok(())
    }

    fn unknown_option(&self, name: &str) -> Plain {
        let spelled = self.spelled();
        let known = || {
            let flags = self.levels.iter().flat_map(|level| level.node.flags.iter());
            flags.filter(|flag| !flag.hidden).map(|flag| flag.long).chain(["--help"])
        };
        let hint = match meant_word(name, known()) {
            Some(flag) => format!("{spelled} {flag}"),
            None => format!("{spelled} --help"),
        };
        usage(format!("unknown option `{name}` of `{spelled}`")).hint(hint)
    }

    /// Checks that nothing is missing and writes the words in argh's order.
    fn finish(self) -> Result<Vec<String>, Plain> {
        let spelled = self.spelled();
        let last = self.levels.last().expect("a walk begins with one level");
        if !last.node.commands.is_empty() && !has_default(last.node) {
            let verbs: Vec<&str> = last.node.commands.iter().map(|sub| sub.name).collect();
            let text = format!("`{spelled}` needs one more word: {}", verbs.join(", "));
            return Err(usage(text).hint(format!("{spelled} --help")));
        }
        if let Some(missing) = last.node.positionals.get(last.positionals.len())
            && matches!(missing.optionality, Optionality::Required)
        {
            let text = format!("`{spelled}` needs {}", missing.name);
            return Err(usage(text).hint(format!("{spelled} --help")));
        }
        let mut words = Vec::new();
        for level in self.levels {
            if level.name != "loom" {
                words.push(level.name.to_owned());
            }
            words.extend(level.options);
            if !level.positionals.is_empty() {
                words.push("--".to_owned());
                words.extend(level.positionals);
            }
        }
        Ok(words)
    }
}

/// The one candidate that `word` begins, or else the nearest.
fn meant_word<'a>(word: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let mut begun = candidates.clone().filter(|candidate| word.len() > 2 && candidate.starts_with(word));
    match (begun.next(), begun.next()) {
        (Some(only), None) => Some(only),
        _ => nearest(word, candidates),
    }
}

/// Whether a verb with further verbs does something without one.
fn has_default(node: &CommandInfoWithArgs) -> bool {
    node.name == "servers"
}

fn usage(text: String) -> Plain {
    Plain::new(Kind::Usage, text)
}

#[cfg(test)]
mod tests {
    use argh::ArgsInfo;

    use super::*;
    use crate::cli::args::Top;
    use crate::fault::report;

    fn sort(line: &str) -> String {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match normalise(&words, &Top::get_args_info()) {
            Ok(Request::Run(words)) => words.join(" "),
            Ok(other) => format!("{other:?}"),
            Err(plain) => report(&plain).trim_end().to_owned(),
        }
    }

    #[test]
    fn lines_are_sorted() {
        for (line, want) in [
            ("", "Overview"),
            ("status", "status"),
            ("status --json", "status --json"),
            ("status --json=true", "status --json"),
            ("status --json=false", "status"),
            ("status --socket /tmp/s", "--socket /tmp/s status"),
            ("status --socket=/tmp/s --json", "--socket /tmp/s status --json"),
            ("--socket /tmp/s status", "--socket /tmp/s status"),
            ("tools list --page=2 --limit 50", "tools list --page 2 --limit 50"),
            ("tool ls --per-page=5", "tools list --limit 5"),
            ("tools call a__b --args - --json", "tools call --args - --json -- a__b"),
            ("tools call --args={} a__b", "tools call --args {} -- a__b"),
            ("tools call --args a=b a__b", "tools call --args a=b -- a__b"),
            ("tools search -- --odd words", "tools search -- --odd words"),
            ("servers", "servers"),
            ("servers --json list", "servers --json list"),
            ("servers list --json", "servers --json list"),
            ("servers restart echo", "servers restart -- echo"),
            ("mcp echo --delay-ms 5 --help", "mcp -- echo --delay-ms 5 --help"),
            ("daemon --detach --started-by=me", "daemon --detach --started-by me"),
            ("help", "Help([])"),
            ("help tools call", "Help([\"tools\", \"call\"])"),
            ("--help", "Help([])"),
            ("-h", "Help([])"),
            ("tools -h", "Help([\"tools\"])"),
            ("tools call --help", "Help([\"tools\", \"call\"])"),
            ("mcp --help", "Help([\"mcp\"])"),
            ("--version", "Version"),
            ("-V", "Version"),
        ] {
            assert_eq!(sort(line), want, "{line}");
        }
    }

    #[test]
    fn mistakes_name_the_nearest_word() {
        for (line, want) in [
            ("statsu", "error: unknown command `statsu`\nhint:  loom status"),
            ("stat", "error: unknown command `stat`\nhint:  loom status"),
            ("st", "error: unknown command `st`\nhint:  loom --help"),
            ("frobnicate", "error: unknown command `frobnicate`\nhint:  loom --help"),
            ("help stats", "error: unknown command `stats`\nhint:  loom status"),
            ("tools lst", "error: unknown command `lst` after `tools`\nhint:  loom tools list"),
            ("status --jsno", "error: unknown option `--jsno` of `loom status`\nhint:  loom status --json"),
            ("stop --json", "error: unknown option `--json` of `loom stop`\nhint:  loom stop --help"),
            ("-x status", "error: unknown option `-x` of `loom`\nhint:  loom --help"),
            (
                "status now",
                "error: `loom status` does not know what to do with `now`\nhint:  loom status --help",
            ),
            (
                "tools",
                "error: `loom tools` needs one more word: list, search, get, call\nhint:  loom tools --help",
            ),
            ("tools call", "error: `loom tools call` needs TOOL\nhint:  loom tools call --help"),
            ("tools list --page", "error: `--page` needs a value\nhint:  --page N"),
            ("status --json --json", "error: `--json` is there twice"),
            ("status --json=3", "error: `--json` is a switch, it takes no value `3`"),
        ] {
            assert_eq!(sort(line), want, "{line}");
        }
    }
}
