//! `loom completions`: what completes `loom` in a shell, made of the same description of the verbs as `--help`.

use argh::{ArgsInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind};

use crate::cli::args::Top;
use crate::cli::args::service::CompletionsArgs;
use crate::cli::help::listed;
use crate::cli::manual;
use crate::cli::out::Out;
use crate::cli::values::Paper;

pub fn run(args: CompletionsArgs, out: &mut Out) {
    let top = Top::get_args_info();
    out.raw(&match args.shell {
        Paper::Bash => bash(&top),
        Paper::Zsh => zsh(&top),
        Paper::Fish => fish(&top),
        Paper::Man => manual::page(&top),
    });
}

/// One verb: the words that lead to it, and what may follow them.
struct Place<'a> {
    path: Vec<&'a str>,
    node: &'a CommandInfoWithArgs,
    /// Its own options and those of the verbs above.
    flags: Vec<&'a FlagInfo<'static>>,
}

fn places(top: &CommandInfoWithArgs) -> Vec<Place<'_>> {
    fn walk<'a>(
        node: &'a CommandInfoWithArgs,
        path: &[&'a str],
        outer: &[&'a FlagInfo<'static>],
        found: &mut Vec<Place<'a>>,
    ) {
        let flags: Vec<_> = listed(node).chain(outer.iter().copied()).collect();
        found.push(Place { path: path.to_vec(), node, flags: flags.clone() });
        for sub in &node.commands {
            walk(&sub.command, &[path, &[sub.name]].concat(), &flags, found);
        }
    }
    let mut found = Vec::new();
    walk(top, &[], &[], &mut found);
    found
}

/// What a shell can offer after an option with a value: files where it takes a path, otherwise nothing.
fn takes_path(flag: &FlagInfo<'_>) -> bool {
    matches!(flag.kind, FlagInfoKind::Option { arg_name: "PATH" | "DIR" })
}

fn takes_value(flag: &FlagInfo<'_>) -> bool {
    matches!(flag.kind, FlagInfoKind::Option { .. })
}

/// Words that may follow where no option is written.
fn words(place: &Place<'_>) -> Vec<(String, String)> {
    let verbs = place.node.commands.iter().map(|sub| (sub.name.to_owned(), about(sub.command.description)));
    let mut words: Vec<_> = verbs.collect();
    if place.path == ["completions"] {
        words.extend(["bash", "zsh", "fish", "man"].map(|word| (word.to_owned(), String::new())));
    }
    words
}

fn options(place: &Place<'_>) -> Vec<(String, String)> {
    let own = place.flags.iter().map(|flag| (flag.long.to_owned(), about(flag.description)));
    own.chain([("--help".to_owned(), "show this page".to_owned())]).collect()
}

fn about(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace("{{", "{").replace("}}", "}")
}

fn names(rows: &[(String, String)]) -> String {
    rows.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
}

/// A function that finds out which verb the line has come to; then a case for each.
fn bash(top: &CommandInfoWithArgs) -> String {
    let places = places(top);
    let mut verbs = String::new();
    let mut offers = String::new();
    for place in &places {
        let path = place.path.join(" ");
        for sub in &place.node.commands {
            verbs.push_str(&format!(
                "            '{path}|{}') path='{}' ;;\n",
                sub.name,
                [&place.path[..], &[sub.name]].concat().join(" ")
            ));
        }
        offers.push_str(&format!(
            "        '{path}') words='{}' options='{}' ;;\n",
            names(&words(place)),
            names(&options(place))
        ));
    }
    let option = |wanted: fn(&FlagInfo<'_>) -> bool| {
        let mut found: Vec<&str> = places
            .iter()
            .flat_map(|place| &place.flags)
            .filter(|flag| wanted(flag))
            .map(|flag| flag.long)
            .collect();
        found.sort_unstable();
        found.dedup();
        found.join("|")
    };
    let (paths, values) = (option(takes_path), option(|flag| takes_value(flag) && !takes_path(flag)));
    format!(
        r#"# bash completion of loom; made by `loom completions bash`
_loom() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} path='' words='' options='' i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$path|${{COMP_WORDS[i]}}" in
{verbs}        esac
    done
    COMPREPLY=()
    case "$prev" in
        {paths}) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        {values}) return ;;
    esac
    case "$path" in
{offers}    esac
    case "$cur" in
        -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur") ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur") ;;
    esac
}}
complete -o default -F _loom loom
"#
    )
}

