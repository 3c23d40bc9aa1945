//! The manual page: every verb's help in roff.

use argh::CommandInfoWithArgs;

use crate::cli::help;

/// `loom.1`.
pub fn page(top: &CommandInfoWithArgs) -> String {
    let mut text = String::from(".TH LOOM 1\n.SH NAME\nloom \\- ");
    text.push_str(&escape(top.description.trim()));
    text.push_str("\n.SH SYNOPSIS\n.B loom\nVERB [OPTIONS]\n.SH OVERVIEW\n");
    text.push_str(&verbatim(help::overview(top).split_once('\n').map_or("", |(_, rest)| rest)));
    text.push_str(".SH VERBS\n");
    for sub in &top.commands {
        verb(&sub.command, &[sub.name], &[top], &mut text);
    }
    text.push_str(".SH EXIT STATUS\n");
    text.push_str(&verbatim(help::exit_codes().split_once('\n').map_or("", |(_, rest)| rest)));
    text.push_str(
        ".SH FILES\n.I ~/.config/loom/registry.yaml\nis yours, and so is\n.IR ~/.config/loom/config.toml .\n",
    );
    text
}

fn verb(node: &CommandInfoWithArgs, path: &[&str], outer: &[&CommandInfoWithArgs], text: &mut String) {
    let words: Vec<String> = path.iter().map(|word| (*word).to_owned()).collect();
    text.push_str(&format!(".SS loom {}\n", escape(&words.join(" "))));
    text.push_str(&verbatim(&help::page(node, &words, outer)));
    for sub in &node.commands {
        verb(&sub.command, &[path, &[sub.name]].concat(), &[&[node], outer].concat(), text);
    }
}

/// Text with its own line ends.
fn verbatim(text: &str) -> String {
    format!(".nf\n{}\n.fi\n", text.trim_end().lines().map(escape).collect::<Vec<_>>().join("\n"))
}

/// A line that is no request and in which nothing is one.
fn escape(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    match line.chars().next() {
        Some('.' | '\'') => format!("\\&{line}"),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use argh::ArgsInfo;

    use super::*;
    use crate::cli::args::Top;

    #[test]
    fn every_verb_has_its_section_and_no_line_is_a_request_by_accident() {
        let page = page(&Top::get_args_info());
        for name in ["start", "tools call", "secrets set"] {
            assert!(page.contains(&format!("\n.SS loom {name}\n")), "{name}");
        }
        let requests = [".TH ", ".SH ", ".SS ", ".B ", ".I ", ".IR ", ".nf", ".fi"];
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            assert!(requests.iter().any(|request| line.starts_with(request)), "{line}");
        }
        assert_eq!(escape(".x \\ -"), "\\&.x \\e \\-");
    }
}
