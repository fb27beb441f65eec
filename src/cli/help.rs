//! Help of each command besides its options: examples and exit statuses.
//!
//! Kept as data, because three things are made of it: `--help`, the manual pages and `docs/cli.md`.
//! A command without an entry in [`EXTRAS`] fails a test.

mod extras;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ArgAction, CommandFactory as _};

use super::Cli;
pub use extras::{ENVIRONMENT, EXTRAS, Extra};

/// The name that the program was called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Its own name.
    Ironhull,
    /// `kubectl-ironhull`: called by kubectl, as a plugin.
    Plugin,
    /// `kubectl_complete-ironhull`: called by kubectl, to complete what is typed for the plugin.
    Completer,
}

impl Program {
    /// Finds the name in the first argument of the process.
    pub fn of(path: Option<&OsStr>) -> Self {
        match path.and_then(|path| Path::new(path).file_stem()).and_then(OsStr::to_str) {
            Some("kubectl-ironhull") => Self::Plugin,
            Some("kubectl_complete-ironhull") => Self::Completer,
            _ => Self::Ironhull,
        }
    }

    /// The name that people type to call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ironhull => "ironhull",
            Self::Plugin | Self::Completer => "kubectl ironhull",
        }
    }
}

/// The entry of the command that these words call.
pub fn extra(words: &str) -> Option<&'static Extra> {
    EXTRAS.iter().find(|extra| extra.command == words)
}

/// The command line as it is defined, for the program of that name.
pub fn command(program: Program) -> clap::Command {
    Cli::command().bin_name(program.name()).disable_help_subcommand(true)
}

/// Amount of help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// `-h`: what is asked for most.
    Brief,
    /// `--help`: everything.
    Full,
}

/// The command line with its help. It uses clap's dense layout whichever way help is asked for, so
/// that it fits a screen.
pub fn parser(program: Program, detail: Detail) -> clap::Command {
    let say = match detail {
        Detail::Brief => "Print help (more with --help)",
        Detail::Full => "Print help (less with -h)",
    };
    let help = Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).help(say);
    let command = command(program)
        .disable_help_flag(true)
        .arg(help.global(true))
        // The description tells how variables are named: one at every option is half a page.
        .mut_subcommand("serve", |serve| serve.mut_args(|arg| arg.hide_env(true)))
        .mut_subcommand("watch", |watch| watch.mut_args(|arg| arg.hide_env(true)));
    match detail {
        Detail::Brief => command,
        Detail::Full => dress(command, "", program),
    }
}

/// The arguments of the process, and how much help to give if they ask for it. `help COMMAND` is
/// read as `COMMAND --help`.
pub fn asked(arguments: impl Iterator<Item = OsString>) -> (Vec<OsString>, Detail) {
    let mut arguments: Vec<OsString> = arguments.collect();
    if arguments.get(1).is_some_and(|word| word == "help") {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    let options = arguments.iter().take_while(|word| *word != "--");
    let brief = options.filter(|word| *word == "-h").count() > 0;
    (arguments, if brief { Detail::Brief } else { Detail::Full })
}

/// Layout of the help. The rest of the command's description comes before the usage.
const TEMPLATE: &str = "{about-with-newline}
{before-help}{usage-heading} {usage}

{all-args}{after-help}";

fn dress(command: clap::Command, words: &str, program: Program) -> clap::Command {
    let whole = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    let more = whole.split_once("\n\n").map(|(_, more)| more.to_owned()).unwrap_or_default();
    let mut command = command.help_template(TEMPLATE).mut_args(|arg| arg.hide_short_help(false));
    if !more.is_empty() {
        command = command.before_help(more);
    }
    if let Some(extra) = extra(words) {
        command = command.after_help(extra.text(program));
    }
    command.mut_subcommands(|below| {
        let words = format!("{words} {}", below.get_name());
        dress(below, words.trim_start(), program)
    })
}

/// Maximum width of a line that has a command and its purpose: a terminal's 80 columns.
const WIDEST: usize = 80;

impl Extra {
    /// The end of the command's help.
    pub fn text(&self, program: Program) -> String {
        let mut text = String::from("Examples:\n");
        let examples: Vec<_> =
            self.examples.iter().map(|(line, what)| (called(line, program), *what)).collect();
        let column = examples
            .iter()
            .filter(|(_, what)| !what.is_empty())
            .map(|(line, _)| line.len())
            .max()
            .unwrap_or_default();
        for (line, what) in &examples {
            let one = format!("  {line:column$}  {what}");
            let _infallible = match one.trim_end() {
                one if what.is_empty() || one.chars().count() <= WIDEST => writeln!(text, "{one}"),
                _ => writeln!(text, "  # {what}\n  {line}"),
            };
        }
        text.push_str("\nExit status:\n");
        for (status, meaning) in self.statuses {
            let _infallible = writeln!(text, "  {status}  {meaning}");
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// An example as it is typed if the program has another name.
pub fn called(line: &str, program: Program) -> String {
    line.replace("ironhull ", &format!("{} ", program.name()))
}

#[cfg(test)]
mod tests;