fn zsh(top: &CommandInfoWithArgs) -> String {
    let mut verbs = String::new();
    let mut offers = String::new();
    for place in places(top) {
        let path = place.path.join(" ");
        for sub in &place.node.commands {
            verbs.push_str(&format!(
                "            '{path}|{}') where='{}' ;;\n",
                sub.name,
                [&place.path[..], &[sub.name]].concat().join(" ")
            ));
        }
        let rows = |rows: Vec<(String, String)>| {
            let row =
                |(name, about): &(String, String)| quote(&format!("{}:{about}", name.replace(':', "\\:")));
            rows.iter().map(row).collect::<Vec<_>>().join(" ")
        };
        offers.push_str(&format!(
            "        '{path}') verbs=({}) options=({}) ;;\n",
            rows(words(&place)),
            rows(options(&place))
        ));
    }
    format!(
        r#"#compdef loom
# zsh completion of loom; made by `loom completions zsh`
_loom() {{
    local where='' word
    local -a verbs options
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        case "$where|$word" in
{verbs}        esac
    done
    case "$where" in
{offers}    esac
    case "$PREFIX" in
        -*) _describe option options ;;
        *) (( $#verbs )) && _describe verb verbs || _files ;;
    esac
}}
if [ "$funcstack[1]" = _loom ]; then _loom "$@"; else compdef _loom loom; fi
"#
    )
}

fn fish(top: &CommandInfoWithArgs) -> String {
    let mut text =
        String::from("# fish completion of loom; made by `loom completions fish`\ncomplete -c loom -f\n");
    for place in places(top) {
        let subs: Vec<&str> = place.node.commands.iter().map(|sub| sub.name).collect();
        let mut condition: Vec<String> =
            place.path.iter().map(|word| format!("__fish_seen_subcommand_from {word}")).collect();
        let own = condition.join("; and ");
        if place.path.is_empty() {
            condition.push("__fish_use_subcommand".to_owned());
        } else if !subs.is_empty() {
            condition.push(format!("not __fish_seen_subcommand_from {}", subs.join(" ")));
        }
        let condition = condition.join("; and ");
        for (word, about) in words(&place) {
            text.push_str(&format!(
                "complete -c loom -n {} -a {word} -d {}\n",
                quote(&condition),
                quote(&about)
            ));
        }
        for flag in listed(place.node) {
            let when = if own.is_empty() { String::new() } else { format!(" -n {}", quote(&own)) };
            let value = match (takes_path(flag), takes_value(flag)) {
                (true, _) => " -r -F",
                (_, true) => " -x",
                (false, false) => "",
            };
            let name = flag.long.trim_start_matches('-');
            text.push_str(&format!(
                "complete -c loom{when} -l {name}{value} -d {}\n",
                quote(&about(flag.description))
            ));
        }
    }
    text
}

/// One word of a shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn bash_offers_verbs_options_and_files() {
        let script = bash(&Top::get_args_info());
        let offered = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let script = format!(
                "{script}\nCOMP_WORDS=({}); COMP_CWORD={}; _loom; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
                words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
                words.len() - 1
            );
            let output = Command::new("bash").args(["-c", &script]).current_dir("/").output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
            String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        for (line, want) in [
            ("loom st", "start stop status"),
            ("loom tools ", "list search get call"),
            ("loom --socket /tmp/x tools l", "list"),
            ("loom logs --s", "--server --socket"),
            ("loom logs --server ", ""),
            ("loom completions f", "fish"),
            ("loom start --registry /et", "/etc"),
            ("loom tools call --a", "--args"),
        ] {
            assert_eq!(offered(line), want, "{line}");
        }
    }

    #[test]
    fn every_verb_and_option_is_in_every_script() {
        let top = Top::get_args_info();
        for place in places(&top) {
            for (shell, text) in [("zsh", zsh(&top)), ("fish", fish(&top)), ("bash", bash(&top))] {
                for (word, _) in words(&place) {
                    assert!(text.contains(&word), "{shell}: {word}");
                }
                for flag in &place.flags {
                    assert!(text.contains(flag.long.trim_start_matches('-')), "{shell}: {}", flag.long);
                }
            }
        }
    }
}
