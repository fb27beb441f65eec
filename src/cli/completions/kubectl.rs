//! Completion for `kubectl ironhull`. kubectl runs `kubectl_complete-ironhull` with what was typed
//! after `kubectl ironhull`, the word at the cursor last. It expects a line for each completion
//! (with a tab and a description, if any), and Cobra's directive at the end.

use clap::builder::PossibleValue;
use clap::{Arg, Command, ValueHint};

use crate::cli::help::{self, Program};

/// Cobra's `ShellCompDirectiveDefault`: the shell completes names of files.
const FILES: &str = ":0\n";
/// Cobra's `ShellCompDirectiveNoFileComp`: the shell completes nothing else.
const NOTHING_ELSE: &str = ":4\n";

/// The answer to kubectl.
pub fn answer(words: &[String]) -> String {
    let mut command = help::command(Program::Plugin);
    command.build();
    let (at_cursor, before) = match words.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", words),
    };
    let Typed { command, option, positionals } = Typed::read(&command, before);
    if let Some(option) = option {
        return values(option, "", at_cursor);
    }
    if let Some((name, value)) = at_cursor.split_once('=')
        && let Some(option) = option_called(command, name)
    {
        return values(option, &format!("{name}="), value);
    }
    if at_cursor.starts_with('-') {
        return options(command, at_cursor);
    }
    if command.has_subcommands() {
        let lines = command
            .get_subcommands()
            .filter(|below| !below.is_hide_set())
            .map(|below| (below.get_name().to_owned(), below.get_about().map(ToString::to_string)));
        return said(lines, at_cursor, NOTHING_ELSE);
    }
    let several = |arg: &&Arg| arg.get_num_args().is_some_and(|count| count.max_values() > 1);
    let next = command.get_positionals().nth(positionals);
    match next.or_else(|| command.get_positionals().last().filter(several)) {
        Some(positional) => values(positional, "", at_cursor),
        None => NOTHING_ELSE.to_owned(),
    }
}

/// The command line before the word at the cursor.
struct Typed<'c> {
    /// The innermost command.
    command: &'c Command,
    /// The option whose value comes next.
    option: Option<&'c Arg>,
    /// Number of positional arguments that the command already has.
    positionals: usize,
}

impl<'c> Typed<'c> {
    fn read(command: &'c Command, words: &[String]) -> Self {
        let mut typed = Self { command, option: None, positionals: 0 };
        for word in words {
            if typed.option.take().is_some() {
                continue;
            }
            if word.len() > 1 && word.starts_with('-') {
                typed.option = option_called(typed.command, word);
            } else if let Some(below) = typed.command.find_subcommand(word) {
                typed.command = below;
            } else {
                typed.positionals += 1;
            }
        }
        typed
    }
}

/// The option of that name, if it takes a value.
fn option_called<'c>(command: &'c Command, word: &str) -> Option<&'c Arg> {
    let named = |arg: &&Arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg.get_short().is_some_and(|short| word == format!("-{short}")),
    };
    command.get_arguments().filter(|arg| arg.get_action().takes_values()).find(named)
}

fn values(arg: &Arg, prefix: &str, begun: &str) -> String {
    let values = arg.get_possible_values();
    let files = match arg.get_value_hint() {
        ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath => FILES,
        _ => NOTHING_ELSE,
    };
    let lines = values.iter().filter(|value| !value.is_hide_set()).map(|value: &PossibleValue| {
        (format!("{prefix}{}", value.get_name()), value.get_help().map(ToString::to_string))
    });
    said(lines, &format!("{prefix}{begun}"), files)
}

fn options(command: &Command, begun: &str) -> String {
    let lines = command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(|arg| {
        Some((format!("--{}", arg.get_long()?), arg.get_help().map(ToString::to_string)))
    });
    said(lines, begun, NOTHING_ELSE)
}

fn said(
    lines: impl Iterator<Item = (String, Option<String>)>,
    begun: &str,
    directive: &str,
) -> String {
    let mut text = String::new();
    for (word, help) in lines.filter(|(word, _)| word.starts_with(begun)) {
        text.push_str(&word);
        if let Some(line) = help.as_deref().and_then(|help| help.lines().next()) {
            text.push('\t');
            text.push_str(line);
        }
        text.push('\n');
    }
    text + directive
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(typed: &str) -> (Vec<String>, String) {
        let typed: Vec<String> = typed.split(' ').map(str::to_owned).collect();
        let answer = answer(&typed);
        let mut lines: Vec<&str> = answer.lines().collect();
        let directive = lines.pop().unwrap_or_default().to_owned();
        let word = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
        (lines.into_iter().map(word).collect(), directive)
    }

    #[test]
    fn completes_what_is_typed() {
        for (typed, expected, directive) in [
            ("har", "harden", ":4"),
            ("policy c", "check", ":4"),
            ("harden --ch", "--check", ":4"),
            ("harden -o di", "diff", ":4"),
            ("harden --check -o di", "diff", ":4"),
            ("explain --output=js", "--output=json", ":4"),
            ("explain -f ", "", ":0"),
            ("explain --namespace ", "", ":4"),
            ("policy check ", "", ":0"),
            ("policy check a.yaml ", "", ":0"),
            ("rules runAsN", "runAsNonRoot", ":4"),
            ("completions f", "fish", ":4"),
            ("completions fish ", "", ":4"),
            ("nonsense", "", ":4"),
        ] {
            let (found, said) = words(typed);
            assert_eq!((found.join(" ").as_str(), said.as_str()), (expected, directive), "{typed}");
        }
        assert!(words("").0.contains(&"explain".to_owned()));
        assert!(answer(&[]).starts_with("explain\tExplain what changes"), "{}", answer(&[]));
    }
}
